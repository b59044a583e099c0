"""The Compare page with the real model: a sweep fills its columns, and every part of the page leads to the others."""

import csv
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.browser_watch import screenshot
from tests.e2e.compare_page import OpenComparePage
from tests.e2e.probe_page import LONG_QUESTION, WAIT_MS, ProbePage
from tests.e2e.running_app import RunningApp

OPTIONS = ["A. It lowers glucose", "B. It raises glucose", "C. <b>Nothing</b> <img src=x onerror=window.__hit=1>"]


@pytest.fixture
def compare(page: Page, app_in_use: RunningApp) -> OpenComparePage:
    """The Compare page, open."""
    return OpenComparePage(page, app_in_use.url).open()


@pytest.fixture(scope="module")
def swept(app: RunningApp) -> dict[str, Any]:
    """Becomes the record of one finished sweep, which several tests look at."""
    return {}


def _finished(compare: OpenComparePage, app: RunningApp, swept: dict[str, Any]) -> dict[str, Any]:
    """The finished sweep, open in the page; the first test that asks for it runs it."""
    if not swept:
        compare.fill(LONG_QUESTION, budgets=["64"], own="16 40", rounds=["0", "1"], options=OPTIONS, target="A")
        compare.run.click()
        sweep_id = compare.wait_sweep_id()
        compare.wait_over()
        swept.update(app.get_json(f"/sweeps/{sweep_id}.json"))
    else:
        compare.open(f"/compare/?sweep={swept['sweep_id']}")
        compare.wait_over()
    return swept


def _expect_inert(page: Page) -> None:
    assert page.evaluate("window.__hit") is None
    shown = "#sweep-view, #sweep-charts, #sweep-columns, #sweep-history, #compare-message"
    assert page.locator(shown).locator("img, script, iframe, i, u, [onerror], [onload]").count() == 0


def test_columns_are_prefixes_of_one_thinking_and_add_to_their_left(
    compare: OpenComparePage, app: RunningApp, swept: dict[str, Any]
) -> None:
    record = _finished(compare, app, swept)
    texts = [segment["text"] for segment in record["passes"][0]["segments"]]
    whole = "".join(texts).replace("\n", "")
    columns = [str(cell) for cell in compare.columns.evaluate_all("all => all.map(one => one.dataset.cell)")]
    assert len(columns) >= 3
    before = ""
    for cell in columns:
        thinking = compare.thinking(cell)
        assert whole.startswith(thinking)
        assert thinking.startswith(before)
        assert compare.new_in(cell) == thinking[len(before) :]
        before = thinking
    assert before == whole
    expect(compare.part("answered")).to_have_text("6 of 6 cells answered")
    expect(compare.part("account")).to_contain_text(f"{record['tokens_generated']:,} tokens generated")
    answers = {cell["answer"].strip() for cell in record["cells"]}
    assert set(compare.page.locator(".m1-fork").all_text_contents()) <= answers
    _expect_inert(compare.page)


def test_heat_map_opens_columns_by_click_and_by_keyboard(
    compare: OpenComparePage, app: RunningApp, swept: dict[str, Any]
) -> None:
    record = _finished(compare, app, swept)
    expect(compare.map_cells).to_have_count(6)
    for cell in record["cells"]:
        mark = compare.page.locator(f'#sweep-charts [data-key="{cell["budget"]}-{cell["rounds"]}"]')
        expect(mark).to_contain_text(cell["letter"] or "–")
    compare.columns.first.get_by_role("button", name="Hide").click()
    first = compare.map_cells.first
    shown = compare.columns.count()
    first.click()
    expect(compare.columns).to_have_count(shown + 1)
    focused = "() => document.activeElement.closest('article')?.dataset.cell || ''"
    compare.page.wait_for_function(f"cell => ({focused})() === cell", arg="16-0")
    first.focus()
    compare.page.keyboard.press("ArrowRight")
    compare.page.keyboard.press("ArrowRight")
    compare.page.keyboard.press("Enter")
    cuts = {f"{c['budget']}-{c['rounds']}": (c["thinking_tokens"], c["finish_reason"]) for c in record["cells"]}
    # Where two cells end at one cut, the column that is there already shows both.
    same = [cell for cell, cut in cuts.items() if cut == cuts["64-0"]]
    compare.page.wait_for_function(f"cells => cells.includes(({focused})())", arg=same)


def test_flips_lead_to_their_sentence_or_the_list_says_that_there_are_none(
    compare: OpenComparePage, app: RunningApp, swept: dict[str, Any]
) -> None:
    record = _finished(compare, app, swept)
    found = record["passes"][0]["flips"]
    expect(compare.flips.locator("li")).to_have_count(len(found))
    if not found:
        expect(compare.flips).to_contain_text("No flip")
        return
    compare.flips.locator("button").first.click()
    marked = compare.page.locator("#sweep-columns .is-found")
    expect(marked.first).to_be_in_viewport()
    assert "".join(marked.all_text_contents()) == found[0]["sentence"].replace("\n", "")


