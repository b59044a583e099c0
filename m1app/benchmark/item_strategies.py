"""The strategies of one item of a run: from the passes of its sweep where these are all they need, else asked.

What is asked is one run of strategies, stored under the item's id as its sweep is. So after any crash a restart finds
none, one to resume, or a complete one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.benchmark.shared_prompts import shared_prompts
from m1app.runs.probe_request import MAX_TOKENS
from m1app.runs.stored_passes import StoredPass, stored_passes
from m1app.runs.stored_strategies import failed_requests
from m1app.runs.strategies import StrategyService
from m1app.runs.strategy_request import StrategyRunRequest, StrategySettings
from m1app.runs.strategy_snapshots import StrategyRunSnapshot, StrategySnapshot
from m1app.runs.sweep_reading import SweepSnapshot
from m1app.strategies.catalogue import Choice, no_sets
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.pool import PoolDriver
from m1app.strategies.errors import NotInPool, StrategyRefused
from m1app.strategies.kinds import BY_POLICY
from m1app.strategies.protocol import Task
from m1app.strategies.starting import check_starts
from m1app.targets import has_several
from models.profiles import Profiles
from storage.benchmarks.records import BenchmarkItem, BenchmarkStrategyResult
from storage.errors import RecordNotFound
from storage.questions.records import Question
from storage.traces.records import TraceState


@dataclass(frozen=True, slots=True)
class StrategyOutcome:
    """What the strategies of an item came to."""

    results: tuple[BenchmarkStrategyResult, ...] = ()
    """In the recipe's order."""
    error: str = ""
    """What the engine did not answer; the item should be tried again."""
    was_rate_limited: bool = False
    save_error: str = ""
    judge_tokens: int = 0
    """Generated to judge the item's answers, if its question is open."""

    @property
    def generated(self) -> int:
        """Tokens that were asked for besides the passes of the sweep: by strategies, and by a judge."""
        return self.judge_tokens + sum(each.generated - each.shared for each in self.results)

    @property
    def if_separate(self) -> int:
        """Tokens that the strategies cost, each for itself."""
        return self.judge_tokens + sum(each.generated for each in self.results)


class ItemStrategies:
    """Answers items by the strategies of a recipe."""

    def __init__(self, recipe: BenchmarkRecipe, strategies: StrategyService, profiles: Profiles) -> None:
        self._recipe = recipe
        self._choices = recipe.choices
        self._strategies = strategies
        self._profiles = profiles

    async def answer(self, item: BenchmarkItem, question: Question, sweep: SweepSnapshot) -> StrategyOutcome:
        """Answer an item by every strategy.

        Args:
            item: the item.
            question: what it asks.
            sweep: of the item; complete.

        Raises:
            AppError, ModelsError, StorageError: as `StrategyService.start` and `resume`.
        """
        if not self._choices:
            return StrategyOutcome()
        if not question.options or question.target is None:
            return StrategyOutcome(tuple(unasked(item.id, each.text, _NOT_SCORED) for each in self._choices))
        by_rounds = {
            rounds: stored_passes(sweep, self._profiles, rounds)
            for rounds in {0, *(each.force_rounds for each in self._choices)}
        }
        stored = by_rounds[0]
        task = self._task(question, sweep)
        found: dict[str, BenchmarkStrategyResult] = {}
        for choice in self._choices:
            result = _without_asking(item, choice, task, by_rounds[choice.force_rounds], question.target)
            if result is None and has_several(question.target) and not choice.kind.chooses_sets:
                result = unasked(item.id, choice.text, no_sets([choice]))
            if result:
                found[choice.text] = result
        asked = [each.text for each in self._choices if each.text not in found]
        if not asked:
            return StrategyOutcome(self._in_order(found))
        over = await self._ask(item, question, asked, sweep, stored)
        found |= {each.result.choice: _measured(item, each, stored) for each in over.strategies}
        return StrategyOutcome(self._in_order(found), _trouble(over), over.was_rate_limited, over.save_error)

    def waits_to_be_saved(self, item_id: str) -> bool:
        """Whether what was asked has ended and could not be saved yet."""
        return self._strategies.waits_to_be_saved(item_id)

    def _in_order(self, found: dict[str, BenchmarkStrategyResult]) -> tuple[BenchmarkStrategyResult, ...]:
        return tuple(found[each.text] for each in self._choices)

    def _task(self, question: Question, sweep: SweepSnapshot) -> Task:
        settings = self._settings([], sweep)
        trace = sweep.passes[0].trace
        asked = _request(settings, question)
        task = asked.task(trace.prompt_text, settings.seed or 0, MAX_TOKENS)
        return replace(task, checkpoints=self._recipe.budgets)

    def _settings(self, choices: Sequence[str], sweep: SweepSnapshot) -> StrategySettings:
        first = sweep.passes[0].trace
        return self._recipe.of_strategies(choices, first.model, first.seed)

    async def _ask(
        self,
        item: BenchmarkItem,
        question: Question,
        choices: Sequence[str],
        sweep: SweepSnapshot,
        stored: Sequence[StoredPass],
    ) -> StrategyRunSnapshot:
        """Start, resume or find the item's run of strategies; return it when it is over."""
        try:
            kept = await self._strategies.get(item.id)
        except RecordNotFound:
            request = _request(self._settings(choices, sweep), question)
            await self._strategies.start(request, item.id, allows_identifiers=True, stored=stored)
            return await self._strategies.finished(item.id)
        if not kept.is_over:
            await asyncio.to_thread(self._strategies.mark_interrupted, is_at_start=False)
            kept = await self._strategies.get(item.id)
        if not _trouble(kept):
            return kept
        await self._strategies.resume(item.id, stored=stored, with_failed=True)
        return await self._strategies.finished(item.id)


