"""The smallest study, from a click to its verdicts; stopped on the way, and gone on with."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser_watch import screenshot
from tests.e2e.pdf_text import words_on_paper
from tests.e2e.probe_page import WAIT_MS
from tests.e2e.running_app import RunningApp, make_shallow_home, running
from tests.e2e.studies_page import OpenStudiesPage
from tests.m1app.studies.study_cases import SMALL

_OVER_MS = 2 * WAIT_MS


@pytest.fixture(scope="module")
def studies_app(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app of its own: a study runs for long, and its jobs are listed."""
    with running(RunningApp(make_shallow_home(tmp_path_factory.mktemp("home"), smollm2_path))) as started:
        yield started


@pytest.fixture
def app_in_use(studies_app: RunningApp) -> RunningApp:
    return studies_app


def test_the_smallest_study_runs_from_a_click_to_its_claims(page: Page, app_in_use: RunningApp) -> None:
    studies = OpenStudiesPage(page, app_in_use.url).open()
    expect(studies.part("none")).to_contain_text("No studies yet")
    expect(studies.choice).to_have_value("m1-smoke")
    expect(studies.part("file-claims").locator("tr")).to_have_count(7)
    expect(studies.part("problems")).to_contain_text("The question set 'library' is not here", timeout=WAIT_MS)
    expect(studies.run).to_be_disabled()
    studies.part("import").click()
    expect(studies.part("said")).to_contain_text("library: ", timeout=WAIT_MS)
    # The only served model is proposed for the only role that is needed.
    expect(studies.part("cost")).to_contain_text("at most", timeout=WAIT_MS)
    expect(studies.run).to_be_enabled(timeout=WAIT_MS)
    screenshot(page, "studies-start.png")
    studies.run.click()
    study_id = studies.wait_started()
    expect(studies.part("study-name")).to_have_text("m1-smoke", timeout=WAIT_MS)
    expect(studies.part("stop")).to_be_visible(timeout=WAIT_MS)
    studies.part("stop").click()
    expect(studies.state).to_have_text("Stopped", timeout=WAIT_MS)
    studies.part("resume").click()
    expect(studies.state).to_have_text("Done", timeout=_OVER_MS)
    expect(studies.part("progress")).to_contain_text("12 of 12 questions, 3 of 3 facts tested")
    expect(studies.part("demo")).to_contain_text("These verdicts mean nothing")
    expect(studies.claims).to_have_count(7)
    expect(studies.verdict("thinking-helps")).to_have_text(re.compile("Holds|Does not hold|Not decidable"))
    expect_own_facts(studies)
    expect(studies.part("readings").locator("tr")).to_have_count(2)
    expect(studies.part("differences")).to_contain_text("at most 12 questions per set")
    screenshot(page, "studies-claims.png")
    with page.expect_download() as printed:
        studies.part("report-pdf").click()
    assert printed.value.suggested_filename.endswith(".pdf")
    assert "notmeasured(meaningless)" in words_on_paper(Path(printed.value.path()).read_bytes())
    page.get_by_role("link", name="Curves, flips and questions").click()
    expect(page.locator("#benchmarks-page")).to_contain_text("m1-smoke: budgets", timeout=WAIT_MS)
    studies.open()
    expect(studies.started).to_have_count(1)
    studies.run.click(timeout=WAIT_MS)
    expect(studies.part("problems")).to_contain_text("A study named 'm1-smoke' was already started on", timeout=WAIT_MS)
    studies.open(f"?study={study_id}")
    studies.part("delete").click(timeout=WAIT_MS)
    expect(studies.part("none")).to_be_visible(timeout=WAIT_MS)


def expect_own_facts(studies: OpenStudiesPage) -> None:
    """The facts that come with the study are tested, and what its model has learned is looked for."""
    expect(studies.verdict("training-helps")).to_have_text("Not measured")
    expect(studies.part("facts").locator("tr")).to_have_count(3)
    expect(studies.part("facts-note")).to_contain_text("Nobody has read where the thinking went wrong")
    expect(studies.verdict("knowledge-limits")).to_have_text(re.compile("Holds|Does not hold|Not decidable"))
    expect(studies.part("training")).to_contain_text("Trained elsewhere")


def test_a_file_of_ones_own_is_checked_before_it_is_kept(page: Page, app_in_use: RunningApp) -> None:
    studies = OpenStudiesPage(page, app_in_use.url).open()
    page.get_by_text("Add a study of your own").click()
    text = studies.part("add-form").locator("textarea")
    text.fill(SMALL.replace('kind = "gain"', 'kind = "win"'))
    studies.part("add").click()
    expect(studies.part("add-problem")).to_contain_text("claim 'helps', field kind: found 'win'", timeout=WAIT_MS)
    text.fill(SMALL)
    studies.part("add").click()
    expect(studies.choice).to_have_value("small", timeout=WAIT_MS)
    expect(studies.part("file-claims").locator("tr")).to_have_count(2)
    expect(studies.part("problems")).to_contain_text("The question set 'five' is not here", timeout=WAIT_MS)
    page.get_by_text("The file", exact=True).click()
    studies.part("remove").click()
    expect(studies.choice).to_have_value("m1-smoke", timeout=WAIT_MS)


def test_a_study_that_is_not_there_is_named(page: Page, app_in_use: RunningApp) -> None:
    studies = OpenStudiesPage(page, app_in_use.url).open(f"?study={'0' * 32}")
    expect(studies.part("notice")).to_contain_text("not found", timeout=WAIT_MS)
