"""Strategies of a stored run at equal cost: accuracy by tokens, and what each gains over a vote of as many tokens.

A run that asks each question several times holds what these strategies need; no request is made. `m1app.strategies`
evaluates them; here are the intervals and the comparison. The statistics take seconds to load: see `queries`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from m1app.access.person import Permission, needs
from m1app.benchmark.errors import NoStrategies
from m1app.benchmark.intervals import PairedDifference, Proportion
from m1app.strategies.evaluation import NEED_PROBABILITIES, Evaluated, Strategy, at_equal_tokens, evaluate
from m1app.strategies.pass_grid import StoredAnswer, pass_grid
from m1app.targets import has_several
from storage.benchmarks.passes import PassAnswer, PassAnswers, pass_answers
from storage.benchmarks.repository import BenchmarkRepository
from storage.database import Database

MOST_ANSWERS = 200_000
"""Answers of a run that are read; of more, the questions are thinned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyPoint:
    """A strategy at one setting."""

    strategy: Strategy
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
class StrategyComparison:
    """All strategies of one model of a run."""

    points: tuple[StrategyPoint, ...]
    """By strategy, then by cost."""
    questions: int
    """Questions evaluated: those with all their passes, scored by the rule; thinned where there are very many."""
    questions_stored: int
    """Questions answered in the run."""
    passes: int
    lacking: tuple[Strategy, ...]
    """Strategies left out, because they need the probability of every answer, which the run does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassChoice:
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
    async def compare(self, choice: PassChoice) -> StrategyComparison:
        """Evaluate every strategy for which the run has the data.

        Raises:
            NoStrategies: the run asked each question once, or has no complete question yet.
            RecordNotFound: there is no such run.
        """
        run = await self._database.read(lambda s: BenchmarkRepository(s).get(choice.run_id))
        if run.passes < 2:
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
        return await asyncio.to_thread(_compared, found, choice.budget_tokens)


def _compared(found: PassAnswers, budget_tokens: int) -> StrategyComparison:
    from m1app.benchmark.statistics import mean_chance

    try:
        grid = pass_grid(*_stored(found.answers))
    except ValueError:
        raise NoStrategies(
            "No question has all its passes yet, scored by this rule. Wait for the run, or choose another set or rule."
        ) from None
    budget = grid.budgets.index(budget_tokens) if budget_tokens in grid.budgets else len(grid.budgets) - 1
    evaluated = sorted(evaluate(grid, budget), key=_place)
    against = _against_votes(evaluated)
    points = tuple(
        StrategyPoint(
            strategy=each.strategy,
            budget_tokens=each.budget_tokens,
            passes=each.passes,
            threshold=each.threshold,
            tokens=float(each.tokens.mean()),
            accuracy=mean_chance(each.accuracy, grid.passes),
            against_vote=difference,
            corrected_p=corrected,
        )
        for each, (difference, corrected) in zip(evaluated, against, strict=True)
    )
    lacking = tuple(each for each in Strategy if each in NEED_PROBABILITIES) if grid.mass is None else ()
    return StrategyComparison(
        points=points,
        questions=grid.questions,
        questions_stored=found.questions,
        passes=grid.passes,
        lacking=lacking,
    )


def _stored(answers: Iterable[PassAnswer]) -> tuple[list[StoredAnswer], list[str]]:
    numbers: dict[str, int] = {}
    targets: list[str] = []
    stored = []
    for each in answers:
        if each.item_id not in numbers:
            numbers[each.item_id] = len(numbers)
            targets.append(each.target or "")
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
                option_probabilities=None if has_several(each.target) else each.option_probabilities,
            )
        )
    return stored, targets


def _place(each: Evaluated) -> tuple[int, float]:
    return list(Strategy).index(each.strategy), float(each.tokens.mean())


def _against_votes(evaluated: Sequence[Evaluated]) -> list[tuple[PairedDifference | None, float | None]]:
    """Each setting's difference to the vote of equal cost, and its corrected p-value, where it is compared."""
    from m1app.benchmark.statistics import holm, paired_difference

    votes = [each for each in evaluated if each.strategy is Strategy.VOTE]
    found: list[PairedDifference | None] = []
    for each in evaluated:
        vote = at_equal_tokens(votes, float(each.tokens.mean())) if is_compared(each) else None
        is_possible = vote is not None and len(vote) > 1
        found.append(paired_difference(each.accuracy, vote) if vote is not None and is_possible else None)
    corrected = iter(holm([each.p_value for each in found if each]))
    return [(each, next(corrected) if each else None) for each in found]


def is_compared(each: Evaluated) -> bool:
    """Whether a setting is compared with the vote.

    Of several passes these are powers of two: comparing every number would make the correction for many comparisons
    hide what there is.
    """
    if each.strategy in (Strategy.VOTE, Strategy.CEILING):
        return False
    is_one_pass = each.strategy in (Strategy.CHAIN, Strategy.EXIT_WHEN_SURE, Strategy.EXIT_ON_AGREEMENT)
    return is_one_pass or (each.passes > 1 and each.passes & (each.passes - 1) == 0)
