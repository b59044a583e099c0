"""An import checks all of a file before it stores anything, and leaves the database to others in between."""

import io
import json
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from sqlalchemy import text

from m1app.annotation.errors import ImportBrokenOff, ImportRefused
from m1app.annotation.exchange import AnnotationExchange, ExportFormat, ImportFormat
from m1app.annotation.file_reading import read_jsonl
from m1app.annotation.import_entries import Entry, ExportedEntry
from m1app.annotation.importing import ImportReport, Leniency, import_entries
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from storage.annotations.repository import AnnotationRepository
from storage.database import Database
from storage.errors import DatabaseLocked
from storage.people.audit import AuditRepository
from tests.m1app.annotation.cases import THINKING, as_file, note, stored_trace
from tests.m1app.annotation.test_exchange import exported, forget, task

MANY = 4


@pytest.fixture
def exchange(database: Database, monkeypatch: pytest.MonkeyPatch) -> AnnotationExchange:
    monkeypatch.setattr("m1app.annotation.importing._BATCH_ENTRIES", 1)
    monkeypatch.setattr("m1app.annotation.importing._PAUSE_SECONDS", 0)
    return AnnotationExchange(database, load_taxonomy())


@pytest.fixture
async def lines(database: Database, exchange: AnnotationExchange, service: AnnotationService) -> str:
    """An export of as many annotations, which the database has no more."""
    case_id = stored_trace(database)
    for number in range(MANY):
        await service.save(case_id, "Ada", note("bias", comment=str(number)))
    await service.submit(case_id, "Ada")
    text = await exported(exchange, ExportFormat.JSONL)
    forget(database)
    return text


def count(database: Database) -> int:
    return database.row_counts()["annotation"]


def last_import(database: Database) -> dict[str, Any]:
    entries = database.read_now(lambda s: AuditRepository(s).after(0, 100))
    return dict(next(entry.details for entry in reversed(entries) if entry.action == "annotation.import"))


async def test_others_write_while_a_file_is_imported(
    database: Database, exchange: AnnotationExchange, lines: str
) -> None:
    other = Database(f"sqlite:///{database.file}", busy_timeout_seconds=0)
    stored_before_a_line = []

    class Watched(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            stored_before_a_line.append(count(other))
            with other.session() as session:  # Locked, it would fail at once.
                session.execute(text("UPDATE assessment SET seconds_spent = 7"))
            return super().readline(size)

    assert await exchange.restore(Watched(lines.encode()), ImportFormat.JSONL) == ImportReport(MANY, 0)
    reads = MANY + 1  # with the end of the file
    assert stored_before_a_line == [0] * reads + list(range(reads))
    assert last_import(database) == {"added": 4, "unchanged": 0, "missing": 0, "kept": 0, "is_complete": True}


async def test_an_import_that_is_broken_off_is_completed_by_repeating_it(
    database: Database, exchange: AnnotationExchange, lines: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        restore, calls = AnnotationRepository.restore, []

        def locked_at_the_third(self: AnnotationRepository, *given: Any) -> None:
            calls.append(given)
            if len(calls) == 3:
                raise DatabaseLocked("It is in use.")
            restore(self, *given)

        patched.setattr(AnnotationRepository, "restore", locked_at_the_third)
        with pytest.raises(ImportBrokenOff, match=r"after 2 annotations\. It is in use\. Then import"):
            await exchange.restore(as_file(lines), ImportFormat.JSONL)
    assert count(database) == 2
    assert last_import(database)["added"] == 2
    assert last_import(database)["is_complete"] is False
    assert await exchange.restore(as_file(lines), ImportFormat.JSONL) == ImportReport(MANY - 2, 2)
    assert await exported(exchange, ExportFormat.JSONL) == lines


async def test_a_stopped_import_says_what_it_has_stored(
    database: Database, exchange: AnnotationExchange, lines: str
) -> None:
    stop, passes = Event(), []

    def entries() -> Iterator[Entry]:
        passes.append(None)
        for number, line in enumerate(read_jsonl(as_file(lines))):
            if (len(passes), number) == (2, 2):
                stop.set()
            yield ExportedEntry(line)

    report = import_entries(database, load_taxonomy(), entries, Leniency(False, False), stop)
    assert report == ImportReport(2, 0)
    assert (count(database), last_import(database)["is_complete"]) == (2, False)


async def test_an_annotation_twice_in_a_file_counts_once(
    database: Database, exchange: AnnotationExchange, lines: str
) -> None:
    first = lines.split("\n")[0] + "\n"
    other = first.replace('"comment":"0"', '"comment":"other"')
    assert other != first
    with pytest.raises(ImportRefused, match=r"Line 5: annotation .* with different content"):
        await exchange.restore(as_file(lines + other), ImportFormat.JSONL)
    assert count(database) == 0
    assert await exchange.restore(as_file(lines + first), ImportFormat.JSONL) == ImportReport(MANY, 1)


async def test_a_line_that_is_too_long_or_no_text_is_named(
    exchange: AnnotationExchange, lines: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lines.encode().split(b"\n")[0] + b"\n"
    with pytest.raises(ImportRefused, match=r"Line 2 is not UTF-8 text at byte 3"):
        await exchange.restore(io.BytesIO(first + b'{"\xff'), ImportFormat.JSONL)
    monkeypatch.setattr("m1app.annotation.file_reading._MAX_LINE_BYTES", len(first))
    with pytest.raises(ImportRefused, match=r"Line 2 is longer than"):
        await exchange.restore(io.BytesIO(first + b"x" * len(first) + b"\n"), ImportFormat.JSONL)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda done: done.update(completed_by="x" * 80), "annotator: string should have at most 80 characters"),
        (lambda done: done.update(completed_by="\0"), r"annotator: it contains the character U\+0000"),
        (lambda done: done["result"][0]["value"].update(labels=[7]), "labels.0: input should be a valid string"),
        (lambda done: done["result"][0]["value"].update(text=7), "exact: input should be a valid string"),
    ],
)
async def test_a_span_of_another_program_that_cannot_be_stored_is_refused(
    database: Database, exchange: AnnotationExchange, spoil: Any, reason: str
) -> None:
    [given] = json.loads(task(stored_trace(database), 4, 9, THINKING[4:9]))
    spoil(given["annotations"][0])
    with pytest.raises(ImportRefused, match=rf"Task 1 does not match the documented format \({reason}"):
        await exchange.restore(as_file(json.dumps([given])), ImportFormat.LABEL_STUDIO)
