"""Submitting on the Annotate page: the next case comes, and the submission can be taken back."""

import pytest
from playwright.sync_api import expect

from tests.e2e.annotate_cases import AWKWARD_STEM, HOSTILE_STEM, RIGHT_STEM
from tests.e2e.annotate_fixtures import OpenAs, annotating_app, app_in_use, open_page, stored
from tests.e2e.browser_watch import screenshot
from tests.e2e.probe_page import WAIT_MS

__all__ = ["annotating_app", "app_in_use", "open_page", "stored"]


def test_next_case_comes_after_submitting_and_undo_brings_the_marks_back_as_drafts(open_page: OpenAs) -> None:
    page = open_page("Dr Next")
    keyboard = page.page.keyboard
    page.open_case(AWKWARD_STEM)
    page.mark("thinking", "Vitamin K", "reverses", "2", "critical")
    keyboard.press("Control+Shift+Enter")
    expect(page.submitted).to_contain_text(f"Submitted. Next: {HOSTILE_STEM[:40]}", timeout=WAIT_MS)
    expect(page.part("stem")).to_have_text(HOSTILE_STEM)
    # The arrow keys select at once.
    keyboard.press("ArrowRight")
    expect(page.quote).to_be_visible()
    keyboard.press("Escape")
    keyboard.press("Control+z")
    expect(page.submitted).to_contain_text("your marks on this case are drafts again", timeout=WAIT_MS)
    expect(page.part("stem")).to_have_text(AWKWARD_STEM)
    expect(page.own.locator(".m1-mark-state")).to_have_text("Draft")
    page.own.get_by_role("button", name="History").click()
    expect(page.own.locator(".m1-revisions")).to_contain_text("reopened by Dr Next", timeout=WAIT_MS)
    assert not [line for line in page.exported() if line["creator"]["name"] == "Dr Next"]
    page.submit_case()
    expect(page.part("stem")).to_have_text(HOSTILE_STEM)


def test_end_of_the_queue_says_so_and_leads_on(open_page: OpenAs) -> None:
    page = open_page("Dr End", "/annotate/?words=asked+rightly")
    page.open_case(RIGHT_STEM)
    page.submit_case()
    expect(page.submitted).to_contain_text("You have done every case that matches the filters.")
    expect(page.rows).to_have_count(1)
    screenshot(page.page, "annotate-end-of-queue.png")
    page.submitted.get_by_role("button", name="Undo").click()
    expect(page.part("stem")).to_have_text(RIGHT_STEM, timeout=WAIT_MS)
    page.submit_case()
    page.submitted.get_by_role("button", name="Clear filters").click()
    expect(page.submitted).to_be_empty()
    page.rows.nth(1).wait_for()


@pytest.mark.parametrize("size", [(1366, 768), (400, 800)], ids=["laptop", "phone"])
def test_submit_is_in_view_as_soon_as_a_case_is_open(open_page: OpenAs, size: tuple[int, int]) -> None:
    width, height = size
    page = open_page(f"Dr View {width}", viewport={"width": width, "height": height})
    page.open_case(AWKWARD_STEM)
    submit = page.part("submit").get_by_role("button", name="Submit case")
    for step in (0, 400, 10_000):
        page.page.evaluate("top => scrollTo(0, top)", step)
        box = submit.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= width
        assert box["y"] >= 0 and box["y"] + box["height"] <= height
        screenshot(page.page, f"annotate-submit-{width}-{step}.png")
    assert not page.scrolls_sideways()


def test_severity_is_shown_by_a_line_too_and_the_legend_says_which(open_page: OpenAs) -> None:
    page = open_page("Dr Paint", viewport={"width": 1280, "height": 900})
    page.open_case(AWKWARD_STEM)
    for (first, last), severity in zip(
        [("Heart", "first"), ("bleeds", "bleeds"), ("dabigatran", "dabigatran"), ("Vitamin K", "K"), ("au", "lait")],
        ["none", "mild", "moderate", "severe", "critical"],
        strict=True,
    ):
        page.mark("thinking", first, last, "2", severity)
    assert page.painted("m1-severity-mild") == ["bleeds"]
    assert page.painted("m1-severity-critical") == ["au lait"]
    samples = page.part("legend").locator("[data-severity]")
    expect(samples).to_have_text(["none", "mild", "moderate", "severe", "critical"])
    styles = samples.evaluate_all("all => all.map((e) => getComputedStyle(e).textDecorationStyle)")
    assert styles == ["dotted", "dashed", "solid", "double", "wavy"]
    screenshot(page.page, "annotate-severities-light.png")
    page.page.get_by_role("button", name="Dark / light").click()
    screenshot(page.page, "annotate-severities-dark.png")


def test_save_covers_no_choice_of_the_form(open_page: OpenAs) -> None:
    page = open_page("Dr Cover", viewport={"width": 1280, "height": 900})
    page.open_case(AWKWARD_STEM)
    page.drag("thinking", "Vitamin K", "reverses")
    expect(page.quote).to_be_visible()
    expect(page.save).to_be_in_viewport()
    screenshot(page.page, "annotate-form-1280.png")
    for radio in page.form.get_by_role("radio").all():
        radio.scroll_into_view_if_needed()
        box, save = radio.bounding_box(), page.save.bounding_box()
        assert box and save
        assert box["y"] + box["height"] <= save["y"]
    screenshot(page.page, "annotate-form-1280-end.png")
