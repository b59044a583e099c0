"""What counts as a person's work on a trace: looking at it does not."""

from sqlalchemy import ColumnElement, String, cast, exists, or_

from storage.annotations.tables import AnnotationRow, AssessmentRow
from storage.traces.tables import TraceRow

HAS_WORK = or_(
    AssessmentRow.is_submitted,
    cast(AssessmentRow.draft, String) != "{}",
    cast(AssessmentRow.rejected, String) != "[]",
)
"""Whether an assessment holds more than the time that somebody looked."""


def is_annotated() -> ColumnElement[bool]:
    """Whether a trace has an annotation, or an assessment with work in it."""
    return or_(
        exists().where(AnnotationRow.trace_id == TraceRow.id),
        exists().where(AssessmentRow.trace_id == TraceRow.id, HAS_WORK),
    )
