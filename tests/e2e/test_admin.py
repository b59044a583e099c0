"""The Admin page with the real model: question sets come in, benchmarks are launched, watched, stopped and resumed."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.e2e.admin_page import HOSTILE, QUESTIONS, OpenAdminPage, write_set
from tests.e2e.benchmark_page import OpenBenchmarksPage
from tests.e2e.browser_watch import Watch, screenshot
from tests.e2e.running_app import RunningApp, make_home, running
from tests.m1app.question_sets.question_set_samples import as_csv, as_jsonl, m1_row

SET = "self-written"


@pytest.fixture(scope="module")
def own_app(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app without question sets and jobs, to which the tests of this module add."""
    home = make_home(tmp_path_factory.mktemp("home"), smollm2_path)
    with running(RunningApp(home)) as started:
        yield started


@pytest.fixture
def app_in_use(own_app: RunningApp) -> RunningApp:
    return own_app


@pytest.fixture
def admin(page: Page, app_in_use: RunningApp) -> OpenAdminPage:
    """The Admin page, open."""
    return OpenAdminPage(page, app_in_use.url).open()


@pytest.fixture
def with_set(admin: OpenAdminPage, tmp_path: Path) -> OpenAdminPage:
    """The page, with the set of three questions in it."""
    if not admin.wait_sets().sets.filter(has_text=SET).count():
        admin.import_file(write_set(tmp_path, SET))
        expect(admin.of_sets("report")).to_contain_text("3 questions imported")
    return admin


def test_empty_page_says_what_to_do_first(admin: OpenAdminPage) -> None:
    expect(admin.hint).to_have_text("No question set chosen; choose at least one.")
    expect(admin.command).to_be_hidden()
    admin.tab("Jobs")
    expect(admin.job("empty")).to_have_text("No jobs yet. Start a benchmark or a fine-tuning job to begin.")
    expect(admin.job("none")).to_be_visible()
    admin.tab("Question sets")
    expect(admin.of_sets("empty")).to_contain_text("Import a file")
    admin.tab("Engine and health")
    expect(admin.page.locator("#admin-engines [data-part=label]")).to_contain_text("smollm2-135m, ready")
    expect(admin.page.locator("#admin-engines")).to_contain_text("in use")


def test_a_set_is_imported_read_searched_and_deleted(admin: OpenAdminPage, tmp_path: Path, own_app: RunningApp) -> None:
    rows = [*QUESTIONS, QUESTIONS[1]]
    admin.import_file(write_set(tmp_path, "passing", rows))
    expect(admin.of_sets("report")).to_contain_text("passing: 3 questions imported.")
    expect(admin.of_sets("report")).to_contain_text("1 question was repeated")
    admin.sets.filter(has_text="passing").get_by_role("button").click()
    questions = admin.of_sets("questions").locator("> li")
    expect(questions).to_have_count(3)
    expect(questions.first).to_contain_text(HOSTILE)
    expect(questions.first.locator(".is-target")).to_contain_text("A. Vitamin C")
    admin.of_sets("search").fill("insulin")
    expect(questions).to_have_count(1)
    admin.of_sets("search").fill("kangaroo")
    expect(admin.of_sets("no-questions")).to_have_text("No question contains these words.")
    admin.expect_inert()
    delete = admin.of_sets("delete")
    delete.click()
    expect(delete).to_have_text("Move to the trash?")
    expect(admin.of_sets("notice")).to_contain_text("3 questions that nothing else uses will be removed with it")
    expect(admin.sets.filter(has_text="passing")).to_have_count(1)
    delete.click()
    expect(admin.sets.filter(has_text="passing")).to_have_count(0)
    assert not list(own_app.home.glob("upload-*"))


def test_a_file_that_is_no_set_is_refused_and_leaves_nothing(
    admin: OpenAdminPage, tmp_path: Path, own_app: RunningApp, watch: Watch
) -> None:
    watch.expect("status of 422")  # The browser logs every answer that is no success.
    broken = tmp_path / "broken.json"
    broken.write_text('{"set": [{"question": "?"')
    admin.import_file(broken)
    expect(admin.of_sets("notice")).to_contain_text("broken.json")
    expect(admin.page.get_by_role("button", name="Import file")).to_be_enabled()
    assert not list(own_app.home.glob("upload-*"))


