"""Fine-tuning on the Admin page: data built, a training planned, started, watched; the training itself is pretended."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from m1app.settings import Settings
from m1app.training.base_model import find_base
from m1app.training.folder import TrainingFolder
from m1app.training.recipe import TrainingRecipe
from m1app.training.tuned_models import TunedModels
from models.weights.catalog import Catalog
from storage.database import Database
from storage.jobs.records import JobState
from storage.jobs.repository import JobRepository
from tests.e2e.admin_page import HOSTILE, OpenAdminPage
from tests.e2e.admin_training_page import TrainingPage, write_preferences, write_progress, write_traces
from tests.e2e.browser_watch import VIEWPORT, Watch, screenshot
from tests.e2e.probe_page import WAIT_MS
from tests.e2e.running_app import RunningApp, make_home, running
from tests.e2e.screen_checks import has_axe, too_wide_at, violations, without_visible_focus
from tests.m1app.training.preferences.pair_cases import stored_contrasts
from tests.m1app.training.pruning.judging_server import CHECK, OTHER, judge, write_reasonings
from tests.m1app.training.pruning.judging_server import MODEL as JUDGE
from tests.m1app.training.training_cases import RUN
from tests.models.engine.scripted_server import Script, serving

_RUN = RUN.model_copy(update={"model_id": "exam-tuned", "base_location": "/nowhere", "data": "exam:v1"})


@pytest.fixture(scope="module")
def own_app(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app that starts no job: what a training says is written by the test."""
    home = make_home(tmp_path_factory.mktemp("home"), smollm2_path)
    with running(RunningApp(home, M1_CPU_JOBS="0"), with_engine=False) as started:
        yield started


@pytest.fixture
def app_in_use(own_app: RunningApp) -> RunningApp:
    return own_app


@pytest.fixture
def training(page: Page, app_in_use: RunningApp) -> TrainingPage:
    """The Fine-tune tab, open."""
    return TrainingPage(OpenAdminPage(page, app_in_use.url).open("/admin/")).open()


@pytest.fixture
def with_data(training: TrainingPage, tmp_path: Path) -> TrainingPage:
    """The tab, with a data set in it."""
    if not training.rows.filter(has_text="exam:v1").count():
        training.build(write_traces(tmp_path), "exam")
    # The form has taken it, and may be sent.
    expect(training.command).to_contain_text("--data exam:v1")
    return training


def end(home: Path, job_id: str) -> None:
    """The job ends as if its worker had finished: the new model lies among the others."""
    folder = TrainingFolder(home / "jobs" / job_id / "artifacts")
    folder.write(TrainingRecipe.of_preset("cpu-trial", _RUN.base_id, _RUN.data), _RUN, [], [])
    folder.model.mkdir()
    folder.gguf.touch()
    base = find_base(_RUN.base_id, Catalog.load(), home / "models")
    TunedModels(Settings(home=home)).publish(folder, base, job_id)
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    try:
        with database.session() as session:
            jobs = JobRepository(session)
            job = jobs.get(job_id)
            assert jobs.end(job, JobState.SUCCEEDED, [JobState.QUEUED])
    finally:
        database.dispose()


def test_empty_tab_says_what_to_do_first(training: TrainingPage) -> None:
    expect(training.of_data("empty")).to_contain_text("No data sets yet. Build one")
    expect(training.of_data("form")).to_be_visible()
    expect(training.hint).to_contain_text("No data set chosen")
    training.plan_button.click()
    expect(training.problem("data")).to_contain_text("Build one above")
    training.page.get_by_role("button", name="Build", exact=True).click()
    expect(training.of_data("notice")).to_contain_text("The data set has no name")


