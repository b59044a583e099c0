"""A run whose questions are asked several times, stored with the answers that a test dictates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from storage.benchmarks.records import (
    BenchmarkItem,
    BenchmarkResult,
    BenchmarkRun,
    BenchmarkStrategyResult,
    ItemState,
    RunState,
)
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.database import Database, Session
from storage.questions.repository import QuestionRepository
from storage.sweeps.repository import SweepRepository
from storage.traces.repository import TraceRepository
from tests.m1app.benchmark.benchmark_samples import a_run, end_run, questions_of
from tests.storage.samples import a_checkpoint, a_sweep, a_trace

Answer = tuple[str | None, int, Mapping[str, float] | None]
"""Letter, thinking tokens, probabilities of the options."""
ANSWER_TOKENS = 10


def store_passes(
    database: Database,
    passes: Sequence[Sequence[Sequence[Answer]]],
    *,
    target: str = "A",
    done: int | None = None,
    own: Callable[[str, int], Sequence[BenchmarkStrategyResult]] = lambda item_id, number: (),
    **run: Any,
) -> BenchmarkRun:
    """Store a run of one set.

    Args:
        database: migrated.
        passes: [questions][passes][budgets] answers.
        target: of every question.
        done: finished questions; None means all.
        own: results of the run's strategies for an item, by its id and number.
        run: fields of the run.
    """
    wanted = {"question_sets": ("MedQA",), "force_rounds": (0,), "passes": len(passes[0]), "temperature": 0.6}
    new = a_run(**(wanted | run))
    asked = [replace(each, target=target) for each in questions_of("MedQA", len(passes))]
    with database.session() as session:
        questions = [QuestionRepository(session).upsert(each) for each in asked]
        runs = BenchmarkRepository(session)
        planned = runs.add(new, [PlannedItem(0, 0, question.id) for question in questions])
        for item, answers in list(zip(runs.waiting(planned.id, limit=len(passes)), passes, strict=True))[:done]:
            results = _results(session, planned, item, answers, target)
            results_of_strategies = own(item.id, item.position)
            runs.finish(
                item.id,
                ItemState.DONE,
                results,
                results_of_strategies,
                tokens_generated=100,
                tokens_if_separate=100,
                attempts=1,
            )
    end_run(database, planned.id, RunState.COMPLETED if done is None else RunState.RUNNING)
    with database.session(is_read_only=True) as session:
        return BenchmarkRepository(session).get(planned.id)


def _results(
    session: Session, run: BenchmarkRun, item: BenchmarkItem, passes: Sequence[Sequence[Answer]], target: str
) -> list[BenchmarkResult]:
    sweep = SweepRepository(session).add(a_sweep(item.question_id, budgets=run.budgets, models=run.models), item.id)
    found = []
    for number, answers in enumerate(passes):
        trace = TraceRepository(session).add(a_trace(item.question_id, sweep_id=sweep.id, pass_number=number))
        for budget, (letter, thinking, probabilities) in zip(run.budgets, answers, strict=True):
            checkpoint = a_checkpoint(
                trace.id, cells=((budget, 0),), cut_tokens=thinking, letter=letter, option_probabilities=probabilities
            )
            kept = TraceRepository(session).add_checkpoint(checkpoint)
            found.append(
                BenchmarkResult(
                    item_id=item.id,
                    pass_number=number,
                    budget_tokens=budget,
                    force_rounds=0,
                    letter=letter,
                    is_correct=letter == target,
                    m1_letter=letter or "A",  # The published scorer guesses.
                    m1_is_correct=letter in ("A", None),
                    thinking_tokens=thinking,
                    tokens_if_separate=thinking + ANSWER_TOKENS,
                    checkpoint_id=kept.id,
                )
            )
    return found
