"""Protects every page: headers on all responses, and the host names under which the app answers.

Pages load nothing from other machines: the content security policy forbids it, and a browser test checks it. Gradio
needs `'unsafe-inline'` and `'unsafe-eval'`: its page starts from inline scripts, and its HTML components run their code
through `new Function`.
"""

import asyncio
import logging

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
    """Middleware: adds security headers to every response. Plain ASGI, so that streams are not buffered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        is_open = is_file = False

        async def send_secured(message: Message) -> None:
            nonlocal is_open, is_file
            is_open = message["type"] == "http.response.start" or bool(message.get("more_body"))
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_file = "content-disposition" in headers
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_secured)
        except (StarletteHTTPException, RuntimeError) as exc:
            # Gradio's event stream may reject a forgotten tab after the response has started, which can surface as a
            # RuntimeError. The server drops the connection, and the tab reconnects.
            if not isinstance(exc, StarletteHTTPException) and not isinstance(exc.__cause__, StarletteHTTPException):
                raise
            _log.info("%s was aborted: %s", scope["path"], exc)
        except asyncio.CancelledError:
            # Only a server shutdown cancels a request: the stream of an open page. This is not an error. Half a file
            # must not end like a whole one: the server breaks it off.
            if is_open and not is_file:
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def allowed_hosts(settings: Settings) -> list[str]:
    """Allowed host names; restricted on loopback, to prevent DNS rebinding.

    This machine's own names are always among them, for health checks beside the app.
    """
    named = [name.strip() for name in settings.allowed_hosts.split(",") if name.strip()]
    if not named and not settings.is_loopback:
        return ["*"]
    return ["127.0.0.1", "localhost", "[::1]", settings.host, *named]