def test_a_data_set_is_previewed_built_read_and_deleted(training: TrainingPage, tmp_path: Path, watch: Watch) -> None:
    watch.expect("status of 422")  # The browser logs every answer that is no success.
    training.open_build()
    training.field("file").set_input_files(write_traces(tmp_path))
    training.of_data("preview").click()
    report = training.of_data("report")
    expect(report).to_contain_text("20 samples would be kept. Nothing has been built yet.")
    expect(report).to_contain_text("Answers checked against targets 21 of 22 kept")
    expect(report).to_contain_text("Duplicates 20 of 21 kept")
    report.locator("summary", has_text="Duplicates").click()
    expect(report.locator("li", has_text="Ward 0 asks")).to_be_visible()
    expect(training.rows).to_have_count(0)
    training.field("deduplicate").uncheck()
    training.field("limit").fill("few")
    training.of_data("preview").click()
    expect(training.of_data("notice")).to_contain_text('Max samples is "few"')
    training.field("limit").fill("")
    training.build(write_traces(tmp_path), "passing")
    expect(report).to_contain_text("passing:v1: 21 samples, ready to train on.")
    expect(training.box("set")).to_have_value("passing:v1 (21)")
    training.rows.first.get_by_role("button").click()
    expect(training.of_data("text")).to_contain_text("passing, version 1")
    training.expect_inert()
    training.of_data("delete").click()
    expect(training.rows).to_have_count(1)
    training.of_data("delete").click()
    expect(training.rows).to_have_count(0)
    expect(training.of_data("none")).to_be_visible()


def test_a_file_in_a_published_layout_is_recognised_and_another_can_be_forced(
    training: TrainingPage, tmp_path: Path, watch: Watch
) -> None:
    watch.expect("status of 422")  # The browser logs every answer that is no success.
    chats = [
        {
            "messages": [
                {"role": "system", "content": "You are careful."},
                {"role": "user", "content": f"Ward {number} asks: which salt number {number} helps? {HOSTILE}"},
                {"role": "assistant", "content": f"<think>Salt {number} gathers here.</think>Salt {number}. {HOSTILE}"},
                {"role": "user", "content": "Why?"},
                {"role": "assistant", "content": "It gathers."},
            ]
        }
        for number in range(10)
    ]
    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join(map(json.dumps, chats)), encoding="utf-8")
    training.open_build()
    training.field("file").set_input_files(path)
    training.field("verified_only").uncheck()
    training.of_data("preview").click()
    report = training.of_data("report")
    expect(report).to_contain_text("10 samples would be kept. Nothing has been built yet.")
    expect(report).to_contain_text(
        "chats.jsonl: 10 samples, read as chat messages, as of OpenAI. "
        "Left out: further turns of 10 rows, system messages of 10 rows."
    )
    screenshot(training.page, "training-data-layout.png")
    training.field("layout").select_option("alpaca")
    training.of_data("preview").click()
    expect(training.of_data("notice")).to_contain_text("its columns are those of no known layout: found 'messages'")
    training.field("layout").select_option("")
    training.field("name").fill("chats")
    training.page.get_by_role("button", name="Build", exact=True).click()
    row = training.rows.filter(has_text="chats:v1")
    row.get_by_role("button").click()
    expect(training.of_data("text")).to_contain_text("chat messages, as of OpenAI; left out: further turns of 10 rows")
    training.expect_inert()
    training.of_data("delete").click()
    training.of_data("delete").click()
    expect(row).to_have_count(0)


def test_without_a_file_own_answers_and_corrections_are_looked_for(training: TrainingPage) -> None:
    training.open_build()
    training.of_data("preview").click()
    expect(training.of_data("notice")).to_contain_text("No source of samples")
    training.field("with_own_traces").check()
    training.of_data("preview").click()
    expect(training.of_data("notice")).to_contain_text("0 samples")
    training.field("with_corrections").check()
    training.of_data("preview").click()
    expect(training.of_data("notice")).to_contain_text("No corrections yet")


