"""Policies made from the stored passes of a run: see `m1app.strategies.choosing.compute_optimal`."""

import asyncio
from dataclasses import dataclass

from m1app.access.person import Permission, needs
from m1app.benchmark.descriptions import run_name
from m1app.benchmark.run_grid import RunGrid, read_run_grid
from m1app.benchmark.strategy_comparison import PassSelection
from m1app.runs.policies import PolicyLibrary
from m1app.strategies.choosing.compute_optimal import (
    Candidate,
    Comparison,
    best_single,
    candidates_of,
    make_policy,
    pilot_of,
)
from m1app.strategies.choosing.policy import MOST_BINS, Policy
from m1app.strategies.errors import FitRefused
from m1app.strategies.evaluating.evaluation import evaluate
from m1app.strategies.evaluating.pass_grid import PassGrid
from storage.database import Database

DEFAULT_BINS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRequest:
    """What a policy is made from."""

    passes: PassSelection
    """Their thinking budget does not matter: every budget of the run is tried."""
    budget_tokens: int
    """Most tokens for the mean question, the pilot included."""
    bins: int = DEFAULT_BINS
    pilot_tokens: int | None = None
    """Thinking budget of the pilot, one of the run's; None takes the smallest."""


@dataclass(frozen=True, slots=True)
class MadePolicy:
    """A policy, and what it is worth."""

    policy: Policy
    comparison: Comparison
    single: Candidate
    """The best one strategy for all questions."""
    candidates: int
    """Strategies and settings that it was chosen from."""


class PolicyMaking:
    """Makes policies from stored runs."""

    def __init__(self, database: Database, policies: PolicyLibrary) -> None:
        self._database = database
        self._policies = policies

    @needs(Permission.READ)
    async def make(self, request: PolicyRequest) -> MadePolicy:
        """Choose a strategy for each bin of the run's questions.

        Raises:
            FitRefused: there are too few questions, no strategy is cheap enough, or the run has no probabilities.
            NoStrategies: no question has all its passes yet.
            RecordNotFound: there is no such run.
        """
        if not 1 <= request.bins <= MOST_BINS:
            raise FitRefused(f"{request.bins} bins were requested; enter 1 to {MOST_BINS}.")
        found = await read_run_grid(self._database, request.passes)
        return await asyncio.to_thread(_made, found, request)

    @needs(Permission.MANAGE)
    async def keep(self, request: PolicyRequest, name: str) -> None:
        """Make a policy and keep it by a name; raises as `make`, and PolicyRefused for the name."""
        made = await self.make(request)
        await self._policies.save(name, made.policy)


def _made(found: RunGrid, request: PolicyRequest) -> MadePolicy:
    grid = found.grid
    if grid.mass is None:
        raise FitRefused(
            "A policy reads the probabilities of the options after a pilot pass, and this run does not have them for "
            "every answer. Start a run on an engine that reports them, with questions that have one right option."
        )
    candidates = all_candidates(grid)
    policy, comparison = make_policy(
        candidates,
        pilot_of(grid, _pilot_place(grid, request.pilot_tokens)),
        grid.is_right[:, :, -1].mean(axis=1),
        budget_tokens=request.budget_tokens,
        made_from=run_name(found.run),
        model=found.choice.model,
        bins=request.bins,
    )
    return MadePolicy(policy, comparison, best_single(candidates, request.budget_tokens), len(candidates))


def _pilot_place(grid: PassGrid, tokens: int | None) -> int:
    if tokens is None:
        return 0
    if tokens not in grid.budgets:
        known = ", ".join(f"{budget:,}" for budget in grid.budgets)
        raise FitRefused(f"The run has no thinking budget of {tokens:,} tokens for a pilot; it has {known}.")
    return grid.budgets.index(tokens)


def all_candidates(grid: PassGrid) -> list[Candidate]:
    """Every strategy that can be run, at every budget of the run."""
    found = [each for budget in range(len(grid.budgets)) for each in candidates_of(evaluate(grid, budget))]
    return list({(each.choice, each.thinking_tokens): each for each in found}.values())
