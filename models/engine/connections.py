"""Sends requests to an engine. What comes back is read in `incoming`.

aiohttp, because a stream costs less of it than of other libraries: see ADR 0018.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

_CONNECT_SECONDS = 5.0
_KEEP_ALIVE_SECONDS = 2.0
"""Below the 5 s after which llama.cpp and vLLM close an idle connection: a request sent at that moment is lost."""
_HEADERS = {"Accept-Encoding": "identity", "Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that was sent, and its response, whose body is not read yet."""

    response: aiohttp.ClientResponse
    """The caller closes it, which also cancels what the engine is doing for it."""
    size_bytes: int
    """Of the request's body."""


class EngineConnections:
    """The connections to one engine.

    Cookies are not kept, redirects not followed, and proxies set in the environment not used: a proxy must not see
    questions meant for a local engine.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        """Whether it keeps connections for the next request."""

    async def send(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        *,
        silence_seconds: float,
        is_kept: bool,
    ) -> Sent:
        """Send one request and wait for the beginning of its response.

        Args:
            method: of HTTP.
            url: where to.
            body: sent as JSON, if there is one.
            headers: in addition to those of every request.
            silence_seconds: how long the engine may send nothing.
            is_kept: whether the connection may be used again.

        Raises:
            aiohttp.ClientError, TimeoutError, OSError: see `incoming.mapped_errors`.
        """
        data = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        timeout = aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=silence_seconds)
        response = await self._session(is_kept).request(
            method, url, data=data or None, headers=headers, timeout=timeout, allow_redirects=False
        )
        return Sent(response, len(data))

    async def aclose(self) -> None:
        """Close every connection; a later request opens a new one."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    def _session(self, is_kept: bool) -> aiohttp.ClientSession:
        # Only now: it belongs to the event loop that runs when it is made, and is of no use to another one.
        if self._loop is not asyncio.get_running_loop():
            self._loop, self._sessions = asyncio.get_running_loop(), {}
        if is_kept not in self._sessions:
            connector = (
                aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS)
                if is_kept
                else aiohttp.TCPConnector(limit=0, force_close=True)
            )
            self._sessions[is_kept] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS if is_kept else {**_HEADERS, "Connection": "close"},
                auto_decompress=False,
                trust_env=False,
            )
        return self._sessions[is_kept]
