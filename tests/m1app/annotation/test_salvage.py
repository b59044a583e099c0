"""What a damaged database still has of the annotations is exported, and imported into an older one."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from m1app.annotation.exchange import AnnotationExchange, ExportFormat, ImportFormat
from m1app.annotation.file_reading import read_jsonl
from m1app.annotation.importing import ImportReport
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.salvage import Lost, salvage
from m1app.annotation.service import AnnotationService
from storage.database import Database
from storage.errors import DatabaseCorrupt, DatabaseLocked
from tests.m1app.annotation.cases import as_file, note, stored_trace
from tests.m1app.annotation.test_service import submitted

MANY = 150


def overwrite_a_page(database: Database, table: str) -> None:
    """Overwrite a page in the middle of the table's rows with noise."""
    file = Path(str(database._engine.url.database))
    database.dispose()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno"
        pages = [row[0] for row in connection.execute(query, (table,))]
    with file.open("r+b") as opened:
        opened.seek((pages[len(pages) // 2] - 1) * size)
        opened.write(bytes(range(1, 256)) * (size // 255) + b"\x9e" * (size % 255))


async def test_an_export_goes_on_past_a_page_that_cannot_be_read(
    database: Database, service: AnnotationService, tmp_path: Path
) -> None:
    exchange = AnnotationExchange(database, load_taxonomy())
    case_id = stored_trace(database)
    for number in range(MANY):
        await service.save(case_id, "Ada", note("bias", comment=f"{number} " + "x" * 200))
    await service.submit(case_id, "Ada")
    overwrite_a_page(database, "annotation")
    with pytest.raises(DatabaseCorrupt):
        await exchange.export_file(ExportFormat.JSONL, tmp_path / "strict.jsonl")
    lost = Lost()
    assert await exchange.export_file(ExportFormat.JSONL, tmp_path / "saved.jsonl", lost)
    with (tmp_path / "saved.jsonl").open("rb") as file:
        saved = [line.exported.annotation.id for line in read_jsonl(file)]
    assert 0 < lost.annotations < MANY / 2
    assert len(set(saved)) == len(saved) == MANY - lost.annotations


async def test_an_import_into_an_older_database_leaves_out_what_it_cannot_take(
    database: Database, service: AnnotationService
) -> None:
    exchange = AnnotationExchange(database, load_taxonomy())
    await submitted(service, stored_trace(database), "Ada")
    line = "".join([part async for part in exchange.export(ExportFormat.JSONL)])
    id_, case = line.split('"id":"urn:m1app:annotation:')[1][:32], line.split("urn:m1app:case:")[1][:32]
    unknown = line.replace(id_, "f" * 32).replace(case, "e" * 32)
    edited = line.replace('"severity":"mild"', '"severity":"severe"')
    assert edited != line
    report = await exchange.restore(
        as_file(unknown + edited), ImportFormat.JSONL, skip_missing=True, keep_existing=True
    )
    assert report == ImportReport(added=0, unchanged=0, missing=1, kept=1)


async def two_submitted(database: Database, service: AnnotationService) -> list[str]:
    case_id = stored_trace(database)
    for comment in ("first", "second"):
        await service.save(case_id, "Ada", note("bias", comment=comment))
    await service.submit(case_id, "Ada")
    return [each.id for each in (await service.open(case_id, "Ada")).own]


def execute(database: Database, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(str(database.file))) as connection, connection:
        connection.execute(statement, values)


@pytest.mark.parametrize(
    "spoiled",
    [
        "comment = CAST(x'ff41' AS TEXT)",
        "state = 'subm?tted'",
        "labels = '[\"bi'",
        'evidence = \'[["d?i", "10.1/x"]]\'',
        "created_at = '20?6'",
    ],
)
async def test_an_export_goes_on_past_a_value_that_cannot_be_read(
    database: Database, service: AnnotationService, spoiled: str
) -> None:
    ids = await two_submitted(database, service)
    execute(database, f"UPDATE annotation SET {spoiled} WHERE id = ?", ids[0])
    lost, exchange = Lost(), AnnotationExchange(database, load_taxonomy())
    text = "".join([part async for part in exchange.export(ExportFormat.JSONL, lost)])
    assert (lost.annotations, lost.histories, lost.has_unknown) == (1, 0, False)
    assert ids[1] in text
    assert ids[0] not in text


async def test_a_history_that_cannot_be_read_leaves_the_annotation(
    database: Database, service: AnnotationService
) -> None:
    ids = await two_submitted(database, service)
    execute(database, "UPDATE annotation_revision SET action = '?' WHERE annotation_id = ?", ids[0])
    lost, exchange = Lost(), AnnotationExchange(database, load_taxonomy())
    text = "".join([part async for part in exchange.export(ExportFormat.JSONL, lost)])
    assert (lost.annotations, lost.histories) == (0, 1)
    assert ids[0] in text


async def test_a_locked_database_is_an_error_and_not_damage(database: Database, service: AnnotationService) -> None:
    await two_submitted(database, service)
    lost = Lost()
    impatient = Database(f"sqlite:///{database.file}", busy_timeout_seconds=0)
    database.dispose()
    with closing(sqlite3.connect(str(database.file))) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("DELETE FROM assessment")
        with pytest.raises(DatabaseLocked):
            list(salvage(impatient, (), lost))
    assert not lost
