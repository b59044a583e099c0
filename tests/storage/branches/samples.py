"""Stored branches."""

from storage.branches.records import NewBranch
from storage.branches.repository import BranchRepository
from storage.database import Database
from storage.traces.records import NewTrace, Segment, SegmentKind, Trace, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from tests.storage.samples import think


def store_branch(database: Database, parent: Trace, written: str, *, kept: int = 40) -> Trace:
    """A finished branch of a trace, which keeps so many characters of it."""
    new = NewTrace(**{name: getattr(parent, name) for name in NewTrace.__dataclass_fields__})
    edit = Segment(kind=SegmentKind.EDIT, text=written, token_ids=(1, 2), token_count=2)
    answer = Segment(kind=SegmentKind.ANSWER, text="The answer is B.", token_ids=(3,), token_count=1)
    outcome = TraceOutcome(state=TraceState.COMPLETED, answer_letter="B", is_correct=parent.question.target == "B")
    with database.session() as session:
        traces = TraceRepository(session)
        trace = traces.add(new)
        kept_text = parent.thinking_text[:kept]
        traces.close(trace.id, outcome, [think(kept_text), edit, think(" So it goes on."), answer])
        BranchRepository(session).add(
            trace.id,
            NewBranch(
                parent_id=parent.id,
                checkpoint_id=None,
                kept_tokens=len(kept_text.split()),
                kept_characters=len(kept_text),
                inserted_tokens=2,
                replaced=parent.thinking_text[kept : kept + 9],
                written=written,
            ),
        )
        return traces.get(trace.id)
