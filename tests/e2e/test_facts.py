"""A clinician's whole path: a failure, a mark with its corrected fact, the test and its verdict, the model going on
from the fact as a branch beside its parent on Compare, and the count on Benchmarks."""

import json
import re

from playwright.sync_api import Page, expect

from tests.e2e.annotate_page import OpenAnnotatePage
from tests.e2e.browser_watch import screenshot
from tests.e2e.facts_page import OpenFactsPage
from tests.e2e.probe_page import WAIT_MS, WITH_OPTIONS, ProbePage
from tests.e2e.running_app import RunningApp
from tests.e2e.thinking_page import OpenThinkingPage

FACT = "A haemoglobin below 130 g/L in a man means that red cells are lacking"
QUESTION, *OPTIONS = WITH_OPTIONS.split("\n")[:4]


def ask_wrongly(probe: ProbePage) -> str:
    """Ask until the answer is not the target, whatever it is."""
    for target in "ABC":
        probe.open()
        probe.ask(QUESTION, options=OPTIONS, target=target, budget=44)
        trace_id = probe.wait_trace_id()
        probe.wait_over()
        if "Right" not in probe.verdict.inner_text():
            return trace_id
    raise AssertionError("three targets, and all of them right")


def select_all(probe: ProbePage) -> None:
    """Select the thinking, as a triple click and a drag would."""
    probe.thinking.evaluate("pane => document.getSelection().selectAllChildren(pane)")
    expect(probe.part("test-fact")).to_be_visible(timeout=WAIT_MS)


def chosen_by_keyboard(probe: ProbePage, thinking: str) -> None:
    """Arrow keys choose a word, and with Shift more of them, as on Annotate."""
    probe.page.evaluate("document.getSelection().removeAllRanges()")
    expect(probe.part("test-fact")).to_be_hidden()
    probe.thinking.focus()
    probe.page.keyboard.press("ArrowRight")
    probe.page.keyboard.press("Shift+ArrowRight")
    expect(probe.part("test-fact")).to_be_visible()
    start, end = map(int, re.findall(r"(?:from|to)=(\d+)", str(probe.part("test-fact").get_attribute("href"))))
    assert probe.page.evaluate("document.getSelection().toString()") == thinking[start:end]


def is_counted_on_benchmarks(page: Page, app: RunningApp) -> None:
    page.goto(f"{app.url}/benchmarks/#knowledge")
    section = page.locator("#knowledge")
    expect(section.locator("[data-part=knowledge-found]")).to_be_visible(timeout=WAIT_MS)
    expect(section.locator("[data-part=knowledge-apart]")).to_contain_text("Counted separately:")
    expect(section.locator("[data-part=knowledge-agreement] tr")).to_have_count(2)
    screenshot(page, "benchmarks-knowledge.png")


def goes_on_knowing_the_fact(probe: ProbePage, app: RunningApp, trace_id: str) -> None:
    """From the open trace: write the fact into its thinking, and read both beside each other."""
    page = probe.page
    probe.part("edit").click(timeout=WAIT_MS)
    thinking = OpenThinkingPage(page, app.url).wait_shown()
    thinking.choose_first_sentence()
    thinking.written.fill(f"{FACT}.")
    thinking.written.press("Control+Enter")
    page.wait_for_url(lambda url: "trace=" in url and trace_id not in url, timeout=WAIT_MS)
    probe.wait_over()
    page.get_by_role("link", name="Compare them side by side").click(timeout=WAIT_MS)
    columns = page.locator("#branch-columns article")
    expect(columns).to_have_count(2, timeout=WAIT_MS)
    expect(columns.nth(1).locator("ins")).to_have_text(f"{FACT}.")


def test_a_failure_is_marked_its_fact_tested_a_branch_compared_and_all_of_it_counted(
    probe: ProbePage, app: RunningApp
) -> None:
    trace_id = ask_wrongly(probe)
    page: Page = probe.page
    thinking = "".join(part["text"] for part in app.trace(trace_id)["segments"] if part["kind"] == "think")
    expect(probe.part("test-hint")).to_be_visible()
    select_all(probe)
    href = str(probe.part("test-fact").get_attribute("href"))
    assert re.fullmatch(rf"/facts/\?case={trace_id}&from=\d+&to=\d+", href)
    chosen_by_keyboard(probe, thinking)
    first, last = re.findall(r"[A-Za-z]{4,}", thinking)[2:4]
    annotate = OpenAnnotatePage(page, app.url).open(f"/annotate/?case={trace_id}", "Ada")
    annotate.drag("thinking", first, last)
    expect(annotate.quote).to_be_visible()
    page.keyboard.press("1")
    annotate.severity("moderate")
    annotate.fact.fill(FACT)
    expect(annotate.form).to_contain_text("Save the mark, then test this fact")
    annotate.save.click()
    page.get_by_role("link", name=re.compile("^Test this fact")).click()
    facts = OpenFactsPage(page, app.url)
    expect(facts.fact).to_have_value(FACT, timeout=WAIT_MS)
    expect(facts.excerpt.locator("mark")).to_contain_text(first)
    screenshot(page, "facts-form.png")
    facts.start.click()
    facts.wait_over()
    expect(facts.dots("B")).to_have_count(5)
    expect(facts.sentence).to_have_text(re.compile(r"seeds? .*with the fact"))
    said = facts.sentence.inner_text()
    expect(facts.part("texts")).to_contain_text(FACT)
    screenshot(page, "facts-verdict.png")
    page.reload()
    expect(facts.sentence).to_have_text(said, timeout=WAIT_MS)
    expect(facts.arms).to_have_count(4)
    expect(facts.rows.first).to_contain_text(FACT[:40])
    kept = json.loads(page.request.get(app.url + str(facts.part("json").get_attribute("href"))).text())
    assert kept["verdict"]["sentence"] == said
    assert kept["run"]["results"][0]["generated"] == sum(arm["tokens"]["generated"] for arm in kept["arms"])
    expect(facts.part("prefix-cache")).to_contain_text(re.compile("prompt tokens from the prefix cache|not reported"))
    facts.part("trace").click()
    goes_on_knowing_the_fact(probe, app, trace_id)
    is_counted_on_benchmarks(page, app)
