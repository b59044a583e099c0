"""Asking: the form, the run as it streams, Stop, and what is shown when it is over."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.probe_page import LONG_BUDGET, LONG_QUESTION, OPEN_QUESTION, WAIT_MS, WITH_OPTIONS, ProbePage
from tests.e2e.running_app import RunningApp


def test_pasted_options_get_their_own_box_and_the_run_ends_in_verdict_and_probabilities(
    probe: ProbePage, app: RunningApp
) -> None:
    probe.question.fill(WITH_OPTIONS)
    probe.question.blur()
    expect(probe.options).to_have_value("A. Anaemia\nB. Polycythaemia\nC. Leukocytosis", timeout=WAIT_MS)
    expect(probe.question).to_have_value(WITH_OPTIONS.partition("\n")[0])
    expect(probe.target).to_have_value("A")
    expect(probe.page.get_by_text("Recognised and moved: 3 options, target A")).to_be_visible()
    probe.options.fill("A. Anaemia\nB. Polycythaemia\nC. Leukocytosis of the marrow")
    probe.set_number(probe.budget, 64)
    probe.cap_answer()
    probe.run.click()
    trace_id = probe.wait_trace_id()
    probe.wait_over()

    trace = app.trace(trace_id)
    assert trace["options"] == {"A": "Anaemia", "B": "Polycythaemia", "C": "Leukocytosis of the marrow"}
    assert (trace["target"], trace["thinking_tokens"]) == ("A", 64)
    thinking = "".join(part["text"] for part in trace["segments"] if part["kind"] in ("think", "wait"))
    assert probe.text_of(probe.thinking) == thinking
    assert trace["answer"] in probe.text_of(probe.answer)
    expected = {True: "✓ Right", False: "✗ Wrong"}[trace["correct"]]
    expect(probe.verdict).to_contain_text(expected)
    if trace["letter"]:
        expect(probe.verdict).to_contain_text(f"{trace['letter']}")
    expect(probe.part("finish")).to_have_text("Thinking used up the budget.")
    expect(probe.part("used")).to_have_text("64 of 64 tokens")
    _expect_options(probe, trace)


def _expect_options(probe: ProbePage, trace: dict) -> None:
    rows = probe.part("options").locator("li")
    expect(rows).to_have_count(3)
    for row, (letter, text) in zip(rows.all(), trace["options"].items(), strict=True):
        expect(row).to_contain_text(text)
        expect(row.locator(".m1-percent")).to_have_text(f"{trace['option_probabilities'][letter] * 100:.1f}%")
        tags = [name for name, it in (("chosen", trace["letter"]), ("target", trace["target"])) if it == letter]
        expect(row.locator(".m1-tags")).to_have_text(", ".join(tags))
    assert 0 < sum(trace["option_probabilities"].values()) <= 1.0001


def test_tokens_of_every_segment_are_listed_and_add_up(probe: ProbePage, app: RunningApp) -> None:
    probe.ask(OPEN_QUESTION, budget=64)
    trace = app.trace(probe.wait_trace_id())
    probe.wait_over()
    trace = app.trace(trace["trace_id"])
    probe.page.get_by_text("Tokens and settings").click()
    rows = probe.part("segments").locator("tr")
    expect(rows).to_have_count(len(trace["segments"]))
    listed = [int(row.locator("td").nth(1).inner_text().replace(",", "")) for row in rows.all()]
    assert listed == [part["token_count"] for part in trace["segments"]]
    generated = sum(part["token_count"] for part in trace["segments"] if part["kind"] in ("think", "answer"))
    assert trace["tokens_generated"] >= generated
    expect(probe.part("cost")).to_have_text(f"{trace['tokens_generated']} generated")


@pytest.mark.parametrize("how", ["button", "keys"])
def test_a_person_can_have_the_model_answer_now(probe: ProbePage, app: RunningApp, how: str) -> None:
    expect(probe.answer_now).to_be_disabled()
    probe.ask(LONG_QUESTION, budget=LONG_BUDGET)
    probe.wait_streaming(60)
    if how == "button":
        probe.answer_now.click()
    else:
        probe.page.keyboard.press("Control+Shift+Enter")
    trace_id = probe.wait_trace_id()
    probe.wait_over()
    expect(probe.answer_now).to_be_disabled()
    trace = app.trace(trace_id)
    assert (trace["state"], trace["finish_reason"]) == ("completed", "early_exit")
    assert 0 < trace["thinking_tokens"] < LONG_BUDGET
    assert trace["answer"] and trace["answer"] in probe.text_of(probe.answer)
    count = f"{trace['thinking_tokens']:,}"
    expect(probe.part("finish")).to_have_text(f"Closed by a person at {count} tokens.")
    assert [part["kind"] for part in trace["segments"]] == ["think", "close", "answer"]


def test_budget_slider_and_exact_number_follow_each_other(probe: ProbePage) -> None:
    expect(probe.budget_slider).to_have_value("9")
    probe.set_number(probe.budget, 1000)
    expect(probe.budget_slider).to_have_value("10")
    expect(probe.budget).to_have_value("1000")
    probe.budget_slider.press("ArrowRight")
    expect(probe.budget).to_have_value("2048")
    probe.budget_slider.press("End")
    expect(probe.budget).to_have_value("16384")
    probe.budget_slider.press("Home")
    expect(probe.budget).to_have_value("64")
    probe.set_number(probe.budget, 5)
    expect(probe.budget_slider).to_have_value("6")
    expect(probe.budget).to_have_value("5")


def test_thinking_streams_and_stop_keeps_what_is_there(probe: ProbePage, app: RunningApp) -> None:
    probe.ask(LONG_QUESTION, budget=LONG_BUDGET)
    early = probe.wait_streaming(60)
    expect(probe.state).to_have_text("Thinking")
    later = probe.wait_streaming(len(early) + 60)
    assert later.startswith(early)
    expect(probe.run).to_be_disabled()
    probe.stop.click()
    probe.wait_over("Stopped")
    kept = probe.text_of(probe.thinking)
    assert kept.startswith(later)
    expect(probe.part("finish")).to_have_text("Thinking was stopped.")
    trace = app.trace(probe.wait_trace_id())
    assert trace["state"] == "stopped"
    assert 0 < trace["thinking_tokens"] < LONG_BUDGET
    probe.reload()
    probe.wait_over("Stopped")
    assert probe.text_of(probe.thinking) == kept


def test_control_enter_runs_and_escape_stops(probe: ProbePage) -> None:
    probe.set_number(probe.budget, LONG_BUDGET)
    probe.question.fill(LONG_QUESTION)
    probe.question.press("Control+Enter")
    probe.wait_streaming()
    probe.page.keyboard.press("Escape")
    probe.wait_over("Stopped")
    expect(probe.question).to_have_value(LONG_QUESTION)


def test_everything_can_be_reached_with_the_keyboard_alone(probe: ProbePage) -> None:
    page = probe.page
    probe.cap_answer()
    page.locator(".m1-brand").focus()
    _tab_to(probe, "#question textarea")
    page.keyboard.type(OPEN_QUESTION)
    _tab_to(probe, "#budget input")
    page.keyboard.press("Control+A")
    page.keyboard.type("64")
    _tab_to(probe, "#run")
    page.keyboard.press("Enter")
    first = probe.wait_trace_id()
    probe.wait_over()
    for reachable in ("#again", "#new", '[data-part="thinking"]', '[data-copy="answer"]', '[data-part="markdown"]'):
        _tab_to(probe, reachable)
    _tab_to(probe, "#search input, #search textarea")
    page.keyboard.type("anaemia")
    _tab_to(probe, f'#history tr[data-trace="{first}"] a')
    page.keyboard.press("Enter")
    probe.wait_over()
    assert probe.wait_trace_id() == first


def _tab_to(probe: ProbePage, selector: str) -> None:
    """Press Tab until the element has the focus, and visibly so."""
    for _ in range(120):
        probe.page.keyboard.press("Tab")
        if probe.page.evaluate("s => document.activeElement.matches(s)", selector):
            visible = "() => getComputedStyle(document.activeElement).outlineStyle !== 'none'"
            assert probe.page.evaluate(visible), f"no focus ring on {selector}"
            return
    pytest.fail(f"Tab never reached {selector}")


def test_library_question_fills_the_form_and_its_explanation_follows_the_answer(probe: ProbePage) -> None:
    probe.library.click()
    probe.page.keyboard.type("Irregular broad-complex")
    probe.page.get_by_role("option", name=re.compile("Irregular broad-complex tachycardia")).click()
    expect(probe.question).to_have_value(re.compile("^A 24-year-old man"), timeout=WAIT_MS)
    expect(probe.options).to_have_value(re.compile("C. Procainamide infusion"))
    expect(probe.target).to_have_value("C")
    expect(probe.explanation).to_be_hidden()
    probe.set_number(probe.budget, 64)
    probe.cap_answer()
    probe.run.click()
    probe.wait_over()
    expect(probe.explanation).to_have_text(re.compile("accessory pathway.*Reference: ", re.DOTALL), timeout=WAIT_MS)


def test_new_question_clears_the_form(probe: ProbePage) -> None:
    probe.ask(OPEN_QUESTION, options=["A. pallor", "B. rash"], target="A")
    probe.wait_trace_id()
    probe.wait_over()
    probe.new.click()
    probe.page.wait_for_url(probe.origin + "/")
    probe.wait_usable()
    for box in (probe.question, probe.options, probe.target):
        expect(box).to_have_value("")
    expect(probe.state).to_have_text("")
    assert probe.text_of(probe.thinking) == ""


def test_draft_that_was_not_run_survives_a_reload_until_a_new_question(probe: ProbePage) -> None:
    probe.question.fill("A draft \U0001fac0 שלום?")
    probe.options.fill("A. one\nB. two")
    probe.target.fill("B")
    probe.target.blur()
    probe.reload()
    expect(probe.question).to_have_value("A draft \U0001fac0 שלום?", timeout=WAIT_MS)
    expect(probe.options).to_have_value("A. one\nB. two")
    expect(probe.target).to_have_value("B")
    probe.new.click()
    expect(probe.question).to_have_value("", timeout=WAIT_MS)
    probe.reload()
    expect(probe.question).to_have_value("")


def test_run_again_makes_a_new_trace_with_the_same_seed_and_settings(probe: ProbePage, app: RunningApp) -> None:
    probe.fill(OPEN_QUESTION, options=["A. pallor", "B. rash"], target="A")
    probe.set_number(probe.temperature, 0.7)
    probe.run.click()
    first = probe.wait_trace_id()
    probe.wait_over()
    probe.again.click()
    probe.page.wait_for_function("id => !location.href.includes(id)", arg=first)
    second = probe.wait_trace_id()
    probe.wait_over()
    one, two = app.trace(first), app.trace(second)
    assert one["settings"]["seed"] is not None
    assert one["settings"] == two["settings"]
    assert one["settings"]["temperature"] == 0.7
    assert one["prompt_sha256"] == two["prompt_sha256"]
    assert (two["question"], two["target"], two["state"]) == (OPEN_QUESTION, "A", "completed")
    expect(probe.row(first)).to_be_visible()
    expect(probe.row(second)).to_be_visible()


def test_what_is_behind_advanced_is_there_before_it_is_opened(probe: ProbePage) -> None:
    """What Gradio builds at the first opening it sets back a moment later, also when it was typed into meanwhile."""
    box = probe.page.get_by_label("Answer cap (tokens)")
    expect(box).to_be_hidden()
    expect(box).to_have_count(1)
    probe.page.get_by_role("button", name="Advanced").click()
    expect(box).to_be_visible()
