"""HTTP access to the Admin page: a gate for everything under /admin, the login page, cookies.

The gate runs before Gradio and its own check (`auth_dependency`), and every handler checks again.
`m1app.access.service` decides who is admitted.
"""

import html
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import gradio as gr
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from m1app.access.service import SESSION_SECONDS, AdminAccess, LoginRefused

_log = logging.getLogger(__name__)

ADMIN = "/admin"
_LOGIN = f"{ADMIN}/login"
_COOKIE = "m1-admin"
_MAX_FORM_BYTES = 16_384
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_NEXT = re.compile(r"/admin/(\?[\w=&.%-]{0,500})?")
_PAGE = Template((Path(__file__).parent / "login.html").read_text(encoding="utf-8"))
# Under "no-referrer", the other pages' policy, form submissions have no origin to check.
_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}

Handler = Callable[..., Awaitable[Any]]


class AdminGate:
    """Middleware that requires admission for everything under /admin and rejects cross-site requests."""

    def __init__(self, app: ASGIApp, access: AdminAccess) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or reject it."""
        refusal = self._refusal(Request(scope)) if scope["type"] == "http" and _is_admin(scope["path"]) else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        path = request.scope["path"]
        if request.method not in _SAFE_METHODS and not is_same_origin(request):
            _log.warning("%s %s was refused: it came from another site", request.method, path)
            return PlainTextResponse("Refused: this request came from another site.", status_code=403)
        if path == _LOGIN or is_admitted(self._access, request):
            return None
        if request.method == "GET" and path.rstrip("/") == ADMIN:
            target = f"{ADMIN}/?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{_LOGIN}?next={quote(target)}" if target else _LOGIN, status_code=303)
        return PlainTextResponse("Log in at /admin/login first.", status_code=401)


class HandlerGate:
    """Wraps the page's handlers in an admission check, independent of the checks before them."""

    def __init__(self, access: AdminAccess) -> None:
        self._access = access

    def __call__(self, handler: Handler) -> Handler:
        """Wrap a handler that takes the components' values."""

        async def gated(request: gr.Request, *values: Any) -> Any:
            self._check(request)
            return await handler(*values)

        return gated

    def stream(self, handler: Callable[..., AsyncGenerator[Any, None]]) -> Callable[..., AsyncGenerator[Any, None]]:
        """Wrap a handler that yields several updates."""

        async def gated(request: gr.Request, *values: Any) -> AsyncGenerator[Any, None]:
            self._check(request)
            async for answer in handler(*values):
                yield answer

        return gated

    def event(self, handler: Handler) -> Handler:
        """Wrap a handler that takes the event, then the values."""

        async def gated(request: gr.Request, event: gr.EventData, *values: Any) -> Any:
            self._check(request)
            return await handler(event, *values)

        return gated

    def load(self, handler: Handler) -> Handler:
        """Wrap a handler that takes the address's query, then the values."""

        async def gated(request: gr.Request, *values: Any) -> Any:
            self._check(request)
            return await handler({name: str(text) for name, text in request.query_params.items()}, *values)

        return gated

    def _check(self, request: gr.Request) -> None:
        if request is None or request.request is None or not is_admitted(self._access, request.request):
            raise gr.Error("You are logged out. Reload the page to log in.", print_exception=False)


def is_admitted(access: AdminAccess, request: Request) -> bool:
    """Whether the request's session or address may use the Admin page."""
    return access.is_admitted(request.cookies.get(_COOKIE, ""), _address(request))


def is_same_origin(request: Request) -> bool:
    """Whether the request came from a page of this app, or not from a browser."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    return bool(origin) and urlsplit(origin).netloc == request.headers.get("host", "")


def add_login(app: FastAPI, access: AdminAccess) -> None:
    """`/admin/login` and `/admin/logout`."""

    @app.get(_LOGIN)
    async def show(request: Request, next: str = "") -> Response:  # noqa: A002 - the query's name
        if is_admitted(access, request):
            return RedirectResponse(_safe(next), status_code=303)
        problem = "" if access.has_password else "No password is set. Set M1_ADMIN_PASSWORD and restart the app."
        return _page(problem, next, 200)

    @app.post(_LOGIN)
    async def log_in(request: Request) -> Response:
        form = await _form(request)
        try:
            token = await access.log_in(form.get("password", ""), _address(request))
        except LoginRefused as exc:
            _log.warning("an attempt to log in from %s was refused", _address(request))
            refusal = _page(str(exc), form.get("next", ""), 429 if exc.wait_seconds else 403)
            if exc.wait_seconds:
                refusal.headers["Retry-After"] = str(exc.wait_seconds)
            return refusal
        _log.info("logged in from %s", _address(request))
        answer = RedirectResponse(_safe(form.get("next", "")), status_code=303, headers=_HEADERS)
        is_secure = request.url.scheme == "https"
        answer.set_cookie(
            _COOKIE, token, max_age=SESSION_SECONDS, path=ADMIN, httponly=True, samesite="strict", secure=is_secure
        )
        return answer

    @app.post(f"{ADMIN}/logout")
    async def log_out(request: Request) -> Response:
        access.log_out(request.cookies.get(_COOKIE, ""))
        answer = Response(status_code=204)
        answer.delete_cookie(_COOKIE, path=ADMIN, httponly=True, samesite="strict")
        return answer


def _is_admin(path: str) -> bool:
    return path == ADMIN or path.startswith(f"{ADMIN}/")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _safe(target: str) -> str:
    """`target` if it is on the Admin page, else that page: login links must not redirect elsewhere."""
    return target if _NEXT.fullmatch(target) else f"{ADMIN}/"


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            return {}
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def _page(problem: str, target: str, status: int) -> HTMLResponse:
    text = _PAGE.substitute(message=html.escape(problem), next=html.escape(_safe(target)))
    return HTMLResponse(text, status_code=status, headers=_HEADERS)
