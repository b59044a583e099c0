"""The answers of a run that an earlier version of the rule `strict` read, and what a later one reads in them.

What an earlier version read is kept (`earlier_reading`), with the version that read it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from storage.annotations.tables import AnnotationRow
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow, BenchmarkRunRow
from storage.questions.tables import QuestionRow
from storage.traces.records import ThinkingFinishReason
from storage.traces.tables import CheckpointRow, EarlierReadingRow, TraceRow
from storage.traces.turns import mark_turns

FIRST_VERSION = 1
"""The version that did not record itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a version of the rule read in an answer; the fields of a checkpoint."""

    letter: str | None
    is_correct: bool | None
    letter_rule: str | None
    letter_start: int | None
    letter_end: int | None
    strict_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAnswer:
    """An answer with what was read in it, and what is needed to read it again."""

    item_id: str
    trace_id: str
    """The pass."""
    checkpoint_id: str
    text: str
    thinking_finish_reason: ThinkingFinishReason
    profile: str
    options: Mapping[str, str]
    target: str | None
    reading: Reading


def answers_read_before(session: Session, run_id: str, positions: range, version: int) -> tuple[ReadAnswer, ...]:
    """The answers to the items at `positions` that were read by a version before `version`."""
    item, row = BenchmarkItemRow, CheckpointRow
    query = (
        select(item.id, row, TraceRow.profile, QuestionRow.options, QuestionRow.target)
        .join(TraceRow, TraceRow.sweep_id == item.id)
        .join(row, row.trace_id == TraceRow.id)
        .join(QuestionRow, QuestionRow.id == item.question_id)
        .where(
            item.run_id == run_id,
            item.position >= positions.start,
            item.position < positions.stop,
            row.error == "",
            func.coalesce(row.strict_version, FIRST_VERSION) < version,
        )
        .order_by(item.position, row.id)
    )
    return tuple(_as_answer(*found) for found in session.execute(query))


def _as_answer(
    item_id: str, row: CheckpointRow, profile: str, options: Mapping[str, str], target: str | None
) -> ReadAnswer:
    reading = Reading(
        letter=row.letter,
        is_correct=row.is_correct,
        letter_rule=row.letter_rule,
        letter_start=row.letter_start,
        letter_end=row.letter_end,
        strict_version=row.strict_version or FIRST_VERSION,
    )
    return ReadAnswer(
        item_id=item_id,
        trace_id=row.trace_id,
        checkpoint_id=row.id,
        text=row.text,
        thinking_finish_reason=row.thinking_finish_reason,
        profile=profile,
        options=options,
        target=target,
        reading=reading,
    )


def replace_readings(session: Session, readings: Sequence[tuple[ReadAnswer, Reading]], now: datetime) -> None:
    """Store what was read again in answers and results, and keep what had been read before.

    The verdicts that annotations have copied change too, and so does where passes turned from right to wrong.
    """
    if not readings:
        return
    session.execute(insert(EarlierReadingRow), [_earlier(answer, now) for answer, _ in readings])
    for answer, new in readings:
        values = {
            "letter": new.letter,
            "is_correct": new.is_correct,
            "letter_rule": new.letter_rule,
            "letter_start": new.letter_start,
            "letter_end": new.letter_end,
            "strict_version": new.strict_version,
        }
        session.execute(update(CheckpointRow).where(CheckpointRow.id == answer.checkpoint_id).values(values))
        results = update(BenchmarkResultRow).where(
            BenchmarkResultRow.item_id == answer.item_id, BenchmarkResultRow.checkpoint_id == answer.checkpoint_id
        )
        verdict = {
            "letter": new.letter,
            "is_correct": bool(new.is_correct),
            "is_answered": new.letter is not None,
        }
        session.execute(results.values(verdict), execution_options={"synchronize_session": False})
        if new.is_correct != answer.reading.is_correct:
            marks = update(AnnotationRow).where(AnnotationRow.checkpoint_id == answer.checkpoint_id)
            session.execute(marks.values(is_correct=new.is_correct))
    for trace_id in {answer.trace_id for answer, _ in readings}:
        mark_turns(session, trace_id)


def _earlier(answer: ReadAnswer, now: datetime) -> dict[str, object]:
    read = answer.reading
    return {
        "checkpoint_id": answer.checkpoint_id,
        "strict_version": read.strict_version,
        "letter": read.letter,
        "is_correct": read.is_correct,
        "letter_rule": read.letter_rule,
        "letter_start": read.letter_start,
        "letter_end": read.letter_end,
        "replaced_at": now,
    }


def set_strict_version(session: Session, run_id: str, version: int) -> None:
    """Record that all answers of a run were read by `version` or a later one."""
    session.execute(update(BenchmarkRunRow).where(BenchmarkRunRow.id == run_id).values(strict_version=version))
