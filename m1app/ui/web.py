"""The web application: the pages behind security headers, downloads of traces and sweeps, a health check.

Nothing that a page loads comes from another machine: the content security policy forbids it, and a browser test
proves it. `'unsafe-inline'` and `'unsafe-eval'` are Gradio's: its page starts from inline scripts, and its HTML
components run their code through `new Function`.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import gradio as gr
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from m1app.access.service import AdminAccess
from m1app.bootstrap import Services
from m1app.runs.errors import SweepNotFound, TraceNotFound
from m1app.runs.sweep_export import sweep_csv, sweep_json
from m1app.runs.sweep_reading import SweepSnapshot
from m1app.runs.trace_export import trace_json, trace_markdown
from m1app.settings import Settings
from m1app.ui.admin.component import ADMIN_STYLE_SHEET
from m1app.ui.admin.files import add_admin_files
from m1app.ui.admin.login import ADMIN, AdminGate, add_login, is_admitted
from m1app.ui.admin.page import AdminPage
from m1app.ui.annotate.downloads import add_annotation_downloads
from m1app.ui.annotate.page import AnnotatePage
from m1app.ui.benchmarks.downloads import add_benchmark_downloads
from m1app.ui.benchmarks.page import BenchmarksPage
from m1app.ui.compare.page import ComparePage
from m1app.ui.probe.page import ProbePage
from m1app.ui.shell.gradio_upkeep import bound_upkeep
from m1app.ui.shell.page_code import add_page_code, page_code_address
from m1app.ui.shell.theme import STYLE_SHEETS, make_theme
from storage.errors import StorageError
from storage.traces.records import Trace

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
# Gradio takes no files, so nobody can fill the disk with them; the Admin page has a route of its own for its own.
_CLOSED_PATHS = tuple(
    f"{page}/gradio_api/{what}"
    for page in ("", ADMIN, "/compare", "/annotate", "/benchmarks")
    for what in ("upload", "component_server")
)
_MAX_QUEUE = 256
_MAX_PAGES_STREAMING = 128


def build_blocks(page: Callable[[gr.Blocks, Services], object], services: Services, title: str) -> gr.Blocks:
    """One page as a Gradio application of its own: a browser is sent only what its page needs."""
    blocks: gr.Blocks
    with gr.Blocks(title=title, fill_width=True, analytics_enabled=False) as blocks:
        page(blocks, services)
    blocks.queue(default_concurrency_limit=_MAX_PAGES_STREAMING, max_size=_MAX_QUEUE)
    bound_upkeep(blocks)
    return blocks


def build_app(services: Services) -> ASGIApp:
    """The application to serve."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.store.mark_interrupted(is_at_start=True)
        services.sweeps.mark_interrupted()
        services.benchmarks.mark_interrupted()
        scheduler = asyncio.create_task(services.jobs.run_scheduler())
        yield
        scheduler.cancel()
        await asyncio.gather(scheduler, return_exceptions=True)
        await services.aclose()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    access = AdminAccess(services.settings)
    app.add_middleware(AdminGate, access=access)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_allowed_hosts(services.settings))
    _add_downloads(app, services)
    _add_sweep_downloads(app, services)
    add_annotation_downloads(app, services)
    add_benchmark_downloads(app, services)
    add_page_code(app)
    add_login(app, access)
    add_admin_files(app, services, access)
    _mount_admin(app, services, access)
    # The first path that fits answers: "/" fits all, and comes last.
    _mount(app, build_blocks(ComparePage, services, "Compare – m1app"), "/compare")
    _mount(app, build_blocks(AnnotatePage, services, "Annotate – m1app"), "/annotate")
    _mount(app, build_blocks(BenchmarksPage, services, "Benchmarks – m1app"), "/benchmarks")
    _mount(app, build_blocks(ProbePage, services, "m1app"), "/")
    # Outside of everything, so that an answer about an unexpected error has the headers too.
    return _Secured(app)


def _mount_admin(app: FastAPI, services: Services, access: AdminAccess) -> None:
    """The Admin page behind a dependency of its own; the gate stands before it already."""

    def page(blocks: gr.Blocks, services: Services) -> AdminPage:
        return AdminPage(blocks, services, access)

    def user(request: Request) -> str | None:
        return "admin" if is_admitted(access, request) else None

    _mount(app, build_blocks(page, services, "Admin – m1app"), ADMIN, (ADMIN_STYLE_SHEET,), user)