GERMAN = [
    {"Frage": f"Welches Metall ist flüssig? {HOSTILE}", "a1": "Eisen", "a2": "Quecksilber", HOSTILE: "x", "Lsg": 2},
    {"Frage": "Was rostet?", "a1": "Eisen", "a2": "Gold", HOSTILE: "x", "Lsg": 1},
    {"Frage": "Was ist ein Gas?", "a1": "Eisen", "a2": "Helium", HOSTILE: "y", "Lsg": 7},
]


IS_UNCOVERED = """(e) => {
  e.scrollIntoView({ block: "end" });
  const { left, top, width, height } = e.getBoundingClientRect();
  const found = document.elementFromPoint(left + width / 2, top + height / 2);
  return Boolean(found) && (e === found || e.contains(found));
}"""


def test_a_refusal_covers_no_box_at_twice_the_size(admin: OpenAdminPage, tmp_path: Path, watch: Watch) -> None:
    watch.expect("status of 422")
    admin.page.set_viewport_size({"width": 683, "height": 384})
    path = tmp_path / "german.csv"
    path.write_bytes(as_csv(GERMAN))
    admin.import_file(path)
    notice, columns = map(admin.of_sets, ("notice", "columns"))
    expect(columns).to_be_visible()
    expect(notice).to_contain_text("german.csv: no layout has the columns")
    expect(notice).to_be_in_viewport()
    screenshot(admin.page, "refused-import-zoomed.png")
    for box in columns.locator("select, input").all():
        assert box.evaluate(IS_UNCOVERED), box


def test_columns_that_no_layout_knows_are_chosen_with_a_preview(
    admin: OpenAdminPage, tmp_path: Path, watch: Watch, own_app: RunningApp
) -> None:
    watch.expect("status of 422")
    path = tmp_path / "german.csv"
    path.write_bytes(as_csv(GERMAN).decode().encode("cp1252"))
    admin.import_file(path)
    notice, preview, columns = map(admin.of_sets, ("notice", "columns-preview", "columns"))
    expect(columns).to_be_visible()
    expect(notice).to_contain_text("german.csv: no layout has the columns")
    expect(admin.of_sets("columns-said")).to_have_text("The file has 5 columns.")
    # Guessed by the names, and shown before anything is stored.
    expect(admin.of_sets("question-column")).to_have_value("Frage")
    expect(columns.get_by_role("checkbox", checked=True)).to_have_count(2)
    admin.of_sets("answer-column").select_option("Lsg")
    expect(preview.locator("> li").first).to_contain_text('column Lsg: found "2", expected the right option')
    admin.of_sets("answer-base").select_option("1")
    expect(preview.locator("> li").first.locator(".is-target")).to_have_text("B. Quecksilber target")
    expect(preview.locator("> li").nth(2)).to_contain_text('line 4: column Lsg: found "7"')
    admin.of_sets("tag-columns").get_by_label(HOSTILE).check()
    for width in (1360, 400):
        admin.page.set_viewport_size({"width": width, "height": 900})
        assert admin.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        screenshot(admin.page, f"admin-columns-{width}.png")
    admin.page.get_by_role("button", name="Import file").click()
    expect(notice).to_contain_text("german.csv, line 4: column Lsg")
    # What was chosen stays.
    expect(admin.of_sets("answer-base")).to_have_value("1")
    expect(admin.of_sets("tag-columns").get_by_label(HOSTILE)).to_be_checked()
    admin.of_sets("file-form").get_by_label("Leave out rows").check()
    admin.page.get_by_role("button", name="Import file").click()
    report = admin.of_sets("report")
    expect(report).to_contain_text("german: 2 questions imported.")
    expect(report).to_contain_text("german.csv is not UTF-8 and was read as Windows-1252")
    expect(report).to_contain_text("1 row could not be used and was left out.")
    report.get_by_text("Rows left out").click()
    expect(report.locator("details li")).to_contain_text(["line 4: column Lsg"])
    with admin.page.expect_download() as download:
        report.get_by_role("button", name="Download as CSV").click()
    assert "column Lsg: found" in Path(download.value.path()).read_text()
    expect(columns).to_be_hidden()
    admin.sets.filter(has_text="german").get_by_role("button").click()
    expect(admin.of_sets("facts")).to_contain_text("Columns chosen during import")
    expect(admin.of_sets("questions").locator("> li")).to_have_count(2)
    admin.expect_inert()
    assert not list(own_app.home.glob("upload-*"))


