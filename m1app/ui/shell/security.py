"""What protects every page: headers on all responses, closed paths, the names under which the app may be reached.

Nothing that a page loads comes from another machine: the content security policy forbids it, and a browser test
proves it. `'unsafe-inline'` and `'unsafe-eval'` are Gradio's: its page starts from inline scripts, and its HTML
components run their code through `new Function`.
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
    """Middleware: security headers on every response, Gradio's uploads refused. Plain ASGI: streams stay streams."""

    def __init__(self, app: ASGIApp, pages: Sequence[str]) -> None:
        """Args:
        app: everything that answers.
        pages: paths of the Gradio applications, "" for the one at the root.
        """
        self._app = app
        # Gradio takes no files, so nobody can fill the disk with them; the Admin page has its own route for uploads.
        self._closed = frozenset(
            f"{page}/gradio_api/{what}" for page in pages for what in ("upload", "component_server")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
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
            # Gradio's event stream refuses a tab that it has just forgotten when the answer has already begun; on its
            # way out that may become a RuntimeError. The server breaks the connection off, and the tab connects anew.
            if not isinstance(exc, StarletteHTTPException) and not isinstance(exc.__cause__, StarletteHTTPException):
                raise
            _log.info("%s was aborted: %s", scope["path"], exc)
        except asyncio.CancelledError:
            # Only the server's end cancels a request: the stream of a page that is still open. It is no error.
            if is_open:
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def allowed_hosts(settings: Settings) -> list[str]:
    """Names that a browser may use; on loopback no others, so that no website can reach the page by a DNS trick."""
    named = [name.strip() for name in settings.allowed_hosts.split(",") if name.strip()]
    if settings.is_loopback:
        return ["127.0.0.1", "localhost", "[::1]", settings.host, *named]
    return named or ["*"]