def _mount(
    app: FastAPI,
    blocks: gr.Blocks,
    path: str,
    more_style_sheets: Sequence[Path] = (),
    user: Callable[[Request], str | None] | None = None,
) -> None:
    gr.mount_gradio_app(
        app,
        blocks,
        path=path,
        theme=make_theme(),
        css_paths=[*STYLE_SHEETS, *more_style_sheets],
        auth_dependency=user,
        js=f'() => {{ import("{page_code_address("shell/page")}"); }}',
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
    )


def _add_downloads(app: FastAPI, services: Services) -> None:
    @app.get("/healthz")
    async def health() -> JSONResponse:
        status = services.engines.status()
        return JSONResponse({"ok": True, "engine": status.state.value, "model": status.model})

    @app.get("/traces/{trace_id}.json")
    async def download_json(trace_id: str) -> Response:
        trace = await _found(services, trace_id)
        return _attachment(
            json.dumps(trace_json(trace), ensure_ascii=False, indent=2), "application/json", f"trace-{trace_id}.json"
        )

    @app.get("/traces/{trace_id}.md")
    async def download_markdown(trace_id: str) -> Response:
        trace = await _found(services, trace_id)
        return _attachment(trace_markdown(trace), "text/markdown; charset=utf-8", f"trace-{trace_id}.md")


def _add_sweep_downloads(app: FastAPI, services: Services) -> None:
    @app.get("/sweeps/{sweep_id}.json")
    async def download_json(sweep_id: str) -> Response:
        content = sweep_json(await _found_sweep(services, sweep_id))
        return _attachment(
            json.dumps(content, ensure_ascii=False, indent=2), "application/json", f"sweep-{sweep_id}.json"
        )

    @app.get("/sweeps/{sweep_id}.csv")
    async def download_csv(sweep_id: str) -> Response:
        content = sweep_csv(await _found_sweep(services, sweep_id))
        return _attachment(content, "text/csv; charset=utf-8", f"sweep-{sweep_id}.csv")

    @app.get(ADMIN)
    @app.get("/compare")
    @app.get("/annotate")
    @app.get("/benchmarks")
    async def with_slash(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{request.url.path}/{query}")


async def _found(services: Services, trace_id: str) -> Trace:
    try:
        return await services.probe.get(trace_id)
    except TraceNotFound as exc:
        raise HTTPException(404, str(exc)) from exc
    except StorageError as exc:
        raise HTTPException(503, str(exc)) from exc


async def _found_sweep(services: Services, sweep_id: str) -> SweepSnapshot:
    try:
        return await services.sweeps.get(sweep_id)
    except SweepNotFound as exc:
        raise HTTPException(404, str(exc)) from exc
    except StorageError as exc:
        raise HTTPException(503, str(exc)) from exc


def _attachment(text: str, media_type: str, name: str) -> Response:
    return Response(text, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="m1-{name}"'})


class _Secured:
    """Middleware: security headers on every response, closed paths refused. Plain ASGI: streams stay streams."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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

        if scope["path"].rstrip("/") in _CLOSED_PATHS:
            refusal = PlainTextResponse("This app takes no files.", status_code=403)
            await refusal(scope, receive, send_secured)
            return
        try:
            await self._app(scope, receive, send_secured)
        except (StarletteHTTPException, RuntimeError) as exc:
            # Gradio's event stream refuses a tab that it has just forgotten when the answer has already begun; on its
            # way out that may become a RuntimeError. The server breaks the connection off, and the tab connects anew.
            if not isinstance(exc, StarletteHTTPException) and not isinstance(exc.__cause__, StarletteHTTPException):
                raise
            _log.info("%s was broken off: %s", scope["path"], exc)
        except asyncio.CancelledError:
            # Only the server's end cancels a request: the stream of a page that is still open. It is no error.
            if is_open:
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def _allowed_hosts(settings: Settings) -> list[str]:
    """Names that a browser may use; on loopback no others, so that no website can reach the page by a DNS trick."""
    named = [name.strip() for name in settings.allowed_hosts.split(",") if name.strip()]
    if settings.is_loopback:
        return ["127.0.0.1", "localhost", "[::1]", settings.host, *named]
    return named or ["*"]
