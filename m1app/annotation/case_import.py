"""Stores traces from elsewhere as cases, and their spans as submitted annotations.

Everything is checked before anything is stored. Both have ids made of their content: importing a file again, also after
an import was broken off, stores only what is missing.
"""

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event

from pydantic import ValidationError

from m1app.access.audit import record, suppress_unwritten
from m1app.annotation.errors import ImportRefused
from m1app.annotation.file_reading import reason_of
from m1app.annotation.foreign_cases import MAX_CASES, ForeignCase, RawSpan
from m1app.annotation.foreign_spans import ForeignSpan, place
from m1app.annotation.import_entries import Entry, SpanEntry
from m1app.annotation.importing import Leniency, import_entries
from m1app.annotation.labels import Taxonomy
from m1app.question.answers.scoring import letter_basis, score
from storage.annotations.records import Case, Part
from storage.database import Database, Session
from storage.questions.records import NewQuestion, Question, content_hash
from storage.questions.repository import QuestionRepository
from storage.traces.records import NewTrace, Segment, SegmentKind, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository

IMPORTED = "imported"
"""Profile and engine of a trace that this app has not run."""
_BATCH_CASES = 20


@dataclass(frozen=True, slots=True)
class CasesReport:
    """Result of an import of cases."""

    cases: int
    """Stored."""
    present: int
    """Already stored by an earlier import."""
    marks: int
    marks_present: int
    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    """Labels that the taxonomy does not have, with the number of spans that have them."""
    spans_left_out: int = 0
    """Spans that have no other label."""


def import_cases(
    database: Database, taxonomy: Taxonomy, cases: Callable[[], Iterable[ForeignCase]], stop: Event
) -> CasesReport:
    """Import what `cases` yields each time it is called; blocks.

    Raises:
        ImportRefused: something cannot be imported; nothing was.
        ImportBrokenOff: only a part of the spans was stored.
    """
    known = _Labels(taxonomy)
    try:
        for number, case in enumerate(cases(), start=1):
            if number > MAX_CASES:
                raise ImportRefused(f"The file has more than {MAX_CASES:,} traces. Split it.")
            _check_spans(case)
    except ImportRefused as exc:
        raise ImportRefused(f"{exc} Nothing was imported.") from exc
    stored, present = _store_all(database, cases(), stop)
    with suppress_unwritten("the audit entry of an import of cases"):
        database.write_now(lambda s: record(s, "case.import", added=stored, unchanged=present))

    def entries() -> Iterator[Entry]:
        for case in cases():
            yield from map(SpanEntry, known.spans(case))

    report = import_entries(database, taxonomy, entries, Leniency(skip_missing=False, keep_existing=False), stop)
    unknown, left_out = known.missing(cases())
    return CasesReport(stored, present, report.added, report.unchanged, unknown, left_out)


