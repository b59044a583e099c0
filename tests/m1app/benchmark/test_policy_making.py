"""Policies and searches over stored runs whose best strategies are known."""

import numpy as np
import pytest

from m1app.benchmark.policy_making import PolicyMaking, PolicyRequest
from m1app.benchmark.policy_table import (
    bins_table,
    comparison_table,
    gain_sentence,
    policy_notes,
    search_sentences,
    search_table,
)
from m1app.benchmark.setting_search import AGENT, GRID, RANDOM, SearchRequest, SettingSearch
from m1app.errors import AppError
from m1app.runs.policies import PolicyLibrary
from m1app.strategies.choosing.search import Proposer
from m1app.strategies.errors import FitRefused
from models.errors import ModelNotServed
from storage.database import Database
from tests.m1app.benchmark.stored_passes import store_passes
from tests.m1app.benchmark.test_strategy_comparison import choice
from tests.m1app.runs.test_strategies import ScriptedPlanner
from tests.m1app.strategies.scripted import CharacterEngine, OneModel, Script

BUDGETS = (20, 200)
SURE, TORN = {"A": 0.97, "B": 0.01, "C": 0.01, "D": 0.01}, {"A": 0.3, "B": 0.3, "C": 0.2, "D": 0.2}
EASY = [[("A", 20, SURE), ("A", 200, SURE)]] * 8
"""Right at once, and sure of it: the short chain is enough."""
HARD = [[("B", 20, TORN), ("A", 200, TORN)]] * 8
"""Right only with the large budget, and torn after the small one."""


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    database.migrate()
    yield database
    database.dispose()


@pytest.fixture
def making(database, tmp_path):
    return PolicyMaking(database, PolicyLibrary(tmp_path / "policies"))


def wanted(run, budget=220, **changes):
    return PolicyRequest(passes=choice(run), budget_tokens=budget, **({"bins": 2} | changes))


async def test_a_policy_thinks_long_only_where_the_pilot_is_torn(database, making):
    """Within 160 tokens for all, no one strategy is right everywhere: the long chain costs 210."""
    run = store_passes(database, [EASY] * 30 + [HARD] * 30, budgets=BUDGETS, name="Known")
    made = await making.make(wanted(run, budget=240))
    sure, torn = made.policy.bins
    assert (sure.choice, sure.thinking_tokens) == ("budget-forcing", 20)
    assert (torn.choice, torn.thinking_tokens, torn.below_bits) == ("budget-forcing", 200, None)
    assert (sure.mean_tokens, torn.mean_tokens) == (30 + 30, 210 + 30)
    assert made.policy.expected.accuracy == 1
    assert (made.policy.model, made.policy.made_from, made.policy.pilot_tokens) == ("m1-7b", "Known", 20)
    assert made.policy.choose(0.1).choice == "budget-forcing"


async def test_a_policy_that_gains_is_said_to_and_one_that_gains_nothing_too(database, making):
    # What is right after little thinking is wrong after much: no one budget is right for all.
    harmed = [[("A", 20, SURE), ("B", 200, SURE)]] * 8
    gains = await making.make(wanted(store_passes(database, [harmed] * 30 + [HARD] * 30, budgets=BUDGETS), budget=240))
    assert gains.comparison.gain.interval.low > 0
    assert gain_sentence(gains).startswith("Choosing by the pilot's entropy gains +")
    run = store_passes(database, [EASY] * 30 + [HARD] * 30, budgets=BUDGETS)
    # 160 tokens pay for the long chain in no bin, and for short ones everywhere.
    poor = await making.make(wanted(run, budget=160))
    assert "gains nothing that this run can show: 0.0 points" in gain_sentence(poor)
    assert "for all questions" in gain_sentence(poor)
    # Without a pilot there are tokens for the long chain, with it only for the tie of a weighted vote.
    same = await making.make(wanted(store_passes(database, [HARD] * 40, budgets=BUDGETS), budget=215))
    assert same.comparison.gain.mean == -0.5
    assert "is worse than the best single strategy: −50.0 points" in gain_sentence(same)
    assert "only one bin" in " ".join(policy_notes(same))


async def test_the_oracle_and_the_single_strategy_are_called_so(database, making):
    run = store_passes(database, [EASY] * 30 + [HARD] * 30, budgets=BUDGETS)
    made = await making.make(wanted(run))
    rows = [row.cells[0].text for row in comparison_table(made).rows]
    assert rows == ["By entropy of the pilot", "Best single strategy", "Oracle: by the right answers"]
    ranges = [row.cells[0].text for row in bins_table(made.policy).rows]
    assert ranges == [f"below {made.policy.bins[0].below_bits:.2f}", f"{made.policy.bins[0].below_bits:.2f} or more"]


