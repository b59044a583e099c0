"""A run and its twin: the same recipe, with and without guessing tokens."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, aliased

from storage.benchmarks.records import RunState
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkRunRow
from storage.sweeps.tables import SweepRow

_LISTS = ("question_sets", "models", "budgets", "force_rounds")
_VALUES = (
    "passes",
    "temperature",
    "top_p",
    "seed",
    "answer_cap_tokens",
    "system_prompt",
    "asks_probabilities",
    "profile",
    "limit",
    "in_flight",
)
"""With the lists: what decides the tokens of the passes, and how many questions are asked at once."""
_MOST_RUNS = 200
"""Of the same values, among which one with the same lists is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessingPair:
    """What the passes of the same questions took without and with guessing; sums over questions."""

    plain_run: str
    guessing_run: str
    method: str
    """How tokens were guessed: "ngram"."""
    questions: int
    """Questions for which both runs have their passes."""
    equal_questions: int
    """Those of them for which both generated as many tokens."""
    plain_tokens: int
    guessing_tokens: int
    plain_seconds: float
    """From the beginning of a question's passes to their end."""
    guessing_seconds: float


def guessing_pair(session: Session, run_id: str, model: str) -> GuessingPair | None:
    """The run beside the newest completed one that differs in guessing only; None if there is none, or nobody knows.

    Args:
        session: the database.
        run_id: of one of the two.
        model: of the run.
    """
    own = session.get(BenchmarkRunRow, run_id)
    if own is None or own.speculation is None or model not in own.models:
        return None
    alike = [getattr(BenchmarkRunRow, name).is_not_distinct_from(getattr(own, name)) for name in _VALUES]
    is_other = BenchmarkRunRow.speculation != "" if not own.speculation else BenchmarkRunRow.speculation == ""
    newest = BenchmarkRunRow.created_at.desc()
    done = BenchmarkRunRow.state == RunState.COMPLETED
    found = session.scalars(select(BenchmarkRunRow).where(*alike, is_other, done).order_by(newest).limit(_MOST_RUNS))
    lists = [getattr(own, name) for name in _LISTS]
    twin = next((each for each in found if [getattr(each, name) for name in _LISTS] == lists), None)
    if twin is None:
        return None
    plain, guessing = (own, twin) if not own.speculation else (twin, own)
    questions, *sums = session.execute(_sums(plain, guessing, own.models.index(model))).one()
    if not questions:
        return None
    equal, plain_tokens, guessing_tokens, plain_seconds, guessing_seconds = sums
    return GuessingPair(
        plain_run=plain.id,
        guessing_run=guessing.id,
        method=guessing.speculation or "",
        questions=questions,
        equal_questions=int(equal),
        plain_tokens=int(plain_tokens),
        guessing_tokens=int(guessing_tokens),
        plain_seconds=float(plain_seconds),
        guessing_seconds=float(guessing_seconds),
    )


def _sums(plain: BenchmarkRunRow, guessing: BenchmarkRunRow, model_number: int) -> Any:
    one, other = aliased(BenchmarkItemRow), aliased(BenchmarkItemRow)
    of_one, of_other = aliased(SweepRow), aliased(SweepRow)
    is_same = (one.question_id == other.question_id) & (one.set_number == other.set_number)
    return (
        select(
            func.count(),
            func.sum(case((of_one.tokens_generated == of_other.tokens_generated, 1), else_=0)),
            func.sum(of_one.tokens_generated),
            func.sum(of_other.tokens_generated),
            func.sum(of_one.seconds),
            func.sum(of_other.seconds),
        )
        .select_from(one)
        .join(other, is_same & (one.model_number == other.model_number))
        .join(of_one, of_one.id == one.id)
        .join(of_other, of_other.id == other.id)
        .where(one.run_id == plain.id, other.run_id == guessing.id, one.model_number == model_number)
    )
