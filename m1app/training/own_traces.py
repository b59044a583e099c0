"""The app's own right answers as samples: a model learns from what it, or a better one, got right."""

from m1app.training.samples import TrainingSample
from storage.annotations.cases import CaseRepository
from storage.annotations.records import CaseFilter, CaseSummary
from storage.database import Session
from storage.traces.records import SegmentKind, ThinkingFinishReason, TraceState
from storage.traces.repository import TraceRepository

_PAGE_SIZE = 500
_CAPPED = "budget"


def read_own_traces(session: Session, source: str) -> tuple[TrainingSample, ...]:
    """Right answers of probes and sweeps, newest first.

    Thinking that a budget cut, and an answer that its cap cut, end in the middle of a sentence and would teach that:
    only what ended by itself is taken.

    Args:
        session: of the database.
        source: what the samples say of where they came from.
    """
    cases, found = CaseRepository(session), []
    cursor: str | None = None
    while True:
        page = cases.page(CaseFilter(is_correct=True), "", _PAGE_SIZE, cursor)
        for summary in page.items:
            if not _ended_by_itself(session, summary):
                continue
            case = cases.get(summary.id)
            tags = case.question.tags
            found.append(
                TrainingSample(
                    question=case.question.stem,
                    options=dict(case.question.options),
                    target=case.question.target,
                    reasoning=case.thinking_text,
                    answer=case.answer_text,
                    domain=tags[0] if tags else "",
                    source=source,
                )
            )
        if page.next_cursor is None:
            return tuple(found)
        cursor = page.next_cursor


def _ended_by_itself(session: Session, case: CaseSummary) -> bool:
    traces = TraceRepository(session)
    if case.checkpoint_id is not None:
        checkpoint = next(each for each in traces.list_checkpoints(case.trace_id) if each.id == case.checkpoint_id)
        is_natural = checkpoint.thinking_finish_reason is ThinkingFinishReason.NATURAL
        return is_natural and checkpoint.finish_reason != _CAPPED
    trace = traces.get(case.trace_id)
    answers = [segment for segment in trace.segments if segment.kind is SegmentKind.ANSWER]
    return (
        trace.state is TraceState.COMPLETED
        and trace.thinking_finish_reason is ThinkingFinishReason.NATURAL
        and all(segment.finish_reason != _CAPPED for segment in answers)
    )