class _Labels:
    """Finds the labels of a file in the taxonomy, by id or name, whatever their case and punctuation."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._ids = {_plain(each): label.id for label in taxonomy.offered for each in (label.name, label.id)}

    def spans(self, case: ForeignCase) -> Iterator[ForeignSpan]:
        """The spans of a case that have a known label."""
        for span in case.spans:
            labels = tuple(dict.fromkeys(self._ids[_plain(each)] for each in span.labels if _plain(each) in self._ids))
            if labels:
                yield _foreign(case, span, labels)

    def missing(self, cases: Iterable[ForeignCase]) -> tuple[Mapping[str, int], int]:
        """Unknown labels with the number of their spans, and the number of spans that have no other."""
        unknown: Counter[str] = Counter()
        left_out = 0
        for span in (span for case in cases for span in case.spans):
            names = [each for each in span.labels if _plain(each) not in self._ids]
            unknown.update(each[:80] for each in names)
            left_out += len(names) == len(span.labels)
        return dict(unknown.most_common()), left_out


def _plain(label: str) -> str:
    return "".join(character for character in label.casefold() if character.isalnum())


def _foreign(case: ForeignCase, span: RawSpan, labels: tuple[str, ...]) -> ForeignSpan:
    values = {name: getattr(span, name) for name in ("annotator", "part", "start", "end", "exact")}
    return ForeignSpan(where=case.where, case_id=case.id, labels=labels, **values)


def _check_spans(case: ForeignCase) -> None:
    made = _as_case(case)
    for span in case.spans:
        text = case.trace.thinking if span.part is Part.THINKING else case.trace.answer
        if not 0 <= span.start < span.end:
            raise ImportRefused(f"{case.where}: a span from {span.start:,} to {span.end:,} marks nothing.")
        if span.exact is None and span.end > len(text):
            raise ImportRefused(
                f"{case.where}: a span from {span.start:,} to {span.end:,} is outside the {span.part.value} of "
                f"{len(text):,} characters."
            )
        try:
            foreign = _foreign(case, span, span.labels)
        except ValidationError as exc:
            raise ImportRefused(f"{case.where}: a span cannot be used ({reason_of(exc)}).") from None
        place(foreign, made)


def _as_case(case: ForeignCase) -> Case:
    moment = datetime.now(UTC)
    asked = _question(case)
    trace = case.trace
    return Case(
        id=case.id,
        trace_id=case.id,
        checkpoint_id=None,
        sweep_id=None,
        question=Question(
            stem=asked.stem,
            options=asked.options,
            target=asked.target,
            id=case.id,
            content_hash=content_hash(asked.stem, asked.options, asked.target),
            created_at=moment,
        ),
        model=trace.model,
        thinking_budget_tokens=0,
        force_rounds=0,
        thinking_text=trace.thinking,
        waits=(),
        answer_text=trace.answer,
        letter=None,
        is_correct=None,
        created_at=moment,
    )


def _question(case: ForeignCase) -> NewQuestion:
    trace = case.trace
    return NewQuestion(stem=trace.question, options=dict(trace.options), target=trace.target, source=IMPORTED)


def _store_all(database: Database, cases: Iterable[ForeignCase], stop: Event) -> tuple[int, int]:
    stored = present = 0
    batch: list[ForeignCase] = []

    def flush() -> int:
        with database.session() as session:
            return sum(_store(session, case) for case in batch)

    for case in cases:
        batch.append(case)
        if len(batch) == _BATCH_CASES:
            new = flush()
            stored, present = stored + new, present + len(batch) - new
            batch.clear()
        if stop.is_set():
            return stored, present
    new = flush() if batch else 0
    return stored + new, present + len(batch) - new


def _store(session: Session, case: ForeignCase) -> bool:
    """Store a trace unless it is there; return whether it was stored."""
    traces, trace = TraceRepository(session), case.trace
    if traces.exists(case.id):
        return False
    asked = QuestionRepository(session).upsert(_question(case))
    made = traces.add(replace(_TRACE, question_id=asked.id, model=trace.model, seed=trace.seed), trace_id=case.id)
    parts = ((SegmentKind.THINK, trace.thinking), (SegmentKind.ANSWER, trace.answer))
    segments = [Segment(kind=kind, text=text) for kind, text in parts if text]
    traces.close(made.id, _outcome(case), segments)
    return True


def _outcome(case: ForeignCase) -> TraceOutcome:
    trace, note = case.trace, "Imported: this app has not run it, and knows no budget, tokens or settings of it."
    if not trace.answer:
        return TraceOutcome(state=TraceState.COMPLETED, note=note)
    scored = score(trace.answer, dict(trace.options), trace.target)
    basis = letter_basis(scored, "")
    return TraceOutcome(
        state=TraceState.COMPLETED,
        note=note,
        answer_letter=scored.letter,
        is_correct=scored.is_correct,
        **basis,  # type: ignore[arg-type]
    )


_TRACE = NewTrace(
    question_id="",
    thinking_budget_tokens=0,
    force_rounds=0,
    temperature=0.0,
    top_p=1.0,
    seed=None,
    answer_cap_tokens=0,
    system_prompt="",
    model="",
    profile=IMPORTED,
    profile_is_guess=False,
    engine_kind=IMPORTED,
    engine_version="",
    engine_name=IMPORTED,
    prompt_text="",
    prompt_token_ids=(),
    owner=f"{socket.gethostname()}:{os.getpid()}",
)
