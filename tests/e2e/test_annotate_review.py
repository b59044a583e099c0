"""The Annotate page among several people: the queue, double blind, disputes, what comes of it, and how it looks."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.e2e.annotate_cases import (
    AWKWARD_STEM,
    CASES,
    KEPT_THOUGHT,
    LOST_THOUGHT,
    RIGHT_STEM,
    SINGLE_CASES,
    SWEEP_STEM,
    WRONG_CASES,
)
from tests.e2e.annotate_fixtures import OpenAs, annotating_app, app_in_use, open_page, stored
from tests.e2e.browser_watch import screenshot
from tests.e2e.probe_page import WAIT_MS

__all__ = ["annotating_app", "app_in_use", "open_page", "stored"]


def test_second_annotator_sees_the_first_only_after_submitting_and_a_dispute_is_adjudicated(open_page: OpenAs) -> None:
    first = open_page("Dr First")
    first.open_case(RIGHT_STEM)
    first.mark("thinking", "adrenal", "gland", "3", comment="First's comment")
    first.submit_and_review()

    second = open_page("Dr Second")
    second.open_case(RIGHT_STEM)
    expect(second.part("submit")).to_contain_text("1 other has submitted; you will see their marks after you submit.")
    expect(second.page.locator("body")).not_to_contain_text("First's comment")
    assert second.painted("m1-other") == []
    second.submit_and_review()
    expect(second.review).to_contain_text("First's comment", timeout=WAIT_MS)
    assert second.painted("m1-other") == ["adrenal gland"]
    card = second.review.locator(".m1-review-column").filter(has_text="Dr First").locator(".m1-mark-card")
    card.get_by_role("button", name="Dispute").click()
    card.locator(".m1-reason").get_by_role("button", name="Dispute").click()
    expect(card.locator('[data-problem="reason"]')).to_contain_text("Enter a reason", timeout=WAIT_MS)
    card.locator("textarea").fill("It is the adrenal gland.")
    card.locator(".m1-reason").get_by_role("button", name="Dispute").click()
    expect(card.locator(".m1-mark-state")).to_have_text("Disputed", timeout=WAIT_MS)

    third = open_page("Dr Third", "/annotate/?disputed=1")
    third.open_case(RIGHT_STEM)
    third.submit_and_review()
    card = third.review.locator(".m1-review-column").filter(has_text="Dr First").locator(".m1-mark-card")
    card.get_by_role("button", name="Adjudicate").click()
    card.locator("textarea").fill("Rightly disputed.")
    card.get_by_role("button", name="Reject the mark").click()
    expect(card.locator(".m1-mark-state")).to_have_text("Adjudicated: rejected", timeout=WAIT_MS)
    card.get_by_role("button", name="History").click()
    expect(card.locator(".m1-revisions")).to_contain_text("Reason: Rightly disputed.", timeout=WAIT_MS)


def test_suggestion_is_marked_as_such_and_accepted_or_rejected(open_page: OpenAs) -> None:
    page = open_page("Dr Suggest")
    page.open_case(AWKWARD_STEM)
    expect(page.suggestions).to_have_count(1)
    expect(page.suggestions).to_contain_text("Suggested, not yet decided")
    expect(page.suggestions).to_contain_text("The thinking concludes B, the answer gives C.")
    page.suggestions.get_by_role("button", name="Accept").click()
    expect(page.form.get_by_role("checkbox", name="Trace-answer mismatch")).to_be_checked()
    page.severity("severe")
    page.save.click()
    expect(page.own).to_have_count(1, timeout=WAIT_MS)
    expect(page.suggestions).to_have_count(0)
    other = open_page("Dr Reject")
    other.open_case(AWKWARD_STEM)
    other.suggestions.get_by_role("button", name="Reject").click()
    expect(other.suggestions).to_have_count(0, timeout=WAIT_MS)
    other.page.reload()
    expect(other.part("stem")).to_have_text(AWKWARD_STEM, timeout=WAIT_MS)
    other.wait_idle()
    expect(other.suggestions).to_have_count(0)
    expect(other.own).to_have_count(0)


def test_queue_filters_and_progress_follow_the_work(open_page: OpenAs) -> None:
    page = open_page("Dr Queue", "/annotate/?verdict=wrong")
    expect(page.progress).to_have_text(f"0 of {WRONG_CASES} done")
    page.part("filters").get_by_label("Words in the question").fill("very lon")
    expect(page.rows).to_have_count(1, timeout=WAIT_MS)
    assert "words=very+lon" in page.page.url
    page.page.reload()
    expect(page.rows).to_have_count(1, timeout=WAIT_MS)
    page.part("clear").click()
    expect(page.rows).to_have_count(SINGLE_CASES, timeout=WAIT_MS)
    page.open_case(RIGHT_STEM)
    page.submit_and_review()
    page.part("back").click()
    expect(page.progress).to_have_text(f"1 of {CASES} done", timeout=WAIT_MS)
    expect(page.rows.filter(has_text=RIGHT_STEM)).to_contain_text("✓ Done")
    page.part("filters").get_by_label("Not yet done by me").check()
    expect(page.rows).to_have_count(SINGLE_CASES - 1, timeout=WAIT_MS)


def test_compare_and_probe_lead_to_their_cases(open_page: OpenAs, stored: dict[str, str]) -> None:
    page = open_page("Dr Link")
    page.page.goto(f"{page.origin}/compare/?sweep={stored['sweep']}")
    column = page.page.locator('#sweep-columns article[data-cell="8-0"]')
    column.get_by_role("link", name="Annotate").click(timeout=WAIT_MS)
    expect(page.part("stem")).to_have_text(SWEEP_STEM, timeout=WAIT_MS)
    assert page.thinking.evaluate("e => e.textContent") == KEPT_THOUGHT
    page.page.goto(f"{page.origin}/compare/?sweep={stored['sweep']}")
    page.page.get_by_role("link", name="Annotate this sentence").click(timeout=WAIT_MS)
    expect(page.quote).to_have_text(LOST_THOUGHT, timeout=WAIT_MS)
    assert page.painted("m1-pending") == [LOST_THOUGHT]
    expect(page.suggestions).to_contain_text("After 8 thinking tokens the answer was A, which is right")
    page.cancel.click()
    page.part("source").click()
    expect(page.page).to_have_url(re.compile("/compare/"), timeout=WAIT_MS)
    page.page.goto(f"{page.origin}/?trace={stored['awkward']}")
    page.page.locator('#trace-pane [data-part="annotate"]').click(timeout=WAIT_MS)
    expect(page.part("stem")).to_have_text(AWKWARD_STEM, timeout=WAIT_MS)


def test_summary_leads_to_the_cases_and_agreement_says_what_it_can(open_page: OpenAs) -> None:
    page = open_page("Dr Sum")
    page.open_case(AWKWARD_STEM)
    page.mark("thinking", "Vitamin K", "reverses", "3")
    page.submit_and_review()
    page.page.get_by_role("tab", name="Summary").click()
    numbers = page.page.locator("#annotate-numbers")
    bar = numbers.get_by_role("button", name=re.compile("^Outdated guideline .*%")).first
    bar.wait_for()
    screenshot(page.page, "annotate-summary.png")
    numbers.get_by_role("button", name=re.compile(r"^Outdated guideline \d+\.")).click()
    page.rows.filter(has_text=AWKWARD_STEM).wait_for()
    assert "label=outdated_guideline" in page.page.url
    page.page.get_by_role("tab", name="Agreement").click()
    numbers.get_by_role("button", name="Compute").click()
    expect(numbers.locator(".m1-agreement")).to_contain_text("too few cases", timeout=WAIT_MS)
    screenshot(page.page, "annotate-agreement.png")


def test_export_holds_what_was_marked(open_page: OpenAs) -> None:
    page = open_page("Dr Export")
    page.open_case(AWKWARD_STEM)
    page.mark("thinking", "Heart", "\U0001fac0", "2", comment="exported \U0001f4e4")
    page.submit_and_review()
    with page.page.expect_download() as download:
        page.page.get_by_role("link", name="all marks (JSONL)").click()
    lines = [json.loads(line) for line in download.value.path().read_text(encoding="utf-8").splitlines()]
    mine = [line for line in lines if "Dr Export" in json.dumps(line)]
    assert len(mine) == 1
    assert "Heart \U0001fac0" in json.dumps(mine[0], ensure_ascii=False)


@pytest.mark.parametrize(("width", "scheme"), [(1360, "light"), (400, "dark")])
def test_page_fits_its_window_in_light_and_dark(open_page: OpenAs, scheme: str, width: int) -> None:
    page = open_page(f"Dr {scheme} {width}", viewport={"width": width, "height": 900})
    if scheme == "dark":
        page.page.get_by_role("button", name="Dark / light").click()
    assert not page.scrolls_sideways()
    screenshot(page.page, f"annotate-queue-{scheme}-{width}.png")
    page.open_case(AWKWARD_STEM)
    page.mark("thinking", "Vitamin K", "reverses", "2", "critical", comment="A comment " * 12)
    page.drag("thinking", "he bleeds", "reverses it")
    expect(page.quote).to_contain_text("he bleeds")
    page.page.keyboard.press("7")
    assert not page.scrolls_sideways()
    screenshot(page.page, f"annotate-case-{scheme}-{width}.png")
    page.cancel.click()
    page.submit_and_review()
    assert not page.scrolls_sideways()
    page.review.scroll_into_view_if_needed()
    screenshot(page.page, f"annotate-review-{scheme}-{width}.png")
