"""Strategies at equal cost on the Benchmarks page, evaluated from the passes of stored runs."""

import random
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.e2e.benchmark_fixtures import OpenPage, app_in_use, open_page
from tests.e2e.benchmark_page import OpenBenchmarksPage, database_of
from tests.e2e.browser_watch import screenshot
from tests.e2e.running_app import RunningApp, closed_port, running
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run
from tests.m1app.benchmark.stored_passes import Answer, store_passes

__all__ = ["app_in_use", "open_page"]
BUDGETS = (128, 512, 2048)
PASSES = 8


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
    expect(rows.filter(has_text="Majority vote")).to_have_count(4)  # 1, 2, 4, 8 passes
    race = rows.filter(has_text="First to finish").filter(has_text="4 passes")
    expect(race.locator("td").nth(5)).to_contain_text("to")
    expect(page.part("strategies-note")).to_contain_text("60 questions, 8 passes each.")
    expect(page.part("strategies-key").locator("li")).to_have_count(10)
    page.page.wait_for_function("document.querySelector('[data-part=strategies-plot]').data?.length === 10")
    screenshot(page.page, "strategies.png")


def test_the_view_of_strategies_is_in_the_address(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['pool']}&tab=strategies")
    chains = page.part("strategies-table").locator("tr", has_text="Majority vote").first.locator("td").nth(2)
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
    new_context: Callable[..., BrowserContext], benchmarks_app: RunningApp, runs: dict[str, str]
) -> None:
    dark = new_context(color_scheme="dark", viewport={"width": 400, "height": 800}).new_page()
    page = OpenBenchmarksPage(dark, benchmarks_app.url).open(f"?run={runs['pool']}&tab=strategies")
    expect(page.part("strategies-key").locator("li")).to_have_count(10)
    assert dark.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(dark, "strategies-dark-narrow.png")
