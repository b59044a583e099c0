"""A finished thinking is edited, the model goes on from there, and the branches stand side by side."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.annotate_page import OpenAnnotatePage
from tests.e2e.browser_watch import screenshot
from tests.e2e.probe_page import WAIT_MS, WITH_OPTIONS, ProbePage
from tests.e2e.running_app import RunningApp
from tests.e2e.thinking_page import OpenThinkingPage

QUESTION, *OPTIONS = WITH_OPTIONS.split("\n")[:4]
EDIT = "Pale skin and fatigue are signs of <b>anaemia</b>."


def test_a_thinking_is_edited_and_gone_on_with_as_a_branch(probe: ProbePage, app: RunningApp) -> None:
    page: Page = probe.page
    probe.open()
    probe.ask(QUESTION, options=OPTIONS, target="A", budget=48)
    trace_id = probe.wait_trace_id()
    probe.wait_over()
    expect(page.locator('#branch-tree [data-part="tree"]')).to_be_hidden()
    probe.part("edit").click()
    thinking = OpenThinkingPage(page, app.url).wait_shown()
    sentence = thinking.choose_first_sentence()
    thinking.is_refused(sentence, "text is unchanged")
    thinking.is_refused(" ", "The box is empty")
    thinking.is_refused("pale " * 200, "the budget of 48 leaves")
    thinking.written.fill(EDIT)
    screenshot(page, "thinking-editor.png")
    thinking.written.press("Control+Enter")
    page.wait_for_url(lambda url: "trace=" in url and trace_id not in url, timeout=WAIT_MS)
    probe.wait_over()
    expect(probe.thinking.locator("ins.m1-edited")).to_have_text(EDIT)
    nodes = page.locator("#branch-tree [data-node]")
    expect(nodes).to_have_count(2, timeout=WAIT_MS)
    expect(nodes.nth(1).locator("a[aria-current]")).to_have_text(re.compile(r"Edited after \d+ token"))
    screenshot(page, "branch-tree.png")
    stored = app.trace(re.findall(r"trace=(\w+)", page.url)[0])
    kinds = [part["kind"] for part in stored["segments"]]
    assert kinds[kinds.index("edit") + 1] == "think"
    assert (stored["branch"]["parent_trace_id"], stored["branch"]["replaced"].strip()) == (trace_id, sentence)
    page.get_by_role("link", name="Compare them side by side").click()
    columns = page.locator("#branch-columns article")
    expect(columns).to_have_count(2, timeout=WAIT_MS)
    expect(columns.nth(1).locator("ins")).to_have_text(EDIT)
    expect(page.locator("#branch-columns").get_by_text(OPTIONS[1])).to_be_visible()
    for hidden in ("#compare-form", "#compare-run", "#sweep-view"):
        expect(page.locator(hidden)).to_be_hidden()
    screenshot(page, "branch-columns.png")
    columns.nth(1).get_by_role("link", name=re.compile("^Edit and continue")).click()
    expect(thinking.text.locator(".is-edit").first).to_have_text(EDIT, timeout=WAIT_MS)
    page.locator("#thinking-sentences tbody tr").first.get_by_role("link", name=re.compile("^Mark")).click()
    expect(OpenAnnotatePage(page, app.url).quote).to_contain_text("Pale skin", timeout=WAIT_MS)
    page.goto(f"{app.url}/compare/?branches={'0' * 32}")
    expect(page.locator('#branch-columns [data-part="problem"]')).to_contain_text("not found", timeout=WAIT_MS)
    expect(page.locator('#sweep-view [data-part="empty"]')).to_be_hidden()
