"""Strategies of a stored run at equal cost: accuracy by tokens, and what each gains over a vote of as many tokens.

A run that asks each question several times holds what these strategies need; no request is made. `m1app.strategies`
evaluates them; here are the intervals and the comparison. The statistics take seconds to load: see `queries`.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m1app.access.person import Permission, needs
from m1app.benchmark.errors import NoStrategies, of_imported_run
from m1app.benchmark.intervals import PairedDifference, Proportion
from m1app.benchmark.measured_strategies import MeasuredStrategy, against_votes, measured, within
from m1app.strategies.evaluating.evaluation import (
    NEED_PROBABILITIES,
    Evaluated,
    StrategyName,
    evaluate,
    plain_votes,
)
from m1app.strategies.evaluating.pass_grid import PassGrid, StoredAnswer, pass_grid
from m1app.targets import has_several
from storage.benchmarks.guessing import GuessingPair, guessing_pair
from storage.benchmarks.passes import PassAnswer, PassAnswers, pass_answers
from storage.benchmarks.records import RunState
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.strategies import StrategyResults, strategy_results, strategy_rows
from storage.database import Database, Session

MOST_ANSWERS = 200_000
"""Answers of a run that are read; of more, the questions are thinned."""
_ITEMS_OF_A_PAGE = 500
_LEAST_PASSES_OF_FACETS = 4
"""Of fewer, the share of right passes says little about a question."""
_DIFFICULTIES: tuple[tuple[str, Callable[[NDArray[np.float64]], NDArray[np.bool_]]], ...] = (
    ("Hard: under a third of the passes are right", lambda rate: rate < 1 / 3),
    ("Medium: a third to two thirds", lambda rate: (rate >= 1 / 3) & (rate <= 2 / 3)),
    ("Easy: over two thirds", lambda rate: rate > 2 / 3),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyPoint:
    """A strategy at one setting."""

    strategy: StrategyName
    budget_tokens: int
    passes: int
    threshold: float | None
    tokens: float
    """Mean tokens generated per question."""
    accuracy: Proportion
    against_vote: PairedDifference | None
    """Against the vote that costs as much; None for the vote itself, the ceiling, settings that are only drawn, and
    where no number of passes costs as much."""
    corrected_p: float | None
    """The p-value of that comparison, corrected for all comparisons of the table (Holm 1979)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """The questions of one difficulty."""

    name: str
    questions: int
    points: tuple[StrategyPoint, ...]
    """As in `StrategyComparison`, without comparisons."""
    measured: tuple[tuple[str, bool, float, Proportion], ...]
    """Of the run's own strategies: as it is written, whether from the pool, mean tokens, accuracy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyComparison:
    """All strategies of one model of a run."""

    points: tuple[StrategyPoint, ...]
    """By strategy, then by cost."""
    questions: int
    """Questions evaluated: those with all their passes, scored by the rule; thinned where there are very many."""
    questions_stored: int
    """Questions answered in the run."""
    passes: int
    lacking: tuple[StrategyName, ...]
    """Strategies left out, because they need the probability of every answer, which the run does not have."""
    measured: tuple[MeasuredStrategy, ...] = ()
    """The run's own strategies; empty where it has none, and by the rule m1, by which they are not scored."""
    guessing: GuessingPair | None = None
    """The run beside one that differs in guessing tokens only; None where there is none."""
    facets: tuple[Facet, ...] = ()
    """By the share of right passes at the budget that is drawn at, hardest first; only those with questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassSelection:
    """Which passes of a run."""

    run_id: str
    model: str
    question_set: str
    """Empty takes all sets."""
    force_rounds: int
    budget_tokens: int
    """Thinking budget of the passes that are drawn."""
    rule: str = "strict"
    """"strict" or "m1"."""


class StrategyReading:
    """Evaluates strategies from the passes of stored runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @needs(Permission.READ)
    async def compare(self, choice: PassSelection) -> StrategyComparison:
        """Evaluate every strategy for which the run has the data.

        Raises:
            NoStrategies: the run asked each question once, has no complete question yet, or was imported.
            RecordNotFound: there is no such run.
        """
        run = await self._database.read(lambda s: BenchmarkRepository(s).get(choice.run_id))
        if run.state is RunState.IMPORTED:
            raise of_imported_run()
        if run.passes < 2 and not run.strategies:
            raise NoStrategies(
                "This run asked each question once. Strategies choose among several passes of a question: start a run "
                "with 4 or more passes and a temperature above 0, such as 0.6."
            )
        found = await self._database.read(
            lambda s: pass_answers(
                s,
                run.id,
                choice.model,
                choice.question_set,
                choice.force_rounds,
                is_m1=choice.rule == "m1",
                most=MOST_ANSWERS,
            )
        )
        own = StrategyResults((), ())
        if choice.rule != "m1":
            own = await self._database.read(lambda s: strategy_results(s, run.id, choice.model, choice.question_set))
        compared = await asyncio.to_thread(_compared, found, choice.budget_tokens, own)
        pair = await self._database.read(lambda s: guessing_pair(s, run.id, choice.model))
        return replace(compared, guessing=pair)

    @needs(Permission.READ)
    async def rows(self, run_id: str) -> AsyncIterator[list[dict[str, Any]]]:
        """Results of a run's strategies with their questions, in order, for export; each page in its own transaction.

        Raises:
            RecordNotFound: there is no such run.
        """
        run = await self._database.read(lambda s: BenchmarkRepository(s).get(run_id))
        for start in range(0, run.items, _ITEMS_OF_A_PAGE):
            yield await self._database.read(_rows_of(run_id, range(start, start + _ITEMS_OF_A_PAGE)))