def test_problems_stand_at_their_fields_and_what_was_typed_stays(with_data: TrainingPage) -> None:
    training = with_data
    training.box("model").fill("my model")
    training.box("learning-rate").fill("fast")
    training.start.click()
    expect(training.problem("steps")).to_contain_text("learning_rate: found 'fast'")
    training.box("learning-rate").fill("2e-4")
    expect(training.problem("steps")).to_be_hidden()
    training.box("batch").fill("3")
    training.plan_button.click()
    expect(training.problem("sizes")).to_contain_text("equal parts")
    training.box("batch").fill("")
    training.box("other").fill("wait_decay=1")
    training.plan_button.click()
    expect(training.problem("other")).to_contain_text("did you mean weight_decay?")
    training.box("other").fill("")
    training.box("accuracy-set").fill("unheard")
    training.box("accuracy-set").press("Enter")
    training.plan_button.click()
    expect(training.problem("accuracy")).to_contain_text("Question set 'unheard' not found")
    training.box("accuracy-set").fill("Ask no questions")
    training.box("accuracy-set").press("Enter")
    training.page.get_by_label("m1: the paper's setting").check()
    expect(training.page.locator("#admin-training-meaning")).to_contain_text("Trains all weights for 5 epochs")
    expect(training.page.locator("#admin-training-meaning")).to_contain_text("Needs an NVIDIA GPU, with up to")
    expect(training.box("block")).to_have_attribute("placeholder", "32768")
    training.start.click()
    expect(training.problem("preset").or_(training.problem("sizes")).filter(visible=True)).to_have_count(1)
    assert training.box("model").input_value() == "my model"
    training.admin.tab("Jobs")
    expect(training.admin.jobs).to_have_count(0)


def test_a_plan_counts_and_shows_what_is_trained_on(with_data: TrainingPage) -> None:
    training = with_data
    training.box("max-steps").fill("7")
    command = "python -m m1app finetune --data exam:v1 --base smollm2-135m --preset cpu-trial --max-steps 7"
    expect(training.command).to_have_text(command)
    training.plan_button.click()
    facts = training.plan("facts")
    expect(facts).to_contain_text("exam:v1: 18 training samples, 2 held out")
    expect(facts).to_contain_text("7 steps of 4 samples")
    expect(facts).to_contain_text("parameters (3.6%)")
    expect(facts).to_contain_text("unknown until this base has been fine-tuned")
    expect(training.plan("notes")).to_contain_text("It trains on the CPU")
    sample = training.plan("samples").locator("details").first
    expect(sample.locator(".m1-sample-prompt")).to_contain_text("prompt, not trained on")
    expect(sample.locator(".m1-sample-prompt")).to_contain_text("Ward 0 asks about the heart")
    expect(sample.locator(".m1-sample-trained")).not_to_contain_text("Ward 0 asks")
    expect(sample.locator("[data-kind=reasoning]")).to_contain_text(HOSTILE)
    names = sample.locator(".m1-part .m1-part-name").all_inner_texts()
    assert names == ["think opening", "reasoning", "answer opening", "answer", "end of turn"]
    training.expect_inert()
    expect(training.message).to_be_hidden()
    training.box("max-steps").fill("8")
    expect(training.plan("plan")).to_be_hidden()


def test_a_sample_that_is_longer_than_a_block_is_shown_as_left_out(
    new_context: Callable[..., BrowserContext], app_in_use: RunningApp, tmp_path: Path
) -> None:
    traces = write_traces(tmp_path)
    rows = json.loads(traces.read_text())
    rows[2]["reasoning"] *= 100
    traces.write_text(json.dumps(rows))
    context = new_context(color_scheme="dark")
    training = TrainingPage(OpenAdminPage(context.new_page(), app_in_use.url).open("/admin/")).open()
    training.box("set").fill(str(traces))
    training.box("set").press("Enter")
    training.plan_button.click()
    samples = training.plan("samples").locator("details")
    expect(samples).to_have_count(4)
    expect(samples.first.locator(".m1-sample-trained")).to_have_count(1)
    left_out = samples.last
    expect(left_out.locator("summary")).to_contain_text("Sample 4 of 4, will be left out: ")
    left_out.locator("summary").click()
    expect(left_out).to_contain_text("left out, not trained on")
    expect(left_out.locator(".m1-sample-trained")).to_have_count(0)
    for width in (1360, 400):
        training.page.set_viewport_size({"width": width, "height": 900})
        assert training.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        screenshot(training.plan("plan"), f"admin-training-plan-{width}-dark.png")


