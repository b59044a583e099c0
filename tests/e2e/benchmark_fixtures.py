"""Fixtures of the Benchmarks page's tests: an app without an engine, with stored runs."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from tests.e2e.benchmark_page import OpenBenchmarksPage, store_runs
from tests.e2e.running_app import RunningApp, closed_port, running

OpenPage = Callable[..., OpenBenchmarksPage]


@pytest.fixture(scope="module")
def runs() -> dict[str, str]:
    """Becomes the ids of the stored runs by name."""
    return {}


@pytest.fixture(scope="module")
def benchmarks_app(tmp_path_factory: pytest.TempPathFactory, runs: dict[str, str]) -> Iterator[RunningApp]:
    """An app without an engine, which looking at runs does not need."""
    home = tmp_path_factory.mktemp("home")
    runs.update(store_runs(home))
    with running(RunningApp(home, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}"), with_engine=False) as started:
        yield started


@pytest.fixture
def app_in_use(benchmarks_app: RunningApp) -> RunningApp:
    return benchmarks_app


@pytest.fixture
def open_page(new_tab: Callable[..., Page], app_in_use: RunningApp) -> OpenPage:
    """Opens the page, each time in another browser."""

    def open_at(query: str = "", **options: object) -> OpenBenchmarksPage:
        return OpenBenchmarksPage(new_tab(**options), app_in_use.url).open(query)

    return open_at
