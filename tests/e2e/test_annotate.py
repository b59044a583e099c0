"""Marking on the Annotate page, with a real mouse and with the keyboard: select, label, save, come back."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.annotate_cases import (
    AWKWARD,
    AWKWARD_REST,
    AWKWARD_STEM,
    LONG,
    LONG_MARKS,
    LONG_STEM,
    SINGLE_CASES,
)
from tests.e2e.annotate_fixtures import OpenAs, annotating_app, app_in_use, open_page, stored
from tests.e2e.browser_watch import screenshot
from tests.e2e.probe_page import WAIT_MS
from tests.e2e.stored_traces import HOSTILE, HOSTILE_STEM

__all__ = ["annotating_app", "app_in_use", "open_page", "stored"]
THINKING = f"{AWKWARD}Wait{AWKWARD_REST}"


def _expect_inert(page: Page) -> None:
    assert page.evaluate("window.__hit") is None
    assert (
        page.locator("#annotate-page, #annotate-numbers").locator("img, script, iframe, i, u, [onerror]").count() == 0
    )


def test_mouse_marks_whole_words_and_the_keyboard_within_them(open_page: OpenAs) -> None:
    page = open_page("Dr Words")
    page.open_case(AWKWARD_STEM)
    page.drag("thinking", "itamin K", "revers")
    expect(page.quote).to_have_text("Vitamin K reverses")
    assert page.page.evaluate("() => String(getSelection())") == "Vitamin K reverses"
    page.thinking.press("Control+Shift+ArrowLeft")
    expect(page.quote).to_have_text("Vitamin K reverse")
    page.severity("mild")
    expect(page.quote).to_have_text("Vitamin K reverse")


def test_marks_across_lines_with_emoji_survive_saving_reloading_and_editing(open_page: OpenAs) -> None:
    page = open_page("Dr Adams")
    page.open_case(AWKWARD_STEM)
    assert page.thinking.evaluate("e => e.textContent") == THINKING
    page.drag("thinking", "\U0001f9ec", "it \U0001f48a")
    quote = "\U0001f9ec\u200d\U0001fac0 and takes dabigatran.\r\nVitamin K reverses it \U0001f48a"
    assert page.quote.evaluate("e => e.textContent") == quote
    page.page.keyboard.press("2")
    expect(page.form.get_by_role("checkbox", name="Incorrect fact")).to_be_checked()
    expect(page.form.locator(".m1-meaning")).to_contain_text("A medical statement that is false, whatever the case.")
    page.page.keyboard.press("Shift+Digit5")
    page.comment.fill("Vitamin K does nothing \U0001f615")
    page.fact.fill("Idarucizumab reverses dabigatran.")
    page.form.get_by_role("button", name="Add evidence").click()
    page.form.get_by_role("textbox", name="Evidence").fill("29166193")
    page.form.get_by_role("radio", name="High").check()
    page.form.get_by_role("radio", name="Yes").check()
    page.page.keyboard.press("Control+Enter")
    expect(page.own).to_have_count(1, timeout=WAIT_MS)
    assert page.painted("m1-severity-critical") == [quote]
    # Another mark, over a part of the first one and into a combining letter and right-to-left text.
    page.mark("thinking", "\U0001f48a", "no clue.", "7", "mild")
    assert page.painted("m1-overlap-2") == ["\U0001f48a"]

    page.page.reload()
    expect(page.own).to_have_count(2, timeout=WAIT_MS)
    expect(page.own.first).to_contain_text("Vitamin K does nothing \U0001f615")
    expect(page.own.first).to_contain_text("PMID: 29166193")
    expect(page.own.first).to_contain_text("critical")
    page.own.nth(1).get_by_role("button", name="Withdraw").click()
    page.own.nth(1).get_by_text("Press again to withdraw").click()
    expect(page.own).to_have_count(1, timeout=WAIT_MS)

    page.click_text("thinking", "dabigatran")
    expect(page.comment).to_have_value("Vitamin K does nothing \U0001f615")
    page.comment.fill("Vitamin K acts on warfarin only.")
    page.save.click()
    expect(page.own.first).to_contain_text("Vitamin K acts on warfarin only.", timeout=WAIT_MS)
    page.own.first.get_by_role("button", name="History").click()
    expect(page.own.first.locator(".m1-revisions li")).to_have_count(2, timeout=WAIT_MS)
    expect(page.own.first.locator(".m1-revisions")).to_contain_text("edited by Dr Adams")


def test_every_selection_stands_where_python_counts_it(open_page: OpenAs) -> None:
    page = open_page("Dr Count")
    page.open_case(AWKWARD_STEM)
    page.mark("thinking", "au lait", "are no clue. \u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd (12", "1")
    page.mark("thinking", "Cafe\u0301", "Cafe\u0301", "1")
    page.mark("answer", "\U0001f489", "Give it", "1")
    page.mark("thinking", "Wait", "protamine", "1")
    page.submit_case()
    targets = [mark["target"] for mark in page.exported() if mark["creator"]["name"] == "Dr Count"]
    assert len(targets) == 4
    for target in targets:
        selectors = target["selector"]
        place = next(each for each in selectors if each["type"] == "TextPositionSelector")
        said = next(each for each in selectors if each["type"] == "TextQuoteSelector")
        found = [text for text in (THINKING, " C. \U0001f489 Protamine.\r\nGive it at once.") if said["exact"] in text]
        assert said["exact"] in {text[place["start"] : place["end"]] for text in found}


def test_what_is_typed_survives_a_reload_and_a_refusal(open_page: OpenAs) -> None:
    page = open_page("Dr Draft")
    page.open_case(AWKWARD_STEM)
    page.drag("thinking", "Vitamin K", "reverses")
    expect(page.quote).to_have_text("Vitamin K reverses")
    page.save.click()
    expect(page.problem("labels")).to_contain_text("Choose at least one label")
    page.page.keyboard.press("a")
    page.severity("mild")
    page.form.get_by_role("button", name="Add evidence").click()
    page.form.get_by_label("Kind of evidence").select_option("doi")
    page.form.get_by_role("textbox", name="Evidence").fill("not a doi")
    page.comment.fill("Half a thought")
    page.save.click()
    expect(page.problem("evidence")).to_contain_text("is not a DOI", timeout=WAIT_MS)
    expect(page.comment).to_have_value("Half a thought")
    expect(page.form).to_contain_text("Draft saved.", timeout=WAIT_MS)
    page.page.reload()
    expect(page.comment).to_have_value("Half a thought", timeout=WAIT_MS)
    expect(page.form.get_by_role("textbox", name="Evidence")).to_have_value("not a doi")
    expect(page.form.get_by_role("checkbox", name="Wrong management")).to_be_checked()
    assert page.painted("m1-pending") == ["Vitamin K reverses"]
    # On another machine too: the app keeps it.
    elsewhere = open_page("Dr Draft", page.page.url.removeprefix(page.origin))
    expect(elsewhere.comment).to_have_value("Half a thought", timeout=WAIT_MS)
    page.page.keyboard.press("Escape")
    expect(page.comment).to_be_hidden()
    page.form.get_by_text("Restore the cancelled draft").click()
    expect(page.comment).to_have_value("Half a thought")
    page.cancel.click()
    page.wait_idle()
    page.page.reload()
    expect(page.part("stem")).to_have_text(AWKWARD_STEM, timeout=WAIT_MS)
    page.wait_idle()
    expect(page.comment).to_be_hidden()


def test_severity_and_save_are_in_view_on_a_small_laptop(open_page: OpenAs) -> None:
    page = open_page()
    page.page.set_viewport_size({"width": 1366, "height": 768})
    page.open_case(AWKWARD_STEM)
    page.drag("answer", "Protamine", "Protamine")
    expect(page.quote).to_have_text("Protamine")
    form = page.form.bounding_box()
    assert form
    for shown in (page.form.get_by_role("group", name="Severity"), page.save):
        box = shown.bounding_box()
        # Within the form's own frame, whose middle part scrolls.
        assert box and form["y"] <= box["y"] and box["y"] + box["height"] <= form["y"] + form["height"]
    screenshot(page.page, "mark-form-768.png")
    page.cancel.click()


def test_nothing_is_kept_without_a_name_and_the_mark_stays(open_page: OpenAs) -> None:
    page = open_page()
    page.open_case(AWKWARD_STEM)
    page.drag("answer", "Protamine", "Protamine")
    expect(page.quote).to_have_text("Protamine")
    page.page.keyboard.press("1")
    page.severity("none")
    page.comment.fill("Before the name")
    page.save.click()
    expect(page.problem("annotator")).to_contain_text("Enter your name first")
    page.name("Dr Late")
    expect(page.comment).to_have_value("Before the name")
    page.save.click()
    expect(page.own).to_have_count(1, timeout=WAIT_MS)
    page.page.reload()
    expect(page.annotator).to_have_value("Dr Late")
    expect(page.own).to_have_count(1, timeout=WAIT_MS)


def test_two_windows_that_save_the_same_mark_are_told_what_changed(open_page: OpenAs) -> None:
    one = open_page("Dr Twice")
    one.open_case(AWKWARD_STEM)
    one.mark("thinking", "surely", "surely", "6", comment="as it was")
    other = open_page("Dr Twice")
    other.open_case(AWKWARD_STEM)
    for page, text in ((one, "from one"), (other, "from the other")):
        page.own.first.get_by_role("button", name="Edit").click()
        page.comment.fill(text)
    one.save.click()
    expect(one.own.first).to_contain_text("from one", timeout=WAIT_MS)
    other.save.click()
    conflict = other.form.locator(".m1-conflict")
    expect(conflict).to_contain_text("was changed in the meantime", timeout=WAIT_MS)
    expect(conflict.locator("tr").filter(has_text="Comment")).to_have_text(re.compile("from the other.*from one"))
    expect(other.comment).to_have_value("from the other")
    conflict.get_by_role("button", name="Keep mine").click()
    expect(other.own.first).to_contain_text("from the other", timeout=WAIT_MS)
    one.own.first.get_by_role("button", name="Edit").click()
    one.comment.fill("again from one")
    one.save.click()
    one.form.locator(".m1-conflict").get_by_role("button", name="Use the saved version").click(timeout=WAIT_MS)
    expect(one.comment).to_have_value("from the other")


def test_hostile_text_stays_text(open_page: OpenAs) -> None:
    page = open_page("Dr <img src=x onerror=window.__hit=21>")
    page.open_case(HOSTILE_STEM)
    assert page.thinking.evaluate("e => e.textContent") == f"{HOSTILE}\nWait{HOSTILE}"
    script = "<script>window.__hit=22</script><img src=x onerror=window.__hit=23>"
    page.mark("thinking", "<img", "</script>", "1", comment=script)
    expect(page.own.first).to_contain_text(script)
    page.own.first.get_by_role("button", name="History").click()
    expect(page.own.first.locator(".m1-revisions")).to_contain_text(script, timeout=WAIT_MS)
    page.submit_and_review()
    expect(page.review).to_contain_text(script, timeout=WAIT_MS)
    _expect_inert(page.page)


def test_addresses_that_name_nothing_are_answered_in_place(open_page: OpenAs) -> None:
    page = open_page("Dr Lost")
    page.page.goto(f"{page.origin}/annotate/?case=%3Cimg%20src%3Dx%20onerror%3Dwindow.__hit%3D31%3E&model=%3Ci%3Em")
    expect(page.notice).to_contain_text("not found", timeout=WAIT_MS)
    expect(page.part("why-empty")).to_have_text("No case matches. Clear the filters.")
    page.part("clear").click()
    expect(page.rows).to_have_count(SINGLE_CASES, timeout=WAIT_MS)
    _expect_inert(page.page)


def test_everything_can_be_done_with_the_keyboard(open_page: OpenAs) -> None:
    page = open_page("Dr Keys")
    keyboard = page.page.keyboard
    page.open_case(AWKWARD_STEM)
    page.thinking.focus()
    keyboard.press("ArrowRight")
    expect(page.quote).to_have_text("Heart")
    keyboard.press("ArrowRight")
    keyboard.press("Shift+ArrowRight")
    keyboard.press("Shift+ArrowRight")
    expect(page.quote).to_have_text("first: he bleeds")
    keyboard.press("Control+Shift+ArrowRight")
    keyboard.press("Control+Shift+ArrowRight")
    # One character for a person: three code points.
    assert page.quote.evaluate("e => e.textContent") == "first: he bleeds \U0001f9ec\u200d\U0001fac0"
    keyboard.press("Control+Shift+ArrowLeft")
    keyboard.press("ArrowDown")
    expect(page.quote).to_contain_text("Vitamin K reverses it")
    keyboard.press("Enter")
    keyboard.press("Space")
    expect(page.form.get_by_role("checkbox", name="Knowledge gap")).to_be_checked()
    keyboard.press("b")
    keyboard.press("Shift+Digit4")
    keyboard.press("Control+Enter")
    expect(page.own).to_have_count(1, timeout=WAIT_MS)
    expect(page.own.first).to_contain_text("Critical omission")
    expect(page.own.first).to_contain_text("severe")
    keyboard.press("j")
    expect(page.part("stem")).to_have_text(HOSTILE_STEM, timeout=WAIT_MS)
    page.wait_idle()
    keyboard.press("Alt+ArrowUp")
    expect(page.part("stem")).to_have_text(AWKWARD_STEM, timeout=WAIT_MS)


def test_note_on_the_whole_case_and_an_omission_with_its_place(open_page: OpenAs) -> None:
    page = open_page("Dr Whole")
    page.open_case(AWKWARD_STEM)
    page.form.get_by_role("button", name="Note on the whole case").click()
    page.page.keyboard.press("d")
    page.severity("none")
    page.comment.fill("The question is at fault.")
    page.save.click()
    expect(page.own).to_have_count(1, timeout=WAIT_MS)
    expect(page.own.first).to_contain_text("Whole case")
    page.drag("answer", "Give it", "once.")
    expect(page.quote).to_have_text("Give it at once.")
    page.page.keyboard.press("b")
    page.severity("severe")
    page.form.get_by_role("radio", name="Something is missing here").check()
    page.save.click()
    expect(page.own).to_have_count(2, timeout=WAIT_MS)
    expect(page.own.filter(has_text="Give it at once.")).to_contain_text("missing here")


def test_long_trace_with_many_marks_selects_and_repaints(open_page: OpenAs) -> None:
    page = open_page("Marker")
    page.open_case(LONG_STEM)
    assert len(LONG) > 70_000
    expect(page.part("own").locator("h3")).to_have_text(f"My marks ({LONG_MARKS})")
    for number in (3, 4):
        page.drag("thinking", f"{number}. Perhaps", "bowel is dead.")
        expect(page.quote).to_contain_text("bowel is dead.")
        for key in ("1", "Shift+Digit2", "Control+Enter"):
            page.page.keyboard.press(key)
        expect(page.part("own").locator("h3")).to_have_text(f"My marks ({LONG_MARKS + number - 2})", timeout=WAIT_MS)
