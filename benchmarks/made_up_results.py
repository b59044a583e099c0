"""Benchmark runs with made-up results, stored without an engine: what large studies are measured on."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import insert

from storage.benchmarks.records import ItemState, NewBenchmarkRun, RunState
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow
from storage.database import Session

_OWNER = "benchmark:1"
Row = dict[str, Any]
"""Of a table."""


def new_run(
    name: str,
    question_sets: Sequence[str],
    models: Sequence[str],
    budgets: Sequence[int],
    force_rounds: Sequence[int],
    answer_cap_tokens: int = 8,
) -> NewBenchmarkRun:
    """A greedy run of one pass."""
    return NewBenchmarkRun(
        name=name, question_sets=tuple(question_sets), models=tuple(models), budgets=tuple(budgets),
        force_rounds=tuple(force_rounds), passes=1, temperature=0.0, top_p=1.0, seed=None,
        answer_cap_tokens=answer_cap_tokens, system_prompt=None, profile="", limit=None, in_flight=0,
    )  # fmt: skip


def item(run_id: str, position: int, set_number: int, model_number: int, question: tuple[str, int]) -> Row:
    """A question, by id and number, that one model has answered."""
    question_id, number = question
    return {
        "id": uuid4().hex, "run_id": run_id, "position": position, "set_number": set_number,
        "model_number": model_number, "question_id": question_id, "question_number": number,
        "state": ItemState.DONE, "attempts": 1, "error": "",
    }  # fmt: skip


def result(of: Row, budget: int, rounds: int, *, is_correct: bool) -> Row:
    """The answer to an item in one cell: A if it is correct, else B."""
    letter = "A" if is_correct else "B"
    return {
        "item_id": of["id"], "pass_number": 0, "budget_tokens": budget, "force_rounds": rounds,
        "run_id": of["run_id"], "set_number": of["set_number"], "model_number": of["model_number"],
        "letter": letter, "is_correct": is_correct, "is_answered": True, "m1_letter": letter,
        "m1_is_correct": is_correct, "m1_is_answered": True, "thinking_tokens": budget // 2,
        "tokens_if_separate": budget, "checkpoint_id": None,
    }  # fmt: skip


def store(session: Session, items: Sequence[Row], results: Sequence[Row]) -> None:
    """Store items with their results."""
    session.execute(insert(BenchmarkItemRow), items)
    session.execute(insert(BenchmarkResultRow), results)


def complete(session: Session, run_id: str) -> None:
    """End a run as completed."""
    runs = BenchmarkRepository(session)
    runs.claim(run_id, _OWNER, lambda *_: True)
    runs.end(run_id, _OWNER, RunState.COMPLETED, "", 1.0)
