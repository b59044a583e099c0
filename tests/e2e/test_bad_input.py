"""What cannot be run: a message that names what was found, no traceback, and everything typed still there."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.browser_watch import Watch
from tests.e2e.probe_page import OPEN_QUESTION, ProbePage
from tests.e2e.running_app import RunningApp
from tests.e2e.shared_context import SharedContext


@dataclass(frozen=True)
class Typed:
    """What a person typed, and words of the message."""

    says: str
    question: str = OPEN_QUESTION
    options: str = ""
    target: str = ""
    budget: str = "64"
    seed: str = ""


_TWENTY_SEVEN = "\n".join(f"option {n}" for n in range(27))
_CASES = {
    "empty question": Typed("The question is empty", question=""),
    "blank question": Typed("The question is empty", question=" \n\t "),
    "200,000 characters": Typed("200,000 characters; the limit is 100,000", question="x" * 200_000),
    "NUL": Typed("The question has a NUL (U+0000) at character 4", question="one\x00two"),
    "doubled letters": Typed("The option letter A appears more than once", options="A. one\nA. two"),
    "letter left out": Typed("The option letters are A, C", options="A. one\nC. three"),
    "only some lettered": Typed("has none", options="A. one\ntwo"),
    "one option": Typed("There is only one option", options="A. one"),
    "27 options": Typed("There are 27 options, but only 26 letters", options=_TWENTY_SEVEN),
    "target that is no option": Typed("The target 'Q' is not one of the options", options="A. one\nB. two", target="Q"),
    "target without options": Typed("the question has no options", target="A"),
    "budget 0": Typed("Thinking budget is 0; enter a whole number from 1", budget="0"),
    "budget negative": Typed("Thinking budget is -5; enter a whole number from 1", budget="-5"),
    "budget empty": Typed("Thinking budget is empty", budget=""),
    "budget above the context": Typed("A thinking budget of 16,384 tokens does not fit", budget="16384"),
    "seed that is no number": Typed("Seed is 'lucky'; enter a whole number from 0", seed="lucky"),
    "seed too large": Typed("Seed is 2,147,483,648; enter a whole number from 0", seed="2147483648"),
    "seed negative": Typed("Seed is -1; enter a whole number from 0", seed="-1"),
}

_CLICK_ONCE_ENABLED = """(selector) => {
  const button = document.querySelector(selector);
  let isClicked = false;
  window.timesDisabled = 0;
  new MutationObserver(() => {
    if (button.disabled) window.timesDisabled += 1;
    else if (!isClicked) {
      isClicked = true;
      button.click();
    }
  }).observe(button, { attributeFilter: ['disabled'] });
}"""


@pytest.fixture(scope="module")
def opened(shared_contexts: SharedContext, app: RunningApp) -> ProbePage:
    """One page for every refusal: each fills all the fields, and a refused question leaves no trace."""
    return ProbePage(shared_contexts.at(app.url).new_page(), app.url).open()


@pytest.fixture
def form(opened: ProbePage, shared_context: BrowserContext, watch: Watch) -> Iterator[ProbePage]:
    watch.attach(shared_context)
    yield opened
    watch.detach(shared_context)


@pytest.mark.parametrize("typed", _CASES.values(), ids=_CASES.keys())
def test_what_cannot_be_run_is_named_and_nothing_typed_is_lost(form: ProbePage, typed: Typed) -> None:
    probe = form
    rows = probe.rows.count()
    probe.question.fill(typed.question)
    probe.options.fill(typed.options)
    probe.target.fill(typed.target)
    probe.seed.fill(typed.seed)
    probe.set_number(probe.budget, typed.budget)
    probe.run.click()
    probe.wait_message(typed.says)
    assert "Traceback" not in probe.page.locator("body").inner_text()
    held = [field.input_value() for field in (probe.question, probe.options, probe.target, probe.seed, probe.budget)]
    assert held == [typed.question, typed.options, typed.target, typed.seed, typed.budget]
    expect(probe.run).to_be_enabled()
    expect(probe.stop).to_be_disabled()
    expect(probe.rows).to_have_count(rows)
    assert probe.page.url == probe.origin + "/"


def test_message_goes_away_when_the_corrected_question_runs(probe: ProbePage) -> None:
    probe.ask("", budget=64)
    probe.wait_message("The question is empty")
    probe.question.fill(OPEN_QUESTION)
    probe.run.click()
    probe.wait_over()
    expect(probe.message).to_be_hidden()


def test_emoji_and_right_to_left_text_are_asked_as_they_are(probe: ProbePage, app: RunningApp) -> None:
    text = "מהו החום התקין? \U0001f321\ufe0f \U0001f468\u200d\u2695\ufe0f e\u0301"
    probe.ask(text)
    trace = app.trace(probe.wait_trace_id())
    probe.wait_over()
    assert trace["question"] == text
    expect(probe.question).to_have_value(text)


@pytest.mark.parametrize(("path", "button"), [("/", "#run"), ("/admin/", "#admin-start")])
def test_a_click_as_soon_as_the_button_is_enabled_again_counts(
    page: Page, app: RunningApp, path: str, button: str
) -> None:
    """Gradio drops a click while the one before is pending, which was so for a moment after each refusal."""
    page.goto(app.url + path)
    page.locator(button).wait_for()
    page.locator("#history [data-trace], #admin-launch-command [data-part=hint]:not(:empty)").first.wait_for()
    page.evaluate(_CLICK_ONCE_ENABLED, button)
    page.locator(button).click()
    page.wait_for_function("() => window.timesDisabled === 2")
    expect(page.locator(button)).to_be_enabled()
