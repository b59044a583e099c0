"""The first visit: an example to try, what every setting means, and how long a run takes."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.browser_watch import screenshot
from tests.e2e.compare_page import OpenComparePage
from tests.e2e.probe_page import OPEN_QUESTION, ProbePage
from tests.e2e.running_app import RunningApp

PROBE_KNOBS = ("target", "model", "seed", "budget-slider", "budget", "rounds", "temperature", "unkept")
COMPARE_KNOBS = ("target", "budgets", "own-budgets", "rounds", "models", "passes", "temperature", "seed")
SHARED_KNOBS = ("top-p", "answer-cap", "profile", "system-prompt")
NOT_KNOWN = "time not known yet: this model has not run here"


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


def _expect_help(page: Page, ids: list[str]) -> None:
    """Each setting has words of its own in the page, not only in a tooltip, and they belong to its box."""
    fold = page.get_by_role("button", name="Advanced")
    if not page.locator(f"#{ids[-1]}").is_visible():
        fold.click()
    for each in ids:
        expect(_help(page.locator(f"#{each}"))).to_be_visible()
        assert len(_help(page.locator(f"#{each}")).inner_text()) >= 10


def _help(knob: Locator) -> Locator:
    return knob.locator(".m1-help, [data-testid=block-info] + *, label + *, .info-text, [class*=info]").last


@pytest.mark.parametrize("width", [1366, 400])
def test_every_setting_says_what_it_does(
    new_context: Callable[..., BrowserContext], app: RunningApp, width: int
) -> None:
    context = new_context(viewport={"width": width, "height": 768}, color_scheme="dark")
    probe = ProbePage(context.new_page(), app.url).open()
    _expect_help(probe.page, [*PROBE_KNOBS, *SHARED_KNOBS])
    assert not probe.scrolls_sideways()
    screenshot(probe.page, f"help-probe-{width}.png")
    compare = OpenComparePage(context.new_page(), app.url).open()
    _expect_help(compare.page, [f"compare-{each}" for each in (*COMPARE_KNOBS, *SHARED_KNOBS)])
    screenshot(compare.page, f"help-compare-{width}.png")


def test_the_time_of_a_run_is_estimated_from_the_models_own_runs(probe: ProbePage) -> None:
    probe.ask(OPEN_QUESTION, budget=64)
    probe.wait_over()
    expect(probe.estimate).to_contain_text(
        re.compile(r"At most 80 tokens, up to about [\d.]+ s at [\d.]+ tokens/s, meas")
    )
    probe.set_number(probe.budget, 1024)
    expect(probe.estimate).to_contain_text("At most 1,040 tokens, up to about")
    probe.page.locator("#model input").fill("a-model-that-never-ran")
    probe.page.keyboard.press("Enter")
    expect(probe.estimate).to_contain_text(NOT_KNOWN)
    compare = OpenComparePage(probe.page, probe.origin).open()
    expect(compare.estimate).to_contain_text(re.compile(r"tokens, up to about .* tokens/s, measured"))
