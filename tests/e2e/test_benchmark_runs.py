"""What one does to runs on the Benchmarks page, what one takes away, and a run that goes on meanwhile."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from storage.benchmarks.repository import BenchmarkRepository
from storage.questions.repository import QuestionRepository
from tests.e2e.benchmark_fixtures import OpenPage, app_in_use, benchmarks_app, open_page, runs
from tests.e2e.benchmark_page import OpenBenchmarksPage, database_of, store_small_run
from tests.e2e.probe_page import WAIT_MS
from tests.e2e.running_app import RunningApp, closed_port, running
from tests.m1app.benchmark.benchmark_samples import OWNER, finish_items
from tests.m1app.benchmark.imports.log_cases import harness_folder, harness_sample
from tests.m1app.cli.command_line import run as run_command

__all__ = ["app_in_use", "benchmarks_app", "open_page", "runs"]


@pytest.fixture(scope="module")
def empty_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    home = tmp_path_factory.mktemp("home")
    with running(RunningApp(home, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}"), with_engine=False) as started:
        yield started


class TestWithoutRuns:
    """In an app of its own."""

    @pytest.fixture
    def app_in_use(self, empty_app: RunningApp) -> RunningApp:
        return empty_app

    def test_empty_page_says_what_a_run_is_and_how_to_start_one(
        self, new_tab: Callable[..., Page], app_in_use: RunningApp
    ) -> None:
        page = OpenBenchmarksPage(new_tab(), app_in_use.url).open()
        expect(page.empty).to_contain_text("No benchmark run yet")
        expect(page.empty).to_contain_text("python -m m1app bench")
        expect(page.empty.get_by_role("link", name="Admin page")).to_have_attribute("href", "/admin/")
        expect(page.part("runs-section")).to_be_hidden()
        # The first run shows up by itself.
        store_small_run(app_in_use.home, "The first")
        expect(page.chosen).to_contain_text("The first", timeout=WAIT_MS)
        page.wait_lines(["m1-7b"])
        expect(page.empty).to_be_hidden()


def tools(page: OpenBenchmarksPage, name: str) -> Locator:
    return page.chosen.get_by_role("button", name=name)


def test_a_run_is_renamed_tagged_archived_and_deleted(open_page: OpenPage, app_in_use: RunningApp) -> None:
    run_id = store_small_run(app_in_use.home, "Draft")
    page = open_page(f"?run={run_id}")
    page.wait_drawn()
    tools(page, "Rename Draft").click()
    page.chosen.get_by_role("textbox", name="Name").fill("   ")
    page.page.keyboard.press("Enter")
    expect(page.notice).to_contain_text("The name is empty", timeout=WAIT_MS)
    page.chosen.get_by_role("textbox", name="Name").fill("Final <b>run</b>")
    page.page.keyboard.press("Enter")
    expect(page.chosen.locator("h3")).to_have_text("Final <b>run</b>", timeout=WAIT_MS)
    expect(page.notice).to_be_hidden()
    tools(page, "Tags of").click()
    page.chosen.get_by_role("textbox", name="Tags").fill("greedy, paper , greedy")
    page.page.keyboard.press("Enter")
    expect(page.chosen.locator(".m1-tag")).to_have_text(["greedy", "paper"], timeout=WAIT_MS)
    tools(page, "Rename").click()
    page.page.keyboard.press("Escape")
    expect(page.chosen.locator("h3")).to_have_text("Final <b>run</b>")
    row = page.page.locator(f'#benchmarks-page tr[data-run="{run_id}"]')
    tools(page, "Archive").click()
    expect(row).to_have_count(0, timeout=WAIT_MS)
    expect(page.chosen).to_contain_text("archived")
    page.page.get_by_label("Show archived").check()
    expect(row).to_have_count(1, timeout=WAIT_MS)
    tools(page, "Unarchive").click()
    expect(page.chosen).not_to_contain_text("archived", timeout=WAIT_MS)
    page.page.reload()
    expect(page.chosen.locator("h3")).to_have_text("Final <b>run</b>", timeout=WAIT_MS)
    _delete_and_restore(page, row)
    expect(page.notice).to_be_hidden()


def _delete_and_restore(page: OpenBenchmarksPage, row: Locator) -> None:
    tools(page, "Delete").click()
    expect(page.page.get_by_role("dialog")).to_contain_text("will move to the trash and can be restored for 30 days")
    page.page.get_by_role("button", name="Cancel").click()
    expect(page.chosen).to_have_count(1)
    tools(page, "Delete").click()
    page.page.get_by_role("button", name="Delete the run").click()
    expect(row).to_have_count(0, timeout=WAIT_MS)
    expect(page.part("deletion-text")).to_have_text("Moved to the trash.")
    page.page.get_by_role("button", name="Undo").click()
    expect(row).to_have_count(1, timeout=WAIT_MS)
    expect(page.part("deletion-text")).to_have_text("Restored.")
    expect(page.chosen.locator("h3").last).to_have_text("Final <b>run</b>")


def test_two_models_of_a_run_are_compared_question_by_question(open_page: OpenPage, app_in_use: RunningApp) -> None:
    run_id = store_small_run(app_in_use.home, "Base and tuned", models=("m1-7b", "m1-7b-tuned"))
    page = open_page(f"?run={run_id}&tab=transitions")
    expect(page.comparison).to_contain_text("Exact McNemar test", timeout=WAIT_MS)
    page.box("other").select_option("m1-7b-tuned")
    page.box("before").select_option("128-0")
    expect(page.part("flow-head")).to_contain_text(
        "From m1-7b, 128 tokens, 0 rounds, to m1-7b-tuned, 2,048 tokens, 0 rounds: 40 answers", timeout=WAIT_MS
    )
    page.expect_address("other=m1-7b-tuned")
    way = page.page.locator('#benchmarks-page tr[data-way="wrong-right"]')
    count = way.locator("td").nth(1).inner_text()
    way.get_by_role("button").click()
    expect(page.place).to_contain_text(f"of {count}", timeout=WAIT_MS)
    expect(page.part("before-head")).to_have_text("m1-7b, 128 tokens, 0 rounds")
    expect(page.questions.first).to_contain_text("m1-7b-tuned")
    page.box("than").select_option("")
    expect(page.part("before-head")).to_have_text("At 128 tokens, 0 rounds")


def test_a_run_that_runs_is_not_deleted(open_page: OpenPage, app_in_use: RunningApp) -> None:
    run_id = store_small_run(app_in_use.home, "Busy", done=3, is_running=True)
    page = open_page(f"?run={run_id}")
    tools(page, "Delete").click()
    page.page.get_by_role("button", name="Delete the run").click()
    expect(page.notice).to_contain_text("stop its job first", timeout=WAIT_MS)
    expect(page.chosen).to_have_count(1)


def test_curves_of_a_running_run_grow_and_nothing_jumps(open_page: OpenPage, app_in_use: RunningApp) -> None:
    run_id = store_small_run(app_in_use.home, "Growing", done=0, is_running=True)
    page = open_page(f"?run={run_id}")
    expect(page.part("curves-note")).to_contain_text(
        "The curves start with the first finished question", timeout=WAIT_MS
    )
    _go_on(app_in_use, run_id, 10)
    expect(page.chosen).to_contain_text("10 of 40 questions", timeout=WAIT_MS)
    page.wait_drawn()
    before = page.wait_lines(["m1-7b"])
    page.page.evaluate("window.__plot = document.querySelector('#benchmarks-page .m1-plot')")
    tools(page, "Rename").click()
    page.chosen.get_by_role("textbox", name="Name").fill("half typ")
    _go_on(app_in_use, run_id, 20)
    # While a name is typed the page does not even ask, so nothing is painted over it.
    page.page.wait_for_timeout(3000)
    expect(page.chosen.get_by_role("textbox", name="Name")).to_have_value("half typ")
    page.page.keyboard.press("Escape")
    page.page.evaluate("window.scrollTo(0, 80)")
    expect(page.chosen).to_contain_text("30 of 40 questions", timeout=WAIT_MS)
    page.page.wait_for_function(
        "old => JSON.stringify(window.__plot.data.find((t) => t.name).y) !== old",
        arg=page.page.evaluate("y => JSON.stringify(y)", before[0]["y"]),
        timeout=WAIT_MS,
    )
    assert page.page.evaluate("window.__plot.isConnected")
    assert page.page.evaluate("window.scrollY") == 80


def test_a_run_is_taken_away_as_table_and_report(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['larger']}")
    page.wait_drawn()
    for name, ending in (("CSV", "csv"), ("Parquet", "parquet"), ("Report", "html")):
        with page.page.expect_download() as waiting:
            page.chosen.get_by_role("link", name=f"Download {name} of Larger").click()
        assert waiting.value.suggested_filename.endswith(f" benchmark Larger {runs['larger'][:8]}.{ending}")
        content = waiting.value.path().read_bytes()
        if ending == "csv":
            assert len(pd.read_csv(io.BytesIO(content))) == 60 * 3
        elif ending == "parquet":
            assert len(pd.read_parquet(io.BytesIO(content))) == 60 * 3
        else:
            assert content.startswith(b"<!doctype html>")


def test_charts_are_taken_away_as_svg_and_png(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['larger']}")
    page.wait_drawn()
    with page.page.expect_download() as waiting:
        page.page.get_by_role("button", name="Save the chart as SVG").first.click()
    drawing = waiting.value.path().read_text(encoding="utf-8")
    assert waiting.value.suggested_filename == "m1-budget-medqa.svg"
    assert drawing.startswith("<svg") and "thinking budget in tokens" in drawing and "m1-32b" in drawing
    with page.page.expect_download() as waiting:
        page.page.get_by_role("button", name="Save the chart as PNG").first.click()
    assert waiting.value.path().read_bytes().startswith(b"\x89PNG")


def test_report_opens_offline_with_its_charts(
    open_page: OpenPage, new_context: Callable[..., BrowserContext], runs: dict[str, str]
) -> None:
    page = open_page(f"?run={runs['hostile']}")
    with page.page.expect_download() as waiting:
        page.chosen.get_by_role("link", name="Download Report").click()
    context = new_context(offline=True, java_script_enabled=True)
    report = context.new_page()
    # Put in as text: a browser that is offline, and none of the app's addresses to fall back on.
    report.set_content(waiting.value.path().read_text(encoding="utf-8"), wait_until="load")
    report.locator(".plot .main-svg").first.wait_for()
    assert report.locator(".plot").count() == report.locator(".plot:has(.main-svg)").count() > 4
    assert report.evaluate("window.__hit") is None


def _go_on(app: RunningApp, run_id: str, count: int) -> None:
    """The next questions of a run are done, as the runner in its own process does them."""
    database = database_of(app.home)
    try:
        with database.session(is_read_only=True) as session:
            run = BenchmarkRepository(session).get(run_id)
            waiting = BenchmarkRepository(session).waiting(run_id, limit=count)
            questions = {item.question_id: QuestionRepository(session).get(item.question_id) for item in waiting}
        finish_items(database, run, questions, done=count)
        with database.session() as session:
            assert BenchmarkRepository(session).heartbeat(run_id, OWNER, 80.0)
    finally:
        database.dispose()


def test_an_imported_run_is_marked_and_shows_the_output_of_each_question(
    open_page: OpenPage, app_in_use: RunningApp, tmp_path: Path
) -> None:
    hostile = "<think>\n<img src=x onerror=window.__hit=31>\n</think>\nThe answer is B."
    folder = harness_folder(tmp_path / "log", harness_sample(0, hostile), harness_sample(1, "Answer: B")).parent
    done = run_command("bench", "import", str(folder), "--name", "Theirs", "--json", home=app_in_use.home)
    (told,) = json.loads(done.stdout)["runs"]
    page = open_page(f"?run={told['run_id']}&tab=questions")
    expect(page.chosen.locator("h3")).to_have_text("Theirs (imported)", timeout=WAIT_MS)
    expect(page.chosen).to_contain_text("engine, seed and time are not known")
    expect(page.chosen).to_contain_text("The rule strict differs on 1 answer")
    row = page.page.locator("#benchmarks-page [data-part=questions] tr").first
    expect(row.locator(".m1-stem a")).to_have_count(0, timeout=WAIT_MS)
    row.get_by_role("button", name="Output").click()
    output = page.page.locator("dialog.m1-output")
    expect(output).to_contain_text("<img src=x onerror=window.__hit=31>", timeout=WAIT_MS)
    expect(output).to_contain_text("In the file: right by exact_match")
    output.get_by_role("button", name="Close").click()
    expect(output).to_be_hidden()
    assert page.page.evaluate("window.__hit") is None
    # The mark is no part of the name.
    tools(page, "Rename").click()
    expect(page.chosen.get_by_role("textbox", name="Name")).to_have_value("Theirs")
    page.page.keyboard.press("Escape")
    page.page.get_by_role("tab", name="Curves").click()
    page.wait_lines(["example/m1-7b (imported), budget not stated"])
