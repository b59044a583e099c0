"""Which requests are let in: by route, origin and size. The pages' own authority checks come after these.

Gradio adds routes with every version, and this app uses few of them. A page's Gradio application therefore answers only
what is listed here; a new route is closed until somebody lists it (a test compares the list with Gradio's table).
"""

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache

from fastapi import HTTPException
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from m1app.access.errors import QuotaReached
from m1app.access.quota import Quota

GRADIO_ROUTES: Mapping[str, Collection[str]] = {
    "/": ("GET", "HEAD"),
    "/config": ("GET",),
    "/theme.css": ("GET",),
    "/favicon.ico": ("GET",),
    "/assets/{path}": ("GET",),
    "/static/{path}": ("GET",),
    "/gradio_api/app_id": ("GET",),  # A page whose connection broke asks whether the app was started anew.
    "/gradio_api/startup-events": ("GET",),
    "/gradio_api/heartbeat/{path}": ("GET",),
    "/gradio_api/queue/join": ("POST",),
    "/gradio_api/queue/data": ("GET",),
    "/gradio_api/cancel": ("POST",),
    "/gradio_api/reset": ("POST",),
}
"""Routes of a page's Gradio application that this app uses, with their methods; {path} is one or more segments."""
MAX_BODY_BYTES = 1 << 20
"""Largest body of a request, uploads excepted."""
MAX_ADDRESS_BYTES = 32 << 10
"""Largest path and query: Gradio fails at twice as much. Links to views have some hundred."""
_IDLE_SECONDS = 30.0
"""Longest wait for the next part of a body."""
_SAFE = ("GET", "HEAD")


def is_gradio_route(method: str, path: str) -> bool:
    """Whether this app uses a route of Gradio; `path` is relative to the page."""
    return any(pattern.fullmatch(path) and method in methods for pattern, methods in _patterns())


@cache
def _patterns() -> list[tuple[re.Pattern[str], Collection[str]]]:
    return [(_pattern(path), methods) for path, methods in GRADIO_ROUTES.items()]


class OnlyOpenRoutes:
    """A page's Gradio application, with all but the listed routes closed."""

    def __init__(
        self,
        app: ASGIApp,
        quota: Quota,
        is_own_tab: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Args:
        app: the wrapped application.
        quota: how many requests a person may have open at once, streams included.
        is_own_tab: whether the current person may read what is sent to the tab with this id.
        """
        self._app = app
        self._quota = quota
        self._is_own_tab = is_own_tab

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer that there is nothing here."""
        if scope["type"] == "http" and not is_gradio_route(scope["method"], _path_within(scope)):
            raise HTTPException(404)  # Answered as any other address that is not there.
        if scope["type"] == "http" and not self._is_own_tab(_tab_of(scope)):
            await JSONResponse({"detail": "This tab belongs to someone else. Reload the page."}, status_code=403)(
                scope, receive, send
            )
            return
        try:
            with self._quota.place():
                await self._app(scope, receive, send)
        except QuotaReached as exc:
            await JSONResponse({"detail": str(exc)}, status_code=429)(scope, receive, send)


def _tab_of(scope: Scope) -> str:
    """The tab whose messages are asked for; empty if none are."""
    path = _path_within(scope)
    if path.endswith("/queue/data"):
        return Request(scope).query_params.get("session_hash", "")
    before, _, tab = path.rpartition("/")
    return tab if before.endswith("/heartbeat") else ""


def _path_within(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.escape(path).replace(re.escape("{path}"), ".+"))


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a request may carry."""

    body_bytes: int = MAX_BODY_BYTES
    uploads: Mapping[str, int] | None = None
    """Largest body by path, where it differs."""
    idle_seconds: float = _IDLE_SECONDS

    def body_bytes_at(self, path: str) -> int:
        """Largest body for a path."""
        return (self.uploads or {}).get(path, self.body_bytes)


class Admission:
    """Middleware: refuses requests from other sites, cross-site permissions, and what is too large or slow."""

    def __init__(self, app: ASGIApp, pages: Collection[str], limits: Limits) -> None:
        """Args:
        app: the wrapped application.
        pages: paths of plain pages, which links on other sites may open.
        limits: sizes of bodies.
        """
        self._app = app
        self._pages = frozenset(pages)
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Request(scope))
        if refusal is not None:
            await refusal(scope, receive, _without_permissions(send))
            return
        limit = self._limits.body_bytes_at(scope["path"])
        bounded = _bounded(receive, limit, self._limits.idle_seconds)
        await self._app(scope, bounded, _without_permissions(send))

    def _refusal(self, request: Request) -> PlainTextResponse | None:
        path = request.scope["path"]
        is_plain = request.method in _SAFE and path in self._pages
        if not is_plain and not is_same_origin(request):
            return PlainTextResponse(
                "Refused: this request came from another site. Open the app in the same window and try again; behind "
                "a proxy, pass the Host header on unchanged.",
                status_code=403,
            )
        if len(request.scope.get("raw_path") or path) + len(request.scope["query_string"]) > MAX_ADDRESS_BYTES:
            return PlainTextResponse("The address is too long. Open the page again from the menu.", status_code=414)
        announced = request.headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self._limits.body_bytes_at(path):
            return PlainTextResponse(_too_large(self._limits.body_bytes_at(path)), status_code=413)
        return None


def is_same_origin(request: Request) -> bool:
    """Whether the request came from a page of this app, or not from a browser's page at all."""
    # Browsers send it to encrypted and local addresses only.
    site = request.headers.get("sec-fetch-site", "none")
    if site != "none":
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host", "") != ""


def _too_large(limit: int) -> str:
    return f"The request is larger than {limit // 2**20} MB."


def _bounded(receive: Receive, limit: int, idle_seconds: float) -> Receive:
    """Read a body of at most `limit` bytes whose parts arrive within `idle_seconds` of each other."""
    received, is_complete = 0, False

    async def bounded() -> Message:
        nonlocal received, is_complete
        if is_complete:
            return await receive()  # Waits for the disconnect.
        try:
            async with asyncio.timeout(idle_seconds):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, "The request took too long. Try again.") from None
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            if received > limit:
                raise HTTPException(413, _too_large(limit))
        return message

    return bounded


def _without_permissions(send: Send) -> Send:
    """Drop cross-origin permissions: Gradio reflects every origin, with credentials."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", ()) if not pair[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": kept}
        await send(message)

    return sending
