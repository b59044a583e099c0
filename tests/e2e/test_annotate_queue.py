"""The queue of the Annotate page: groups that open, orders, and the way from case to case in them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from storage.database import Database
from tests.e2e.annotate_fixtures import OpenAs, app_in_use, open_page
from tests.e2e.browser_watch import screenshot
from tests.e2e.probe_page import WAIT_MS
from tests.e2e.running_app import RunningApp, closed_port, running
from tests.m1app.annotation.cases import stored_trace
from tests.storage.annotations.test_queue import a_stored_sweep

__all__ = ["app_in_use", "open_page"]
PASSES = ("BABBA", "AABAB", "BBBBB")
CASES, PROBES = 15, 3
FLIPS = 3


@pytest.fixture(scope="module")
def annotating_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app with one large sweep and a few probes of one question."""
    home = tmp_path_factory.mktemp("home")
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    database.migrate()
    for _ in range(PROBES):
        stored_trace(database)
    a_stored_sweep(database, *PASSES)
    database.dispose()
    with running(RunningApp(home, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}"), with_engine=False) as started:
        yield started


def test_a_sweep_is_one_row_that_opens_to_its_answers_by_pass_and_budget(open_page: OpenAs) -> None:
    page = open_page("Dr Group")
    expect(page.groups).to_have_count(2)
    expect(page.rows).to_have_count(0)
    expect(page.groups.first).to_contain_text(f"{CASES} answers, 3 passes, 10 wrong, {FLIPS} flips")
    expect(page.groups.nth(1)).to_contain_text(f"{PROBES} answers, {PROBES} wrong")
    page.groups.first.get_by_role("button").press("Enter")
    expect(page.rows).to_have_count(CASES, timeout=WAIT_MS)
    expect(page.rows.nth(5).locator("td")).to_contain_text(["", "", "2", "41", "64", "0", "Right"])
    screenshot(page.page, "annotate-queue-group.png")
    page.rows.nth(5).locator("td.m1-stem a").click()
    expect(page.part("case")).to_be_visible(timeout=WAIT_MS)
    page.part("back").click()
    # It is still open when the work goes on.
    expect(page.rows).to_have_count(CASES, timeout=WAIT_MS)
    page.groups.first.get_by_role("button").click()
    expect(page.rows).to_have_count(0)


def test_random_sample_lists_single_cases_in_the_order_of_its_seed(open_page: OpenAs) -> None:
    page = open_page("Dr Random")
    order = page.part("filters").get_by_label("Order")
    order.select_option("random")
    expect(page.rows).to_have_count(CASES + PROBES, timeout=WAIT_MS)
    expect(page.part("order-says")).to_contain_text("in the order of seed 1.")
    drawn = page.case_ids()
    page.page.reload()
    expect(page.rows).to_have_count(CASES + PROBES, timeout=WAIT_MS)
    assert page.case_ids() == drawn
    assert "order=random" in page.page.url and "seed=1" in page.page.url
    # J goes on in this order.
    page.rows.first.locator("td.m1-stem a").click()
    expect(page.part("case")).to_be_visible(timeout=WAIT_MS)
    for expected in drawn[1:3]:
        page.page.keyboard.press("j")
        page.page.wait_for_url(f"**case={expected}**", timeout=WAIT_MS)
        page.wait_idle()
    page.part("back").click()
    page.part("filters").get_by_label("Seed").fill("12")
    expect(page.part("order-says")).to_contain_text("in the order of seed 12.", timeout=WAIT_MS)
    page.wait_idle()
    assert sorted(page.case_ids()) == sorted(drawn)
    screenshot(page.page, "annotate-queue-random.png")


def test_flips_and_disagreement_are_what_is_left(open_page: OpenAs) -> None:
    page = open_page("Dr Flip", "/annotate/?order=flip")
    expect(page.progress).to_have_text(f"0 of {FLIPS} done", timeout=WAIT_MS)
    page.groups.first.get_by_role("button").click()
    expect(page.rows).to_have_count(FLIPS, timeout=WAIT_MS)
    expect(page.rows.first).to_contain_text("flip")
    page.part("filters").get_by_label("Order").select_option("disagreement")
    expect(page.progress).to_have_text("0 of 3 done", timeout=WAIT_MS)
    expect(page.part("order-says")).to_contain_text("passes that ended with different letters")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_queue_fits_a_narrow_window(open_page: OpenAs, scheme: str) -> None:
    page = open_page(f"Dr {scheme}", viewport={"width": 400, "height": 800})
    if scheme == "dark":
        page.page.get_by_role("button", name="Dark / light").click()
    page.groups.first.get_by_role("button").click()
    expect(page.rows).to_have_count(CASES, timeout=WAIT_MS)
    assert not page.scrolls_sideways()
    screenshot(page.page, f"annotate-queue-400-{scheme}.png")
