"""Fine-tuning for real, in the browser: launched, watched, stopped, resumed; its model is asked beside its base."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.admin_page import OpenAdminPage
from tests.e2e.admin_training_page import TrainingPage, write_traces
from tests.e2e.compare_page import OpenComparePage
from tests.e2e.probe_page import ProbePage
from tests.e2e.running_app import RunningApp, make_home, running

pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]

_QUESTION = "Which drug harms the liver?"
_OPTIONS = ("A. Drug 1", "B. Salt 1")


@pytest.fixture(scope="module")
def own_app(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app whose catalog may grow."""
    with running(RunningApp(make_home(tmp_path_factory.mktemp("home"), smollm2_path))) as started:
        yield started


@pytest.fixture
def app_in_use(own_app: RunningApp) -> RunningApp:
    return own_app


def test_a_model_is_trained_stopped_resumed_asked_and_compared_with_its_base(
    page: Page, own_app: RunningApp, tmp_path: Path
) -> None:
    admin = OpenAdminPage(page, own_app.url).open()
    training = TrainingPage(admin).open()
    training.build(write_traces(tmp_path), "exam")
    training.box("model").fill("exam-tuned")
    training.box("max-steps").fill("6")
    training.start.click()
    expect(admin.job("training-said")).to_contain_text("step 2 of 6", timeout=300_000)
    expect(admin.job("training-chart").locator("svg.main-svg").first).to_be_visible()
    admin.job("stop").click()
    admin.wait_state("Stopped")
    expect(admin.job("tuned")).to_be_hidden()

    admin.job("resume").click()
    admin.wait_state("Succeeded")
    expect(admin.job("training-said")).to_contain_text("step 6 of 6")
    expect(admin.job("tuned-model")).to_have_text("exam-tuned, fine-tuned from smollm2-135m")

    admin.job("tuned-ask").click()
    probe = ProbePage(page, own_app.url)
    probe.wait_usable()
    expect(page.locator("#model input")).to_have_value("exam-tuned")
    probe.ask(_QUESTION, options=_OPTIONS, budget=32)
    probe.wait_over()
    trace = own_app.trace(probe.wait_trace_id())
    assert (trace["engine"]["model"], trace["profile"]) == ("exam-tuned", "m1")

    page.goto(own_app.url + "/compare/?models=smollm2-135m%2Cexam-tuned")
    compare = OpenComparePage(page, own_app.url)
    compare.wait_usable()
    expect(page.locator("#compare-models")).to_contain_text("exam-tuned")
    compare.fill(_QUESTION, options=_OPTIONS, budgets=("64",))
    compare.run.click()
    compare.wait_over()
    expect(page.locator("#sweep-columns")).to_contain_text("smollm2-135m")
    expect(page.locator("#sweep-columns")).to_contain_text("exam-tuned")
