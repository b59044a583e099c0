"""Strategies at equal cost on the Benchmarks page, evaluated from the passes of stored runs."""

import random
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from storage.benchmarks.records import BenchmarkStrategyResult
from tests.e2e.benchmark_fixtures import OpenPage, app_in_use, open_page
from tests.e2e.benchmark_page import OpenBenchmarksPage, database_of
from tests.e2e.browser_watch import screenshot
from tests.e2e.running_app import RunningApp, closed_port, running
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run
from tests.m1app.benchmark.stored_passes import Answer, store_passes
from tests.storage.benchmarks.test_repository import strategy_result

__all__ = ["app_in_use", "open_page"]
BUDGETS = (128, 512, 2048)
PASSES = 8
OWN = ("vote:k=4", "<img src=x onerror=window.__hit=1>")


def _answers(chance: random.Random, hardness: float) -> list[Answer]:
    """One pass: right more often where it may think longer, and surer where it is right."""
    ends = int(chance.lognormvariate(6, 0.8))
    luck, found = chance.random(), []
    for place, budget in enumerate(BUDGETS):
        letter = "A" if luck < 0.85 - 0.7 * hardness + 0.08 * place else chance.choice("BCD")
        probability = min(0.99, 0.4 + 0.2 * place + 0.3 * (letter == "A") * chance.random())
        rest = {each: (1 - probability) / 3 for each in "ABCD" if each != letter}
        found.append((letter, min(budget, ends), rest | {letter: probability}))
    return found


def _own(item_id: str, number: int) -> list[BenchmarkStrategyResult]:
    """A strategy from the pool, and one with a hostile name that was measured."""
    pooled = {"is_from_pool": True, "prompt_new": 0, "seconds": 0.0}
    return [
        strategy_result(item_id, OWN[0], generated=2000, shared=2000, is_correct=number % 3 > 0, **pooled),
        strategy_result(item_id, OWN[1], generated=3000, shared=2000, is_correct=number % 4 > 0),
    ]


@pytest.fixture(scope="module")
def runs() -> dict[str, str]:
    """Becomes the ids of the stored runs by name."""
    return {}


@pytest.fixture(scope="module")
def benchmarks_app(tmp_path_factory: pytest.TempPathFactory, runs: dict[str, str]) -> Iterator[RunningApp]:
    home = tmp_path_factory.mktemp("home")
    database, chance = database_of(home), random.Random(7)
    hardness = [chance.random() for _ in range(60)]
    pool = [[_answers(chance, each) for _ in range(PASSES)] for each in hardness]
    try:
        runs["pool"] = store_passes(database, pool, name="Pool", budgets=BUDGETS).id
        own = store_passes(database, pool, name="Own", budgets=BUDGETS, own=_own, strategies=OWN)
        runs["own"] = own.id
        runs["single"] = store_run(
            database, a_run(name="Single", question_sets=("NEJM",)), {"NEJM": questions_of("NEJM", 4)}
        ).id
    finally:
        database.dispose()
    with running(RunningApp(home, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}"), with_engine=False) as started:
        yield started


def test_strategies_of_a_run_are_compared_with_a_vote_of_equal_cost(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['pool']}")
    page.tab("Strategies")
    rows = page.part("strategies-table").locator("tbody tr")
    expect(rows.filter(has=page.page.get_by_text("Vote", exact=True))).to_have_count(4)  # 1, 2, 4, 8 passes
    race = rows.filter(has_text="First to finish").filter(has_text="4 passes")
    expect(race.locator("td").nth(5)).to_contain_text("to")
    expect(page.part("strategies-note")).to_contain_text("60 questions, 8 passes each.")
    expect(page.part("strategies-key").locator("li")).to_have_count(11)
    page.page.wait_for_function("document.querySelector('[data-part=strategies-plot]').data?.length === 11")
    screenshot(page.page, "strategies.png")


def test_the_runs_own_strategies_stand_above_the_others_and_in_the_charts(
    open_page: OpenPage, runs: dict[str, str]
) -> None:
    page = open_page(f"?run={runs['own']}&tab=strategies")
    rows = page.part("measured-table").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("Vote (passes 4)")
    expect(rows.nth(0).locator("td").nth(1)).to_have_text("from the pool")
    expect(rows.nth(1)).to_contain_text(OWN[1])
    expect(rows.nth(1).locator("td").nth(1)).to_have_text("measured")
    expect(rows.nth(1).locator("td").nth(4)).to_have_text("3,030")
    facets = page.part("facets").locator("figure")
    expect(facets).to_have_count(3)
    expect(facets.nth(0)).to_contain_text("Hard")
    page.page.wait_for_function("document.querySelector('[data-part=strategies-plot]').data?.length === 13")
    page.page.wait_for_function(
        "[...document.querySelectorAll('[data-part=facets] .m1-plot')].every((each) => each.data?.length === 13)"
    )
    assert page.page.evaluate("window.__hit") is None
    expect(page.notice).to_be_hidden()
    screenshot(page.page, "strategies-own.png")
    page.choose_rule("m1")
    expect(page.part("measured-box")).to_be_hidden()


def test_the_view_of_strategies_is_in_the_address(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['pool']}&tab=strategies")
    votes = page.part("strategies-table").locator("tr", has=page.page.get_by_text("Vote", exact=True))
    chains = votes.first.locator("td").nth(2)
    costs = chains.inner_text()
    page.box("drawn").select_option("128-0")
    expect(chains).not_to_have_text(costs)
    cheaper = chains.inner_text()
    page.page.reload()
    page.wait_usable()
    expect(page.box("drawn")).to_have_value("128-0")
    expect(chains).to_have_text(cheaper)


def test_a_run_of_single_passes_says_how_to_get_strategies(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['single']}&tab=strategies")
    expect(page.part("no-strategies")).to_contain_text("start a run with 4 or more passes")
    expect(page.part("strategies-found")).to_be_hidden()
    expect(page.notice).to_be_hidden()


def test_strategies_are_readable_in_the_dark_and_on_a_narrow_screen(
    new_tab: Callable[..., Page], benchmarks_app: RunningApp, runs: dict[str, str]
) -> None:
    dark = new_tab(color_scheme="dark", viewport={"width": 400, "height": 800})
    page = OpenBenchmarksPage(dark, benchmarks_app.url).open(f"?run={runs['pool']}&tab=strategies")
    expect(page.part("strategies-key").locator("li")).to_have_count(11)
    page.open(f"?run={runs['own']}&tab=strategies")
    dark.wait_for_function("document.querySelectorAll('[data-part=facets] .main-svg').length >= 3")
    assert dark.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(dark, "strategies-dark-narrow.png")
