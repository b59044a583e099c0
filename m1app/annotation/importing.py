"""Imports a file in two passes: the first checks all of it, the second stores it in short transactions.

What is invalid is found before anything is stored. Between the transactions others write, so the app goes on working.
If an import is broken off, what it has stored is a part of the file from its beginning, and to import the file again
completes it. Only one transaction's annotations are in memory, with a few bytes for every earlier one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from threading import Event
from typing import Literal

from m1app.access.audit import record, suppress_unwritten
from m1app.annotation.errors import ImportBrokenOff, ImportRefused
from m1app.annotation.form_values import MAX_CASE_ANNOTATIONS
from m1app.annotation.import_entries import Entry
from m1app.annotation.labels import Taxonomy
from storage.annotations.assessments import AssessmentRepository
from storage.annotations.cases import CaseRepository
from storage.annotations.records import Case
from storage.annotations.repository import AnnotationRepository
from storage.database import Database, Session
from storage.errors import RecordNotFound, StorageError

_BATCH_ENTRIES = 50
_BATCH_BYTES = 4 * 2**20
_PAUSE_SECONDS = 0.1
"""Between two transactions. SQLite tries again every 0.1 s at the latest, so whoever waits gets a turn."""

_Outcome = Literal["added", "unchanged", "missing", "kept"]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Result of an import."""

    added: int
    unchanged: int
    """Already present and identical."""
    missing: int = 0
    """Left out, because their case is not in the database."""
    kept: int = 0
    """Left out, because the database has them with different content."""


@dataclass(frozen=True, slots=True)
class Leniency:
    """What an import leaves out instead of refusing the file."""

    skip_missing: bool
    keep_existing: bool


def import_entries(
    database: Database, taxonomy: Taxonomy, entries: Callable[[], Iterable[Entry]], lenient: Leniency, stop: Event
) -> ImportReport:
    """Import what `entries` yields each time it is called; blocks.

    Args:
        database: where to.
        taxonomy: allowed labels and severities.
        entries: reads the file from its beginning.
        lenient: what to leave out.
        stop: ends the import after the current transaction; the report then says what was done.

    Raises:
        ImportRefused: something in the file cannot be imported; nothing was.
        ImportBrokenOff: a part of it was imported.
    """
    checking = _Pass(database, taxonomy, lenient, is_storing=False)
    try:
        if not checking.run(entries(), stop):
            return ImportReport(0, 0)
    except ImportRefused as exc:
        raise ImportRefused(f"{exc} Nothing was imported.") from exc
    storing = _Pass(database, taxonomy, lenient, is_storing=True)
    is_complete = False
    try:
        is_complete = storing.run(entries(), stop)
    except (ImportRefused, StorageError) as exc:
        if not storing.report.added:
            raise
        raise ImportBrokenOff(storing.report.added, exc) from exc
    finally:
        _record(database, storing.report, is_complete=is_complete)
    return storing.report


def _record(database: Database, report: ImportReport, *, is_complete: bool) -> None:
    with suppress_unwritten("the audit entry of an import"):
        database.write_now(lambda s: record(s, "annotation.import", **asdict(report), is_complete=is_complete))


class _Pass:
    """One pass over a file."""

    def __init__(self, database: Database, taxonomy: Taxonomy, lenient: Leniency, *, is_storing: bool) -> None:
        self._database = database
        self._taxonomy = taxonomy
        self._lenient = lenient
        self._is_storing = is_storing
        self._done: Counter[_Outcome] = Counter()
        self._digests: dict[str, bytes] = {}
        """Of the annotations taken so far, by id."""
        self._in_case: dict[str, int] = {}
        """Number of annotations by case, with those taken so far."""
        self._case: Case | None = None
        self._submitted: tuple[str, str] | None = None
        """Case and annotator of the assessment that was saved last."""

    @property
    def report(self) -> ImportReport:
        """What was done so far."""
        return ImportReport(**{name: self._done[name] for name in ("added", "unchanged", "missing", "kept")})

    def run(self, entries: Iterable[Entry], stop: Event) -> bool:
        """Take all entries; return False if `stop` was set before the end."""
        for number, batch in enumerate(_batches(entries)):
            is_pause_due = self._is_storing and number > 0
            if stop.wait(_PAUSE_SECONDS if is_pause_due else 0):
                return False
            with self._database.session(is_read_only=not self._is_storing) as session:
                done = self._take_all(session, batch)
            self._done += done
        return True

    def _take_all(self, session: Session, batch: list[Entry]) -> "Counter[_Outcome]":
        self._case = self._submitted = None  # They may have changed since the last transaction.
        taken = AnnotationRepository(session).exists([entry.id for entry in batch])
        return Counter([self._take(session, entry, taken) for entry in batch])

    def _take(self, session: Session, entry: Entry, taken: set[str]) -> _Outcome:
        annotations = AnnotationRepository(session)
        if entry.id in self._digests:
            return self._compared(entry, is_same=self._digests[entry.id] == entry.digest)
        if entry.id in taken:
            return self._compared(entry, is_same=entry.is_same_as(annotations.get(entry.id)))
        case = self._case_of(session, entry)
        if case is None:
            return "missing"
        entry.check(case, self._taxonomy)
        self._count(annotations, entry)
        self._digests[entry.id] = entry.digest
        if self._is_storing:
            entry.store(annotations, case, self._taxonomy)
            self._submit(session, case, entry.annotator)
        return "added"

    def _submit(self, session: Session, case: Case, annotator: str) -> None:
        if (case.id, annotator) != self._submitted:
            self._submitted = case.id, annotator
            AssessmentRepository(session).save(case, annotator, is_submitted=True)

    def _compared(self, entry: Entry, *, is_same: bool) -> _Outcome:
        if is_same:
            return "unchanged"
        if self._lenient.keep_existing:
            return "kept"
        raise ImportRefused(
            f"{entry.where}: annotation {entry.id} already exists with different content. To keep the existing one, "
            "remove the line or import with --keep-existing."
        )

    def _case_of(self, session: Session, entry: Entry) -> Case | None:
        """The entry's case; None if it is missing and may be."""
        if self._case is None or self._case.id != entry.case_id:
            try:
                self._case = CaseRepository(session).get(entry.case_id)
            except RecordNotFound as exc:
                if self._lenient.skip_missing:
                    return None
                raise ImportRefused(
                    f"{entry.where}: {exc} To leave such annotations out, import with --skip-missing."
                ) from exc
        return self._case

    def _count(self, annotations: AnnotationRepository, entry: Entry) -> None:
        before = self._in_case.get(entry.case_id)
        count = 1 + (annotations.count(entry.case_id) if before is None else before)
        if count > MAX_CASE_ANNOTATIONS:
            raise ImportRefused(
                f"{entry.where}: case {entry.case_id} would have more than {MAX_CASE_ANNOTATIONS:,} annotations. "
                "Leave some of them out."
            )
        self._in_case[entry.case_id] = count


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += entry.size_bytes
        if len(batch) >= _BATCH_ENTRIES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
