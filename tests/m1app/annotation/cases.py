"""Cases and annotations for tests: as plain values, and stored."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, Any

from storage.annotations.records import Annotation, AnnotationContent, AnnotationState, Case, Origin, Part
from storage.database import Database
from storage.questions.records import Question, content_hash
from storage.sweeps.repository import SweepRepository
from storage.traces.records import Segment, SegmentKind, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from tests.storage.samples import a_checkpoint, a_sweep, a_trace, answer, begin, finish, save_question, think

BEGUN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
THINKING = "The ECG 🫀 comes first.\r\nWait, or the D-dimer? שלום e\u0301. So the answer is B."
ANSWER = "The answer is A."
_STEM, _OPTIONS = "Which test comes first?", {"A": "Chest radiograph", "B": "Electrocardiogram"}
QUESTION = Question(
    id="q" * 32,
    stem=_STEM,
    options=_OPTIONS,
    target="B",
    content_hash=content_hash(_STEM, _OPTIONS, "B"),
    created_at=BEGUN,
)
CASE = Case(
    id="c" * 32,
    trace_id="c" * 32,
    checkpoint_id=None,
    sweep_id=None,
    question=QUESTION,
    model="smollm2-135m",
    thinking_budget_tokens=64,
    force_rounds=1,
    thinking_text=THINKING,
    waits=((25, 29),),
    answer_text=ANSWER,
    letter="A",
    is_correct=False,
    created_at=BEGUN,
)
ECG = {"part": "thinking", "start": 4, "end": 9, "labels": ["incorrect_fact"], "severity": "mild"}
"""The form's values for a mark on "ECG 🫀"."""


def said(*labels: str, severity: str = "mild", who: str = "Ada", **changes: Any) -> Annotation:
    """A submitted annotation of `CASE`."""
    made = Annotation(
        part=Part.WHOLE,
        labels=labels,
        severity=severity,
        id="a" * 32,
        case_id=CASE.id,
        trace_id=CASE.trace_id,
        checkpoint_id=None,
        annotator=who,
        state=AnnotationState.SUBMITTED,
        is_upheld=None,
        agreed_by=(),
        origin=Origin.PERSON,
        taxonomy_version=1,
        revision=2,
        created_at=BEGUN,
        updated_at=BEGUN,
    )
    return replace(made, **changes)


def note(*labels: str, severity: str = "mild", **changes: Any) -> AnnotationContent:
    """An annotation of a whole case."""
    return replace(AnnotationContent(part=Part.WHOLE, labels=labels or ("bias",), severity=severity), **changes)


def as_file(text: str) -> IO[bytes]:
    """A file to import."""
    return io.BytesIO(text.encode())


def stored_trace(database: Database, *, is_correct: bool | None = False, **changes: Any) -> str:
    """A finished probe whose thinking is `THINKING`; returns its id, which is also its case's."""
    trace = begin(database, **changes)
    wait = Segment(kind=SegmentKind.WAIT, text="Wait", token_ids=(5,), token_count=1)
    before, after = THINKING.split("Wait")
    outcome = TraceOutcome(state=TraceState.COMPLETED, answer_letter="A", is_correct=is_correct)
    finish(database, trace, think(before), wait, think(after), answer(ANSWER), outcome=outcome)
    return trace.id


def stored_sweep(database: Database) -> tuple[str, str, str]:
    """A sweep whose pass is right after 5 tokens and wrong after 12; returns the ids of the sweep and of both
    checkpoints."""
    question = save_question(database)
    with database.session() as session:
        sweep = SweepRepository(session).add(a_sweep(question.id))
        traces = TraceRepository(session)
        trace = traces.add(a_trace(question.id, sweep_id=sweep.id, model="m1-7b", thinking_budget_tokens=512))
        traces.close(trace.id, TraceOutcome(state=TraceState.COMPLETED), [think(THINKING)])
        first = THINKING.index("Wait")
        right = a_checkpoint(trace.id, cells=((5, 0),), cut_tokens=5, cut_characters=first)
        wrong = a_checkpoint(
            trace.id,
            cells=((128, 1), (128, 0)),
            cut_tokens=12,
            cut_characters=len(THINKING),
            letter="A",
            text=ANSWER,
            is_correct=False,
        )
        ids = [traces.add_checkpoint(each).id for each in (right, wrong)]
    return sweep.id, ids[0], ids[1]