@pytest.mark.parametrize(
    ("pool", "changes", "said"),
    [
        ([EASY] * 8, {}, "8 questions; 20 are needed for 2 bins"),
        ([EASY] * 40, {"budget": 10}, "No strategy costs at most 10 mean tokens"),
        ([[[("A", 20, None), ("A", 200, None)]] * 2] * 40, {}, "does not have them for every answer"),
        ([EASY] * 40, {"pilot_tokens": 64}, "no thinking budget of 64 tokens for a pilot; it has 20, 200"),
        ([EASY] * 40, {"bins": 99}, "99 bins were requested; enter 1 to 16"),
    ],
)
async def test_what_cannot_be_made_says_what_is_missing(database, making, pool, changes, said):
    run = store_passes(database, pool, budgets=BUDGETS)
    with pytest.raises(FitRefused, match=said):
        await making.make(wanted(run, **changes))


async def test_a_kept_policy_is_the_one_that_was_shown(database, making, tmp_path):
    run = store_passes(database, [EASY] * 30 + [HARD] * 30, budgets=BUDGETS)
    made = await making.make(wanted(run))
    await making.keep(wanted(run), "known")
    assert await PolicyLibrary(tmp_path / "policies").get("known") == made.policy


class Planner(ScriptedPlanner):
    """Serves the agent by its name."""

    async def served(self, model):
        if model != "agent":
            raise ModelNotServed(f"{model} is not served.")
        return await OneModel(self.engine, {"agent": self.engine}).served(model)


def proposing(*replies):
    """An agent that says one reply after another."""
    said = iter(replies)
    return CharacterEngine(Script(answer=lambda prompt, thinking: next(said, "nothing")))


async def search(database, engine, **changes):
    run = store_passes(database, [EASY] * 5 + [HARD] * 5, budgets=BUDGETS)
    given = {"trials": 4, "budget_tokens": 215, "agent": "agent"} | changes
    return await SettingSearch(database, Planner(engine)).search(SearchRequest(passes=choice(run), **given))


PROPOSAL = (
    '{"insight": "Longer is better.", "trials": [{"model": "m1-7b", "budget": 200, "strategy": "budget-forcing"}]}'
)


async def test_an_agent_finds_the_best_setting_and_its_tokens_are_counted(database):
    engine = proposing(PROPOSAL)
    outcome = await search(database, engine)
    agent = outcome.archives[AGENT]
    assert list(outcome.archives) == [AGENT, RANDOM, GRID]
    assert [len(each.trials) for each in outcome.archives.values()] == [4, 4, 4]
    found = next(each for each in agent.trials if each.by is Proposer.AGENT)
    assert (found.setting.choice, found.scored.accuracy, found.scored.tokens) == ("budget-forcing", 1, 210)
    assert agent.best_after().scored.accuracy == outcome.best.scored.accuracy == 1
    assert agent.agent_tokens == engine.generated > 0
    assert len(search_table(outcome).rows) == 12
    assert "The settings were evaluated on the same questions that they were searched on" in " ".join(
        search_sentences(outcome)
    )


@pytest.mark.parametrize("agent", ["agent", "gone"])
async def test_an_agent_that_fails_is_asked_once_and_the_rest_is_drawn(database, agent, monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    engine = CharacterEngine(Script(fails=lambda prompt: "Out of memory."))
    outcome = await search(database, engine, agent=agent)
    assert "Out of memory" in outcome.agent_error or "gone is not served" in outcome.agent_error
    archive = outcome.archives[AGENT]
    assert len(archive.trials) == 4
    assert {each.by for each in archive.trials} == {Proposer.START, Proposer.RANDOM}
    assert len(engine.requests) <= 3, "the driver's tries of one request"
    assert "drawn at random" in " ".join(search_sentences(outcome))


async def test_without_an_agent_two_searches_are_compared_within_the_median_cost(database):
    outcome = await search(database, proposing(), agent="", budget_tokens=None)
    assert list(outcome.archives) == [RANDOM, GRID]
    everything = (await search(database, proposing(), agent="", trials=500)).archives[GRID].trials
    assert outcome.settings == len(everything)
    assert outcome.budget_tokens == round(float(np.median([each.scored.tokens for each in everything])))


async def test_a_search_of_no_trials_or_within_no_budget_says_so(database):
    for trials in (0, 501):
        with pytest.raises(AppError, match="enter 1 to 500"):
            await search(database, proposing(), trials=trials)
    outcome = await search(database, proposing(), agent="", budget_tokens=1)
    said = " ".join(search_sentences(outcome))
    assert "nothing within 1 tokens" in said
    assert outcome.best is None
