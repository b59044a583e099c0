"""Fixtures of the Annotate page's tests: an app without an engine, and browsers of several people."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from tests.e2e.annotate_cases import store_cases
from tests.e2e.annotate_page import OpenAnnotatePage
from tests.e2e.running_app import RunningApp, closed_port, running

NewTab = Callable[..., Page]
OpenAs = Callable[..., OpenAnnotatePage]


@pytest.fixture(scope="module")
def stored() -> dict[str, str]:
    """Becomes the ids of the stored cases by name."""
    return {}


@pytest.fixture(scope="module")
def annotating_app(tmp_path_factory: pytest.TempPathFactory, stored: dict[str, str]) -> Iterator[RunningApp]:
    """An app without an engine, which annotating does not need."""
    home = tmp_path_factory.mktemp("home")
    stored.update(store_cases(home))
    with running(RunningApp(home, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}"), with_engine=False) as started:
        yield started


@pytest.fixture
def app_in_use(annotating_app: RunningApp) -> RunningApp:
    return annotating_app


@pytest.fixture
def open_page(new_tab: NewTab, app_in_use: RunningApp) -> OpenAs:
    """Opens the page, each time in another browser, as a person with a name."""

    def open_as(name: str = "", path: str = "/annotate/", **options: object) -> OpenAnnotatePage:
        return OpenAnnotatePage(new_tab(**options), app_in_use.url).open(path, name)

    return open_as
