"""Every strategy with the real model, run and shown by the Strategies page: as small as each can be."""

import pytest
from playwright.sync_api import Page, expect

from m1app.strategies.kinds import BY_POLICY, KINDS
from m1app.wording import shown_answer
from storage.corpora.records import NewPassage
from tests.e2e.benchmark_page import database_of
from tests.e2e.browser_watch import screenshot
from tests.e2e.policy_fixtures import policy
from tests.e2e.running_app import RunningApp
from tests.e2e.strategies_page import OpenStrategiesPage
from tests.m1app.runs.corpora import add_corpus

__all__ = ["policy"]
# By what they add to plain passes: few enough together for a slow machine, with options and budgets as small as can be.
GROUPS = {
    "votes": (
        32,
        {
            "budget-forcing": "",
            "vote": "k=2",
            "weighted-vote": "k=2",
            "adaptive-vote": "k=2",
            "most-confident": "k=2",
            "deepconf": "k=2:warmup=1",
        },
    ),
    "exits": (32, {"first-finish": "n=2", "deer": "gap=8", "dynasor": "every=8", "trimr": "least=8"}),
    "conversations": (
        48,
        {
            "temperatures": "rounds=1",
            "debate": "agents=2:rounds=1",
            "plan-and-budget": "",
        },
    ),
    "long conversations": (48, {"team": "experts=1:rounds=1:turns=1", "atom-of-thoughts": ""}),
    "judges": (
        64,
        {
            "best-of-n": "n=3:m=1:tokens=2",
            "genprm": "n=3:steps=1",
            "heimdall": "n=3:m=1:tokens=2",
            "j1": "n=3:m=1:tokens=2",
            BY_POLICY: "policy=torn",
        },
    ),
    "searches": (
        96,
        {
            "passages": "k=1:corpus=insulin",
            "searching": "k=1:searches=1:corpus=insulin",
            "mirage": "k=1:searches=1:corpus=insulin",
            "r2-llms": "k=1:corpus=insulin",
        },
    ),
}
KIND_BY_NAME = {kind.name: kind for kind in KINDS}


def _add_corpus(app: RunningApp) -> None:
    """What the strategies that search find passages in."""
    database = database_of(app.home)
    add_corpus(database, "insulin", NewPassage(text="Insulin lowers glucose in the blood."))
    database.dispose()


def test_no_strategy_is_left_out() -> None:
    assert sorted(name for _, chosen in GROUPS.values() for name in chosen) == sorted(KIND_BY_NAME)


@pytest.mark.parametrize("group", GROUPS)
def test_every_strategy_is_run_within_its_budget_and_drawn(
    page: Page, app_in_use: RunningApp, policy: str, group: str
) -> None:
    budget, chosen = GROUPS[group]
    if group == "searches":
        _add_corpus(app_in_use)
    strategies = OpenStrategiesPage(page, app_in_use.url).open()
    written = [f"{name}:{options}" if options else name for name, options in chosen.items()]
    strategies.fill(
        "What does insulin do?",
        written=",".join(written),
        budget=budget,
        options=["A. Lowers glucose", "B. Raises glucose"],
        target="A",
        answer_cap=4,
        temperature=1.2,  # Passes that agree are not shown to a judge.
    )
    strategies.run.click()
    run_id = strategies.wait_run_id()
    strategies.wait_over()
    results = app_in_use.get_json(f"/strategy-runs/{run_id}.json")["results"]
    expect(strategies.cards).to_have_count(len(chosen))
    for name, result in zip(chosen, results, strict=True):
        assert (result["strategy"].partition(":")[0], result["state"], result["error"]) == (name, "completed", None)
        assert 0 < result["generated"] <= budget
        assert result["answer"] or result["why"]
        card = strategies.card(result["strategy"])
        expect(card).to_contain_text(f"{result['generated']} of {budget} tokens")
        expect(card).to_contain_text(result["why"])
        assert card.locator(".m1-strategy-answer").evaluate("e => e.textContent") == shown_answer(result["answer"])
        figure = card.locator(f"figure[data-picture={KIND_BY_NAME[name].picture}]")
        expect(figure).to_be_visible()
        # A picture of no votes is an empty list, which has no size.
        expect(figure.locator(".m1-picture-frame > :not(.m1-picture-text)").first).to_be_attached()
        expect(strategies.ledger(result["strategy"])).to_have_count(len(result["requests"]))
        assert sum(each["generated"] for each in result["requests"]) == result["generated"]
        expect(card.locator("tfoot td").nth(3)).to_have_text(f"{result['generated']:,}")
    screenshot(strategies.page, f"every-strategy-{group.replace(' ', '-')}.png")