def test_trajectory_reads_its_values_to_the_keyboard(
    compare: OpenComparePage, app: RunningApp, swept: dict[str, Any]
) -> None:
    _finished(compare, app, swept)
    compare.page.locator(".m1-trajectory").focus()
    compare.page.keyboard.press("ArrowRight")
    expect(compare.page.locator(".m1-readout")).to_contain_text("16 tokens: A (target)")
    compare.page.get_by_role("button", name="Linear axis").click()
    expect(compare.page.get_by_role("button", name="Logarithmic axis")).to_be_visible()


def test_sweep_and_drawings_can_be_taken_away(compare: OpenComparePage, app: RunningApp, swept: dict[str, Any]) -> None:
    record = _finished(compare, app, swept)
    sweep_id = record["sweep_id"]
    contents = {}
    for part, ending in (("json", "json"), ("csv", "csv"), ("markdown", "md"), ("html", "html")):
        with compare.page.expect_download() as download:
            compare.part(part).click()
        assert download.value.suggested_filename.endswith(f" {sweep_id[:8]}.{ending}")
        contents[part] = download.value.path().read_text(encoding="utf-8")
    # Asked again: the record was taken at the very end of the sweep, when its seconds still moved.
    assert json.loads(contents["json"]) == app.get_json(f"/sweeps/{sweep_id}.json")
    assert [row["budget"] for row in csv.DictReader(contents["csv"].splitlines())][:3] == ["16", "40", "64"]
    assert contents["html"].startswith("<!doctype html>") and f'"{sweep_id}"' in contents["html"]
    for kind, magic in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        for button in compare.page.get_by_role("button", name=kind, exact=True).all():
            with compare.page.expect_download() as download:
                button.click()
            assert download.value.path().read_bytes().startswith(magic)


def test_link_opens_the_sweep_as_it_was_and_history_finds_it(
    compare: OpenComparePage, app: RunningApp, swept: dict[str, Any], new_context: Callable[..., BrowserContext]
) -> None:
    record = _finished(compare, app, swept)
    other = OpenComparePage(new_context().new_page(), app.url).open(f"/compare/?sweep={record['sweep_id']}")
    other.wait_over()
    expect(other.columns).to_have_count(compare.columns.count())
    assert [other.thinking(cell) for cell in ("16-1", "40-1")] == [compare.thinking(cell) for cell in ("16-1", "40-1")]
    other.page.get_by_text("Question and grid").click()
    expect(other.question).to_have_value(LONG_QUESTION)
    expect(other.own_budgets).to_have_value("16 40")
    other.search.fill("nowhere xyzzy")
    other.page.get_by_text("No sweep matches.").wait_for()
    other.search.fill("insulin")
    row = other.page.locator(f'#sweep-history tr[data-sweep="{record["sweep_id"]}"]')
    row.wait_for()
    row.get_by_text(LONG_QUESTION).click()
    other.wait_over()
    assert other.wait_sweep_id() == record["sweep_id"]


def test_stopped_sweep_keeps_what_it_has_and_goes_on(compare: OpenComparePage, app: RunningApp) -> None:
    compare.fill(LONG_QUESTION, budgets=["64", "1,024"])
    compare.page.keyboard.press("Control+Enter")
    sweep_id = compare.wait_sweep_id()
    compare.page.wait_for_function(
        "() => document.querySelector('[data-cell=\"1024-0\"] .m1-prefix')?.textContent.length > 400", timeout=WAIT_MS
    )
    compare.page.reload()
    compare.page.wait_for_function(
        "() => document.querySelector('[data-cell=\"1024-0\"] .m1-prefix')?.textContent.length > 400", timeout=WAIT_MS
    )
    compare.page.keyboard.press("Escape")
    compare.wait_over("Stopped")
    expect(compare.resume).to_be_visible()
    before = compare.thinking("1024-0")
    record = app.get_json(f"/sweeps/{sweep_id}.json")
    assert record["state"] == "stopped"
    compare.resume.click()
    compare.page.wait_for_function(
        "n => document.querySelector('[data-cell=\"1024-0\"] .m1-prefix')?.textContent.length > n + 100",
        arg=len(before),
        timeout=WAIT_MS,
    )
    assert compare.thinking("1024-0").startswith(before)
    compare.stop.click()
    compare.wait_over("Stopped")


def test_a_person_can_have_every_open_cell_answered_now(compare: OpenComparePage, app: RunningApp) -> None:
    compare.fill(LONG_QUESTION, budgets=["64", "1,024"])
    compare.run.click()
    sweep_id = compare.wait_sweep_id()
    compare.page.wait_for_function(
        "() => document.querySelector('[data-cell=\"1024-0\"] .m1-prefix')?.textContent.length > 500", timeout=WAIT_MS
    )
    compare.answer_now.click()
    compare.wait_over()
    cells = {cell["budget"]: cell for cell in app.get_json(f"/sweeps/{sweep_id}.json")["cells"]}
    assert (cells[64]["finish_reason"], cells[64]["thinking_tokens"]) == ("budget", 64)
    assert cells[1024]["finish_reason"] == "early_exit" and 64 < cells[1024]["thinking_tokens"] < 1024
    assert cells[1024]["state"] == "answered"
    ended = f"closed by a person at {cells[1024]['thinking_tokens']:,} tokens"
    expect(compare.column("1024-0").locator(".m1-ended")).to_have_text(ended)


