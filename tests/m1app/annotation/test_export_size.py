"""An export of many annotations is read in parts: none is large, and no transaction is open between two of them."""

import asyncio
import json
import tracemalloc
from pathlib import Path

import pytest
from sqlalchemy import text

from m1app.annotation.exchange import AnnotationExchange, ExportFormat
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from storage.database import Database
from tests.m1app.annotation.cases import stored_trace
from tests.m1app.annotation.test_service import mark

ANNOTATIONS, CASES = 4_000, 800
PART_BYTES, HELD_BYTES = 400_000, 8_000_000
"""All of them together have 12 MB as JSON lines."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """One annotation, and copies of it on many cases."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('many')}/m1.db")
    database.migrate()
    asyncio.run(annotate(database))
    copy(database, "annotation", {"id": "printf('%032x', n)", "case_id": f"printf('%032x', n % {CASES})"})
    copy(database, "annotation_revision", {"annotation_id": "printf('%032x', n)"})
    return database


async def annotate(database: Database) -> None:
    service, case_id = AnnotationService(database, load_taxonomy()), stored_trace(database)
    await mark(service, case_id, "Ada", comment="=1+1")
    await service.submit(case_id, "Ada")


def copy(database: Database, table: str, changed: dict[str, str]) -> None:
    with database.session() as session:
        columns = [row[1] for row in session.execute(text(f"PRAGMA table_info({table})"))]
        values = ", ".join(changed.get(name, f'"{name}"') for name in columns)
        numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ANNOTATIONS})"
        session.execute(text(f"INSERT INTO {table} {numbers} SELECT {values} FROM numbers, {table}"))


@pytest.mark.parametrize("wanted", [ExportFormat.JSONL, ExportFormat.CSV])
async def test_parts_are_small_and_no_transaction_stays_open(database: Database, wanted: ExportFormat) -> None:
    exchange = AnnotationExchange(database, load_taxonomy())
    lines, largest = 0, 0
    tracemalloc.start()
    async for part in exchange.export(wanted):
        assert database._engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        lines += part.count("\n")
        largest = max(largest, len(part))
    _, held = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The text of the case has a line break, which stays one inside a cell of the table.
    assert lines == (ANNOTATIONS + 1 if wanted is ExportFormat.JSONL else 2 * (ANNOTATIONS + 1) + 1)
    assert largest < PART_BYTES
    assert held < HELD_BYTES


async def test_every_annotation_is_exported_once_with_its_history_by_case(database: Database) -> None:
    exchange = AnnotationExchange(database, load_taxonomy())
    seen, cases = set(), []
    async for part in exchange.export(ExportFormat.JSONL):
        for line in map(json.loads, part.splitlines()):
            assert line["id"] not in seen
            seen.add(line["id"])
            cases.append(line["target"]["source"])
            assert [each["action"] for each in line["m1:history"]] == ["created", "submitted"]
    assert len(seen) == ANNOTATIONS + 1
    assert cases == sorted(cases)


async def test_a_file_keeps_its_content_until_the_export_is_complete(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, path = AnnotationExchange(database, load_taxonomy()), tmp_path / "marks.jsonl"
    path.write_text("before")
    session, opened = database.session, 0

    def fail_later(**options: bool) -> object:
        nonlocal opened
        opened += 1
        if opened == 3:
            raise OSError("the disk went away")
        return session(**options)

    monkeypatch.setattr(database, "session", fail_later)
    with pytest.raises(OSError, match="went away"):
        await exchange.export_file(ExportFormat.JSONL, path)
    assert (path.read_text(), [each.name for each in tmp_path.iterdir()]) == ("before", ["marks.jsonl"])
    assert await exchange.export_file(ExportFormat.JSONL, path)
    assert path.read_text().count("\n") == ANNOTATIONS + 1
