"""The Strategies page without an engine: choosing, pictures, hostile and right-to-left text, paper."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from storage.corpora.records import NewPassage
from tests.e2e.benchmark_page import database_of
from tests.e2e.pdf_text import words_on_paper
from tests.e2e.running_app import RunningApp, closed_port, running
from tests.e2e.stored_traces import HOSTILE
from tests.e2e.strategies_page import OpenStrategiesPage
from tests.m1app.runs.corpora import add_corpus
from tests.m1app.runs.stored_strategies import store_strategy_run, with_every_picture
from tests.m1app.runs.strategy_samples import PICTURES, QUOTED

ARABIC = "ما الهرمون الذي تفرزه الغدة الكظرية؟"


@pytest.fixture(scope="module")
def runs() -> dict[str, str]:
    """Becomes the ids of the stored runs by name."""
    return {}


@pytest.fixture(scope="module")
def shown_app(tmp_path_factory: pytest.TempPathFactory, runs: dict[str, str]) -> Iterator[RunningApp]:
    home = tmp_path_factory.mktemp("home")
    database = database_of(home)
    try:
        runs["pictures"] = store_strategy_run(database, with_every_picture())
        add_corpus(database, "sheets", NewPassage(text=QUOTED.text, heading=QUOTED.heading, page=QUOTED.page))
        hostile = with_every_picture(answer=HOSTILE, why=HOSTILE, error=HOSTILE)
        runs["hostile"] = store_strategy_run(database, hostile, stem=HOSTILE, options={"A": HOSTILE, "B": ARABIC})
        runs["arabic"] = store_strategy_run(database, with_every_picture(answer=ARABIC)[:1], stem=ARABIC)
    finally:
        database.dispose()
    with running(RunningApp(home, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}"), with_engine=False) as started:
        yield started


@pytest.fixture
def app_in_use(shown_app: RunningApp) -> RunningApp:
    return shown_app


@pytest.fixture
def strategies(page: Page, app_in_use: RunningApp) -> OpenStrategiesPage:
    return OpenStrategiesPage(page, app_in_use.url).open()


def test_checkboxes_and_options_and_their_text_follow_each_other(strategies: OpenStrategiesPage) -> None:
    expect(strategies.written).to_have_value("budget-forcing,vote:k=4,adaptive-vote:k=8:share=0.75")
    strategies.kind("Vote until clear").get_by_role("checkbox").uncheck()
    strategies.kind("One chain").get_by_role("checkbox").uncheck()
    vote = strategies.kind("Vote")
    vote.get_by_label("Passes").fill("2")
    vote.get_by_role("button", name="Add another: Vote").click()
    vote.get_by_label("Passes").nth(1).fill("12")
    expect(strategies.written).to_have_value("vote:k=2,vote:k=12")
    expect(strategies.estimate).to_contain_text("2 strategies: at most 4,096 tokens")
    strategies.written.fill("weighted-vote:k=3,lottery")
    expect(vote.get_by_role("checkbox")).not_to_be_checked()
    expect(strategies.kind("Vote by probability").get_by_label("Passes")).to_have_value("3")
    expect(strategies.estimate).to_contain_text("There is no strategy named 'lottery'")
    strategies.kind("Vote by probability").get_by_label("Passes").fill("5")
    expect(strategies.written).to_have_value("weighted-vote:k=5,lottery")


def test_a_strategy_that_is_ticked_again_is_as_it_was_set(strategies: OpenStrategiesPage) -> None:
    # Vote stood at 4 passes on a fresh page, and at 8 after it was unticked and ticked.
    vote = strategies.kind("Vote")
    vote.get_by_role("checkbox").uncheck()
    expect(strategies.written).to_have_value("budget-forcing,adaptive-vote:k=8:share=0.75")
    vote.get_by_role("checkbox").check()
    expect(vote.get_by_label("Passes")).to_have_value("4")


def test_strategies_that_cannot_be_asked_are_named_before_a_run(strategies: OpenStrategiesPage) -> None:
    strategies.fill("What does insulin do?", written="vote:k=4,weighted-vote:k=2,auto,deer", budget=30)
    refused = strategies.page.locator(".m1-kind-refused:visible")
    expect(refused).to_have_count(4)
    expect(strategies.kind("Vote").locator(".m1-kind-refused")).to_contain_text("A budget of 30 tokens is too small")
    expect(strategies.kind("Exit when sure").locator(".m1-kind-refused")).to_contain_text("this question has none")
    expect(strategies.kind("By policy").locator(".m1-kind-refused")).to_contain_text("the Fits tab")
    expect(strategies.estimate).to_contain_text("Nothing can be run. Vote, Vote by probability, By policy, Exit when")
    strategies.options.fill("A. It lowers glucose\nB. It raises glucose")
    strategies.set_number(strategies.budget, 2048)
    expect(refused).to_have_count(1)
    expect(strategies.estimate).to_contain_text("3 strategies: at most 6,144 tokens")
    expect(strategies.estimate).to_contain_text("Cannot be asked: By policy. No policy is chosen")
    strategies.written.fill("")
    expect(strategies.estimate).to_have_text("Choose at least one strategy.")
    expect(refused).to_have_count(0)


def test_a_corpus_leads_to_a_strategy_that_reads_it(strategies: OpenStrategiesPage) -> None:
    strategies.open("/strategies/?corpus=sheets")
    expect(strategies.written).to_have_value("passages:k=3:corpus=sheets")
    expect(strategies.kind("Passages in the prompt").get_by_label("Corpus")).to_have_value("sheets")


def test_a_refused_form_leads_to_what_has_to_be_changed(strategies: OpenStrategiesPage) -> None:
    strategies.fill("What does insulin do?", written="vote:k=0", budget=100)
    strategies.run.click()
    expect(strategies.message).to_contain_text("Passes of Vote is 0; enter a whole number from 1 to 128.")
    expect(strategies.written).to_have_attribute("aria-invalid", "true")
    expect(strategies.question).to_have_value("What does insulin do?")


def test_the_example_fills_in_a_question_and_what_is_known_of_a_strategy_can_be_read(
    strategies: OpenStrategiesPage, app_in_use: RunningApp
) -> None:
    strategies.part("example").click()
    expect(strategies.question).not_to_have_value("")
    link = strategies.kind("Vote").get_by_role("link", name="How it works: Vote")
    answer = strategies.page.request.get(app_in_use.url + str(link.get_attribute("href")))
    assert answer.ok
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text().startswith("# ")


def test_every_picture_has_a_text_alternative_and_is_reached_and_read_by_the_keyboard(
    strategies: OpenStrategiesPage, runs: dict[str, str]
) -> None:
    strategies.open(f"/strategies/?run={runs['pictures']}")
    expect(strategies.cards).to_have_count(len(PICTURES))
    for name in PICTURES:
        frame = strategies.card(f"a strategy with {name}").locator(".m1-picture-frame")
        frame.focus()
        assert len(str(frame.get_attribute("aria-label"))) > len(name)
        assert frame.evaluate("e => e === document.activeElement && e.childElementCount > 0")
    trajectory = strategies.card("a strategy with exit")
    trajectory.locator(".m1-picture-frame").focus()
    strategies.page.keyboard.press("End")
    expect(trajectory.locator(".m1-readout")).to_have_text("192 tokens: A 97.0%, B 2.0%, C 1.0%")
    strategies.page.keyboard.press("ArrowLeft")
    expect(trajectory.locator(".m1-readout")).to_have_text("128 tokens: A 80.0%, B 15.0%, C 5.0%")


def test_a_passage_is_quoted_with_its_source_which_opens_it_as_plain_text(
    strategies: OpenStrategiesPage, runs: dict[str, str], app_in_use: RunningApp
) -> None:
    searching = strategies.kind("Search while thinking")
    searching.get_by_role("checkbox").check()
    corpus = searching.get_by_label("Corpus")
    expect(corpus.locator("option")).to_have_text(["All corpora", "sheets"])
    corpus.select_option("sheets")
    expect(strategies.written).to_have_value(re.compile("searching:k=3:searches=5:corpus=sheets$"))
    strategies.open(f"/strategies/?run={runs['pictures']}")
    card = strategies.card("a strategy with passages")
    expect(card).to_contain_text("1 search, 1 passage read, 52 tokens.")
    card.get_by_text("sheets, version 1, 52 tokens").click()
    assert card.locator("blockquote").evaluate("e => e.textContent") == QUOTED.text
    link = card.get_by_role("link", name="Cortisol (sheets.md, page 3)")
    answer = strategies.page.request.get(app_in_use.url + str(link.get_attribute("href")))
    assert answer.headers["content-type"].startswith("text/plain")
    assert (
        answer.text() == f"Corpus: sheets, version 1\nSource: sheets.md\nPage: 3\nHeading: Cortisol\n\n{QUOTED.text}\n"
    )
    gone = strategies.page.request.get(f"{app_in_use.url}/passages/{'0' * 32}")
    assert (gone.status, "was deleted" in gone.text()) == (404, True)


def test_a_row_of_results_leads_to_its_card_and_a_request_without_a_trace_to_its_text(
    strategies: OpenStrategiesPage, runs: dict[str, str]
) -> None:
    strategies.open(f"/strategies/?run={runs['pictures']}")
    strategies.page.get_by_role("button", name="a strategy with plan").click()
    card = strategies.card("a strategy with plan")
    expect(card).to_be_focused()
    rows = strategies.ledger("a strategy with plan")
    expect(rows).to_have_count(6)
    rows.get_by_role("button", name="Text of verify/0").click()
    dialog = strategies.part("dialog")
    expect(dialog).to_contain_text("Is it right?")
    expect(dialog).to_contain_text("<img src=x")
    strategies.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_deleted_run_comes_back_with_undo(strategies: OpenStrategiesPage, runs: dict[str, str]) -> None:
    strategies.open(f"/strategies/?run={runs['arabic']}")
    strip = strategies.page.locator("#strategies-strip")
    expect(strip.get_by_role("button", name="Name and tags")).to_be_hidden()
    strip.get_by_role("button", name="Delete").click()
    row = strategies.page.locator(f'#strategies-history tr[data-run="{runs["arabic"]}"]')
    expect(row).to_have_count(0)
    strip.get_by_role("button", name="Undo").click()
    expect(row).to_have_count(1)
    row.hover()
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    strategies.page.locator("#strategies-history").get_by_role("button", name="Undo").click()
    expect(row).to_have_count(1)
    expect(row.get_by_role("button", name="Name")).to_have_count(0)


def test_what_models_and_people_write_stays_text(strategies: OpenStrategiesPage, runs: dict[str, str]) -> None:
    strategies.open(f"/strategies/?run={runs['hostile']}")
    expect(strategies.cards).to_have_count(len(PICTURES))
    strategies.ledger("a strategy with transcript").get_by_role("button", name="Text of verify/0").click()
    expect(strategies.part("dialog")).to_contain_text("onerror")
    assert strategies.page.evaluate("window.__hit") is None
    made = "#strategies-view :is(img, script, iframe, b, i, [onerror], [onload])"
    assert strategies.page.locator(made).count() == 0
    assert strategies.cards.first.locator(".m1-strategy-answer").evaluate("e => e.textContent") == HOSTILE


def test_right_to_left_text_runs_from_the_right(strategies: OpenStrategiesPage, runs: dict[str, str]) -> None:
    strategies.open(f"/strategies/?run={runs['arabic']}")
    answer = strategies.cards.first.locator(".m1-strategy-answer")
    expect(answer).to_have_text(ARABIC)
    direction = "e => [getComputedStyle(e).direction, getComputedStyle(e).textAlign]"
    assert answer.evaluate(direction) == ["rtl", "start"]


def test_on_paper_there_is_the_question_every_card_and_its_ledger_and_nothing_to_press(
    strategies: OpenStrategiesPage, runs: dict[str, str]
) -> None:
    strategies.open(f"/strategies/?run={runs['pictures']}")
    expect(strategies.cards).to_have_count(len(PICTURES))
    paper = words_on_paper(strategies.page.pdf())
    for text in ("Which gland makes cortisol?", "a strategy with heat", "2 of 3 passes gave this answer.", "Wasted"):
        assert "".join(text.split()) in paper, text
    for text in ("Runagain", "DownloadJSON", "Howitworks", "History"):
        assert text not in paper, text