def unasked(item_id: str, choice: str, reason: str) -> BenchmarkStrategyResult:
    """The result of a strategy that was not asked."""
    costs = dict.fromkeys(_COSTS, 0)
    return BenchmarkStrategyResult(
        item_id=item_id,
        choice=choice,
        letter=None,
        is_correct=None,
        **costs,
        shared=0,
        seconds=0.0,
        is_from_pool=False,
        error=reason,
    )


_COSTS = ("generated", "injected", "prompt_new", "prompt_cached", "wasted")


def _request(settings: StrategySettings, question: Question) -> StrategyRunRequest:
    values = {each.name: getattr(settings, each.name) for each in fields(StrategySettings)}
    return StrategyRunRequest(
        **values,
        stem=question.stem,
        options=dict(question.options),
        target=question.target,
        source=question.source,
        title=question.title,
    )


_NOT_SCORED = "Strategies are scored on questions with options and a target, and this one lacks them."


def _without_asking(
    item: BenchmarkItem, choice: Choice, task: Task, stored: Sequence[StoredPass], target: str | None
) -> BenchmarkStrategyResult | None:
    """The result from the pool, or of a strategy that refuses the task; None if an engine has to be asked."""
    ledger = Ledger(task.budget_tokens)
    try:
        if has_several(target) and not choice.kind.chooses_sets:
            return None
        if not choice.kind.from_run:
            if choice.kind.name != BY_POLICY:  # Policies are known to the service that asks.
                check_starts(choice, replace(task, checkpoints=()))
            return None
        driver = PoolDriver(
            choice.start(replace(task, is_watched=False)), [each.pooled for each in stored], ledger, item.model
        )
        verdict = driver.run()
    except NotInPool:
        return None
    except StrategyRefused as exc:
        return unasked(item.id, choice.text, str(exc))
    costs = ledger.costs
    return BenchmarkStrategyResult(
        item_id=item.id,
        choice=choice.text,
        letter=verdict.letter,
        is_correct=verdict.letter == target,
        **{name: getattr(costs, name) for name in _COSTS},
        shared=costs.generated,
        seconds=0.0,
        is_from_pool=True,
    )


def _measured(item: BenchmarkItem, found: StrategySnapshot, stored: Sequence[StoredPass]) -> BenchmarkStrategyResult:
    result = found.result
    new, cached = shared_prompts(found.requests, stored)
    charged = {name: getattr(result, name) for name in _COSTS}
    charged |= {"prompt_new": result.prompt_new + new, "prompt_cached": result.prompt_cached + cached}
    return BenchmarkStrategyResult(
        item_id=item.id,
        choice=result.choice,
        letter=result.letter,
        is_correct=bool(result.is_correct),
        **charged,
        shared=sum(each.generated for each in found.requests if each.is_shared),
        seconds=result.seconds,
        is_from_pool=False,
        error=result.error or next((each.error for each in failed_requests(found)), ""),
    )


def _trouble(over: StrategyRunSnapshot) -> str:
    """Why a run of strategies that has ended is not complete; empty if it is."""
    unfinished = [each for each in over.strategies if each.result.state is not TraceState.COMPLETED]
    failed = [request.error for each in over.strategies for request in failed_requests(each)]
    if over.run.state is TraceState.COMPLETED and not unfinished and not failed:
        return over.save_error
    errors = (over.run.error, *(each.result.error for each in unfinished), *failed)
    return next(filter(None, errors), "") or "The strategies ended before they answered."
