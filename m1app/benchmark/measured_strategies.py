"""The strategies of a run as they answered its questions: each once, live or from the passes in their order.

Beside them, `strategy_comparison` has what strategies give on average over all ways to draw the passes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from m1app.benchmark.intervals import PairedDifference, Proportion, wilson
from m1app.strategies.evaluating.evaluation import Evaluated
from storage.benchmarks.records import BenchmarkStrategyResult
from storage.benchmarks.strategies import StrategyResults


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredStrategy:
    """One strategy of a run, over its questions."""

    choice: str
    """As it is written."""
    is_from_pool: bool
    """Whether the run's own passes were all that it needed, for every question."""
    questions: int
    """Questions that it was asked."""
    unasked: int
    """Questions that it could not be asked."""
    accuracy: Proportion
    tokens: float
    """Mean tokens generated per question, those of shared passes included."""
    computed: float | None
    """Mean tokens generated or read from a prompt that no cache had; None from the pool, which knows no cache."""
    wasted: float
    """Mean generated tokens of which nothing was used."""
    seconds: float | None
    """Mean seconds of the questions for which the engine was asked; None if it was for none."""
    against_vote: PairedDifference | None = None
    """Against the vote that costs as much, from the pool; None where no number of passes does, and for that vote."""
    corrected_p: float | None = None
    """The p-value of that comparison, corrected for all comparisons of the page."""
    unit_accuracy: Mapping[str, bool]
    """By item: whether it was right."""
    unit_tokens: Mapping[str, int]
    """By item: tokens generated."""


def measured(found: StrategyResults) -> tuple[MeasuredStrategy, ...]:
    """Each strategy that was asked at least one question, in the run's order; not compared yet."""
    by_choice = sorted(found.results, key=lambda each: found.choices.index(each.choice))
    made = []
    for choice, group in groupby(by_choice, key=lambda each: each.choice):
        results = list(group)
        asked = [each for each in results if each.is_correct is not None]
        if asked:
            made.append(_measured(choice, asked, len(results) - len(asked)))
    return tuple(made)


def _measured(choice: str, asked: Sequence[BenchmarkStrategyResult], unasked: int) -> MeasuredStrategy:
    live = [each for each in asked if not each.is_from_pool]
    n, is_from_pool = len(asked), not live
    return MeasuredStrategy(
        choice=choice,
        is_from_pool=is_from_pool,
        questions=n,
        unasked=unasked,
        accuracy=wilson(sum(bool(each.is_correct) for each in asked), n),
        tokens=sum(each.generated for each in asked) / n,
        computed=None if is_from_pool else sum(each.generated + each.prompt_new for each in asked) / n,
        wasted=sum(each.wasted for each in asked) / n,
        seconds=sum(each.seconds for each in live) / len(live) if live else None,
        unit_accuracy={each.item_id: bool(each.is_correct) for each in asked},
        unit_tokens={each.item_id: each.generated for each in asked},
    )


def against_votes(
    found: Sequence[MeasuredStrategy], votes: Sequence[Evaluated], item_ids: Sequence[str]
) -> list[PairedDifference | None]:
    """Each strategy's difference to the vote of equal cost, on the questions that both have.

    Args:
        found: the strategies.
        votes: the vote at 1, 2, ... passes, in this order, at the thinking budget of the strategies.
        item_ids: of the questions of `votes`, in their order.
    """
    from m1app.benchmark.paired_bootstrap import gains_over_votes

    gains: dict[str, PairedDifference | None] = {each.choice: None for each in found}
    of_places: dict[tuple[int, ...], list[MeasuredStrategy]] = {}
    for each in found:
        places = tuple(place for place, item_id in enumerate(item_ids) if item_id in each.unit_accuracy)
        if places and not each.choice.startswith("vote:"):
            of_places.setdefault(places, []).append(each)
    # Those of the same questions are compared on the same resamples.
    for places, group in of_places.items():
        kept = np.array(places, dtype=np.intp)
        names = [item_ids[place] for place in places]
        exact = [
            replace(vote, accuracy=vote.accuracy[kept], tokens=vote.tokens[kept], on_orders=None) for vote in votes
        ]
        compared = gains_over_votes([_as_evaluated(each, names, exact[0]) for each in group], exact) if exact else []
        gains |= dict(zip((each.choice for each in group), compared, strict=False))
    return [gains[each.choice] for each in found]


def _only(vote: Evaluated, places: NDArray[np.intp]) -> Evaluated:
    """The vote on some of its questions."""
    return replace(vote, accuracy=vote.accuracy[places], tokens=vote.tokens[places], on_orders=None)


def _as_evaluated(each: MeasuredStrategy, item_ids: Sequence[str], vote: Evaluated) -> Evaluated:
    """A strategy that was asked once, as one that is evaluated; of the vote it takes what does not matter."""
    tokens = np.array([each.unit_tokens[item_id] for item_id in item_ids], dtype=np.float64)
    return replace(vote, accuracy=rights(each, item_ids), tokens=tokens)


def rights(each: MeasuredStrategy, item_ids: Sequence[str]) -> NDArray[np.float64]:
    """[questions]: 1 where it was right, 0 where it was wrong."""
    return np.array([each.unit_accuracy[item_id] for item_id in item_ids], dtype=np.float64)


def within(each: MeasuredStrategy, item_ids: Collection[str]) -> tuple[float, Proportion] | None:
    """Mean tokens and accuracy of a strategy on some questions; None if it was asked none of them."""
    asked = [item_id for item_id in each.unit_accuracy if item_id in item_ids]
    if not asked:
        return None
    right = sum(each.unit_accuracy[item_id] for item_id in asked)
    return sum(each.unit_tokens[item_id] for item_id in asked) / len(asked), wilson(right, len(asked))
