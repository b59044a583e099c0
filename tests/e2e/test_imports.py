"""Imports on the Admin page: a part of a file, a dataset of the hub by its columns, traces to annotate."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.admin_page import OpenAdminPage
from tests.e2e.browser_watch import Watch, screenshot
from tests.e2e.running_app import RunningApp, running
from tests.m1app.annotation.test_case_import import region, task
from tests.m1app.question_sets.hub_stand_in import HubStandIn, serving_hub
from tests.m1app.question_sets.question_set_samples import as_parquet

NOBODY = "http://127.0.0.1:9"
FORMULA = "=1+1 <img src=x onerror=window.__hit=1>"
ROWS = [{"id": n, "Frage": f"Frage {n}?", "a1": "ja", "a2": FORMULA, "Lsg": 1 + n % 2} for n in range(6)]
LETTERED = [
    {"id": n, "question": f"Question {n}?", "options": {"A": "x", "B": "y"}, "answer_idx": "A"} for n in range(9)
]


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStandIn]:
    with serving_hub({"clinic/exam": {"data/test-00000-of-00001.parquet": as_parquet(ROWS)}}) as hub:
        yield hub


@pytest.fixture(scope="module")
def own_app(hub: HubStandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app without an engine, beside a hub."""
    app = RunningApp(tmp_path_factory.mktemp("home"), M1_ENGINE_URL=NOBODY, M1_HUB_URL=hub.url)
    with running(app, with_engine=False) as started:
        yield started


@pytest.fixture
def app_in_use(own_app: RunningApp) -> RunningApp:
    return own_app


@pytest.fixture
def admin(page: Page, app_in_use: RunningApp) -> OpenAdminPage:
    return OpenAdminPage(page, app_in_use.url).open()


def looks(admin: OpenAdminPage, name: str) -> None:
    """Nothing is wider than the window; keeps a picture at each width."""
    for width in (1366, 400):
        admin.page.set_viewport_size({"width": width, "height": 768})
        assert admin.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        screenshot(admin.page, f"{name}-{width}.png")


def test_a_part_of_a_file_is_imported_by_ids_and_at_random(admin: OpenAdminPage, tmp_path: Path) -> None:
    admin.wait_sets()
    form, report = admin.of_sets("file-form"), admin.of_sets("report")
    file, ids = tmp_path / "nine.json", tmp_path / "official.txt"
    file.write_text(json.dumps(LETTERED))
    ids.write_text("2\n5\n7\n")

    def chosen(name: str) -> None:
        form.locator("input[name=file]").set_input_files(file)
        form.get_by_label("Name").fill(name)
        if not form.get_by_label("Seed").is_visible():
            form.get_by_text("More options").click()

    chosen("three")
    form.get_by_label("Only these ids").set_input_files(ids)
    looks(admin, "import-part")
    form.get_by_role("button", name="Import file").click()
    expect(report).to_contain_text("three: 3 questions imported.")
    # The form is empty again: the ids are not those of the next file.
    chosen("four")
    form.get_by_label("Random questions per set").fill("4")
    form.get_by_label("Seed").fill("1")
    form.get_by_role("button", name="Import file").click()
    expect(report).to_contain_text("four: 4 questions imported.")


def test_columns_of_a_dataset_of_the_hub_are_chosen_with_a_preview(admin: OpenAdminPage, tmp_path: Path) -> None:
    admin.wait_sets()
    admin.page.get_by_text("From the Hugging Face hub").click()
    form, columns = admin.of_sets("hub-form"), admin.of_sets("columns")
    form.get_by_label("Dataset").fill("clinic/exam")
    form.get_by_role("button", name="Choose columns").click()
    expect(form.locator("[data-part=columns]")).to_be_visible()
    expect(admin.of_sets("question-column")).to_have_value("Frage")
    admin.of_sets("answer-column").select_option("Lsg")
    admin.of_sets("answer-base").select_option("1")
    preview = admin.of_sets("columns-preview")
    expect(preview.locator("> li").nth(1).locator(".is-target")).to_have_text(f"B. {FORMULA} target")
    form.get_by_text("More options").click()
    ids = tmp_path / "ids.json"
    ids.write_text("[1, 4, 5]")
    form.get_by_label("Only these ids").set_input_files(ids)
    looks(admin, "import-hub")
    form.get_by_role("button", name="Import from hub").click()
    expect(admin.of_sets("report")).to_contain_text("exam test: 3 questions imported.")
    # Another dataset has other columns.
    form.get_by_label("Dataset").fill("clinic/other")
    expect(columns).to_be_hidden()
    admin.expect_inert()


