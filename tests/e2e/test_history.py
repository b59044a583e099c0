"""The History list: found by words and by filters, opened by a click."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.probe_page import WAIT_MS, ProbePage
from tests.e2e.stored_traces import FILLER_COUNT


@pytest.mark.parametrize(
    ("words", "stem"),
    [
        ("cortisol", "Which sutured gland makes cortisol?"),
        ("zygomaticotemporal", "Which sutured vessel is torn?"),
        ("quixotically", "Which sutured vessel is torn?"),
    ],
    ids=["question", "thinking", "answer"],
)
def test_search_finds_words_of_question_thinking_and_answer(probe: ProbePage, words: str, stem: str) -> None:
    probe.search.fill(words)
    expect(probe.rows).to_have_count(1, timeout=WAIT_MS)
    expect(probe.rows.first).to_contain_text(stem)


def test_search_without_result_says_so_and_clearing_it_brings_the_list_back(probe: ProbePage) -> None:
    before = probe.rows.count()
    assert before > 0
    probe.search.fill('nowhere" OR * (xyzzy')
    probe.page.get_by_text("No trace matches. Clear the search or the filters.").wait_for()
    expect(probe.rows).to_have_count(0)
    probe.search.fill("")
    expect(probe.rows).to_have_count(before, timeout=WAIT_MS)


def test_filters_restrict_by_verdict_state_and_model(probe: ProbePage) -> None:
    probe.search.fill("sutured")
    expect(probe.rows).to_have_count(2, timeout=WAIT_MS)
    probe.choose("Verdict", "Wrong")
    expect(probe.rows).to_have_count(1, timeout=WAIT_MS)
    expect(probe.rows.first).to_contain_text("Which sutured vessel is torn?")
    expect(probe.rows.first).to_contain_text("✗ Wrong: B, target A")
    probe.choose("Verdict", "Right")
    expect(probe.rows.first).to_contain_text("Which sutured gland makes cortisol?", timeout=WAIT_MS)
    expect(probe.rows.first).to_contain_text("✓ Right: B")
    probe.choose("State", "Failed")
    expect(probe.rows).to_have_count(0, timeout=WAIT_MS)
    probe.search.fill("Hostile")
    probe.choose("Verdict", "Any verdict")
    expect(probe.rows).to_have_count(1, timeout=WAIT_MS)
    expect(probe.rows.first).to_contain_text("Hostile stem")
    probe.choose("State", "Any state")
    probe.choose("Model", "smollm2-135m")
    expect(probe.rows).to_have_count(0, timeout=WAIT_MS)
    probe.search.fill("sutured")
    expect(probe.rows).to_have_count(2, timeout=WAIT_MS)


def test_deleting_a_row_opens_nothing_and_can_be_undone(probe: ProbePage) -> None:
    probe.search.fill("sutured")
    expect(probe.rows).to_have_count(2, timeout=WAIT_MS)
    row = probe.rows.first
    row.hover()
    row.get_by_role("button", name="Delete").click()
    expect(probe.rows).to_have_count(1, timeout=WAIT_MS)
    history = probe.page.locator("#history")
    expect(history).to_contain_text("Moved to the trash.")
    assert "trace=" not in probe.page.url
    history.get_by_role("button", name="Undo").click()
    expect(probe.rows).to_have_count(2, timeout=WAIT_MS)


def test_click_on_a_row_opens_its_trace(probe: ProbePage) -> None:
    probe.search.fill("quixotically")
    expect(probe.rows).to_have_count(1, timeout=WAIT_MS)
    trace_id = probe.rows.first.get_attribute("data-trace")
    probe.rows.first.get_by_text("Which sutured vessel is torn?").click()
    probe.wait_over()
    assert probe.wait_trace_id() == trace_id
    expect(probe.question).to_have_value("Which sutured vessel is torn?")
    expect(probe.options).to_have_value("A. Artery\nB. Vein")
    expect(probe.budget).to_have_value("1024")
    assert probe.text_of(probe.thinking) == "Perhaps the zygomaticotemporal branch."
    expect(probe.verdict).to_have_text(re.compile("✗ Wrong: B, target A"))


def test_longer_list_is_shown_in_steps(probe: ProbePage) -> None:
    # The list is as long before the search: its answer must have come before the next click.
    expect(probe.rows.filter(has_not_text="Filler")).not_to_have_count(0)
    probe.search.fill("Filler")
    expect(probe.rows.filter(has_text="Filler")).to_have_count(25, timeout=WAIT_MS)
    probe.page.locator("#more").click()
    expect(probe.rows).to_have_count(FILLER_COUNT, timeout=WAIT_MS)
    expect(probe.page.locator("#more")).to_be_hidden()
