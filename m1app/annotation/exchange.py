"""Exports all annotations, page by page, and imports files."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from threading import Event
from typing import IO, TypeVar

from m1app.access.audit import record
from m1app.access.person import Permission, current_person, needs
from m1app.annotation.case_import import CasesPreview, CasesReport, Reader, import_cases, preview_cases
from m1app.annotation.cases import readable_by
from m1app.annotation.file_formats import ExportedAnnotation, corrected_example, csv_lines, jsonl_lines
from m1app.annotation.file_reading import read_csv, read_jsonl
from m1app.annotation.foreign_cases import FieldNames, ForeignCase, Refused, read_records, read_tasks, read_traces
from m1app.annotation.foreign_spans import read_argilla, read_label_studio
from m1app.annotation.import_entries import Entry, ExportedEntry, SpanEntry
from m1app.annotation.importing import ImportReport, Leniency, import_entries
from m1app.annotation.labels import Taxonomy
from m1app.annotation.salvage import UNREADABLE, Lost, salvage
from storage.annotations.cases import CaseRepository
from storage.annotations.records import Annotation
from storage.annotations.repository import AnnotationRepository
from storage.database import Database
from storage.errors import DatabaseCorrupt

_Result = TypeVar("_Result")
_PAGE_ANNOTATIONS = 100
_PAGE_CASES = 20


class ExportFormat(StrEnum):
    """Kind of export."""

    JSONL = "jsonl"
    """W3C annotations with their history; can be imported."""
    CSV = "csv"
    CORRECTED = "corrected"
    """Corrected examples for fine-tuning."""


class ImportFormat(StrEnum):
    """Kind of file to import."""

    JSONL = "jsonl"
    CSV = "csv"
    LABEL_STUDIO = "label-studio"
    ARGILLA = "argilla"


class CasesFormat(StrEnum):
    """Kind of file with traces from elsewhere."""

    TRACES = "traces"
    """Lines of JSON with question, options, target, thinking, answer and model."""
    LABEL_STUDIO = "label-studio"
    ARGILLA = "argilla"


_CASE_READERS = {
    CasesFormat.TRACES: read_traces,
    CasesFormat.LABEL_STUDIO: read_tasks,
    CasesFormat.ARGILLA: read_records,
}


def _reader(file: IO[bytes], given: CasesFormat, names: FieldNames) -> Reader:
    def read(refused: Refused) -> Iterator[ForeignCase]:
        file.seek(0)
        return _CASE_READERS[given](file, names, refused)

    return read


async def _in_thread(work: Callable[[Event], _Result]) -> _Result:
    """Run `work` in a thread; if this is cancelled, the event tells the work to end, and it is waited for."""
    stop = Event()
    working = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([working])
        raise


class AnnotationExchange:
    """Annotations of the database as files. Every method raises `storage.errors.StorageError`."""

    def __init__(self, database: Database, taxonomy: Taxonomy) -> None:
        self._database = database
        self._taxonomy = taxonomy

    @needs(Permission.READ)
    async def export(self, wanted: ExportFormat, lost: Lost | None = None) -> AsyncIterator[str]:
        """Yield all annotations except drafts, which are private, as parts of one text.

        Whoever may not review gets only what the double blind lets them see: their own annotations, and those on cases
        that they have submitted.

        Each part is read in its own transaction: an export of any size neither fills the memory nor keeps the database
        from cleaning up. An annotation changed meanwhile is exported as it is when its part is read.

        Args:
            wanted: kind of export.
            lost: notes what cannot be read of a damaged database while the export goes on; None ends it there.
                Corrected examples always end there. Needs the permission to review.
        """
        with suppress(DatabaseCorrupt):  # What can be read of a damaged database is worth an export.
            await self._database.write(lambda s: record(s, "annotation.export", format=wanted.value))
        seen_by = readable_by(current_person())
        pages = (
            self._corrected(seen_by) if wanted is ExportFormat.CORRECTED else self._annotations(wanted, seen_by, lost)
        )
        while (part := await asyncio.to_thread(next, pages, None)) is not None:
            yield part

    @needs(Permission.READ)
    async def export_file(self, wanted: ExportFormat, path: Path, lost: Lost | None = None) -> bool:
        """Export to a file, which keeps what it holds until the export is complete; `lost` is as in `export`.

        Returns:
            Whether there was anything to export.

        Raises:
            OSError: the file cannot be written.
        """
        is_plain = not await asyncio.to_thread(_is_special, path)
        target = path.with_name(f"{path.name}.part") if is_plain else path
        size = 0
        try:
            file = await asyncio.to_thread(target.open, "wb")
        except OSError as exc:
            raise OSError(exc.errno, exc.strerror, str(path)) from exc
        try:
            async for part in self.export(wanted, lost):
                size += await asyncio.to_thread(file.write, part.encode())
        except BaseException:
            await asyncio.shield(asyncio.to_thread(_drop, file, target if is_plain else None))
            raise
        await asyncio.to_thread(file.close)
        if is_plain:
            await asyncio.to_thread(target.replace, path)
        return size > 0

    @needs(Permission.REVIEW)
    async def restore(
        self, file: IO[bytes], given: ImportFormat, *, skip_missing: bool = False, keep_existing: bool = False
    ) -> ImportReport:
        """Import a file; nothing if anything in it is invalid. If it is broken off, import it again to go on.

        Args:
            file: a file that can be read twice.
            given: kind of file.
            skip_missing: leave out annotations of cases that are not in the database.
            keep_existing: leave out annotations that the database has with different content; spans of other programs
                are always compared by their id only.

        Raises:
            ImportRefused: something in it cannot be imported; the message names the line, task or record.
            ImportBrokenOff: the database has taken only a part of it.
            OSError: the file cannot be read.
        """
        lenient = Leniency(skip_missing, keep_existing)
        return await _in_thread(lambda stop: self._import(file, given, lenient, stop))

    @needs(Permission.REVIEW)
    async def import_cases(self, file: IO[bytes], given: CasesFormat, names: FieldNames) -> CasesReport:
        """Store the traces of a file as cases, with their spans as annotations; nothing if anything is invalid.

        Args:
            file: a file that can be read several times.
            given: kind of file.
            names: which of its fields hold what.

        Raises:
            ImportRefused: something in it cannot be imported; the message names the line, task or record.
            ImportBrokenOff: the database has taken only a part of the spans.
            OSError: the file cannot be read.
        """

        read = _reader(file, given, names)
        return await _in_thread(lambda stop: import_cases(self._database, self._taxonomy, read, stop))

    @needs(Permission.REVIEW)
    async def preview_cases(self, file: IO[bytes], given: CasesFormat, names: FieldNames) -> CasesPreview:
        """What `import_cases` would store, and everything that it would refuse; nothing is stored.

        Raises:
            OSError: the file cannot be read.
        """
        read = _reader(file, given, names)
        return await _in_thread(lambda stop: preview_cases(self._database, self._taxonomy, read, stop))

    def _annotations(self, wanted: ExportFormat, seen_by: str | None, lost: Lost | None) -> Iterator[str]:
        done: set[str] = set()
        has_header = True
        try:
            for page in self._pages(seen_by):
                yield _text(wanted, page, has_header=has_header)
                has_header = False
                if lost is not None:
                    done.update(each.annotation.id for each in page)
        except UNREADABLE:
            if lost is None or seen_by is not None:
                raise
            for each in salvage(self._database, done, lost):
                yield _text(wanted, [each], has_header=has_header)
                has_header = False

    def _pages(self, seen_by: str | None) -> Iterator[Sequence[ExportedAnnotation]]:
        last: Annotation | None = None
        while True:
            with self._database.session(is_read_only=True) as session:
                repository = AnnotationRepository(session)
                page = repository.submitted_after(last, _PAGE_ANNOTATIONS, seen_by)
                histories = repository.histories([each.id for each in page])
            yield [ExportedAnnotation(each, histories.get(each.id, ())) for each in page]
            if len(page) < _PAGE_ANNOTATIONS:
                return
            last = page[-1]

    def _corrected(self, seen_by: str | None) -> Iterator[str]:
        last = ""
        while True:
            with self._database.session(is_read_only=True) as session:
                annotations, cases = AnnotationRepository(session), CaseRepository(session)
                found = annotations.corrected_cases_after(last, _PAGE_CASES, seen_by)
                lines = [corrected_example(cases.get(case), annotations.corrections(case, seen_by)) for case in found]
            yield "".join(lines)
            if len(found) < _PAGE_CASES:
                return
            last = found[-1]

    def _import(self, file: IO[bytes], given: ImportFormat, lenient: Leniency, stop: Event) -> ImportReport:
        def entries() -> Iterator[Entry]:
            file.seek(0)
            if given in (ImportFormat.JSONL, ImportFormat.CSV):
                yield from map(ExportedEntry, (read_jsonl if given is ImportFormat.JSONL else read_csv)(file))
            else:
                spans = (read_label_studio if given is ImportFormat.LABEL_STUDIO else read_argilla)(file)
                yield from map(SpanEntry, spans)

        return import_entries(self._database, self._taxonomy, entries, lenient, stop)


def _text(wanted: ExportFormat, page: Sequence[ExportedAnnotation], *, has_header: bool) -> str:
    if wanted is ExportFormat.CSV:
        return csv_lines([each.annotation for each in page], has_header=has_header)
    return "".join(jsonl_lines(page))


def _is_special(path: Path) -> bool:
    """Whether it is a pipe or a device, which cannot be replaced."""
    return path.exists() and not path.is_file()


def _drop(file: IO[bytes], path: Path | None) -> None:
    file.close()
    if path is not None:
        path.unlink(missing_ok=True)
