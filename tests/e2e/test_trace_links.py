"""A trace outlives the page that started it, and its link opens it as it was."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.e2e.probe_page import LONG_BUDGET, LONG_QUESTION, OPEN_QUESTION, WAIT_MS, ProbePage
from tests.e2e.running_app import RunningApp, wait_until


def test_reload_while_running_follows_the_same_run(probe: ProbePage, app: RunningApp) -> None:
    probe.ask(LONG_QUESTION, budget=LONG_BUDGET)
    trace_id = probe.wait_trace_id()
    before = probe.wait_streaming()
    probe.page.reload()
    after = probe.wait_streaming(len(before) + 60)
    assert after.startswith(before)
    expect(probe.question).to_have_value(LONG_QUESTION)
    probe.stop.click()
    probe.wait_over("Stopped")
    assert probe.wait_trace_id() == trace_id
    assert app.trace(trace_id)["state"] == "stopped"


def test_on_a_phone_the_trace_comes_into_view_when_it_is_asked_and_when_its_link_is_opened(probe: ProbePage) -> None:
    probe.page.set_viewport_size({"width": 400, "height": 850})
    probe.ask(OPEN_QUESTION, budget=40)
    trace_id = probe.wait_trace_id()
    expect(probe.part("state")).to_be_in_viewport(timeout=WAIT_MS)
    probe.wait_over()
    probe.open(f"/?trace={trace_id}")
    expect(probe.part("state")).to_be_in_viewport(timeout=WAIT_MS)


def test_closing_the_tab_does_not_end_the_run(probe: ProbePage, app: RunningApp) -> None:
    probe.ask(LONG_QUESTION, budget=150)
    trace_id = probe.wait_trace_id()
    probe.page.close()
    wait_until(lambda: app.trace(trace_id)["state"] != "running", "the run ends", WAIT_MS / 1000)
    trace = app.trace(trace_id)
    assert (trace["state"], trace["thinking_tokens"]) == ("completed", 150)
    assert trace["answer"]


def test_link_opens_the_trace_in_another_browser_with_question_and_knobs(
    probe: ProbePage, new_context: Callable[..., BrowserContext]
) -> None:
    options = ["A. pallor", "B. rash"]
    probe.fill(OPEN_QUESTION, budget=90, rounds=1, options=options, target="B")
    probe.set_number(probe.temperature, 0.5)
    probe.seed.fill("41")
    probe.run.click()
    trace_id = probe.wait_trace_id()
    probe.wait_over()
    seen = _what_is_shown(probe)
    probe.reload()
    probe.wait_over()
    assert _what_is_shown(probe) == seen
    link = probe.part("link").get_attribute("href")
    assert link == f"/?trace={trace_id}"
    other = ProbePage(new_context().new_page(), probe.origin).open(link)
    other.wait_over()
    assert _what_is_shown(other) == seen
    assert seen["question"] == OPEN_QUESTION
    assert seen["options"] == "\n".join(options)
    assert (seen["budget"], seen["rounds"], seen["temperature"], seen["seed"]) == ("90", "1", "0.5", "41")


def _what_is_shown(probe: ProbePage) -> dict[str, str]:
    fields = {
        "question": probe.question,
        "options": probe.options,
        "target": probe.target,
        "budget": probe.budget,
        "rounds": probe.rounds,
        "temperature": probe.temperature,
        "seed": probe.seed,
    }
    texts = {"verdict": probe.verdict, "used": probe.part("used"), "cost": probe.part("cost"), "state": probe.state}
    return (
        {name: field.input_value() for name, field in fields.items()}
        | {name: text.inner_text() for name, text in texts.items()}
        | {"thinking": probe.text_of(probe.thinking), "answer": probe.text_of(probe.answer)}
    )


def test_going_back_shows_the_trace_before(probe: ProbePage) -> None:
    probe.ask(OPEN_QUESTION)
    first = probe.wait_trace_id()
    probe.wait_over()
    probe.ask(LONG_QUESTION)
    probe.page.wait_for_function("id => !location.href.includes(id)", arg=first)
    probe.wait_over()
    probe.page.go_back()
    expect(probe.question).to_have_value(OPEN_QUESTION, timeout=WAIT_MS)
    assert probe.wait_trace_id() == first


@pytest.mark.parametrize("trace_id", ["0" * 32, "%00", "..%2F..%2Fetc", "%3Cimg%20src%3Dx%3E"])
def test_link_to_no_trace_says_so_and_leaves_the_page_usable(probe: ProbePage, trace_id: str) -> None:
    probe.open(f"/?trace={trace_id}")
    probe.wait_message("not found")
    expect(probe.run).to_be_enabled()
    expect(probe.stop).to_be_disabled()


def test_trace_downloads_as_json_markdown_and_html(probe: ProbePage, app: RunningApp) -> None:
    probe.ask(OPEN_QUESTION, options=["A. pallor", "B. rash"], target="A")
    trace_id = probe.wait_trace_id()
    probe.wait_over()
    contents = {}
    for part, ending in (("json", "json"), ("markdown", "md"), ("html", "html")):
        with probe.page.expect_download() as download:
            probe.part(part).click()
        name = download.value.suggested_filename
        assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d smollm2-135m 64 tokens [a-z-]+ {trace_id[:8]}\.{ending}", name)
        contents[part] = download.value.path().read_text(encoding="utf-8")
    record = json.loads(contents["json"])
    assert record == app.trace(trace_id)
    assert record["trace_id"] == trace_id
    assert 0 < record["thinking_tokens"] <= 64
    for text in (OPEN_QUESTION, "A. pallor", record["segments"][0]["text"], record["answer"], "not medical advice"):
        assert text in contents["markdown"]
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', contents["html"])
    assert json.loads(data)["question"]["stem"] == OPEN_QUESTION


def test_thinking_answer_and_link_can_be_copied(new_context: Callable[..., BrowserContext], app: RunningApp) -> None:
    context = new_context(permissions=["clipboard-read", "clipboard-write"])
    probe = ProbePage(context.new_page(), app.url).open()
    probe.ask(OPEN_QUESTION)
    trace_id = probe.wait_trace_id()
    probe.wait_over()
    trace = app.trace(trace_id)
    expected = {
        "thinking": trace["segments"][0]["text"],
        "answer": trace["answer"],
        "link": f"{app.url}/?trace={trace_id}",
    }
    for what, text in expected.items():
        button = probe.page.locator(f'[data-copy="{what}"]')
        button.click()
        expect(button).to_have_text("Copied")
        assert probe.page.evaluate("navigator.clipboard.readText()").endswith(text)
