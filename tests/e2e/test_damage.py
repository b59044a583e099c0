"""A damaged database: every page says so, what can be read is shown, and nothing is written."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from storage.database import Database
from tests.e2e.browser_watch import screenshot
from tests.e2e.probe_page import ProbePage
from tests.e2e.running_app import RunningApp, closed_port, running
from tests.e2e.stored_traces import LOOKS_STEM, store_traces
from tests.m1app.backup.homes import damage
from tests.storage.samples import begin, finish, think


@pytest.fixture(scope="module")
def damaged_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """The app with a home that was damaged while it was off, whose newest traces can be read."""
    home = tmp_path_factory.mktemp("damaged")
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    database.migrate()
    for number in range(80):
        finish(database, begin(database), think(f"an early thought {number} " * 900))
    database.dispose()
    store_traces(home)
    damage(home / "m1.sqlite3")
    with running(RunningApp(home, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}"), with_engine=False) as started:
        yield started


@pytest.fixture
def app_in_use(damaged_app: RunningApp) -> RunningApp:
    return damaged_app


def test_every_page_says_it_and_the_history_is_shown(probe: ProbePage, app_in_use: RunningApp, tmp_path: Path) -> None:
    before = (app_in_use.home / "m1.sqlite3").read_bytes()
    told = probe.header("damage")
    expect(told).to_contain_text("is damaged")
    expect(told).to_contain_text("m1app restore FILE --replace")
    expect(probe.rows.first).to_be_visible()
    screenshot(probe.page, "damaged-database.png")
    probe.search.fill("koilonychia")
    expect(probe.rows).to_have_count(1)
    probe.rows.first.get_by_text(LOOKS_STEM).click()
    probe.wait_over("Done")
    for path in ("/compare/", "/annotate/", "/benchmarks/", "/admin/"):
        probe.page.goto(app_in_use.url + path)
        expect(told).to_contain_text("is damaged")
    assert (app_in_use.home / "m1.sqlite3").read_bytes() == before
