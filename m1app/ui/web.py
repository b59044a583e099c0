"""The web application: every page mounted at its path, the rooms' downloads, health checks and metrics."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount
from starlette.types import ASGIApp

from m1app.access.person import Permission
from m1app.access.quota import Quota
from m1app.background import start_task
from m1app.backup.schedule import BackupSchedule
from m1app.bootstrap import Services
from m1app.ui.admin.files import UPLOADS, add_admin_files
from m1app.ui.admin.page import AdminPage
from m1app.ui.annotate.downloads import add_annotation_downloads
from m1app.ui.annotate.page import AnnotatePage
from m1app.ui.benchmarks.downloads import add_benchmark_downloads
from m1app.ui.benchmarks.fit_downloads import add_fit_downloads
from m1app.ui.benchmarks.page import BenchmarksPage
from m1app.ui.compare.downloads import add_sweep_downloads
from m1app.ui.compare.page import ComparePage
from m1app.ui.facts.downloads import add_fact_downloads
from m1app.ui.facts.page import FactsPage
from m1app.ui.gradio_startup import no_spare_servers, only_routes
from m1app.ui.login.gate import ADMIN, CONFIRMED, LOGIN, OPEN_PATHS, Gate
from m1app.ui.login.missing import add_missing_page
from m1app.ui.login.pages import ACCOUNT, add_login
from m1app.ui.probe.downloads import add_trace_downloads
from m1app.ui.probe.page import ProbePage
from m1app.ui.shell.access_log import AccessLog
from m1app.ui.shell.connections import Connections
from m1app.ui.shell.fair_queue import FairQueue
from m1app.ui.shell.gradio_files import GradioFiles
from m1app.ui.shell.gradio_upkeep import bound_upkeep, show_no_progress
from m1app.ui.shell.health import Health, add_health
from m1app.ui.shell.metrics import Metrics, add_metrics
from m1app.ui.shell.page_blocks import PageBlocks
from m1app.ui.shell.page_code import add_page_code, page_code_address
from m1app.ui.shell.refusals import add_refusals
from m1app.ui.shell.requests import Admission, Limits, OnlyOpenRoutes, is_gradio_route
from m1app.ui.shell.security import Secured, allowed_hosts
from m1app.ui.shell.theme import ADMIN_STYLE_SHEET, PRINT_STYLE_SHEET, STYLE_SHEETS, make_theme
from m1app.ui.shell.visitor import NamedByProxy
from m1app.ui.strategies.downloads import add_strategy_downloads
from m1app.ui.strategies.page import StrategiesPage
from m1app.ui.strategies.passage_page import add_passage_page
from m1app.ui.studies.downloads import add_study_downloads
from m1app.ui.studies.page import StudiesPage
from m1app.ui.thinking.downloads import add_resampling_downloads
from m1app.ui.thinking.page import ThinkingPage
from storage.errors import DatabaseCorrupt


@dataclass(frozen=True, slots=True)
class _Page:
    """A page, which is a separate Gradio application."""

    path: str
    """Empty for the first page."""
    build: Callable[[gr.Blocks, Services], object]
    name: str
    is_printed: bool = False
    needs: Permission = Permission.READ
    more_style_sheets: Sequence[Path] = ()

    @property
    def title(self) -> str:
        """Shown by the browser."""
        return f"{self.name} – m1app" if self.name else "m1app"


_PAGES = (
    _Page(ADMIN, AdminPage, "Admin", needs=Permission.MANAGE, more_style_sheets=(ADMIN_STYLE_SHEET,)),
    _Page("/compare", ComparePage, "Compare", is_printed=True),
    _Page("/strategies", StrategiesPage, "Strategies", is_printed=True),
    _Page("/annotate", AnnotatePage, "Annotate"),
    _Page("/facts", FactsPage, "Facts", is_printed=True),
    _Page("/thinking", ThinkingPage, "Thinking", is_printed=True),
    _Page("/benchmarks", BenchmarksPage, "Benchmarks"),
    _Page("/studies", StudiesPage, "Studies", is_printed=True),
    # The first matching path wins: "/" matches everything, so it comes last.
    _Page("", ProbePage, "", is_printed=True),
)
_MAX_QUEUE = 256
_MAX_PAGES_STREAMING = 128
_REQUESTS_OF_A_PERSON = 256
"""Open at once on all pages. Every tab has a stream, and a server takes about a thousand connections."""


def build_blocks(
    page: Callable[[gr.Blocks, Services], object],
    services: Services,
    title: str,
    needs: Permission = Permission.READ,
) -> PageBlocks:
    """One page as a separate Gradio application, so that a browser loads only what its page needs.

    Args:
        page: builds its components into the open Blocks.
        services: the app's services.
        title: shown by the browser.
        needs: what a person must be allowed for any of its events.
    """
    blocks: PageBlocks
    with no_spare_servers():
        with PageBlocks(title=title, fill_width=True, analytics_enabled=False) as blocks:
            blocks.m1_access, blocks.m1_needs = services.access, needs
            page(blocks, services)
            show_no_progress(blocks)
        blocks.queue(default_concurrency_limit=_MAX_PAGES_STREAMING, max_size=_MAX_QUEUE)
    bound_upkeep(blocks)
    return blocks


_DOWNLOADS = (
    add_trace_downloads,
    add_sweep_downloads,
    add_strategy_downloads,
    add_passage_page,
    add_annotation_downloads,
    add_fact_downloads,
    add_resampling_downloads,
    add_benchmark_downloads,
    add_fit_downloads,
    add_study_downloads,
)


def build_app(services: Services, connections: Connections | None = None) -> ASGIApp:
    """The application to serve.

    Args:
        services: the app's services.
        connections: the server's, to be counted in the metrics; None if it does not limit them.
    """

    health = Health(services)
    metrics = Metrics(services, health, LOGIN, connections)
    app = FastAPI(lifespan=_lifespan(services, metrics), docs_url=None, redoc_url=None, openapi_url=None)
    access = services.access
    pages = frozenset(path for page in _PAGES for path in (page.path, f"{page.path}/"))
    app.add_middleware(Gate, access=access, pages=pages | {ACCOUNT}, open_paths=OPEN_PATHS)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts(services.settings))
    add_refusals(app)
    add_missing_page(app)
    add_health(app, health)
    add_metrics(app, metrics, services.settings.metrics_token.get_secret_value())
    _add_redirects(app)
    for add_downloads in _DOWNLOADS:
        add_downloads(app, services)
    add_page_code(app)
    add_login(app, access, services.settings)
    if services.settings.oidc_issuer:
        # Imported only here: the libraries for it would delay the start of every app without a provider.
        from m1app.ui.login.provider import add_provider

        add_provider(app, access, services.settings)
    add_admin_files(app, services)
    requests = Quota(_REQUESTS_OF_A_PERSON, "You have this app open too many times at once. Close some of the tabs.")
    for page in _PAGES:
        _mount(app, page, services, requests)
    # Outermost, so that responses to unexpected errors have the headers too, and are logged.
    admitted = Admission(app, [*pages, LOGIN, CONFIRMED, ACCOUNT], Limits(uploads=UPLOADS))
    return NamedByProxy(AccessLog(Secured(admitted), metrics.count), services.settings)


def _lifespan(services: Services, metrics: Metrics) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What goes on beside the pages, from the start to the end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(_mark_interrupted, services)
        working = [
            start_task(services.jobs.run_scheduler(), "job-schedulers"),
            start_task(services.trash.run_upkeep(), "trash"),
            start_task(services.retention.run_upkeep(), "retention"),
            start_task(services.access.run_upkeep(), "sessions"),
            start_task(BackupSchedule(services.backups, services.settings).run(), "backup-schedule"),
            start_task(metrics.watch_loop(), "loop-watch"),
        ]
        yield
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await services.aclose()

    return lifespan


def _mark_interrupted(services: Services) -> None:
    """End what a process that is gone has left running; a damaged database is left as it is."""
    with suppress(DatabaseCorrupt):
        services.probe.mark_interrupted(is_at_start=True)
        services.sweeps.mark_interrupted()
        services.strategies.mark_interrupted()
        services.benchmarks.mark_interrupted()


def _mount(app: FastAPI, page: _Page, services: Services, requests: Quota) -> None:
    blocks = build_blocks(page.build, services, page.title, page.needs)
    with only_routes(is_gradio_route):
        gr.mount_gradio_app(
            app,
            blocks,
            path=page.path or "/",
            theme=make_theme(),
            css_paths=[*STYLE_SHEETS, *page.more_style_sheets],
            head=f"<style>{PRINT_STYLE_SHEET.read_text(encoding='utf-8')}</style>" if page.is_printed else None,
            js=f'() => {{ import("{page_code_address("shell/page")}"); }}',
            footer_links=[],
            run_history=False,
            show_error=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            enable_monitoring=False,
        )
    mounted = app.routes[-1]
    assert isinstance(mounted, Mount)
    queue = blocks._queue
    assert isinstance(queue, FairQueue)
    mounted.app = OnlyOpenRoutes(GradioFiles(mounted.app), requests, queue.is_own_tab)


def _add_redirects(app: FastAPI) -> None:
    """Redirect page addresses without a trailing slash."""

    async def with_slash(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{request.url.path}/{query}")

    for page in _PAGES:
        if page.path:
            app.get(page.path)(with_slash)