def test_columns_of_a_known_file_can_be_looked_at_and_left_to_the_app(admin: OpenAdminPage, tmp_path: Path) -> None:
    admin.tab("Question sets")
    choose = admin.page.get_by_role("button", name="Choose columns")
    path = tmp_path / "known.jsonl"
    path.write_bytes(as_jsonl([m1_row()]))
    admin.of_sets("file-form").locator("input[name=file]").set_input_files(path)
    choose.click()
    expect(admin.of_sets("columns-preview").locator(".is-target")).to_have_text("A. Facial target")
    admin.of_sets("answer-column").select_option("answer_idx")
    expect(admin.of_sets("columns-problem")).to_be_hidden()
    admin.page.get_by_role("button", name="Detect columns automatically").click()
    expect(admin.of_sets("columns")).to_be_hidden()
    admin.page.get_by_role("button", name="Import file").click()
    expect(admin.of_sets("report")).to_contain_text("known: 1 question imported.")


def test_problems_stand_at_their_fields_and_what_was_typed_stays(with_set: OpenAdminPage) -> None:
    admin = with_set.tab("New benchmark")
    admin.name.fill("my run")
    admin.start.click()
    expect(admin.problem("question_sets")).to_have_text("No question set chosen; choose at least one.")
    admin.choose_set(SET)
    expect(admin.problem("question_sets")).to_be_hidden()
    admin.own_budgets.fill("16 many")
    admin.dry_run.click()
    expect(admin.problem("budgets")).to_contain_text("'many'")
    admin.own_budgets.fill("16")
    admin.box("limit").fill("few")
    admin.start.click()
    expect(admin.problem("limit")).to_contain_text("enter a whole number, or leave it empty")
    admin.box("limit").fill("")
    admin.box("passes").fill("3")
    admin.start.click()
    expect(admin.problem("knobs")).to_contain_text("3 passes at temperature 0 would all be identical")
    expect(admin.page.get_by_text("would all be identical").filter(visible=True)).to_have_count(1)
    expect(admin.problem("knobs")).to_be_in_viewport()
    admin.box("passes").fill("1")
    admin.own_budgets.fill("99999999")
    admin.start.click()
    expect(admin.problem("budgets")).to_contain_text("does not fit into the context")
    expect(admin.page.get_by_text("does not fit into the context").filter(visible=True)).to_have_count(1)
    assert admin.name.input_value() == "my run"
    assert admin.own_budgets.input_value() == "99999999"
    admin.tab("Jobs")
    expect(admin.jobs.filter(has_text="my run")).to_have_count(0)


def test_command_line_follows_the_form_and_a_dry_run_counts(with_set: OpenAdminPage) -> None:
    admin = with_set
    admin.fill_small(SET, "it's counted")
    expect(admin.command).to_have_text(
        "python -m m1app bench --questions self-written --budgets 16,32 --force-rounds 0 "
        "--name 'it'\"'\"'s counted' --answer-cap 8"
    )
    admin.dry_run.click()
    expect(admin.estimate).to_contain_text("3 questions × 1 model × 2 cells = 6 answers")
    expect(admin.estimate).to_contain_text("at most")
    admin.chips("rounds", "0", "1")
    expect(admin.command).to_contain_text("--force-rounds 0,1")
    expect(admin.estimate).to_be_hidden()