def _rows_of(run_id: str, positions: range) -> Callable[[Session], list[dict[str, Any]]]:
    return lambda session: strategy_rows(session, run_id, positions)


def _compared(found: PassAnswers, budget_tokens: int, own: StrategyResults) -> StrategyComparison:
    from m1app.benchmark.statistics import holm

    try:
        grid = pass_grid(*stored_answers(found.answers))
    except ValueError:
        raise NoStrategies(
            "No question has all its passes scored by this rule yet. Wait for the run, or choose another set or rule."
        ) from None
    budget = grid.budgets.index(budget_tokens) if budget_tokens in grid.budgets else len(grid.budgets) - 1
    evaluated = sorted(evaluate(grid, budget), key=_place)
    asked = measured(own)
    item_ids = _items_of(found.answers, grid)
    votes = _votes_at_the_end(grid, budget, evaluated)
    differences = [*_against_votes(evaluated), *against_votes(asked, votes, item_ids)]
    corrected = iter(holm([each.p_value for each in differences if each]))
    against = [(each, next(corrected) if each else None) for each in differences]
    points = tuple(_point(each, grid, *compared) for each, compared in zip(evaluated, against, strict=False))
    lacking = tuple(each for each in StrategyName if each in NEED_PROBABILITIES) if grid.mass is None else ()
    return StrategyComparison(
        points=points,
        questions=grid.questions,
        questions_stored=found.questions,
        passes=grid.passes,
        lacking=lacking,
        measured=tuple(
            replace(each, against_vote=difference, corrected_p=corrected_p)
            for each, (difference, corrected_p) in zip(asked, against[len(evaluated) :], strict=True)
        ),
        facets=tuple(_facets(grid, budget, evaluated, asked, item_ids)),
    )


def _point(
    each: Evaluated, grid: PassGrid, difference: PairedDifference | None, corrected_p: float | None
) -> StrategyPoint:
    from m1app.benchmark.statistics import mean_chance

    return StrategyPoint(
        strategy=each.strategy,
        budget_tokens=each.budget_tokens,
        passes=each.passes,
        threshold=each.threshold,
        tokens=float(each.tokens.mean()),
        accuracy=mean_chance(each.accuracy, grid.passes),
        against_vote=difference,
        corrected_p=corrected_p,
    )


