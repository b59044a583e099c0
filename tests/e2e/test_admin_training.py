"""Fine-tuning on the Admin page: data built, a training planned, started, watched; the training itself is pretended."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

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
from tests.e2e.admin_training_page import TrainingPage, write_progress, write_traces
from tests.e2e.browser_watch import Watch, screenshot
from tests.e2e.running_app import RunningApp, make_home, running
from tests.m1app.training.training_cases import RUN

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
    expect(training.plan("hint")).to_contain_text("No data set chosen")
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
    expect(report).to_contain_text("20 samples would be kept. Nothing is built yet.")
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
    expect(training.of_data("text")).to_contain_text("# passing, version 1")
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
    expect(report).to_contain_text("10 samples would be kept. Nothing is built yet.")
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
    training.page.get_by_label("m1: the paper's setting").check()
    expect(training.page.locator("#admin-training-meaning")).to_contain_text("Trains all weights for 5 epochs")
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
    expect(training.plan("command")).to_have_text(command)
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
    assert lines == [30, 3, 30]
    admin.job("samples-box").locator("summary").click()
    expect(admin.job("samples").locator("li")).to_have_count(3)
    expect(admin.job("samples").locator("li").first).to_contain_text(f"After 30 steps it says {HOSTILE}")
    expect(admin.job("tuned")).to_be_hidden()
    end(own_app.home, job_id)
    expect(admin.job("tuned-model")).to_have_text("exam-tuned, fine-tuned from smollm2-135m")
    expect(admin.job("tuned-ask")).to_have_attribute("href", "/?model=exam-tuned")
    expect(admin.job("tuned-compare")).to_have_attribute("href", "/compare/?models=smollm2-135m%2Cexam-tuned")
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