def test_empty_page_explains_itself_and_fills_in_an_example(compare: OpenComparePage) -> None:
    expect(compare.part("empty")).to_contain_text("A sweep asks one question at every chosen thinking budget")
    compare.part("example").click()
    expect(compare.question).to_have_value(re.compile("dabigatran"), timeout=WAIT_MS)
    expect(compare.estimate).to_contain_text("12 cells from 1 pass: at most", timeout=WAIT_MS)
    compare.choose("rounds", "0")
    expect(compare.estimate).to_contain_text("4 cells", timeout=WAIT_MS)


def test_what_cannot_be_run_is_said_and_nothing_typed_is_lost(compare: OpenComparePage) -> None:
    compare.fill("Why <i>so</i>?", budgets=[], own="1,024")
    compare.run.click()
    expect(compare.message).to_contain_text("could be one number or several", timeout=WAIT_MS)
    expect(compare.question).to_have_value("Why <i>so</i>?")
    expect(compare.own_budgets).to_have_value("1,024")
    compare.page.reload()
    compare.wait_usable()
    expect(compare.question).to_have_value("Why <i>so</i>?", timeout=WAIT_MS)
    compare.open("/compare/?sweep=%3Cimg%20src%3Dx%3E")
    expect(compare.message).to_contain_text("not found", timeout=WAIT_MS)
    _expect_inert(compare.page)


def test_a_trace_leads_to_its_comparison(probe: ProbePage) -> None:
    probe.search.fill("quixotically")
    expect(probe.rows).to_have_count(1, timeout=WAIT_MS)
    probe.rows.first.get_by_text("Which sutured vessel is torn?").click()
    probe.wait_over()
    probe.part("compare").click()
    compare = OpenComparePage(probe.page, probe.origin)
    compare.wait_usable()
    expect(compare.question).to_have_value("Which sutured vessel is torn?", timeout=WAIT_MS)
    expect(compare.options).to_have_value("A. Artery\nB. Vein")
    expect(compare.page.locator(".m1-nav [aria-current]")).to_have_text("Compare")
    compare.page.get_by_role("link", name="Probe").click()
    probe.question.wait_for()


@pytest.mark.parametrize("width", [1360, 420])
def test_page_fits_its_window_in_light_and_dark(
    new_tab: Callable[..., Page], app: RunningApp, swept: dict[str, Any], width: int
) -> None:
    page = new_tab(viewport={"width": width, "height": 844}, color_scheme="light")
    compare = OpenComparePage(page, app.url).open()
    _finished(compare, app, swept)
    for scheme in ("light", "dark"):
        assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        lefts = {round(column.bounding_box()["x"]) for column in compare.columns.all()}  # type: ignore[index]
        assert (len(lefts) == 1) is (width == 420)
        screenshot(page, f"compare-{scheme}-{width}.png")
        compare.columns.first.scroll_into_view_if_needed()
        screenshot(page, f"columns-{scheme}-{width}.png")
        page.get_by_role("button", name="Dark / light").click()


@pytest.mark.parametrize("path", ["upload", "component_server"])
def test_this_page_takes_no_files_either(app: RunningApp, path: str) -> None:
    request = urllib.request.Request(f"{app.url}/compare/gradio_api/{path}", data=b"x", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 404


@pytest.mark.parametrize("path", ["/sweeps/unknown.json", "/sweeps/unknown.csv"])
def test_an_unknown_sweep_is_a_404(app: RunningApp, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(app.url + path)
    assert refused.value.code == 404
    assert "default-src 'self'" in refused.value.headers["Content-Security-Policy"]


def test_the_address_without_its_slash_leads_to_the_page(app: RunningApp) -> None:
    with urllib.request.urlopen(f"{app.url}/compare?sweep=1") as response:
        assert response.url == f"{app.url}/compare/?sweep=1"


def test_a_sweep_of_a_question_with_two_right_options_marks_both_and_judges_sets(
    compare: OpenComparePage, app: RunningApp
) -> None:
    compare.fill("Which lower glucose?", own="16", options=["A. Insulin", "B. Cortisol", "C. Metformin"], target="c, a")
    compare.run.click()
    sweep_id = compare.wait_sweep_id()
    compare.wait_over()
    record = app.get_json(f"/sweeps/{sweep_id}.json")
    assert record["target"] == "A, C"
    assert all(cell["correct"] is (cell["letter"] == "A, C") for cell in record["cells"])
    compare.page.locator("#sweep-view details summary").first.click()
    expect(compare.page.locator("#sweep-view li", has_text="(target)")).to_have_count(2)
    expect(compare.page.locator("#sweep-charts")).to_contain_text("◎ marks the targets, options A, C.")
    expect(compare.columns.first).to_contain_text("target A, C" if not record["cells"][0]["correct"] else "Right: A, C")
    screenshot(compare.page, "two-right-options-compared.png")
