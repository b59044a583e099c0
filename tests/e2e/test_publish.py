"""A published site, opened from its folder in a browser without a network."""

import functools
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.benchmark_page import database_of
from tests.e2e.browser_watch import VIEWPORT, Watch, screenshot
from tests.e2e.pdf_text import words_on_paper
from tests.e2e.probe_page import WAIT_MS
from tests.e2e.screen_checks import has_axe, too_wide_at, unreachable_when_zoomed, violations, without_visible_focus
from tests.m1app.annotation.cases import stored_sweep, stored_trace
from tests.m1app.cli.command_line import run
from tests.m1app.publishing.site_samples import ANNOTATORS, HOSTILE, SECRET, SECRET_SET, annotate, store_site_run

ENGINE = {"M1_ENGINE_URL": "http://127.0.0.1:9"}
FREE, SECRETS = 58, 4
OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a site of two runs, and a trace and a sweep as files."""
    folder, home = tmp_path_factory.mktemp("published"), tmp_path_factory.mktemp("home")
    database = database_of(home)
    try:
        base = store_site_run(database, free=FREE, secret=SECRETS, failed=2)
        tuned = store_site_run(database, name=HOSTILE, models=(HOSTILE,), free=3, secret=0)
        annotate(database, base.item_ids[3])
        trace, (sweep, *_) = stored_trace(database), stored_sweep(database)
    finally:
        database.dispose()
    site = ("publish", base.run_id, tuned.run_id, "--output", str(folder / "site"), "--title", "Glands")
    annotators = [each for name in ANNOTATORS for each in ("--annotator", name)]
    files = [
        ("publish", f"--{kind}", each, "--output", str(folder / f"{kind}.html"))
        for kind, each in (("trace", trace), ("sweep", sweep))
    ]
    for arguments in ((*site, *annotators), *files):
        done = run(*arguments, home=home, **ENGINE)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def seen(published: Path) -> Iterator[Watch]:
    """What the pages ask for; anything outside of the folder fails the test."""
    watch = Watch(f"file://{published}")
    yield watch
    assert not watch.unexpected()


@pytest.fixture
def open_page(browser: Browser, published: Path, seen: Watch) -> Iterator[OpenPage]:
    """Opens a page of the folder by its `file:` address, in a browser without a network."""
    contexts = []

    def open_at(name: str, **options: object) -> Page:
        context = browser.new_context(**{"viewport": VIEWPORT, "offline": True, **options})  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        seen.attach(context)
        page = context.new_page()
        page.goto(f"file://{published}/{name}")
        return page

    yield open_at
    for context in contexts:
        assert context.pages[0].evaluate("window.__hit") is None
        context.close()


def rows(page: Page) -> "list[str]":
    return [text.split("\n")[0] for text in page.locator(".questions a .name").all_inner_texts()]


def test_the_overview_draws_its_curves_and_leads_to_what_changed(open_page: OpenPage) -> None:
    page = open_page("site/index.html")
    expect(page.locator(".plot .main-svg").first).to_be_visible()
    expect(page.get_by_role("heading", name="Glands")).to_be_visible()
    expect(page.locator("dd", has_text="A, B")).to_be_visible()
    screenshot(page, "publish-overview.png")
    page.get_by_role("row", name="m1-7b").get_by_role("link", name=str(FREE + SECRETS - 2)).click()
    expect(page.locator("[data-part=count]")).to_have_text(f"{FREE + SECRETS - 2} of {FREE + SECRETS} questions")
    expect(page.locator("[data-part=verdict]")).to_have_value("wrong-right")


def test_questions_are_searched_filtered_and_paged_through(open_page: OpenPage) -> None:
    page = open_page("site/questions.html")
    count = page.locator("[data-part=count]")
    expect(count).to_have_text("62 of 62 questions")
    page.get_by_role("button", name="Next page").click()
    expect(page.locator(".questions a")).to_have_count(12)
    expect(page.locator(".questions a").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".ways")).to_contain_text("51 of 62")
    page.keyboard.press("Escape")
    expect(page.locator(".pager")).to_contain_text("Page 2 of 2")
    page.get_by_label("Words").fill("NAIVE gland 17")
    expect(count).to_have_text("1 of 62 questions")
    assert rows(page) == ["MedMCQA 18"]
    page.get_by_label("Words").fill("corti")
    expect(count).to_have_text("57 of 62 questions")
    page.get_by_label("Words").fill("corti ")
    expect(count).to_have_text("0 of 62 questions. Try fewer words, or other choices.")
    page.get_by_label("Words").fill("")
    page.get_by_label("Question set").select_option(SECRET_SET)
    expect(count).to_have_text(f"{SECRETS} of 62 questions")
    page.get_by_label("Question set").select_option("all")
    page.get_by_label("Verdicts").select_option("failed second")
    expect(count).to_have_text("2 of 62 questions")
    page.get_by_label("Answers of").select_option(index=1)
    expect(count).to_have_text("0 of 62 questions. Try fewer words, or other choices.")


def test_a_keyboard_walks_through_the_list_a_question_and_back(open_page: OpenPage) -> None:
    page = open_page("site/questions.html#verdict=wrong-right")
    expect(page.locator("[data-part=count]")).to_have_text("60 of 62 questions")
    page.get_by_label("Words").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator(".questions a").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    title = page.get_by_role("heading", level=1)
    expect(title).to_have_text("MedMCQA, question 4")
    expect(title).to_be_focused()
    expect(page.locator(".column")).to_have_count(2)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".column")).to_have_count(1)
    page.get_by_role("link", name="Next").press("Enter")
    expect(title).to_have_text("MedMCQA, question 5")
    page.keyboard.press("Escape")
    expect(page.locator(".questions a").nth(2)).to_be_focused()
    page.go_back()
    expect(title).to_have_text("MedMCQA, question 5")


def test_a_question_shows_its_answers_side_by_side_with_flips_strategies_and_marks(open_page: OpenPage) -> None:
    page = open_page("site/questions.html#question=3")
    wrong, right = page.locator(".column").all()
    expect(wrong).to_contain_text("✗ B: wrong, target A")
    expect(wrong.locator(".pane.is-thinking")).to_have_text("Iodine 🫀 points to the thyroid. So the answer is B. ")
    expect(right.locator(".pane.is-thinking .is-wait")).to_have_text("Wait")
    expect(right.locator("mark")).to_have_text("thyroid")
    expect(wrong.locator("mark")).to_have_count(0)
    expect(page.locator(".flips li")).to_contain_text("wrong to right (B to A)")
    expect(page.get_by_role("row", name="vote:k=8")).to_contain_text("✓ A: right")
    marks = page.locator(".marks li")
    assert [text[:11] for text in marks.all_inner_texts()] == ["Annotator A", "Annotator B"]
    expect(marks.first).to_contain_text(f"Comment: Said by {HOSTILE}")
    screenshot(page, "publish-question.png")
    hidden = open_page(f"site/questions.html#question={FREE}")
    expect(hidden.locator("article")).to_contain_text("The texts of this set are left out")
    expect(hidden.locator(".column").first).to_contain_text("✗ wrong")
    assert SECRET not in hidden.content()


def test_hostile_texts_stay_texts(open_page: OpenPage) -> None:
    page = open_page("site/questions.html#question=0")
    expect(page.locator(".stem")).to_have_text(HOSTILE)
    expect(page.locator(".options li").nth(2)).to_contain_text(HOSTILE)
    page.get_by_role("button", name="128 tokens").nth(1).click()
    expect(page.locator(".column").last.locator(".is-answer")).to_contain_text(HOSTILE)
    assert page.locator("main").locator("img, script, iframe, svg").count() == 0
    report = open_page("site/report-2.html")
    expect(report.get_by_role("heading", level=1)).to_have_text(HOSTILE)


@pytest.mark.parametrize("kind", ["trace", "sweep"])
def test_one_file_shows_a_trace_or_a_sweep(open_page: OpenPage, kind: str) -> None:
    page = open_page(f"{kind}.html")
    expect(page.locator(".column").first.locator(".pane.is-thinking")).to_contain_text("The ECG 🫀 comes first.")
    expect(page.locator("dt", has_text="temperature")).to_be_visible()
    expect(page.locator("pre")).to_have_text("<|im_start|>think\n")
    if kind == "sweep":
        expect(page.locator(".flips li")).to_contain_text("right to wrong")


def test_what_is_missing_is_said(browser: Browser, published: Path, tmp_path: Path) -> None:
    page = browser.new_page()
    try:
        broken = tmp_path / "questions.html"
        broken.write_text((published / "site" / "questions.html").read_text(encoding="utf-8"), encoding="utf-8")
        (tmp_path / "assets").symlink_to(published / "site" / "assets")
        page.goto(f"file://{broken}")
        expect(page.get_by_role("alert")).to_have_text("data/site.js could not be loaded. Is the folder complete?")
    finally:
        page.close()


def test_a_web_host_serves_the_same_pages(browser: Browser, published: Path) -> None:
    handler = functools.partial(_Quiet, directory=str(published / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        try:
            page.goto(f"http://127.0.0.1:{server.server_port}/questions.html#words=cortisol&question=5")
            expect(page.get_by_role("heading", level=1)).to_have_text("MedMCQA, question 6")
            expect(page.locator(".ways")).to_contain_text("5 of 57")
        finally:
            page.close()
            server.shutdown()


@pytest.mark.parametrize(
    "name",
    ["site/index.html", "site/questions.html", "site/questions.html#question=3", "site/report-1.html", "sweep.html"],
)
def test_pages_are_usable_for_everybody(open_page: OpenPage, seen: Watch, name: str) -> None:
    if not has_axe():
        why = "axe-core is not installed: sh scripts/install_page_tools.sh"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    seen.expect("Connecting to 'file:.*site.css' violates")  # axe-core reads style sheets itself; it goes on without.
    page = open_page(name)
    page.locator("table:visible, .questions a:visible").first.wait_for()
    assert without_visible_focus(page) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert violations(page) == []
    assert too_wide_at(page) == []
    assert unreachable_when_zoomed(page) == []


def test_a_question_is_printed_whole_without_what_can_be_pressed(open_page: OpenPage) -> None:
    page = open_page("site/questions.html#question=3")
    expect(page.locator(".column")).to_have_count(2)
    text = words_on_paper(page.pdf())
    assert "SotheanswerisA." in text and "AnnotatorB" in text
    assert "Allquestions" not in text


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""
