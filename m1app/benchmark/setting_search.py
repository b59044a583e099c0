"""Searches over the stored passes of a run for model, budget and strategy: see `m1app.strategies.choosing.search`.

All settings are evaluated beforehand, which takes seconds, so that searches differ only in what they try.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from m1app.access.person import Permission, needs
from m1app.benchmark.policy_making import all_candidates
from m1app.benchmark.run_grid import RunGrid, read_run_grid
from m1app.benchmark.strategy_comparison import PassSelection
from m1app.runs.pass_plan import PassPlanner
from m1app.strategies.choosing.search import (
    AgentReply,
    Archive,
    Ask,
    Proposer,
    Scored,
    Search,
    Setting,
    Trial,
    Try,
    agent_search,
    grid_search,
    random_search,
)
from m1app.strategies.drivers.driver import Driver
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.errors import FitRefused
from m1app.strategies.protocol import Answer, Answered, Chat, Failed, Purpose, Refused, Start, Strategy, Verdict
from storage.benchmarks.repository import BenchmarkRepository
from storage.database import Database

MOST_TRIALS = 500
_REPLY_TOKENS = 600
_AGENT_TEMPERATURE = 0.7
AGENT, RANDOM, GRID = "agent search", "random search", "grid search"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What is searched."""

    passes: PassSelection
    """Its model does not matter: all models of the run are tried."""
    trials: int
    """Of each search."""
    budget_tokens: int | None = None
    """Most tokens for the mean question; None takes the median cost of all settings."""
    agent: str = ""
    """A served model that proposes settings; empty searches without one."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOutcome:
    """What the searches have tried."""

    archives: Mapping[str, Archive]
    """By the name of the search, all with the same number of trials."""
    settings: int
    """All that could be tried."""
    best: Trial | None
    """The best of all settings within the budget; None if none is cheap enough."""
    budget_tokens: int
    agent: str
    agent_error: str
    """Why the agent could not be asked any more; empty if it could."""


class SettingSearch:
    """Searches stored runs."""

    def __init__(self, database: Database, planner: PassPlanner) -> None:
        """Args:
        database: with the runs.
        planner: finds the agent.
        """
        self._database = database
        self._planner = planner

    @needs(Permission.ASK)
    async def search(self, request: SearchRequest) -> SearchOutcome:
        """Search by the agent, if there is one, at random and on a grid.

        Raises:
            FitRefused: the number of trials is out of range.
            NoStrategies: no question has all its passes yet.
            RecordNotFound: there is no such run.
        """
        if not 1 <= request.trials <= MOST_TRIALS:
            raise FitRefused(f"{request.trials:,} trials were requested; enter 1 to {MOST_TRIALS}.")
        scores = await self._scores(request.passes)
        settings = list(scores)
        budget = request.budget_tokens or round(float(np.median([each.tokens for each in scores.values()])))
        shared = (settings, request.trials, budget)
        agent = _Agent(self._planner, request.agent)
        searches: dict[str, Search] = {AGENT: agent_search(*shared, request.seed)} if request.agent else {}
        searches |= {RANDOM: random_search(*shared, request.seed), GRID: grid_search(*shared)}
        archives = {name: await _run(each, scores, agent) for name, each in searches.items()}
        everything = Archive(budget, [Trial(each, scored, Proposer.GRID) for each, scored in scores.items()])
        return SearchOutcome(
            archives=archives,
            settings=len(settings),
            best=everything.best_after(),
            budget_tokens=budget,
            agent=request.agent,
            agent_error=agent.error,
        )

    async def _scores(self, passes: PassSelection) -> dict[Setting, Scored]:
        run = await self._database.read(lambda s: BenchmarkRepository(s).get(passes.run_id))
        found: dict[Setting, Scored] = {}
        for model in run.models:
            choice = PassSelection(
                run_id=run.id,
                model=model,
                question_set=passes.question_set,
                force_rounds=passes.force_rounds,
                budget_tokens=passes.budget_tokens,
                rule=passes.rule,
            )
            found |= await asyncio.to_thread(_scores_of, await read_run_grid(self._database, choice))
        return found


def _scores_of(found: RunGrid) -> dict[Setting, Scored]:
    return {
        Setting(found.choice.model, each.thinking_tokens, each.choice): Scored(
            float(each.accuracy.mean()), float(each.tokens.mean())
        )
        for each in all_candidates(found.grid)
    }


class _Agent:
    """Asks a served model; after its first failure it is not asked any more, and says nothing."""

    def __init__(self, planner: PassPlanner, model: str) -> None:
        self._planner = planner
        self._model = model
        self._calls = 0
        self.error = ""

    async def reply(self, prompt: str) -> AgentReply:
        if self.error:
            return AgentReply("")
        self._calls += 1
        ledger = Ledger(_REPLY_TOKENS)
        strategy = _one_answer(prompt, self._model, self._calls)
        driver = Driver(
            strategy, self._planner, ledger, (), options={}, temperature=_AGENT_TEMPERATURE, is_watched=False
        )
        verdict = await driver.run()
        self.error = verdict.why
        return AgentReply(verdict.answer, ledger.costs.generated)


def _one_answer(prompt: str, model: str, seed: int) -> Strategy:
    """Ask for one answer; `why` is why there is none."""
    request = Answer(
        key="agent", after=Chat(prompt), cap_tokens=_REPLY_TOKENS, seed=seed, purpose=Purpose.PLAN, model=model
    )
    actions: Sequence[Start] = [Start(request)]
    while True:
        event = yield actions
        actions = []
        match event:
            case Answered(_, text):
                return Verdict(None, text, "")
            case Failed(_, error):
                return Verdict(None, "", error)
            case Refused(_, needed, left):
                return Verdict(None, "", f"{needed:,} tokens are needed, {left:,} are left.")


async def _run(search: Search, scores: Mapping[Setting, Scored], agent: _Agent) -> Archive:
    try:
        step = next(search)
        while True:
            sent = scores[step.setting] if isinstance(step, Try) else await _asked(step, agent)
            step = search.send(sent)
    except StopIteration as stop:
        archive: Archive = stop.value
        return archive


async def _asked(step: Ask, agent: _Agent) -> AgentReply:
    return await agent.reply(step.prompt)
