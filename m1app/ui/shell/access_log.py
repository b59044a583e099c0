"""Gives every request an id, and logs one line when it has been answered.

The line has the path without its query; neither it nor the id holds what a person typed.
"""

import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from m1app.log_lines import in_request

_log = logging.getLogger(__name__)

_HEADER = "X-Request-ID"
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_PATH_CHARACTERS = 200
_TAB = re.compile("/heartbeat/.*")


@dataclass(frozen=True, slots=True)
class Answered:
    """A request and its answer."""

    method: str
    path: str
    status: int
    """0 if the client went away before the answer began."""
    seconds: float


class AccessLog:
    """Middleware: the outermost, so that refused requests are logged too."""

    def __init__(self, app: ASGIApp, note: Callable[[Answered], None]) -> None:
        """Args:
        app: the wrapped application.
        note: called after each request, in addition to the log.
        """
        self._app = app
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _id_of(scope)
        status, began_at = 0, time.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[_HEADER] = request_id
            await send(message)

        with in_request(request_id):
            try:
                await self._app(scope, receive, sending)
            except Exception:
                # The server answers with this status if no answer has begun.
                status = status or 500
                raise
            finally:
                self._end(Answered(scope["method"], scope["path"], status, time.perf_counter() - began_at))

    def _end(self, answered: Answered) -> None:
        # Who knows a tab's id could pose as the tab.
        shown = _TAB.sub("/heartbeat/-", answered.path)
        path = quote(shown[:_MAX_PATH_CHARACTERS], errors="replace")
        milliseconds = answered.seconds * 1000
        _log.info("%s %s %d %.0f ms", quote(answered.method), path, answered.status, milliseconds)
        self._note(answered)


def _id_of(scope: Scope) -> str:
    """The id that a proxy has given the request, if it is short and plain, or a new one."""
    given = Headers(scope=scope).get(_HEADER, "")
    return given if _ACCEPTED_ID.fullmatch(given) else secrets.token_hex(8)