def test_a_training_is_started_watched_and_its_model_is_led_to(with_data: TrainingPage, own_app: RunningApp) -> None:
    training, admin = with_data, with_data.admin
    training.start.click()
    expect(admin.job("name")).to_have_text("smollm2-135m on exam:v1")
    training.page.wait_for_url("**/admin/?job=*")
    job_id = training.page.url.rpartition("=")[2]
    expect(admin.job("training-said")).to_contain_text("No steps yet")
    expect(admin.job("training-chart")).to_be_hidden()
    write_progress(own_app.home, job_id, 0, 10)
    expect(admin.job("training-said")).to_contain_text("step 10 of 30 · training loss 2.450 → 2.000")
    expect(admin.job("training-chart").locator("svg.main-svg").first).to_be_visible()
    write_progress(own_app.home, job_id, 11, 30)
    expect(admin.job("training-said")).to_contain_text("step 30 of 30")
    expect(admin.job("training-said")).to_contain_text("held-out loss 2.500 → 1.200")
    lines = training.page.evaluate(
        "document.querySelector('[data-part=training-chart]').data.map((each) => each.x.length)"
    )
    assert lines == [30, 3, 30, 3]
    expect(admin.job("training-said")).to_contain_text("accuracy 25.0% → 50.0% (15.0% to 85.0%), n = 4. Few questions")
    screenshot(admin.job("training"), "admin-training-accuracy.png")
    admin.job("samples-box").locator("summary").click()
    expect(admin.job("samples").locator("li")).to_have_count(3)
    expect(admin.job("samples").locator("li").first).to_contain_text(f"After 30 steps it says {HOSTILE}")
    expect(admin.job("tuned")).to_be_hidden()
    end(own_app.home, job_id)
    expect(admin.job("tuned-model")).to_have_text("exam-tuned, fine-tuned from smollm2-135m")
    expect(admin.job("tuned-ask")).to_have_attribute("href", "/?model=exam-tuned")
    # The base is asked as the tuned model was trained, and as itself.
    models = "smollm2-135m+by+m1%2Cexam-tuned%2Csmollm2-135m"
    expect(admin.job("tuned-compare")).to_have_attribute("href", f"/compare/?models={models}")
    training.expect_inert()
    admin.job("tuned-benchmark").click()
    models = training.page.locator("#admin-models")
    expect(models).to_be_visible()
    expect(models).to_contain_text("smollm2-135m")
    expect(models).to_contain_text("exam-tuned")
    admin.tab("Jobs")
    admin.job("clone").click()
    expect(training.box("set")).to_be_visible()
    expect(training.box("set")).to_have_value("exam:v1 (20)")
    training.box("max-steps").fill("40")
    training.plan_button.click()
    expect(training.plan("facts")).to_contain_text("about 5 min, at 0.5 samples/s as in 'smollm2-135m on exam:v1'")
    _compare(training, own_app.home)


