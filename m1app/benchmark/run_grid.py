"""The stored passes of a run as arrays, for fits and policies."""

import asyncio
from dataclasses import dataclass

from m1app.benchmark.errors import NoStrategies, of_imported_run
from m1app.benchmark.strategy_comparison import MOST_ANSWERS, PassSelection, stored_answers
from m1app.strategies.evaluating.pass_grid import PassGrid, pass_grid
from storage.benchmarks.passes import PassAnswers, mean_prompt_tokens, pass_answers
from storage.benchmarks.records import BenchmarkRun, RunState
from storage.benchmarks.repository import BenchmarkRepository
from storage.database import Database, Session

_MOST_PROMPTS = 100


@dataclass(frozen=True, slots=True)
class RunGrid:
    """One model's passes over the questions of a run."""

    run: BenchmarkRun
    choice: PassSelection
    grid: PassGrid
    prompt_tokens: float | None
    """Of the mean scored question; None where it is not known."""

    @property
    def budget(self) -> int:
        """Position of the chosen budget in the grid's; the largest if it is not one of them."""
        budgets = self.grid.budgets
        return budgets.index(self.choice.budget_tokens) if self.choice.budget_tokens in budgets else len(budgets) - 1


async def read_run_grid(database: Database, choice: PassSelection) -> RunGrid:
    """Read the passes of a run; of very many answers, the questions are thinned.

    Raises:
        NoStrategies: no question has all its passes yet, or the run was imported.
        RecordNotFound: there is no such run.
    """

    def read(session: Session) -> tuple[BenchmarkRun, PassAnswers, float | None]:
        run = BenchmarkRepository(session).get(choice.run_id)
        chosen = (run.id, choice.model, choice.question_set)
        found = pass_answers(session, *chosen, choice.force_rounds, is_m1=choice.rule == "m1", most=MOST_ANSWERS)
        # Of the scored questions only: the curves have no others.
        scored = tuple(dict.fromkeys(each.item_id for each in found.answers))
        return run, found, mean_prompt_tokens(session, run.id, scored, most=_MOST_PROMPTS)

    run, found, prompt_tokens = await database.read(read)
    if run.state is RunState.IMPORTED:
        raise of_imported_run()
    grid = await asyncio.to_thread(_grid, found)
    return RunGrid(run, choice, grid, prompt_tokens)


def _grid(found: PassAnswers) -> PassGrid:
    try:
        return pass_grid(*stored_answers(found.answers))
    except ValueError:
        raise NoStrategies(
            "No question has all its passes scored by this rule yet. Wait for the run, or choose another set or rule."
        ) from None