def test_the_library_is_imported_with_one_click(admin: OpenAdminPage) -> None:
    admin.wait_sets()
    admin.page.get_by_text("From the question library").click()
    admin.page.get_by_role("button", name="Import library").click()
    expect(admin.of_sets("report")).to_contain_text("library: 60 questions imported.")
    expect(admin.of_sets("rows").locator("tr", has_text="Question library")).to_have_count(1)
    looks(admin, "import-library")


def test_traces_from_elsewhere_are_previewed_then_imported(
    admin: OpenAdminPage, tmp_path: Path, own_app: RunningApp
) -> None:
    admin.page.goto(f"{own_app.url}/annotate/")
    admin.page.get_by_role("link", name="Import traces").click()
    tab = admin.page.locator("#admin-cases")
    form = tab.locator("[data-part=form]")
    good, bad = tmp_path / "project.json", tmp_path / "bad.json"
    bad.write_text(json.dumps([task(region()), {"id": 2}, task(region(start=9, end=4))]))
    novel = task(region(labels=["Novel", FORMULA]), question=FORMULA)
    good.write_text(json.dumps([task(region()), novel]))
    form.get_by_label("File").set_input_files(bad)
    form.get_by_role("button", name="Preview").click()
    expect(tab.locator("[data-part=found]")).to_have_text("1 trace, and 1 mark.")
    expect(tab.locator("[data-part=problem-list] li")).to_have_text(
        [
            "Task 2: 'data' is missing. See docs/annotating.md for the fields.",
            "Task 3: a span from 9 to 4 marks nothing.",
        ]
    )
    expect(tab.locator("[data-part=import]")).to_be_hidden()
    looks(admin, "import-traces-refused")
    form.get_by_label("File").set_input_files(good)
    # What was found is not what is in this file.
    expect(tab.locator("[data-part=preview]")).to_be_hidden()
    form.get_by_label("Model").fill("elsewhere-8b")
    form.get_by_role("button", name="Preview").click()
    expect(tab.locator("[data-part=labels] li")).to_have_text(["Incorrect fact: 1"])
    expect(tab.locator("[data-part=unknown] li")).to_have_text(["Novel: 1", f"{FORMULA}: 1"])
    expect(tab.locator("[data-part=first] > li")).to_have_count(2)
    looks(admin, "import-traces")
    tab.get_by_role("button", name="Import 2 traces").click()
    expect(tab.locator("[data-part=report]")).to_contain_text("2 cases and 1 mark imported.")
    tab.get_by_role("link", name="Open the queue").click()
    expect(admin.page.locator("#annotate-page tr[data-case]")).to_have_count(2)
    assert admin.page.evaluate("window.__hit") is None
    assert not list(own_app.home.glob("upload-*"))


def test_a_file_that_cannot_be_sent_as_traces_says_why(admin: OpenAdminPage, tmp_path: Path, watch: Watch) -> None:
    watch.expect("status of 422")
    admin.tab("Traces to annotate")
    tab, empty = admin.page.locator("#admin-cases"), tmp_path / "empty.json"
    empty.write_text("")
    tab.get_by_label("File").set_input_files(empty)
    tab.get_by_role("button", name="Preview").click()
    expect(tab.locator("[data-part=notice]")).to_have_text("The file is empty. Choose another one.")
