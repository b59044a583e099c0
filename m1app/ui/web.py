"""The web application: every page mounted at its path, the rooms' downloads, a health check."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import gradio as gr
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from m1app.access.service import AdminAccess
from m1app.background import start_task
from m1app.bootstrap import Services
from m1app.ui.admin.files import add_admin_files
from m1app.ui.admin.login import ADMIN, AdminGate, add_login, is_admitted
from m1app.ui.admin.page import AdminPage
from m1app.ui.annotate.downloads import add_annotation_downloads
from m1app.ui.annotate.page import AnnotatePage
from m1app.ui.benchmarks.downloads import add_benchmark_downloads
from m1app.ui.benchmarks.page import BenchmarksPage
from m1app.ui.compare.downloads import add_sweep_downloads
from m1app.ui.compare.page import ComparePage
from m1app.ui.gradio_startup import no_spare_servers
from m1app.ui.probe.downloads import add_trace_downloads
from m1app.ui.probe.page import ProbePage
from m1app.ui.shell.gradio_upkeep import bound_upkeep, show_no_progress
from m1app.ui.shell.page_code import add_page_code, page_code_address
from m1app.ui.shell.security import Secured, allowed_hosts
from m1app.ui.shell.theme import ADMIN_STYLE_SHEET, STYLE_SHEETS, make_theme

_PATHS = ("", "/compare", "/annotate", "/benchmarks", ADMIN)
"""Paths of the pages, each a separate Gradio application."""
_MAX_QUEUE = 256
_MAX_PAGES_STREAMING = 128


def build_blocks(page: Callable[[gr.Blocks, Services], object], services: Services, title: str) -> gr.Blocks:
    """One page as a separate Gradio application, so that a browser loads only what its page needs."""
    blocks: gr.Blocks
    with no_spare_servers():
        with gr.Blocks(title=title, fill_width=True, analytics_enabled=False) as blocks:
            page(blocks, services)
            show_no_progress(blocks)
        blocks.queue(default_concurrency_limit=_MAX_PAGES_STREAMING, max_size=_MAX_QUEUE)
    bound_upkeep(blocks)
    return blocks


def build_app(services: Services) -> ASGIApp:
    """The application to serve."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(_mark_interrupted, services)
        scheduler = start_task(services.jobs.run_scheduler(), "job-schedulers")
        yield
        scheduler.cancel()
        await asyncio.gather(scheduler, return_exceptions=True)
        await services.aclose()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    access = AdminAccess(services.settings)
    app.add_middleware(AdminGate, access=access)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts(services.settings))
    _add_health(app, services)
    _add_redirects(app)
    add_trace_downloads(app, services)
    add_sweep_downloads(app, services)
    add_annotation_downloads(app, services)
    add_benchmark_downloads(app, services)
    add_page_code(app)
    add_login(app, access)
    add_admin_files(app, services, access)
    _mount_admin(app, services, access)
    # The first matching path wins: "/" matches everything, so it comes last.
    _mount(app, build_blocks(ComparePage, services, "Compare – m1app"), "/compare")
    _mount(app, build_blocks(AnnotatePage, services, "Annotate – m1app"), "/annotate")
    _mount(app, build_blocks(BenchmarksPage, services, "Benchmarks – m1app"), "/benchmarks")
    _mount(app, build_blocks(ProbePage, services, "m1app"), "/")
    # Outermost, so that responses to unexpected errors have the headers too.
    return Secured(app, _PATHS)


def _mark_interrupted(services: Services) -> None:
    """End what a process that is gone has left running."""
    services.probe.mark_interrupted(is_at_start=True)
    services.sweeps.mark_interrupted()
    services.benchmarks.mark_interrupted()


def _mount_admin(app: FastAPI, services: Services, access: AdminAccess) -> None:
    """Mount the Admin page with Gradio's own check in addition to the gate."""

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


def _add_health(app: FastAPI, services: Services) -> None:
    @app.get("/healthz")
    async def health() -> JSONResponse:
        status = services.engines.status()
        return JSONResponse({"ok": True, "engine": status.state.value, "model": status.model})


def _add_redirects(app: FastAPI) -> None:
    """Redirect page addresses without a trailing slash."""

    async def with_slash(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{request.url.path}/{query}")

    for path in filter(None, _PATHS):
        app.get(path)(with_slash)
