"""From an annotated failure to a compared model by the links that lead on: at most 8 clicks and 1 text."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from storage.database import Database
from storage.questions.records import NewQuestion
from storage.traces.records import Segment, SegmentKind, ThinkingFinishReason, TraceOutcome, TraceState
from tests.e2e.admin_page import OpenAdminPage
from tests.e2e.annotate_page import OpenAnnotatePage
from tests.e2e.running_app import RunningApp, make_home, running
from tests.storage.samples import begin, finish

pytestmark = [pytest.mark.training, pytest.mark.timeout(1800)]

FAILURE = "Ward 99 asks: which of the two salts gathers in the spleen of the patient?"
_COUNT_ACTS = """
for (const [kind, name] of [['click', 'm1Clicks'], ['change', 'm1Texts']]) {
  window.addEventListener(kind, (event) => {
    const isText = event.target instanceof HTMLTextAreaElement
      || (event.target instanceof HTMLInputElement && ['text', 'search', 'number'].includes(event.target.type));
    if (!event.isTrusted || (kind === 'change' && !isText)) return;
    sessionStorage.setItem(name, String(Number(sessionStorage.getItem(name) ?? 0) + 1));
  }, true);
}
"""


@pytest.fixture(scope="module")
def own_app(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app with a failure to correct and right answers beside it."""
    home = make_home(tmp_path_factory.mktemp("home"), smollm2_path)
    store_answers(home)
    with running(RunningApp(home)) as started:
        yield started


@pytest.fixture
def app_in_use(own_app: RunningApp) -> RunningApp:
    return own_app


def store_answers(home: Path) -> None:
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    database.migrate()
    try:
        for number in range(11):
            stem = " ".join(
                f"{word}{number}" for word in ("salt", "ward", "organ", "dose", "cell", "drug", "age", "why")
            )
            _store(database, stem, "Salt B gathers there.", is_right=True)
        _store(database, FAILURE, "Salt A gathers there, as the book says.", is_right=False)
    finally:
        database.dispose()


def _store(database: Database, stem: str, thinking: str, *, is_right: bool) -> None:
    question = NewQuestion(stem=stem, options={"A": f"Salt A {stem[:6]}", "B": f"Salt B {stem[:6]}"}, target="B")
    letter = "B" if is_right else "A"
    outcome = TraceOutcome(
        state=TraceState.COMPLETED,
        thinking_finish_reason=ThinkingFinishReason.NATURAL,
        answer_letter=letter,
        is_correct=is_right,
    )
    parts = [(SegmentKind.THINK, thinking), (SegmentKind.ANSWER, f"The answer is {letter}.")]
    segments = [
        Segment(kind=kind, text=text, token_ids=(1, 2), token_count=2, finish_reason="natural") for kind, text in parts
    ]
    finish(database, begin(database, question), *segments, outcome=outcome)


def acts(page: Page) -> tuple[int, int]:
    """Clicks and texts of a person in this tab so far."""
    clicks, texts = page.evaluate("['m1Clicks', 'm1Texts'].map((name) => Number(sessionStorage.getItem(name) ?? 0))")
    return clicks, texts


def test_the_way_from_an_annotated_failure_to_a_compared_model_is_short(page: Page, own_app: RunningApp) -> None:
    page.add_init_script(_COUNT_ACTS)
    annotate = OpenAnnotatePage(page, own_app.url).open("/annotate/?verdict=wrong", "Ada")
    annotate.open_case(FAILURE)
    annotate.drag("thinking", "Salt A gathers", "there")
    expect(annotate.quote).to_be_visible()
    page.keyboard.press("1")
    annotate.severity("moderate")
    annotate.form.get_by_label("Corrected fact").fill("Salt B gathers there")
    # A mark with a corrected fact is open: there is no "no errors found" to confirm.
    annotate.submit.click()
    expect(annotate.problem("submit")).to_contain_text("Save or cancel the current mark first")
    expect(annotate.submit).to_have_text("Submit case")
    annotate.save.click()
    expect(annotate.own).to_have_count(1)

    before = acts(page)
    annotate.submit.click()
    annotate.submitted.get_by_role("link", name="Train on corrections").click()
    admin = OpenAdminPage(page, own_app.url)
    page.get_by_role("button", name="Build", exact=True).click()
    expect(page.locator("#admin-training-data tr[data-id]").filter(has_text="corrections:v1")).to_be_visible()
    steps = page.locator("#admin-training-max-steps").locator("input, textarea").first
    steps.press("ControlOrMeta+a")
    steps.press_sequentially("1")
    page.locator("#admin-training-start").click()
    expect(admin.job("state")).to_have_text("Succeeded", timeout=1_500_000)
    expect(admin.job("message")).to_contain_text("The new model is finished")
    expect(admin.job("tuned-alike")).to_contain_text("smollm2-135m by m1 and smollm2-135m-cpu-trial, asked alike")
    expect(admin.job("tuned-card").locator("h3").first).to_have_text("smollm2-135m-cpu-trial")
    admin.job("tuned-compare").click()
    expect(page.locator("#compare-models")).to_contain_text("smollm2-135m by m1", timeout=240_000)
    expect(page.locator("#compare-question textarea, #compare-question input").first).to_have_value(FAILURE)
    page.locator("#compare-run").click()
    expect(page.locator("#sweep-view [data-part=prompts]")).to_contain_text("The prompts differ", timeout=240_000)
    clicks, texts = acts(page)
    # Submit, Train on corrections, Build, Start, Compare with its base, Run; and the number of steps.
    assert (clicks - before[0], texts - before[1]) == (6, 1)
    page.locator("#compare-stop").click()
