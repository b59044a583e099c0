"""A run's answers to open questions on the Benchmarks page: a person judges them by mouse and by keyboard."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.benchmark_fixtures import OpenPage, app_in_use, benchmarks_app, open_page, runs
from tests.e2e.benchmark_page import OpenBenchmarksPage, database_of
from tests.e2e.browser_watch import screenshot
from tests.e2e.running_app import RunningApp
from tests.e2e.screen_checks import has_axe, violations
from tests.m1app.benchmark.stored_open_run import QUESTIONS, store_open_run

__all__ = ["app_in_use", "benchmarks_app", "open_page", "runs"]


@pytest.fixture
def open_run(benchmarks_app: RunningApp) -> str:
    """Id of a run over open questions, which no person has judged."""
    database = database_of(benchmarks_app.home)
    try:
        return store_open_run(database)[0].id
    finally:
        database.dispose()


def cards(page: OpenBenchmarksPage) -> Locator:
    return page.page.locator("#benchmarks-page [data-answer]")


def test_a_person_judges_answers_and_sees_the_agreement_change(
    open_page: OpenPage, new_tab: Callable[..., Page], benchmarks_app: RunningApp, runs: dict[str, str], open_run: str
) -> None:
    page = open_page(f"?run={runs['base']}&tab=answers")
    expect(page.part("no-answers")).to_contain_text("has no answers to open questions")
    page.open(f"?run={open_run}")
    page.tab("Open answers")
    expect(cards(page)).to_have_count(len(QUESTIONS))
    expect(page.part("agreement")).to_have_text("No person has confirmed any of these verdicts yet.")
    first, second, _ = cards(page).all()
    expect(first).to_contain_text("Lack of vitamin C")
    expect(first).to_contain_text("Judged right by the model m1-32b, not by a person.")
    first.get_by_text("The judge's reason").click()
    expect(first).to_contain_text("Both say the same. <img src=x")
    assert page.page.evaluate("window.__hit") is None

    right = first.get_by_role("button", name="Right")
    right.click()
    expect(first).to_contain_text("You judged it right.")
    expect(right).to_be_focused()
    expect(page.part("agreement")).to_have_text(
        "Persons have judged 1 answer too, and agree with the model on 1 (100%)."
    )
    second.get_by_role("button", name="Right").focus()
    page.page.keyboard.press("Enter")
    expect(second).to_contain_text("You judged it right.")
    expect(page.part("agreement")).to_have_text(
        "Persons have judged 2 answers too, and agree with the model on 1 (50%)."
    )
    screenshot(page.page, "open-answers.png")

    page.page.get_by_label("Only those without my verdict").check()
    expect(cards(page)).to_have_count(1)
    expect(cards(page)).to_contain_text("<b>Nothing</b> at all")
    cards(page).get_by_role("button", name="Undecided").click()
    expect(page.part("no-answers")).to_have_text("No answer matches the filter.")
    page.expect_address("left=1")

    # In another browser, in the dark and on a phone, they stand as they were said.
    phone = new_tab(color_scheme="dark", reduced_motion="reduce", viewport={"width": 400, "height": 800})
    other = OpenBenchmarksPage(phone, benchmarks_app.url).open(f"?run={open_run}&tab=answers")
    expect(cards(other).nth(2)).to_contain_text("You judged it undecided.")
    assert not other.scrolls_sideways()
    screenshot(phone, "open-answers-400.png")
    assert not has_axe() or violations(phone) == []
