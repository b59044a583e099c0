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
from itertools import islice
from threading import Event

from pydantic import ValidationError

from m1app.access.audit import record, suppress_unwritten
from m1app.annotation.errors import ImportRefused
from m1app.annotation.file_reading import reason_of
from m1app.annotation.foreign_cases import MAX_CASES, ForeignCase, RawSpan, Refused
from m1app.annotation.foreign_spans import ForeignSpan, place
from m1app.annotation.import_entries import Entry, SpanEntry
from m1app.annotation.importing import Leniency, import_entries
from m1app.annotation.labels import Taxonomy
from m1app.question.answers.scoring import letter_basis, score
from m1app.wording import counted
from storage.annotations.records import Case, Part
from storage.database import Database, Session
from storage.questions.records import NewQuestion, Question, content_hash
from storage.questions.repository import QuestionRepository
from storage.traces.records import NewTrace, Segment, SegmentKind, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository

IMPORTED = "imported"
"""Profile and engine of a trace that this app has not run."""
_BATCH_CASES = 20
_SHOWN_PROBLEMS = 20
_SHOWN_CASES = 3


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


@dataclass(frozen=True, slots=True)
class CasesPreview:
    """What an import of cases would store."""

    traces: int
    present: int
    """How many of them are stored already."""
    spans: int
    labels: Mapping[str, int]
    """Labels of the taxonomy by name, with the number of spans that have them."""
    unknown_labels: Mapping[str, int]
    spans_left_out: int
    """Spans that have no known label."""
    first: tuple[ForeignCase, ...]
    problems: tuple[str, ...]
    """The first ones, each naming its place; with any, nothing can be imported."""
    problem_count: int


def _raise(refused: ImportRefused) -> None:
    raise refused


class _Problems:
    """What is wrong with a file: the first messages, and how many there are."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.count = 0

    def add(self, refused: ImportRefused) -> None:
        self.count += 1
        if len(self.shown) < _SHOWN_PROBLEMS:
            self.shown.append(str(refused))

    def raise_any(self) -> None:
        """Raise ImportRefused with one problem on each line, unless there is none."""
        if not self.count:
            return
        more = self.count - len(self.shown)
        lines = [*self.shown, *([f"and {counted(more, 'more problem')}"] if more else [])]
        raise ImportRefused("\n".join(lines) + (" " if self.count == 1 else "\n") + "Nothing was imported.")


Reader = Callable[[Refused], Iterable[ForeignCase]]
"""Reads the traces of a file from its beginning; passes on what is wrong with one of them."""


def preview_cases(database: Database, taxonomy: Taxonomy, read: Reader, stop: Event) -> CasesPreview:
    """Read all of a file, and store nothing; blocks. Only the traces of one transaction are in memory."""
    known, problems, tally, first = _Labels(taxonomy), _Problems(), _Tally(), list[ForeignCase]()

    def usable() -> Iterator[ForeignCase]:
        for case in _checked(read, problems):
            tally.add(case, known)
            if len(first) < _SHOWN_CASES:
                first.append(case)
            yield case

    traces = present = 0
    try:
        for batch in _batches(usable()):
            with database.session(is_read_only=True) as session:
                present += sum(TraceRepository(session).exists(case.id) for case in batch)
            traces += len(batch)
            if stop.is_set():
                break
    except ImportRefused as exc:
        problems.add(exc)
    return CasesPreview(
        traces=traces,
        present=present,
        spans=tally.spans,
        labels=dict(tally.known.most_common()),
        unknown_labels=dict(tally.unknown.most_common()),
        spans_left_out=tally.left_out,
        first=tuple(first),
        problems=tuple(problems.shown),
        problem_count=problems.count,
    )


def _checked(read: Reader, problems: _Problems) -> Iterator[ForeignCase]:
    """The traces that can be imported.

    Raises:
        ImportRefused: the file cannot be read on.
    """
    number = 0
    for number, case in enumerate(read(problems.add), start=1):
        if number > MAX_CASES:
            raise ImportRefused(f"The file has more than {MAX_CASES:,} traces. Split it.")
        try:
            _check_spans(case)
        except ImportRefused as exc:
            problems.add(exc)
        else:
            yield case


def import_cases(database: Database, taxonomy: Taxonomy, read: Reader, stop: Event) -> CasesReport:
    """Import what `read` yields each time it is called; blocks.

    Raises:
        ImportRefused: something cannot be imported, one problem on each line; nothing was.
        ImportBrokenOff: only a part of the spans was stored.
    """
    known, problems, tally = _Labels(taxonomy), _Problems(), _Tally()
    try:
        for case in _checked(read, problems):
            tally.add(case, known)
    except ImportRefused as exc:
        problems.add(exc)
    problems.raise_any()

    def cases() -> Iterable[ForeignCase]:
        return read(_raise)

    stored, present = _store_all(database, cases(), stop)
    with suppress_unwritten("the audit entry of an import of cases"):
        database.write_now(lambda s: record(s, "case.import", added=stored, unchanged=present))

    def entries() -> Iterator[Entry]:
        for case in cases():
            yield from map(SpanEntry, known.spans(case))

    report = import_entries(database, taxonomy, entries, Leniency(skip_missing=False, keep_existing=False), stop)
    unknown = dict(tally.unknown.most_common())
    return CasesReport(stored, present, report.added, report.unchanged, unknown, tally.left_out)


class _Tally:
    """The spans of a file, and their labels."""

    def __init__(self) -> None:
        self.spans = self.left_out = 0
        self.known: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()

    def add(self, case: ForeignCase, labels: "_Labels") -> None:
        for span in case.spans:
            names = [labels.name(each) for each in span.labels]
            self.spans += 1
            self.known.update({name for name in names if name})
            self.unknown.update(each[:80] for each, name in zip(span.labels, names, strict=True) if not name)
            self.left_out += not any(names)


class _Labels:
    """Finds the labels of a file in the taxonomy, by id or name, whatever their case and punctuation."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._names = {label.id: label.name for label in taxonomy.offered}
        self._ids = {_plain(each): label.id for label in taxonomy.offered for each in (label.name, label.id)}

    def spans(self, case: ForeignCase) -> Iterator[ForeignSpan]:
        """The spans of a case that have a known label."""
        for span in case.spans:
            labels = tuple(dict.fromkeys(self._ids[_plain(each)] for each in span.labels if _plain(each) in self._ids))
            if labels:
                yield _foreign(case, span, labels)

    def name(self, label: str) -> str:
        """The taxonomy's name of a file's label; empty if it has none."""
        found = self._ids.get(_plain(label))
        return self._names[found] if found else ""


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
    for batch in _batches(cases):
        with database.session() as session:
            new = sum(_store(session, case) for case in batch)
        stored, present = stored + new, present + len(batch) - new
        if stop.is_set():
            break
    return stored, present


def _batches(cases: Iterable[ForeignCase]) -> Iterator[list[ForeignCase]]:
    """The traces of one transaction each."""
    rest = iter(cases)
    while batch := list(islice(rest, _BATCH_CASES)):
        yield batch


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
    trace, note = case.trace, "Imported from another tool: its budget, tokens and settings are not known."
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
