"""The first visit: an example to try, what every setting means, and how long a run takes."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.browser_watch import screenshot
from tests.e2e.compare_page import OpenComparePage
from tests.e2e.probe_page import OPEN_QUESTION, ProbePage
from tests.e2e.running_app import RunningApp

ROUNDS, TEMPERATURE, SEED = (
    "when the model wants to stop",
    "0 always takes the likeliest token",
    "The same seed repeats a run",
)
PROBE_KNOBS = {
    "options": "The model answers with one letter",
    "target": "The model does not see it",
    "model": "Which model answers",
    "seed": SEED,
    "budget-slider": "Maximum thinking tokens",
    "budget": "Any number",
    "rounds": ROUNDS,
    "temperature": TEMPERATURE,
    "unkept": "Nothing is stored",
}
COMPARE_KNOBS = {
    "target": "The model does not see it",
    "budgets": "The model answers after each",
    "own-budgets": "separated by spaces",
    "rounds": ROUNDS,
    "models": "Each model gets its own sweep",
    "passes": "Repetitions with different seeds",
    "temperature": TEMPERATURE,
    "seed": SEED,
}
SHARED_KNOBS = {
    "top-p": "Share of the likeliest tokens",
    "answer-cap": "Maximum answer tokens",
    "profile": "opens and closes thinking",
    "system-prompt": "before the question",
}
NOT_KNOWN = "time unknown: this model has not run here yet"


def test_the_example_is_on_the_first_screen_of_a_phone(
    new_context: Callable[..., BrowserContext], app: RunningApp
) -> None:
    probe = ProbePage(new_context(viewport={"width": 400, "height": 800}).new_page(), app.url).open()
    offer = probe.part("example")
    expect(offer).to_be_in_viewport()
    screenshot(probe.page, "first-use-400.png")
    offer.click()
    expect(probe.question).to_have_value(re.compile("dabigatran"))
    expect(probe.thinking).to_be_visible()
    form, pane = (probe.page.locator(each).bounding_box() for each in ("#question", "#trace-pane"))
    assert form and pane and form["y"] < pane["y"]


def test_an_example_is_offered_once_fills_the_form_and_runs_nothing(
    new_context: Callable[..., BrowserContext], app: RunningApp
) -> None:
    context = new_context()
    probe = ProbePage(context.new_page(), app.url).open()
    card, offer = probe.part("first-use"), probe.part("example")
    expect(card).to_be_visible()
    screenshot(probe.page, "first-use.png")
    before = probe.rows.first.get_attribute("data-trace")
    offer.focus()
    probe.page.keyboard.press("Enter")
    expect(probe.question).to_have_value(re.compile("dabigatran"))
    expect(probe.options).to_have_value(re.compile("^A. "))
    expect(card).to_be_hidden()
    expect(probe.run).to_be_enabled()
    expect(probe.stop).to_be_disabled()
    expect(probe.state).to_be_empty()
    other = ProbePage(context.new_page(), app.url).open()
    expect(other.part("first-use")).to_be_hidden()
    assert other.rows.first.get_attribute("data-trace") == before


def test_whoever_has_asked_is_offered_no_example(probe: ProbePage) -> None:
    expect(probe.part("first-use")).to_be_visible()
    probe.ask(OPEN_QUESTION)
    probe.wait_trace_id()
    expect(probe.part("first-use")).to_be_hidden()
    probe.wait_over()
    probe.new.click()
    probe.wait_usable()
    expect(probe.part("first-use")).to_be_hidden()


def _expect_help(page: Page, prefix: str, words: dict[str, str]) -> None:
    """Each setting has words of its own that stand in the page, for a mouse, a finger and a screen reader alike."""
    page.get_by_role("button", name="Advanced").click()
    for name, help_ in words.items():
        expect(page.locator(f"#{prefix}{name}").get_by_text(help_)).to_be_visible()


@pytest.mark.parametrize("width", [1366, 400])
def test_every_setting_says_what_it_does(
    new_context: Callable[..., BrowserContext], app: RunningApp, width: int
) -> None:
    context = new_context(viewport={"width": width, "height": 768}, color_scheme="dark")
    probe = ProbePage(context.new_page(), app.url).open()
    _expect_help(probe.page, "", PROBE_KNOBS | SHARED_KNOBS)
    assert not probe.scrolls_sideways()
    screenshot(probe.page, f"help-probe-{width}.png")
    compare = OpenComparePage(context.new_page(), app.url).open()
    _expect_help(compare.page, "compare-", COMPARE_KNOBS | SHARED_KNOBS)
    screenshot(compare.page, f"help-compare-{width}.png")


def test_the_time_of_a_run_is_estimated_from_the_models_own_runs(probe: ProbePage) -> None:
    probe.ask(OPEN_QUESTION, budget=64)
    probe.wait_over()
    expect(probe.estimate).to_contain_text(
        re.compile(r"At most 81 tokens, (up to )?about [\d.–]+ s.* at [\d.]+ tokens/s, meas")
    )
    probe.set_number(probe.budget, 1024)
    expect(probe.estimate).to_contain_text(re.compile(r"At most 1,041 tokens, (up to )?about "))
    probe.page.locator("#model input").fill("a-model-that-never-ran")
    probe.page.keyboard.press("Enter")
    expect(probe.estimate).to_contain_text(NOT_KNOWN)
    compare = OpenComparePage(probe.page, probe.origin).open()
    expect(compare.estimate).to_contain_text(re.compile(r"tokens, (up to )?about .* tokens/s, measured"))
