"""Probe by a policy: a pilot is asked, the policy chooses, and the page says why."""

import re

from playwright.sync_api import expect

from tests.e2e.browser_watch import screenshot
from tests.e2e.policy_fixtures import MADE_FROM, policy
from tests.e2e.probe_page import OPEN_QUESTION, WAIT_MS, WITH_OPTIONS, ProbePage
from tests.e2e.running_app import RunningApp

__all__ = ["policy"]


def choose(probe: ProbePage, policy: str) -> None:
    probe.page.locator("#policy input").click()
    probe.page.get_by_role("option", name=f"Auto by {policy}").click()


def test_a_policy_chooses_by_a_pilot_and_the_page_says_why(probe: ProbePage, app: RunningApp, policy: str) -> None:
    probe.reload()
    probe.fill(WITH_OPTIONS.partition("\n")[0], options=WITH_OPTIONS.split("\n")[1:4], target="A")
    choose(probe, policy)
    expect(probe.estimate).to_contain_text("At most", timeout=WAIT_MS)
    probe.run.click()
    said = probe.part("policy-text")
    expect(said).to_contain_text("so One chain with 24 thinking tokens per pass", timeout=WAIT_MS)
    expect(said).to_contain_text(f"from {MADE_FROM}, 20 questions.")
    expect(probe.verdict).to_be_visible(timeout=WAIT_MS)
    expect(said).to_contain_text("Answer: ")
    expect(said).to_contain_text("tokens, including the pilot.")
    expect(probe.part("used")).to_contain_text("of 24 tokens")
    expect(probe.run).to_be_enabled()
    trace = app.trace(str(probe.part("json").get_attribute("href")).removeprefix("/traces/").removesuffix(".json"))
    thinking = "".join(part["text"] for part in trace["segments"] if part["kind"] == "think")
    assert probe.text_of(probe.thinking) == thinking
    screenshot(probe.page, "probe-by-policy.png")
    probe.part("policy-run").click()
    expect(probe.page).to_have_url(re.compile(r"/strategies/\?run=[0-9a-f]{32}"))
    expect(probe.page.locator('[data-picture="policy"]')).to_contain_text("budget-forcing", timeout=WAIT_MS)


def test_an_open_question_is_refused_at_the_choice_of_the_policy(probe: ProbePage, policy: str) -> None:
    probe.reload()
    probe.fill(OPEN_QUESTION)
    choose(probe, policy)
    probe.run.click()
    expect(probe.message).to_contain_text("this question has none", timeout=WAIT_MS)
    expect(probe.run).to_be_enabled()
