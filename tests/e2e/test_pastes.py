"""Pastes and drafts in a real browser: what becomes of a second question, and that nothing typed is lost."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.browser_watch import screenshot
from tests.e2e.compare_page import OpenComparePage
from tests.e2e.probe_page import LONG_BUDGET, LONG_QUESTION, WAIT_MS, WITH_OPTIONS, ProbePage
from tests.e2e.running_app import RunningApp

SECOND = "Which nerve is injured if the wrist cannot be lifted?"
SECOND_OPTIONS = "1) Ulnar nerve\n2) Radial nerve\n3) Median nerve"
SEVERAL = f"1. {SECOND}\n{SECOND_OPTIONS}\nAnswer: 2\n\n2. Where is bile made?\n1) Liver\n2) Spleen\nAnswer: 1"


def paste(page: Page, box: Locator, text: str) -> None:
    """Paste over all that a box holds, as with Ctrl+A and Ctrl+V."""
    box.focus()
    box.press("ControlOrMeta+A")
    page.keyboard.insert_text(text)


def preview(page: Page, prefix: str = "") -> Locator:
    return page.locator(f"#{prefix}question-preview")


def press(page: Page, name: str, prefix: str = "") -> None:
    preview(page, prefix).get_by_role("button", name=name, exact=True).click()


def test_second_paste_replaces_question_options_and_target(probe: ProbePage) -> None:
    paste(probe.page, probe.question, WITH_OPTIONS)
    expect(probe.options).to_have_value("A. Anaemia\nB. Polycythaemia\nC. Leukocytosis", timeout=WAIT_MS)
    expect(probe.target).to_have_value("A")
    paste(probe.page, probe.question, f"{SECOND}\n{SECOND_OPTIONS}\nAnswer: 2")
    expect(probe.options).to_have_value("A. Ulnar nerve\nB. Radial nerve\nC. Median nerve", timeout=WAIT_MS)
    expect(probe.question).to_have_value(SECOND)
    expect(probe.target).to_have_value("B")


def test_second_paste_without_options_is_not_run_with_those_of_the_first(probe: ProbePage, app: RunningApp) -> None:
    paste(probe.page, probe.question, WITH_OPTIONS)
    expect(probe.target).to_have_value("A", timeout=WAIT_MS)
    probe.set_number(probe.budget, 64)
    probe.cap_answer()
    paste(probe.page, probe.question, SECOND)
    probe.run.click()
    trace_id = probe.wait_trace_id()
    probe.wait_over()
    trace = app.trace(trace_id)
    assert (trace["question"], trace["options"], trace["target"]) == (SECOND, {}, None)
    expect(probe.part("question")).to_have_text(SECOND)


def test_options_that_were_typed_are_asked_about_before_anything_runs(probe: ProbePage) -> None:
    probe.fill("Which gland makes cortisol?", options=["A. Adrenal", "B. Thyroid"], target="A")
    paste(probe.page, probe.question, SECOND)
    expect(preview(probe.page)).to_contain_text("You entered the options and target for the previous question.")
    expect(probe.options).to_have_value("A. Adrenal\nB. Thyroid")
    probe.run.click()
    expect(preview(probe.page).get_by_role("button", name="Clear")).to_be_focused()
    assert "trace=" not in probe.page.url
    probe.page.keyboard.press("Enter")
    expect(probe.options).to_have_value("")
    expect(probe.target).to_have_value("")
    press(probe.page, "Undo")
    expect(probe.options).to_have_value("A. Adrenal\nB. Thyroid")
    expect(probe.question).to_have_value(SECOND)


def test_options_and_target_typed_anew_are_not_asked_about(probe: ProbePage) -> None:
    probe.fill("Which gland makes cortisol?", options=["A. Adrenal", "B. Thyroid"], target="A")
    paste(probe.page, probe.question, SECOND)
    probe.options.fill("A. Ulnar nerve\nB. Radial nerve")
    expect(preview(probe.page)).to_contain_text("You entered the target for the previous question.")
    press(probe.page, "Clear")
    expect(probe.target).to_have_value("")
    expect(probe.options).to_have_value("A. Ulnar nerve\nB. Radial nerve")


def test_preview_says_what_is_recognised_while_it_is_typed(probe: ProbePage) -> None:
    summary = preview(probe.page).locator("[data-part=summary]")
    probe.question.press_sequentially("Which?")
    expect(summary).to_have_text("Open question: no options found", timeout=WAIT_MS)
    probe.question.press_sequentially("\nA. up\nB. down\nAnswer: B")
    expect(summary).to_have_text("2 options, target B", timeout=WAIT_MS)
    expect(probe.options).to_have_value("")
    probe.question.blur()
    expect(probe.options).to_have_value("A. up\nB. down", timeout=WAIT_MS)
    expect(summary).to_contain_text("Recognised and moved: 2 options, target B")


def test_split_and_undo_with_the_keyboard_alone(probe: ProbePage) -> None:
    text = "Which nerve?\nUlnar\nRadial"
    paste(probe.page, probe.question, text)
    split = preview(probe.page).get_by_role("button", name="Split as options")
    split.wait_for()
    expect(probe.options).to_have_value("")
    probe.page.keyboard.press("Tab")
    expect(split).to_be_focused()
    probe.page.keyboard.press("Enter")
    expect(probe.options).to_have_value("A. Ulnar\nB. Radial")
    expect(probe.question).to_have_value("Which nerve?")
    undo = preview(probe.page).get_by_role("button", name="Undo")
    undo.focus()
    probe.page.keyboard.press("Enter")
    expect(probe.question).to_have_value(text)
    expect(probe.options).to_have_value("")


def test_undone_options_stay_where_they_are_until_they_are_split_again(probe: ProbePage) -> None:
    paste(probe.page, probe.question, WITH_OPTIONS)
    expect(probe.target).to_have_value("A", timeout=WAIT_MS)
    press(probe.page, "Undo")
    expect(probe.question).to_have_value(WITH_OPTIONS)
    probe.target.focus()
    split = preview(probe.page).get_by_role("button", name="Split as options")
    split.wait_for()
    expect(probe.options).to_have_value("")
    split.click()
    expect(probe.target).to_have_value("A")


def test_broken_lines_are_joined_and_put_back(probe: ProbePage) -> None:
    text = "Why is this man with an ana-\nemia so very\ncold in summer and winter?"
    paste(probe.page, probe.question, text)
    press(probe.page, "Join lines")
    expect(probe.question).to_have_value("Why is this man with an anaemia so very cold in summer and winter?")
    press(probe.page, "Undo")
    expect(probe.question).to_have_value(text)


def test_several_questions_are_asked_one_after_another(probe: ProbePage, app: RunningApp) -> None:
    page = probe.page
    paste(page, probe.question, SEVERAL)
    preview(page).get_by_role("button", name="One after another").wait_for()
    probe.run.click()
    probe.wait_message("look like 2 questions")
    press(page, "One after another")
    expect(preview(page)).to_contain_text("Question 1 of 2")
    expect(probe.question).to_have_value(SECOND)
    expect(probe.target).to_have_value("B")
    probe.set_number(probe.budget, 64)
    probe.cap_answer()
    probe.run.click()
    first = probe.wait_trace_id()
    probe.wait_over()
    press(page, "Next question")
    expect(preview(page)).to_contain_text("Question 2 of 2")
    expect(probe.options).to_have_value("A. Liver\nB. Spleen")
    probe.reload()
    expect(preview(page)).to_contain_text("Question 2 of 2", timeout=WAIT_MS)
    expect(probe.options).to_have_value("A. Liver\nB. Spleen")
    probe.run.click()
    page.wait_for_function("id => !location.href.includes(id)", arg=first)
    second = probe.wait_trace_id()
    probe.wait_over()
    assert [(app.trace(each)["target"], len(app.trace(each)["options"])) for each in (first, second)] == [
        ("B", 3),
        ("A", 2),
    ]


def test_percentages_and_html_leave_the_prompt_and_come_back_by_undo(probe: ProbePage, app: RunningApp) -> None:
    page = probe.page
    html = (
        "<p>Which vitamin prevents scurvy?</p><ul><li><b>A.</b>&nbsp;Vitamin A (12%)</li>"
        "<li><b>B.</b>&nbsp;Vitamin C (88%)</li></ul><p>Answer: B</p>"
    )
    paste(page, probe.question, html)
    press(page, "Remove HTML")
    expect(probe.question).to_have_value("Which vitamin prevents scurvy?")
    expect(probe.options).to_have_value("A. Vitamin A\nB. Vitamin C")
    expect(probe.target).to_have_value("B")
    press(page, "Undo")
    expect(probe.question).to_have_value(html)
    expect(probe.options).to_have_value("")
    press(page, "Remove HTML")
    probe.set_number(probe.budget, 64)
    probe.cap_answer()
    probe.run.click()
    trace = app.trace(probe.wait_trace_id())
    assert trace["options"] == {"A": "Vitamin A", "B": "Vitamin C"}
    assert "%" not in trace["prompt_text"] and "<" not in trace["question"]
    probe.wait_over()


def test_percentages_are_kept_for_whoever_wants_them(probe: ProbePage) -> None:
    page = probe.page
    paste(page, probe.question, "Which vitamin prevents scurvy?\nA. Vitamin A 12%\nB. Vitamin C 88%")
    expect(probe.options).to_have_value("A. Vitamin A\nB. Vitamin C", timeout=WAIT_MS)
    expect(preview(page)).to_contain_text("left out: percentages of answers")
    press(page, "Keep percentages")
    expect(probe.options).to_have_value("A. Vitamin A 12%\nB. Vitamin C 88%")
    press(page, "Remove percentages")
    expect(probe.options).to_have_value("A. Vitamin A\nB. Vitamin C")
    press(page, "Undo")
    expect(probe.options).to_have_value("A. Vitamin A 12%\nB. Vitamin C 88%")


def open_set(probe: ProbePage, text: str = SEVERAL, count: int = 2) -> Locator:
    """Paste several questions and open what asks them as a set."""
    paste(probe.page, probe.question, text)
    press(probe.page, f"Ask all {count} as a set")
    return preview(probe.page).get_by_role("group", name="Ask as a set")


def batch(page: Page) -> Locator:
    return page.locator("#batch [data-part=batch]")


def test_several_questions_are_stored_as_a_set_and_asked_at_once(probe: ProbePage, app: RunningApp) -> None:
    page = probe.page
    probe.set_number(probe.budget, 64)
    probe.cap_answer()
    panel = open_set(probe)
    expect(panel.locator("li")).to_have_text(
        [f"{SECOND} (3 options, target B)", "Where is bile made? (2 options, target A)"]
    )
    name = panel.get_by_label("Name of the set")
    expect(name).to_have_value(re.compile(r"\d{4}-\d\d-\d\d Which nerve is injured"))
    name.fill("Nerves and bile")
    panel.get_by_role("button", name="Store and ask all 2").click()
    expect(preview(page)).to_contain_text("Stored as question set “Nerves and bile” with 2 questions.", timeout=WAIT_MS)
    expect(batch(page)).to_contain_text("2 questions: 2 done", timeout=WAIT_MS)
    screenshot(page, "batch-done.png")
    links = batch(page).locator("li a")
    expect(links).to_have_text([SECOND, "Where is bile made?"])
    ids = [str(link.get_attribute("href")).rpartition("=")[2] for link in links.all()]
    assert [(app.trace(each)["question"], app.trace(each)["target"]) for each in ids] == [
        (SECOND, "B"),
        ("Where is bile made?", "A"),
    ]
    for each in ids:
        expect(probe.row(each)).to_be_visible()
    links.first.click()
    expect(probe.part("question")).to_have_text(SECOND)
    batch(page).get_by_role("button", name="Close").click()
    expect(batch(page)).to_be_hidden()
    page.goto(f"{probe.origin}/admin/?tab=sets")
    expect(page.locator("#admin-sets tr[data-set]").filter(has_text="Nerves and bile")).to_contain_text(
        "Pasted on a page"
    )
    page.goto(f"{probe.origin}/admin/?tab=launch")
    page.locator("#admin-question-sets input").click()
    expect(page.get_by_role("option", name=re.compile("Nerves and bile"))).to_be_visible()
    page.keyboard.press("Escape")


def test_questions_asked_at_once_go_on_while_the_tab_is_closed_and_are_stopped(probe: ProbePage) -> None:
    page = probe.page
    several = "\n\n".join(f"Question {i}\n{LONG_QUESTION} And what does glucagon {i} do?" for i in range(1, 7))
    probe.set_number(probe.budget, LONG_BUDGET)
    panel = open_set(probe, several, 6)
    expect(panel).to_contain_text("have no options")
    panel.get_by_role("button", name="Ask all 6").click()
    expect(batch(page)).to_contain_text("running", timeout=WAIT_MS)
    probe.reload()
    expect(batch(page)).to_contain_text("running", timeout=WAIT_MS)
    batch(page).get_by_role("button", name="Stop all").click()
    expect(batch(page)).to_contain_text("6 questions: ", timeout=WAIT_MS)
    expect(batch(page).get_by_role("button", name="Close")).to_be_visible(timeout=WAIT_MS)
    expect(batch(page)).not_to_contain_text("waiting")
    expect(batch(page).locator("li").filter(has_text="Stopped").first).to_be_visible()
    expect(batch(page).locator("li").filter(has_text="not asked").first).to_be_visible()
    batch(page).get_by_role("button", name="Close").click()
    expect(batch(page)).to_be_hidden()


def test_whoever_may_not_store_sets_is_told_and_can_still_ask(
    new_context: Callable[..., BrowserContext], app: RunningApp
) -> None:
    probe = ProbePage(new_context(is_admin=False).new_page(), app.url).open()
    probe.set_number(probe.budget, 64)
    probe.cap_answer()
    panel = open_set(probe)
    expect(panel).to_contain_text("They cannot be stored as a question set. Only an admin can do this.")
    panel.get_by_role("button", name="Ask all 2").click()
    expect(batch(probe.page)).to_contain_text("2 questions: 2 done", timeout=WAIT_MS)
    batch(probe.page).get_by_role("button", name="Close").click()
    expect(batch(probe.page)).to_be_hidden()


def test_why_a_set_cannot_be_stored_is_said_where_it_is_named(probe: ProbePage) -> None:
    panel = open_set(probe)
    panel.get_by_label("Name of the set").fill(" ")
    panel.get_by_role("button", name="Store only").click()
    expect(preview(probe.page)).to_contain_text("as the set's name", timeout=WAIT_MS)
    expect(batch(probe.page)).to_be_hidden()
    expect(panel.get_by_role("button", name="Store only")).to_be_enabled()
    panel.get_by_label("Name of the set").press("Escape")
    expect(panel).to_be_hidden()
    expect(probe.question).to_have_value(SEVERAL)


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1366, 400])
def test_the_set_fits_the_window(probe: ProbePage, width: int, is_dark: bool) -> None:
    page = probe.page
    page.set_viewport_size({"width": width, "height": 768})
    page.evaluate("isDark => document.body.classList.toggle('dark', isDark)", is_dark)
    panel = open_set(probe)
    # All of it is above the actions, which stick to the end of the view.
    bottom = panel.evaluate("e => e.getBoundingClientRect().bottom")
    assert bottom <= page.locator(".m1-actions-bar").evaluate("e => e.getBoundingClientRect().top")
    screenshot(page, f"paste-set-{width}-{'dark' if is_dark else 'light'}.png")
    assert not probe.scrolls_sideways()
    right = panel.evaluate(
        "e => Math.max(...[...e.querySelectorAll('button, input, li')].map(b => b.getBoundingClientRect().right))"
    )
    assert right <= width


def test_draft_comes_back_after_a_click_on_the_history(probe: ProbePage) -> None:
    probe.fill("A draft that is not run yet?", options=["A. one", "B. two"], target="B")
    probe.search.fill("quixotically")
    expect(probe.rows).to_have_count(1, timeout=WAIT_MS)
    probe.rows.first.get_by_text("Which sutured vessel is torn?").click()
    probe.wait_over()
    expect(probe.question).to_have_value("Which sutured vessel is torn?")
    expect(preview(probe.page)).to_contain_text("Your earlier text: “A draft that is not run yet?”", timeout=WAIT_MS)
    press(probe.page, "Restore")
    expect(probe.question).to_have_value("A draft that is not run yet?")
    expect(probe.options).to_have_value("A. one\nB. two")
    expect(probe.target).to_have_value("B")
    expect(probe.part("question")).to_have_text("Which sutured vessel is torn?")


def test_draft_comes_back_with_the_browser_s_back(probe: ProbePage) -> None:
    probe.question.fill("A draft that is not run yet?")
    probe.search.fill("quixotically")
    expect(probe.rows).to_have_count(1, timeout=WAIT_MS)
    probe.rows.first.get_by_text("Which sutured vessel is torn?").click()
    probe.wait_over()
    probe.wait_trace_id()
    probe.page.go_back()
    expect(probe.question).to_have_value("A draft that is not run yet?", timeout=WAIT_MS)


def test_draft_comes_back_after_a_reload_during_a_run(probe: ProbePage) -> None:
    probe.ask(LONG_QUESTION, budget=LONG_BUDGET)
    probe.wait_streaming()
    probe.wait_trace_id()
    probe.question.fill("The next question, typed meanwhile?")
    probe.target.fill("")
    probe.reload()
    probe.wait_streaming()
    expect(probe.question).to_have_value("The next question, typed meanwhile?", timeout=WAIT_MS)
    expect(probe.part("question")).to_have_text(LONG_QUESTION)
    probe.stop.click()
    probe.wait_over("Stopped")
    expect(probe.question).to_have_value("The next question, typed meanwhile?")


def test_compare_has_the_same_form_and_names_its_question(page: Page, app_in_use: RunningApp) -> None:
    compare = OpenComparePage(page, app_in_use.url).open()
    paste(page, compare.question, f"{SECOND}\n{SECOND_OPTIONS}\nAnswer: 2")
    expect(compare.options).to_have_value("A. Ulnar nerve\nB. Radial nerve\nC. Median nerve", timeout=WAIT_MS)
    expect(compare.target).to_have_value("B")
    paste(page, compare.question, LONG_QUESTION)
    expect(compare.options).to_have_value("")
    compare.fill(LONG_QUESTION)
    compare.run.click()
    compare.wait_sweep_id()
    compare.wait_over()
    expect(compare.part("name")).to_have_text(LONG_QUESTION)


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1366, 400])
def test_preview_fits_the_window(probe: ProbePage, width: int, is_dark: bool) -> None:
    page = probe.page
    page.set_viewport_size({"width": width, "height": 768})
    page.evaluate("isDark => document.body.classList.toggle('dark', isDark)", is_dark)
    paste(page, probe.question, SEVERAL)
    press(page, "One after another")
    expect(preview(page)).to_contain_text("Question 1 of 2")
    assert not probe.scrolls_sideways()
    right = preview(page).evaluate(
        "e => Math.max(...[...e.querySelectorAll('button')].map(b => b.getBoundingClientRect().right))"
    )
    assert right <= width
    expect(preview(page)).to_contain_text(re.compile("2 options|3 options"))
    screenshot(page, f"paste-preview-{width}-{'dark' if is_dark else 'light'}.png")


TWO_RIGHT = """Which of the following lower serum potassium?
A. Insulin
B. Spironolactone
C. Salbutamol
D. Ramipril
Answers: A and C"""


def test_a_question_with_two_right_answers_is_pasted_asked_and_judged_as_a_set(
    probe: ProbePage, app: RunningApp
) -> None:
    paste(probe.page, probe.question, TWO_RIGHT)
    expect(probe.target).to_have_value("A, C", timeout=WAIT_MS)
    expect(probe.page.get_by_text("Recognised and moved: 4 options, target A, C")).to_be_visible()
    probe.set_number(probe.budget, 64)
    probe.cap_answer()
    probe.run.click()
    trace_id = probe.wait_trace_id()
    probe.wait_over()
    trace = app.trace(trace_id)
    assert trace["target"] == "A, C"
    assert "Answer with the letters of all correct options, separated by commas." in trace["prompt_text"]
    assert trace["correct"] is (trace["letter"] == "A, C")
    expect(probe.verdict).to_have_text(re.compile(_verdict_of(trace)))
    rows = probe.part("options").locator("li")
    expect(rows).to_have_count(4)
    targets = [row.locator(".m1-tags").inner_text() for row in rows.all()]
    assert ["target" in tags for tags in targets] == [True, False, True, False]
    expect(probe.part("other")).to_contain_text("how likely each is to be named first")
    screenshot(probe.page, "two-right-answers.png")


def test_several_letters_typed_as_the_target_are_asked_for_in_order(probe: ProbePage, app: RunningApp) -> None:
    probe.ask("Which lower potassium?", options=["A. Insulin", "B. Ramipril", "C. Salbutamol"], target="c a")
    trace_id = probe.wait_trace_id()
    probe.wait_over()
    assert app.trace(trace_id)["target"] == "A, C"
    probe.open(f"/?trace={trace_id}")
    expect(probe.target).to_have_value("A, C")


def test_letters_that_are_no_options_are_refused_as_the_target(probe: ProbePage) -> None:
    probe.ask("Which lower potassium?", options=["A. Insulin", "B. Ramipril", "C. Salbutamol"], target="A, F")
    expect(probe.message).to_contain_text("The target 'A, F' is not one of the options")


def _verdict_of(trace: dict) -> str:
    if trace["letter"] is None:
        return "✗ No option chosen.*, target A, C"
    if trace["correct"]:
        return "✓ Right: A, C"
    return f"✗ Wrong: {trace['letter']}, target A, C; Hamming score [01][.][0-9]{{2}}"


def paste_formatted(page: Page, box: Locator, text: str, html: str) -> None:
    """Paste over all that a box holds, with its formatting, as from a web page or Word."""
    box.focus()
    box.press("ControlOrMeta+A")
    box.evaluate(
        """(area, [text, html]) => {
            const data = new DataTransfer();
            data.setData("text/plain", text);
            data.setData("text/html", html);
            const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
            if (area.dispatchEvent(event)) document.execCommand("insertText", false, text);
        }""",
        [text, html],
    )


def test_letters_of_a_list_that_the_plain_text_has_lost_are_read_from_its_formatting(probe: ProbePage) -> None:
    plain = f"{SECOND}\nUlnar nerve\nRadial nerve\nMedian nerve"
    items = "".join(f"<li onclick='document.title=1'>{name}</li>" for name in plain.split("\n")[1:])
    html = f"<p>{SECOND}</p><ol type=A>{items}</ol><img src=x onerror='document.title=1'>"
    html = f"<style>p {{ color: red }}</style><!--StartFragment-->{html}<!--EndFragment-->"
    title = probe.page.title()
    paste_formatted(probe.page, probe.question, plain, html)
    expect(probe.options).to_have_value("A. Ulnar nerve\nB. Radial nerve\nC. Median nerve", timeout=WAIT_MS)
    expect(probe.question).to_have_value(SECOND)
    expect(preview(probe.page)).to_contain_text("Recognised and moved: 3 options")
    assert probe.page.title() == title
    press(probe.page, "Undo")
    press(probe.page, "Undo")
    expect(probe.question).to_have_value(plain)


def test_a_formatted_paste_whose_plain_text_says_all_is_read_as_plain_text(probe: ProbePage) -> None:
    plain = f"{SECOND}\n{SECOND_OPTIONS}\nAnswer: 2"
    html = "".join(f"<p>{line}</p>" for line in plain.split("\n"))
    paste_formatted(probe.page, probe.question, plain, html)
    expect(probe.options).to_have_value("A. Ulnar nerve\nB. Radial nerve\nC. Median nerve", timeout=WAIT_MS)
    expect(probe.target).to_have_value("B")
    press(probe.page, "Undo")
    expect(probe.question).to_have_value(plain)