def test_a_benchmark_runs_to_its_end_before_ones_eyes(
    with_set: OpenAdminPage, own_app: RunningApp, new_context: Callable[..., BrowserContext]
) -> None:
    admin = with_set
    admin.fill_small(SET, f"small {HOSTILE}")
    job_id = admin.launch()
    expect(admin.job("name")).to_have_text(f"small {HOSTILE}")
    expect(admin.job("progress")).to_contain_text("of 3 questions")
    admin.wait_state("Succeeded")
    expect(admin.job("progress")).to_contain_text("3 of 3 questions")
    expect(admin.job("progress")).to_contain_text("accuracy ")
    expect(admin.job("log")).to_contain_text("created: benchmark")
    run_id = admin.job("results").get_attribute("href").rpartition("=")[2]  # type: ignore[union-attr]
    assert re.fullmatch(r"[0-9a-f]{32}", run_id)
    row = admin.page.locator(f'tr[data-job="{job_id}"]')
    expect(row).to_contain_text("Succeeded")
    admin.expect_inert()
    asked = urllib.request.Request(f"{own_app.url}/admin/jobs/{job_id}/log.txt", headers=own_app.admin_headers())
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert "attachment" in answer.headers["Content-Disposition"]
        assert b"created: benchmark" in answer.read()
    other = OpenAdminPage(new_context().new_page(), own_app.url).open(f"/admin/?job={job_id}")
    expect(other.job("name")).to_have_text(f"small {HOSTILE}")
    expect(other.job("state")).to_have_text("Succeeded")


def test_strategies_are_launched_with_a_benchmark_and_shown_beside_the_others(
    with_set: OpenAdminPage, own_app: RunningApp
) -> None:
    admin = with_set
    admin.fill_small(SET, "with strategies")
    admin.choose_strategies("One chain", typed="vote:k=2")
    admin.start.click()
    expect(admin.problem("knobs")).to_contain_text("at temperature 0 all passes are identical")
    admin.box("temperature").fill("0.7")
    admin.box("strategy-budget").fill("20")
    admin.dry_run.click()
    expect(admin.problem("strategies")).to_contain_text("too small for one pass of 32 thinking tokens")
    admin.box("strategy-budget").fill("")
    expect(admin.command).to_contain_text("--strategies budget-forcing,vote:k=2 --name 'with strategies' --passes 2")
    admin.dry_run.click()
    expect(admin.estimate).to_contain_text("no new requests: the stored passes are enough")
    expect(admin.estimate).to_contain_text("2 passes per question, sampled once, save at most")
    screenshot(admin.page, "admin-strategies.png")
    admin.launch()
    admin.wait_state("Succeeded")
    admin.job("results").click()
    page = OpenBenchmarksPage(admin.page, own_app.url)
    page.wait_usable()
    page.tab("Strategies")
    rows = page.part("measured-table").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("One chain")
    expect(rows.nth(1)).to_contain_text("Vote (passes 2)")
    expect(rows.nth(1).locator("td").nth(1)).to_have_text("from the pool")
    # Ten strategies, the front, and the run's own.
    admin.page.wait_for_function("document.querySelector('[data-part=strategies-plot]').data?.length === 12")
    expect(page.notice).to_be_hidden()
    with admin.page.expect_download() as download:
        page.part("measured-files").get_by_role("link", name="CSV").click()
    written = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(written) == 1 + 3 * 2
    screenshot(admin.page, "benchmark-own-strategies.png")


def test_a_job_is_stopped_resumed_and_deleted(with_set: OpenAdminPage) -> None:
    admin = with_set
    admin.fill_small(SET, "long", budgets="900 1000")
    admin.box("temperature").fill("1")
    admin.box("passes").fill("16")  # It must not be over before it is stopped, twice, by a browser that is slow.
    expect(admin.command).to_contain_text("--passes 16")
    admin.launch()
    admin.wait_state("Running")
    # Its worker has claimed the run and asks.
    expect(admin.job("progress")).to_contain_text("of 3 questions")
    admin.job("stop").click()
    admin.wait_state("Stopped")
    expect(admin.job("log")).to_contain_text("stop requested by a user")
    admin.job("priority").fill("7")
    admin.job("priority").press("Tab")
    admin.job("resume").click()
    admin.wait_state("Running")
    expect(admin.job("facts")).to_contain_text("Attempt2")
    expect(admin.job("priority")).to_have_value("7")
    admin.job("stop").click()
    admin.wait_state("Stopped")
    admin.job("delete").click()
    admin.job("delete").click()
    expect(admin.jobs.filter(has_text="long")).to_have_count(0)
    expect(admin.job("none")).to_be_visible()
    assert "job=" not in admin.page.url


