"""Connections that send too little or take too much, which uvicorn alone does not bound.

uvicorn closes a connection that is idle after a request, but waits forever for the first request and for the rest of a
begun one, and takes as many connections as there are file descriptors. Here, a request's header has a time limit, and
so has a client that stops reading. Room for connections is limited in total and for each address; if it is used up,
the oldest connection without a whole request makes place, so that idle ones never keep others out.
"""

import asyncio
import logging
import resource
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from m1app.settings import is_this_machine

_log = logging.getLogger(__name__)

_WANTED_FILES = 4096
_FILES_FOR_OTHERS = 256
"""File descriptors that connections leave to the database, the engine, and so on."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections there may be, and how long each may keep the app waiting."""

    connections: int = 1024
    connections_of_an_address: int = 512
    """Not for loopback addresses: there, a proxy may stand for everyone."""
    header_seconds: float = 15.0
    """Longest time from the start of a connection or request to the end of its header."""
    unread_seconds: float = 120.0
    """How long a client may leave what was sent to it unread."""


@dataclass(slots=True)
class Connections:
    """All connections of a server."""

    limits: ConnectionLimits
    open: dict["BoundedH11", str] = field(default_factory=dict)
    """With their addresses, oldest first."""
    refused: int = 0
    """Connections closed for want of room or for lateness."""
    _of_address: Counter[str] = field(default_factory=Counter)

    def add(self, connection: "BoundedH11", address: str) -> bool:
        """Make room for a connection and keep it; False if there is none."""
        limits = self.limits
        has_room = True
        if not is_this_machine(address) and self._of_address[address] >= limits.connections_of_an_address:
            has_room = self._close_idle(address)
        if has_room and len(self.open) >= limits.connections:
            has_room = self._close_idle("")
        if has_room:
            self.open[connection] = address
            self._of_address[address] += 1
        else:
            self.note_refused("there are too many connections")
        return has_room

    def remove(self, connection: "BoundedH11") -> None:
        """Forget a connection that was closed."""
        address = self.open.pop(connection, None)
        if address is not None:
            self._of_address[address] -= 1
            self._of_address += Counter()  # drops zeros

    def note_refused(self, why: str) -> None:
        """Count and log a connection that was closed by the limits."""
        self.refused += 1
        _log.debug("closed a connection: %s", why)

    def _close_idle(self, address: str) -> bool:
        """Close the oldest connection without a whole request, of an address or of any; False if all have one."""
        for each, of_address in self.open.items():
            if each.is_waiting and address in ("", of_address):
                each.close_now("another one needs its place")
                return True
        return False


class BoundedH11(H11Protocol):
    """uvicorn's protocol with time limits."""

    def __init__(self, *arguments: Any, all_connections: Connections, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._all = all_connections
        self._header_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the app waits for the client: for a request, or for the rest of one."""
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, if there is room."""
        super().connection_made(transport)
        if not self._all.add(self, self.client[0] if self.client else ""):
            transport.abort()
            return
        self._watch_header()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        self._watch_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._all.remove(self)
        self._end_header_timer()
        self._end_unread_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read what is sent."""
        super().pause_writing()
        seconds = self._all.limits.unread_seconds
        self._unread_timer = self.loop.call_later(seconds, self.close_now, "nothing was read from it")

    def resume_writing(self) -> None:
        """The client reads again."""
        self._end_unread_timer()
        super().resume_writing()

    def close_now(self, why: str) -> None:
        """Close it without an answer, and forget it at once."""
        self._all.remove(self)
        self._all.note_refused(why)
        self.transport.abort()

    def _watch_header(self) -> None:
        """Limit the time until the header is complete; further bytes of it do not extend it."""
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._end_header_timer()
        elif self._header_timer is None:
            seconds = self._all.limits.header_seconds
            self._header_timer = self.loop.call_later(seconds, self.close_now, "no complete header came in time")

    def _end_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _end_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None


def bounded_protocol(connections: Connections) -> Any:
    """The protocol for uvicorn's `http` option."""
    return partial(BoundedH11, all_connections=connections)


def room_for_connections() -> int:
    """Raise this process's limit of open files if it may, and return how many connections fit in."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    files = wanted if soft == resource.RLIM_INFINITY else soft
    return max(16, files - _FILES_FOR_OTHERS)
