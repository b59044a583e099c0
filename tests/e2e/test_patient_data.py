"""What may identify a person, and questions that are not kept, as the pages show them."""

from playwright.sync_api import Page, expect

from tests.e2e.probe_page import OPEN_QUESTION, WAIT_MS, ProbePage
from tests.e2e.running_app import RunningApp

IDENTIFYING = "Mr. Smith (MRN 1234567, born 12/05/1961) has pale skin. Name one sign of anaemia."


def test_what_may_identify_somebody_is_shown_while_it_is_typed_and_run_only_anyway(
    probe: ProbePage, app: RunningApp
) -> None:
    findings, anyway = probe.page.locator("#findings"), probe.page.locator("#run-anyway")
    probe.fill(IDENTIFYING)
    expect(findings).to_contain_text("record number 12•••••", timeout=WAIT_MS)
    expect(findings).to_contain_text("Most names and addresses are not recognised")
    expect(anyway).to_be_hidden()
    probe.run.click()
    expect(probe.message).to_contain_text("1 possible name, 1 record number, 1 full date", timeout=WAIT_MS)
    expect(probe.question).to_have_value(IDENTIFYING)
    expect(probe.run).to_be_enabled()
    expect(anyway).to_be_visible()
    probe.question.fill(f"{IDENTIFYING} Explain it.")
    expect(anyway).to_be_hidden()
    probe.fill(IDENTIFYING)
    probe.run.click()
    anyway.click()
    trace_id = probe.wait_trace_id()
    expect(anyway).to_be_hidden()
    probe.wait_over()
    assert app.trace(trace_id)["question"] == IDENTIFYING
    probe.question.fill(OPEN_QUESTION)
    expect(findings).to_have_text("", timeout=WAIT_MS)


def test_a_question_that_is_not_kept_is_shown_and_downloaded_but_not_listed(probe: ProbePage, app: RunningApp) -> None:
    probe.fill(f"{OPEN_QUESTION} Call it Zirconite.")
    keep_not = probe.page.get_by_label("Do not keep")
    expect(probe.page.locator("#unkept")).to_contain_text("lost if the app restarts")
    keep_not.check()
    # Enter would change the box, if it were Gradio's.
    keep_not.press("Control+Enter")
    trace_id = probe.wait_trace_id()
    probe.wait_over()
    expect(probe.state).to_contain_text("not kept")
    expect(probe.part("annotate")).to_be_hidden()
    expect(probe.part("compare")).to_be_hidden()
    assert "Zirconite" in probe.page.request.get(f"{app.url}/traces/{trace_id}.json").text()
    assert "Zirconite" not in probe.page.locator("#history").inner_text()
    probe.reload()
    probe.wait_over()
    expect(keep_not).to_be_checked()
    probe.again.click()
    probe.page.wait_for_function("id => !location.search.includes(id)", arg=trace_id, timeout=WAIT_MS)
    probe.wait_over()
    expect(probe.state).to_contain_text("not kept")
    holding = [path for path in app.home.rglob("*") if path.is_file() and b"Zirconite" in path.read_bytes()]
    assert holding == []


def test_a_sweep_that_may_identify_somebody_is_run_only_anyway(page: Page, app: RunningApp) -> None:
    page.goto(f"{app.url}/compare/")
    page.locator("#compare-run").wait_for()
    page.locator("#sweep-history [data-part], #sweep-history tr").first.wait_for(state="attached")
    page.locator("#compare-question textarea").fill(IDENTIFYING)
    expect(page.locator("#compare-findings")).to_contain_text("record number", timeout=WAIT_MS)
    page.locator("#compare-run").click()
    expect(page.locator("#compare-message")).to_contain_text("not sent", timeout=WAIT_MS)
    page.locator("#compare-run-anyway").click()
    expect(page.locator("#compare-stop")).to_be_enabled(timeout=WAIT_MS)
    page.locator("#compare-stop").click()