def test_cloning_fills_the_form_again(with_set: OpenAdminPage) -> None:
    admin = with_set
    admin.fill_small(SET, "to be cloned", budgets="17 33")
    admin.launch()
    admin.job("clone").click()
    expect(admin.own_budgets).to_be_visible()
    expect(admin.own_budgets).to_have_value("17 33")
    expect(admin.name).to_have_value("to be cloned")
    expect(admin.command).to_contain_text("--budgets 17,33")


def test_jobs_are_filtered_and_found(with_set: OpenAdminPage) -> None:
    admin = with_set.tab("Jobs")
    admin.page.locator("#admin-jobs input[name=text]").fill("no such job")
    expect(admin.job("empty")).to_have_text("No job matches. Clear the filter.")
    admin.page.locator("#admin-jobs input[name=text]").fill("")
    admin.page.locator("#admin-jobs select[name=state]").select_option("lost")
    expect(admin.job("empty")).to_have_text("No job matches. Clear the filter.")


def test_what_is_typed_before_the_page_code_has_loaded_is_not_lost(with_set: OpenAdminPage) -> None:
    held: list[Route] = []
    with_set.page.route("**/admin/jobs.js", lambda route: held.append(route))
    with with_set.page.expect_request("**/admin/jobs.js"):
        with_set.tab("Jobs")
    box = with_set.page.locator("#admin-jobs input[name=text]")
    box.fill("no such job")
    box.press("Enter")
    held[0].continue_()
    expect(with_set.job("empty")).to_have_text("No job matches. Clear the filter.")
    expect(box).to_have_value("no such job")


def test_a_link_to_a_job_that_is_gone_says_so(admin: OpenAdminPage) -> None:
    admin.open(f"/admin/?job={'0' * 32}")
    expect(admin.job("notice")).to_contain_text("not found")


def test_checks_of_the_machine_are_shown(admin: OpenAdminPage) -> None:
    admin.tab("Engine and health")
    admin.page.get_by_role("button", name="Run checks").click()
    findings = admin.page.locator("#admin-health li")
    expect(findings).to_have_count(6)
    expect(admin.page.locator("#admin-health li[data-good=false]")).to_have_count(0)


def test_gradio_takes_no_file_and_another_site_changes_nothing(admin: OpenAdminPage, own_app: RunningApp) -> None:
    def status(path: str, body: bytes, **headers: str) -> int:
        asked = urllib.request.Request(own_app.url + path, body, own_app.admin_headers() | headers)
        try:
            return int(urllib.request.urlopen(asked, timeout=10).status)
        except urllib.error.HTTPError as exc:
            return exc.code

    assert status("/admin/gradio_api/upload", b"x") == 404
    upload = "/admin/question-sets?file=evil.json"
    content = json.dumps({"evil": []}).encode()
    assert status(upload, content, Origin="https://evil.example") == 403
    assert status(upload, content, Origin="null") == 403
    assert status("/admin/gradio_api/queue/join", b"{}", Origin="https://evil.example") == 403
    assert status(upload, content, Origin=own_app.url) == 422


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(new_tab: Callable[..., Page], app_in_use: RunningApp, scheme: str) -> None:
    admin = OpenAdminPage(new_tab(color_scheme=scheme), app_in_use.url).open()
    for name in ("New benchmark", "Jobs", "Question sets", "Engine and health"):
        admin.tab(name)
        if name == "Jobs" and admin.jobs.count():
            admin.jobs.first.locator("a").click()
            expect(admin.job("job")).to_be_visible()
        for width in (1360, 400):
            admin.page.set_viewport_size({"width": width, "height": 900})
            assert admin.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            screenshot(admin.page, f"admin-{name.split()[0].lower()}-{width}-{scheme}.png")