def _items_of(answers: Sequence[PassAnswer], grid: PassGrid) -> list[str]:
    """The items of a grid's questions: those with all their answers, in order."""
    counts = Counter(each.item_id for each in answers)
    return [item_id for item_id, count in counts.items() if count == grid.passes * len(grid.budgets)]


def _votes_at_the_end(grid: PassGrid, budget: int, evaluated: Sequence[Evaluated]) -> Sequence[Evaluated]:
    """The vote at the largest budget, which the run's own strategies think to."""
    last = len(grid.budgets) - 1
    if budget != last:
        return list(plain_votes(grid, last))
    return [each for each in evaluated if each.strategy is StrategyName.VOTE]


def _facets(
    grid: PassGrid,
    budget: int,
    evaluated: Sequence[Evaluated],
    asked: Sequence[MeasuredStrategy],
    item_ids: Sequence[str],
) -> Iterator[Facet]:
    if grid.passes < _LEAST_PASSES_OF_FACETS:
        return
    rate = grid.is_right[:, :, budget].mean(axis=1)
    for name, is_in in _DIFFICULTIES:
        places = np.flatnonzero(is_in(rate))
        if not len(places):
            continue
        points = [
            _point(replace(each, accuracy=each.accuracy[places], tokens=each.tokens[places]), grid, None, None)
            for each in evaluated
        ]
        own = {item_ids[int(place)] for place in places}
        found = [(each.choice, each.is_from_pool, *some) for each in asked if (some := within(each, own))]
        yield Facet(name=name, questions=len(places), points=tuple(points), measured=tuple(found))


def stored_answers(answers: Iterable[PassAnswer]) -> tuple[list[StoredAnswer], list[str]]:
    """The answers of a run for `pass_grid`, and the target of each question."""
    numbers: dict[str, int] = {}
    targets: list[str] = []
    are_sets: list[bool] = []
    stored = []
    for each in answers:
        if each.item_id not in numbers:
            numbers[each.item_id] = len(numbers)
            targets.append(each.target or "")
            are_sets.append(has_several(each.target))
        stored.append(
            StoredAnswer(
                question=numbers[each.item_id],
                pass_number=each.pass_number,
                budget_tokens=each.budget_tokens,
                letter=each.letter,
                is_right=each.is_correct,
                thinking_tokens=each.thinking_tokens,
                tokens=each.tokens_if_separate,
                # Those of single letters say nothing about a set of them.
                option_probabilities=None if are_sets[numbers[each.item_id]] else each.option_probabilities,
            )
        )
    return stored, targets


def _place(each: Evaluated) -> tuple[int, float]:
    return list(StrategyName).index(each.strategy), float(each.tokens.mean())


def _against_votes(evaluated: Sequence[Evaluated]) -> list[PairedDifference | None]:
    """Each setting's difference to the vote of equal cost, where it is compared."""
    from m1app.benchmark.paired_bootstrap import gains_over_votes

    votes = [each for each in evaluated if each.strategy is StrategyName.VOTE]
    compared = [each for each in evaluated if is_compared(each)]
    gains = iter(gains_over_votes(compared, votes))
    return [next(gains) if is_compared(each) else None for each in evaluated]


def is_compared(each: Evaluated) -> bool:
    """Whether a setting is compared with the vote.

    Of several passes these are powers of two: comparing every number would make the correction for many comparisons
    hide what there is.
    """
    if each.strategy in (StrategyName.VOTE, StrategyName.CEILING):
        return False
    is_one_pass = each.strategy in (StrategyName.BUDGET_FORCING, StrategyName.DEER, StrategyName.DYNASOR)
    return is_one_pass or (each.passes > 1 and each.passes & (each.passes - 1) == 0)
