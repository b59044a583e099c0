"""Right and wrong answers of one model to one question: cases to compare."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from storage.annotations.case_filters import ANSWERS, PROBES
from storage.traces.records import SegmentKind, ThinkingFinishReason, TraceState
from storage.traces.tables import CheckpointRow, SegmentRow, TraceRow

_CAPPED = "budget"
"""Finish reason of an answer that its cap has cut."""


@dataclass(slots=True)
class Contrast:
    """What one model answered to one question, by the ids of the cases, oldest first."""

    question_id: str
    model: str
    right: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_mixed(self) -> bool:
        """Whether there are both."""
        return bool(self.right and self.wrong)


def contrasts(session: Session) -> tuple[Contrast, ...]:
    """All answers with a verdict, by question and model, those asked first first.

    Only what ended by itself counts, since cut thinking and cut answers differ from whole ones by more than their
    verdict; and nothing into which a person wrote.
    """
    found: dict[tuple[str, str], Contrast] = {}
    for question_id, model, case_id, is_correct in _cases(session):
        contrast = found.setdefault((question_id, model), Contrast(question_id, model))
        (contrast.right if is_correct else contrast.wrong).append(case_id)
    return tuple(found.values())


def _cases(session: Session) -> Iterator[tuple[str, str, str, bool]]:
    """Question, model, case and verdict."""
    for kind, ended in ((PROBES, _probe_ended()), (ANSWERS, _answer_ended())):
        columns = (TraceRow.question_id, TraceRow.model, kind.id, kind.is_correct)
        query = kind.cases(*columns).where(kind.is_correct.is_not(None), *ended, ~_has_segment(SegmentKind.EDIT))
        for row in session.execute(query.order_by(TraceRow.created_at, *kind.place)):
            yield row[0], row[1], row[2], row[3]


def _probe_ended() -> tuple[ColumnElement[bool], ...]:
    return (
        TraceRow.state == TraceState.COMPLETED,
        TraceRow.thinking_finish_reason == ThinkingFinishReason.NATURAL,
        ~_has_segment(SegmentKind.ANSWER, SegmentRow.finish_reason == _CAPPED),
    )


def _answer_ended() -> tuple[ColumnElement[bool], ...]:
    return (
        CheckpointRow.thinking_finish_reason == ThinkingFinishReason.NATURAL,
        CheckpointRow.finish_reason.is_distinct_from(_CAPPED),
    )


def _has_segment(kind: SegmentKind, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    of_trace = select(SegmentRow.trace_id).where(SegmentRow.trace_id == TraceRow.id, SegmentRow.kind == kind)
    return exists(of_trace.where(*conditions).correlate(TraceRow))
