"""Judging the answer to an open question on the Probe page: by a model, and by a person beside it."""

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.browser_watch import screenshot
from tests.e2e.probe_page import OPEN_QUESTION, ProbePage
from tests.e2e.running_app import RunningApp
from tests.e2e.screen_checks import has_axe, violations
from tests.e2e.stored_traces import LOOKS_STEM

HOSTILE = "<img src=x onerror=alert(1)> Pale skin"


def part(page: Page, name: str) -> Locator:
    return page.locator(f'#open-verdict [data-part="{name}"]')


def asked(probe: ProbePage, question: str = OPEN_QUESTION) -> str:
    probe.ask(question, budget=24)
    probe.wait_over()
    return probe.wait_trace_id()


def test_a_model_judges_an_open_answer_and_a_person_disagrees(
    probe: ProbePage, new_context: Callable[..., BrowserContext], app: RunningApp
) -> None:
    page = probe.page
    expect(part(page, "panel")).to_be_hidden()
    trace_id = asked(probe, f"{OPEN_QUESTION} Only one.")
    expect(part(page, "panel")).to_be_visible()
    expect(part(page, "agree")).to_be_hidden()
    part(page, "judge").click()
    expect(part(page, "message")).to_contain_text("There is no reference answer")

    part(page, "reference").fill(HOSTILE)
    part(page, "judge").click()
    verdict = part(page, "model-verdict")
    expect(verdict).to_contain_text(re.compile("^Judged .+ by the model smollm2-135m, not by a person"))
    expect(part(page, "reference")).to_have_value(HOSTILE)
    expect(part(page, "message")).to_be_hidden()
    page.get_by_text("The judge's reason").click()
    expect(part(page, "reason")).to_be_visible()
    screenshot(page, "open-verdict.png")

    is_decided = "neither" not in verdict.inner_text()
    part(page, "disagree" if is_decided else "wrong").click()
    expect(part(page, "person-verdict")).to_contain_text("A person judged it")
    expect(part(page, "agreement")).to_contain_text(re.compile(r"agree on \d of \d answers? that both have judged"))

    # By its link, at another width and in the dark, it stands as it was.
    dark = new_context(viewport={"width": 400, "height": 800}, color_scheme="dark", reduced_motion="reduce")
    other = ProbePage(dark.new_page(), app.url).open(f"/?trace={trace_id}")
    other.wait_over()
    expect(part(other.page, "person-verdict")).to_contain_text("A person judged it")
    expect(part(other.page, "reference")).to_have_value(HOSTILE)
    assert not other.scrolls_sideways()
    part(other.page, "panel").scroll_into_view_if_needed()
    screenshot(other.page, "open-verdict-400.png")
    assert not has_axe() or violations(other.page) == []


def test_an_answer_to_a_question_with_options_has_no_panel(probe: ProbePage) -> None:
    probe.search.fill("koilonychia")
    expect(probe.rows).to_have_count(1)
    probe.rows.first.get_by_text(LOOKS_STEM).click()
    probe.wait_over()
    expect(probe.verdict).to_be_visible()
    expect(part(probe.page, "panel")).to_be_hidden()
