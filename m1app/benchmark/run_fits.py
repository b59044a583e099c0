"""Where more passes or longer thinking stop paying in a run: fits of its curves, and what their points cost.

Fits are those of `m1app.strategies.choosing.fits` and `kinetics`; here they meet the stored passes of a run.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from m1app.access.person import Permission, needs
from m1app.benchmark.intervals import Proportion
from m1app.benchmark.model_shapes import shape_of
from m1app.benchmark.run_grid import RunGrid, read_run_grid
from m1app.benchmark.strategy_comparison import PassSelection
from m1app.strategies.choosing.fits import Floats, Payoff, Saturation, fit_saturation, stops_paying
from m1app.strategies.choosing.kinetics import ModelShape, cost
from m1app.strategies.errors import FitRefused
from m1app.strategies.evaluating.evaluation import Evaluated, StrategyName, evaluate
from models.weights.catalog import Catalog
from storage.database import Database

DEFAULT_GAIN = 0.01
"""Accuracy, 0-1, that more has to add to be worth it."""
LEAST_GAIN, MOST_GAIN = 0.001, 0.5


class Along(StrEnum):
    """What grows along a curve."""

    BUDGET = "thinking budget"
    """One pass, cut at each budget of the run."""
    VOTE = "passes of a vote"
    CEILING = "passes, any of them right"
    """Not a strategy: it needs the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One measured point."""

    n: int
    """Tokens of the budget, or passes."""
    accuracy: Proportion
    tokens: float
    """Generated for the mean question."""
    cost: float | None
    """eFLOPs for the mean question, see `kinetics`; None where the model's shape or the prompts are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedCurve:
    """A curve of the run with what was fitted to it."""

    along: Along
    unit: int
    """N of the law counts in so many tokens; 1 for passes."""
    points: tuple[CurvePoint, ...]
    """Ascending."""
    saturation: Saturation | None
    """None if it could not be fitted."""
    payoff: Payoff | None
    problem: str
    """Why something is missing; empty if nothing is."""

    @property
    def is_flat(self) -> bool:
        """Whether the points are all the same."""
        return len({round(each.accuracy.value, 9) for each in self.points}) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFits:
    """All fits of one model of a run."""

    run_name: str
    model: str
    question_set: str
    """Empty for all sets."""
    force_rounds: int
    drawn_at_tokens: int
    """Thinking budget of the passes that are drawn."""
    rule: str
    questions: int
    passes: int
    gain: float
    """Accuracy, 0-1, that one more N, or one doubling, has to add to be worth it."""
    curves: tuple[FittedCurve, ...]
    no_cost: str
    """Why costs on an accelerator are missing; empty if they are not."""


class FitReading:
    """Fits curves of stored runs."""

    def __init__(self, database: Database, catalog: Callable[[], Catalog], models_directory: Path) -> None:
        """Args:
        database: with the runs.
        catalog: returns the known models; may block.
        models_directory: where weights are stored.
        """
        self._database = database
        self._catalog = catalog
        self._models_directory = models_directory

    @needs(Permission.READ)
    async def fits(self, choice: PassSelection, gain: float = DEFAULT_GAIN) -> RunFits:
        """Fit every curve that the run has.

        Args:
            choice: which passes.
            gain: accuracy that more has to add to be worth it, `LEAST_GAIN` to `MOST_GAIN`.

        Raises:
            FitRefused: the gain is out of range.
            NoStrategies: no question has all its passes yet.
            RecordNotFound: there is no such run.
        """
        if not LEAST_GAIN <= gain <= MOST_GAIN:
            raise FitRefused(
                f"The gain is {gain * 100:g} points; enter {LEAST_GAIN * 100:g} to {MOST_GAIN * 100:g} points."
            )
        found = await read_run_grid(self._database, choice)
        return await asyncio.to_thread(self._fitted, found, gain)

    def _fitted(self, found: RunGrid, gain: float) -> RunFits:
        from m1app.benchmark.descriptions import run_name

        shape, no_cost = self._shape(found)
        drawn_at = found.grid.budgets[found.budget]
        return RunFits(
            run_name=run_name(found.run),
            model=found.choice.model,
            question_set=found.choice.question_set,
            force_rounds=found.choice.force_rounds,
            drawn_at_tokens=drawn_at,
            rule=found.choice.rule,
            questions=found.grid.questions,
            passes=found.grid.passes,
            gain=gain,
            curves=tuple(_curves(found, shape, gain)),
            no_cost=no_cost,
        )

    def _shape(self, found: RunGrid) -> tuple[ModelShape | None, str]:
        if found.prompt_tokens is None:
            return None, "The cost on an accelerator is not known: the traces of this run are gone."
        try:
            return shape_of(found.choice.model, self._catalog(), self._models_directory), ""
        except FitRefused as exc:
            return None, str(exc)


def _curves(found: RunGrid, shape: ModelShape | None, gain: float) -> Iterator[FittedCurve]:
    evaluated = list(evaluate(found.grid, found.budget))
    costs = _Costs(found, shape)

    def of(strategy: StrategyName) -> list[Evaluated]:
        return [each for each in evaluated if each.strategy is strategy]

    chains = of(StrategyName.BUDGET_FORCING)
    budgets = [each.budget_tokens for each in chains]
    yield _curve(Along.BUDGET, budgets, chains, costs, gain, found.grid.passes, unit=budgets[0])
    if found.grid.passes > 1:
        for along, strategy in ((Along.VOTE, StrategyName.VOTE), (Along.CEILING, StrategyName.CEILING)):
            votes = of(strategy)
            yield _curve(along, [each.passes for each in votes], votes, costs, gain, found.grid.passes)


def _curve(
    along: Along,
    ns: Sequence[int],
    evaluated: Sequence[Evaluated],
    costs: "_Costs",
    gain: float,
    passes: int,
    unit: int = 1,
) -> FittedCurve:
    from m1app.benchmark.statistics import mean_chance

    accuracy = np.stack([each.accuracy for each in evaluated], axis=1)
    points = tuple(
        CurvePoint(
            n=n,
            accuracy=mean_chance(each.accuracy, passes),
            tokens=float(each.tokens.mean()),
            cost=costs.of(each),
        )
        for n, each in zip(ns, evaluated, strict=True)
    )
    saturation, problem = _saturation([n / unit for n in ns], accuracy)
    payoff, no_payoff = _payoff(ns, accuracy, gain)
    return FittedCurve(
        along=along,
        unit=unit,
        points=points,
        saturation=saturation,
        payoff=payoff,
        problem=no_payoff or problem,
    )


def _saturation(ns: Sequence[float], accuracy: Floats) -> tuple[Saturation | None, str]:
    try:
        return fit_saturation(ns, accuracy), ""
    except FitRefused as exc:
        return None, str(exc)


def _payoff(ns: Sequence[int], accuracy: Floats, gain: float) -> tuple[Payoff | None, str]:
    try:
        return stops_paying(ns, accuracy, gain), ""
    except FitRefused as exc:
        return None, str(exc)


@dataclass(frozen=True, slots=True)
class _Costs:
    """eFLOPs of strategies: the mean of the costs of each pass's length."""

    found: RunGrid
    shape: ModelShape | None

    def of(self, each: Evaluated) -> float | None:
        grid, prompt_tokens = self.found.grid, self.found.prompt_tokens
        if self.shape is None or prompt_tokens is None:
            return None
        lengths = grid.tokens[:, :, grid.budgets.index(each.budget_tokens)]
        return float(cost(self.shape, prompt_tokens, lengths, each.passes).total.mean())
