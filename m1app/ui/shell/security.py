"""Protects every page: headers on all responses, blocked paths, allowed host names.

Pages load nothing from other machines: the content security policy forbids it, and a browser test checks it. Gradio
needs `'unsafe-inline'` and `'unsafe-eval'`: its page starts from inline scripts, and its HTML components run their code
through `new Function`.
"""

import asyncio
import logging
from collections.abc import Sequence

from fastapi.responses import PlainTextResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from m1app.settings import Settings

_log = logging.getLogger(__name__)

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Secured:
    """Middleware: adds security headers to every response, rejects Gradio's uploads. Plain ASGI, so that streams are
    not buffered."""

    def __init__(self, app: ASGIApp, pages: Sequence[str]) -> None:
        """Args:
        app: the wrapped application.
        pages: paths of the Gradio applications, "" for the one at the root.
        """
        self._app = app
        # Gradio accepts no files, so nobody can fill the disk; the Admin page has its own upload route.
        self._closed = frozenset(
            f"{page}/gradio_api/{what}" for page in pages for what in ("upload", "component_server")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or reject it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        is_open = False

        async def send_secured(message: Message) -> None:
            nonlocal is_open
            is_open = message["type"] == "http.response.start" or bool(message.get("more_body"))
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["path"].rstrip("/") in self._closed:
            refusal = PlainTextResponse("This app does not accept uploads.", status_code=403)
            await refusal(scope, receive, send_secured)
            return
        try:
            await self._app(scope, receive, send_secured)
        except (StarletteHTTPException, RuntimeError) as exc:
            # Gradio's event stream may reject a forgotten tab after the response has started, which can surface as a
            # RuntimeError. The server drops the connection, and the tab reconnects.
            if not isinstance(exc, StarletteHTTPException) and not isinstance(exc.__cause__, StarletteHTTPException):
                raise
            _log.info("%s was aborted: %s", scope["path"], exc)
        except asyncio.CancelledError:
            # Only a server shutdown cancels a request: the stream of an open page. This is not an error.
            if is_open:
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def allowed_hosts(settings: Settings) -> list[str]:
    """Allowed host names; restricted on loopback, to prevent DNS rebinding."""
    named = [name.strip() for name in settings.allowed_hosts.split(",") if name.strip()]
    if settings.is_loopback:
        return ["127.0.0.1", "localhost", "[::1]", settings.host, *named]
    return named or ["*"]
