"""A real browser in front of the real app."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.e2e.browser_watch import FLAGS, VIEWPORT, Watch, chromium_path, what_is_shown
from tests.e2e.probe_page import WAIT_MS, ProbePage
from tests.e2e.running_app import RunningApp, make_home, running
from tests.e2e.shared_context import SharedContext
from tests.e2e.stored_traces import store_traces
from tests.stall_watch import MARK

_HERE = Path(__file__).parent
OpenPage = Callable[..., ProbePage]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(900))
            # On a busy machine about one browser test in some thousands misses an event; the summary names those that
            # passed at the second try only.
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failure shows what stood on every open page."""
    report: Any = yield
    browser = getattr(item, "funcargs", {}).get("browser")
    if call.excinfo is not None and browser is not None:
        pages = [page for context in browser.contexts for page in context.pages]
        report.sections += [("open page", what_is_shown(page)) for page in pages]
    return report


# For the package and no longer: while Playwright's own event loop runs, no asynchronous test can.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = chromium_path()
    if path is None:
        why = "no browser: install Debian's chromium (apt-get install chromium) or set M1_CHROMIUM"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    # Expectations wait as long as pages do: for an app that works meanwhile, on a machine that does too.
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def app(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """One app with the embedded model, shared by every test that leaves it as it was; it has stored traces."""
    home = make_home(tmp_path_factory.mktemp("home"), smollm2_path)
    store_traces(home)
    with running(RunningApp(home)) as started:
        yield started


@pytest.fixture
def watch(app_in_use: RunningApp) -> Iterator[Watch]:
    """What the browser saw during one test; unexpected errors or external requests fail it."""
    seen, before = Watch(app_in_use.url), len(app_in_use.log())
    yield seen
    assert not seen.unexpected()
    assert "Traceback" not in app_in_use.log()[before:]
    assert MARK not in app_in_use.log()[before:]


@pytest.fixture
def app_in_use(app: RunningApp) -> RunningApp:
    """The app that the test's pages open; modules with an app of their own override it."""
    return app


@pytest.fixture
def new_context(browser: Browser, watch: Watch, app_in_use: RunningApp) -> Iterator[Callable[..., BrowserContext]]:
    """Creates watched browser contexts, one per user, who has opened the admin's link unless told otherwise."""
    made: list[BrowserContext] = []

    def make(*, is_admin: bool = True, **options: object) -> BrowserContext:
        context = browser.new_context(**{"viewport": VIEWPORT, **options})  # type: ignore[arg-type]
        if is_admin:
            context.add_cookies(app_in_use.admin_cookies())
        context.set_default_timeout(WAIT_MS)
        watch.attach(context)
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()


@pytest.fixture(scope="package")
def shared_contexts(browser: Browser) -> Iterator[SharedContext]:
    shared = SharedContext(browser)
    yield shared
    shared.close()


@pytest.fixture
def shared_context(shared_contexts: SharedContext, app_in_use: RunningApp) -> BrowserContext:
    """The context that tests share, for the app of this one."""
    return shared_contexts.at(app_in_use.url)


@pytest.fixture
def page(shared_context: BrowserContext, watch: Watch, app_in_use: RunningApp) -> Iterator[Page]:
    """A new tab of the admin's browser, which has forgotten what was stored in it."""
    first, *_ = shared_context.pages
    shared_context.clear_cookies()
    shared_context.add_cookies(app_in_use.admin_cookies())
    first.evaluate("localStorage.clear()")
    watch.attach(shared_context)
    tab = shared_context.new_page()
    # A tab that is not in front may get no frames, and then nothing on it is ever drawn or stands still.
    tab.bring_to_front()
    yield tab
    watch.detach(shared_context)
    for each in shared_context.pages[1:]:
        each.close()


@pytest.fixture
def new_tab(page: Page, new_context: Callable[..., BrowserContext]) -> Callable[..., Page]:
    """Creates tabs: the first in the browser that tests share, which has the pages' code, others in their own."""
    shared = [page]

    def make(*, viewport: ViewportSize | None = None, **media: Any) -> Page:
        if not shared:
            return new_context(**({"viewport": viewport} if viewport else {}), **media).new_page()
        tab = shared.pop()
        if viewport:
            tab.set_viewport_size(viewport)
        if media:
            tab.emulate_media(**media)
        return tab

    return make


@pytest.fixture
def probe(page: Page, app_in_use: RunningApp) -> ProbePage:
    """The Probe page, open."""
    return ProbePage(page, app_in_use.url).open()