def _compare(training: TrainingPage, home: Path) -> None:
    """Start another training, mark both, and look at them side by side, also by the address."""
    admin, page = training.admin, training.page
    earlier = page.url
    training.start.click()
    page.wait_for_url(lambda url: "/admin/?job=" in url and url != earlier)
    write_progress(home, page.url.rpartition("=")[2], 0, 20, steps=40)
    marks = admin.jobs.get_by_role("checkbox")
    marks.nth(0).check()
    expect(admin.job("marked-said")).to_contain_text("mark another to compare")
    marks.nth(1).check()
    expect(admin.job("compared")).to_be_visible()
    expect(admin.job("job")).to_be_hidden()
    charts = admin.job("compared-charts")
    expect(charts.locator("svg.main-svg").first).to_be_visible()
    titles = ["Training loss", "Held-out loss", "Gradient norm", "Learning rate", "Accuracy"]
    expect(charts.locator("h3")).to_have_text(titles)
    expect(charts.get_by_role("img").first).to_have_attribute("aria-label", re.compile("at step 20.*at step 30"))
    expect(admin.job("compared-differences")).to_contain_text("max steps")
    page.wait_for_url("**/admin/?runs=*")
    _expect_accessible(page)
    for width in (1360, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        screenshot(page, f"admin-compared-runs-{width}.png")
    page.set_viewport_size(VIEWPORT)
    admin.open(page.url.removeprefix(admin.origin))
    expect(admin.job("compared-key").get_by_role("link")).to_have_count(2)
    with page.expect_download() as saved:
        admin.job("compared-csv").click()
    assert saved.value.path().read_text(encoding="utf-8-sig").startswith("job,name,metric,step,value")
    admin.job("unmark").click()
    expect(admin.job("compared")).to_be_hidden()
    expect(marks.nth(0)).not_to_be_checked()


def test_nothing_is_wider_than_the_window(training: TrainingPage, tmp_path: Path) -> None:
    training.open_build()
    training.field("file").set_input_files(write_traces(tmp_path))
    training.of_data("preview").click()
    expect(training.of_data("report")).to_contain_text("would be kept")
    training.plan_button.click()
    expect(training.plan("facts").or_(training.problem("data")).filter(visible=True)).to_have_count(1)
    for width in (1360, 400):
        training.page.set_viewport_size({"width": width, "height": 900})
        assert training.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        screenshot(training.page, f"admin-training-{width}-light.png")


def _expect_accessible(page: Page) -> None:
    """As every page is, in a state that a walk over the pages does not see."""
    if has_axe():
        assert violations(page) == []
    assert too_wide_at(page) == []
    assert without_visible_focus(page) == []


@contextmanager
def _judged(browser: Browser, home: Path, **named: Any) -> Iterator[tuple[TrainingPage, Script]]:
    """The form of an app whose engine judges steps, filled in to prune, and its engine."""
    file = write_reasonings(home, extra=f" {HOSTILE}")
    with serving(judge(**named)) as engine:
        settings = {"M1_ENGINE_URL": engine.url, "M1_MODEL": JUDGE, "M1_CPU_JOBS": "0"}
        with running(RunningApp(home, **settings), with_engine=False) as app:
            context = browser.new_context(viewport=VIEWPORT, reduced_motion="reduce")
            context.set_default_timeout(WAIT_MS)
            context.add_cookies(app.admin_cookies())
            training = TrainingPage(OpenAdminPage(context.new_page(), app.url).open("/admin/")).open()
            training.open_build()
            training.field("file").set_input_files(file)
            training.field("verified_only").uncheck()
            training.field("name").fill("short")
            expect(training.field("prune_steps")).to_be_hidden()
            training.field("prune").check()
            training.field("prune_steps").fill("0.6")
            training.field("prune_model").select_option(JUDGE)
            yield training, engine
            training.expect_inert()
            context.close()


def test_pruning_is_estimated_watched_stopped_and_resumed(browser: Browser, tmp_path: Path) -> None:
    gate = threading.Event()
    with _judged(browser, tmp_path, gate=gate, free=7) as (training, engine):
        build = training.page.get_by_role("button", name="Build", exact=True)
        progress = training.page.locator("#admin-pruning")
        training.of_data("preview").click()
        report = training.of_data("report")
        expect(report).to_contain_text("at most 45 letter probes, one token each")
        steps = report.locator(".m1-reasoning-steps").first.locator("li")
        expect(steps.nth(1)).to_have_text(f"verification{CHECK}")
        expect(report.locator("del")).to_have_count(0)
        screenshot(training.page, "training-data-pruning-estimate.png")
        build.click()
        expect(progress).to_contain_text("Pruning short: 1 of 10 samples")
        screenshot(training.page, "training-data-pruning.png")
        _expect_accessible(training.page)
        progress.get_by_role("button", name="Stop").click()
        expect(progress.get_by_role("button", name="Stopping…")).to_be_disabled()
        gate.set()
        expect(training.of_data("notice")).to_contain_text("Stopped. 1 of 10 samples were pruned")
        expect(progress.get_by_role("button")).to_be_hidden()
        build.click()
        expect(report).to_contain_text("18 of 27 functional steps pruned in 9 samples")
        assert len(engine.completions) == 45


def test_pruned_steps_are_shown_struck_through_with_what_they_save(browser: Browser, tmp_path: Path) -> None:
    with _judged(browser, tmp_path) as (training, _):
        training.page.get_by_role("button", name="Build", exact=True).click()
        training.rows.first.get_by_role("button").click()
        expect(training.of_data("pruned-title")).to_have_text("Pruned sample 1 of 9")
        sample = training.of_data("pruned-sample")
        expect(sample.locator("del")).to_have_text([CHECK, OTHER])
        expect(sample.locator("li").nth(4)).to_contain_text("correction, importance 1.79")
        expect(sample).to_contain_text("70.0% after the pruned one")
        expect(training.of_data("text")).to_contain_text("Pruned reasoning")
        training.page.get_by_role("button", name="Next pruned sample").click()
        expect(training.of_data("pruned-title")).to_have_text("Pruned sample 2 of 9")
        screenshot(training.page, "training-data-pruned.png")
        _expect_accessible(training.page)


class SamplesPart:
    """The samples of a data set, opened from its card."""

    def __init__(self, training: TrainingPage) -> None:
        self.page = training.page
        training.rows.filter(has_text="exam:v1").get_by_role("button").click()
        training.of_data("browse").click()
        self.page.wait_for_url("**/admin/?tab=samples&set=exam%3Av1")
        self.rows = self.part("rows").locator("tr")
        expect(self.part("place")).to_have_text("1 – 20 of 20")

    def part(self, name: str) -> Locator:
        return self.page.locator(f'#admin-samples [data-part="{name}"]')

    def box(self, form: str, label: str) -> Locator:
        return self.part(form).get_by_label(label)


def test_samples_are_searched_and_compared(with_data: TrainingPage) -> None:
    samples = SamplesPart(with_data)
    part = samples.part
    samples.box("filters", "Show").select_option("dropped")
    expect(samples.rows).to_have_count(2)
    expect(samples.rows.filter(has_text="names another option")).to_have_count(1)
    expect(samples.rows.filter(has_text="deduplicate: repeats the question of")).to_have_count(1)
    part("pairs-box").locator("summary").first.click()
    expect(part("pairs-said")).to_contain_text("closest first")
    expect(part("pairs").locator("h3").first).to_have_text("The same question")
    samples.box("filters", "Show").select_option("kept")
    samples.box("filters", "Search").fill("no such words")
    expect(part("none")).to_contain_text("No samples match")
    samples.box("filters", "Search").fill("liver ward 11")
    expect(samples.rows).to_have_count(1)
    samples.rows.get_by_role("button").press("Enter")
    expect(part("reasoning")).to_contain_text(f"Salt 11 gathers in the liver. {HOSTILE}")
    part("charts-box").locator("summary").click()
    expect(part("lengths").locator("svg.main-svg").first).to_be_visible()
    for scheme, width in (("light", 1360), ("dark", 400)):
        samples.page.emulate_media(color_scheme=scheme)
        samples.page.set_viewport_size({"width": width, "height": 900})
        assert samples.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        screenshot(samples.page, f"admin-samples-{width}-{scheme}.png")
    part("edit").click()
    part("ask-box").locator("summary").click()
    part("ask-form").get_by_label("For").select_option("distill")
    _expect_accessible(samples.page)
    assert samples.page.evaluate("window.__hit") is None


def test_samples_are_changed_as_a_new_version_with_the_reason(with_data: TrainingPage) -> None:
    samples = SamplesPart(with_data)
    part = samples.part
    samples.box("filters", "Search").fill("liver ward 11")
    expect(samples.rows).to_have_count(1)
    samples.rows.get_by_role("button").click()
    part("edit").click()
    samples.box("form", "Reason for the change").fill(f"shorter {HOSTILE}")
    samples.box("form", "Answer").fill("The answer is A. Drug 11")
    part("take-edit").click()
    expect(part("problem")).to_contain_text("its answer names another option than the target")
    expect(part("tray")).to_be_hidden()
    samples.box("form", "Answer").fill("The answer is B. Salt 11")
    part("take-edit").click()
    expect(part("tray-title")).to_have_text("1 change not saved yet")
    samples.box("filters", "Search").fill("")
    expect(samples.rows).to_have_count(20)
    samples.rows.first.get_by_role("checkbox").check()
    samples.box("exclude-form", "Reason for leaving them out").fill("outdated")
    part("exclude-chosen").click()
    expect(part("tray-title")).to_have_text("2 changes not saved yet")
    samples.rows.nth(3).get_by_role("button").click()
    expect(part("question")).to_contain_text("Ward 3 asks")
    samples.box("domain-form", "Domain").fill("drug therapy")
    samples.box("domain-form", "Domain").press("Enter")
    expect(part("tray-title")).to_have_text("3 changes not saved yet")
    samples.page.reload()
    expect(part("tray-title")).to_have_text("3 changes not saved yet")
    part("save").click()
    expect(part("made")).to_contain_text(
        "exam:v2 was made: 19 samples, by hand: 1 sample left out, 1 sample edited, the domains of 1"
    )
    expect(part("sets")).to_have_value("exam:v2")
    expect(part("place")).to_have_text("1 – 19 of 19")
    expect(part("tray")).to_be_hidden()
    assert samples.page.evaluate("window.__hit") is None
    with_data.admin.tab("Fine-tune")
    with_data.rows.filter(has_text="exam:v2").get_by_role("button").click()
    with_data.of_data("delete").click()
    with_data.of_data("delete").click()
    expect(with_data.rows.filter(has_text="exam:v2")).to_have_count(0)


# The last one: its data set is the newest, which the form then begins with.
def test_preference_pairs_are_built_planned_and_their_training_is_watched(
    training: TrainingPage, own_app: RunningApp
) -> None:
    database = Database(f"sqlite:///{own_app.home / 'm1.sqlite3'}")
    stored_contrasts(database, 9)
    database.dispose()
    training.open_build()
    expect(training.field("passes")).to_be_hidden()
    training.field("kind").select_option("pairs")
    expect(training.field("hub")).to_be_hidden()
    expect(training.field("deduplicate")).to_be_hidden()
    training.field("name").fill("preferred")
    training.page.get_by_role("button", name="Build", exact=True).click()
    row = training.rows.filter(has_text="preferred:v1")
    expect(row).to_contain_text("preference pairs")
    expect(training.of_data("report")).to_contain_text("preferred:v1: 9 preference pairs, ready to train on")

    training.page.get_by_label("DPO, CPU trial").check()
    expect(training.page.locator("#admin-training-meaning")).to_contain_text("to prefer the better response")
    training.plan_button.click()
    expect(training.plan("facts")).to_contain_text("preferred:v1: 8 preference pairs to train on, 1 held out")
    sample = training.plan("samples").locator("details").first
    expect(sample).to_contain_text("the other response, to avoid")
    expect(sample.locator("pre").last).to_contain_text("\\boxed{B}")

    training.start.click()
    training.page.wait_for_url("**/admin/?job=*")
    write_preferences(own_app.home, training.page.url.rpartition("=")[2])
    admin = training.admin
    expect(admin.job("preferences")).to_be_visible(timeout=WAIT_MS)
    expect(admin.job("training-said")).to_contain_text("margin +0.350, 100% of pairs right")
    expect(admin.job("preferences-chart").locator(".scatterlayer .trace")).to_have_count(4)
    screenshot(admin.job("preferences"), "admin-preferences.png")
    training.admin.tab("Fine-tune")
    row.get_by_role("button").click()
    expect(training.of_data("text")).to_contain_text("9 preference pairs")
    training.page.set_viewport_size({"width": 400, "height": 900})
    assert training.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
