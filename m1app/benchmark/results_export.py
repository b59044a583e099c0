"""Results as CSV and Parquet, encoded page by page: those of a run, and scored answers of a file.

A reader of a broken-off Parquet file notices: its table of contents comes last. A broken-off CSV file looks complete,
so whoever passes it on must show the end of the transfer.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from m1app.spreadsheet import harmless

COLUMNS = {
    "run_id": "string",
    "run": "string",
    "question_set": "string",
    "model": "string",
    "position": "int64",
    "question_id": "string",
    "question": "string",
    "options": "string",
    "tags": "string",
    "target": "string",
    "pass_number": "int64",
    "budget_tokens": "int64",
    "force_rounds": "int64",
    "answer": "string",
    "letter_strict": "string",
    "is_correct_strict": "bool",
    "letter_rule": "string",
    "letter_words": "string",
    "strict_version": "int64",
    "earlier_letter": "string",
    "earlier_is_correct": "bool",
    "earlier_strict_version": "int64",
    "letter_m1": "string",
    "is_correct_m1": "bool",
    "thinking_tokens": "int64",
    "tokens_if_separate": "int64",
    "item_state": "string",
    "error": "string",
    "sweep_id": "string",
    "checkpoint_id": "string",
    "is_imported": "bool",
    "file_thinking": "string",
    "file_is_correct": "bool",
    "file_letter": "string",
    "file_rule": "string",
    "hamming_score": "float64",
}
"""The columns of a run's export with their Arrow types."""

STRATEGY_COLUMNS = {
    "run_id": "string",
    "run": "string",
    "question_set": "string",
    "model": "string",
    "position": "int64",
    "question_id": "string",
    "question": "string",
    "target": "string",
    "strategy": "string",
    "source": "string",
    "letter": "string",
    "is_correct": "bool",
    "generated": "int64",
    "shared": "int64",
    "injected": "int64",
    "prompt_new": "int64",
    "prompt_cached": "int64",
    "wasted": "int64",
    "seconds": "float64",
    "error": "string",
}
"""The columns of the export of a run's strategies with their Arrow types."""

Rows = Sequence[Mapping[str, Any]]
Columns = Mapping[str, str]
"""Names of columns and their Arrow types."""


async def csv_parts(pages: AsyncIterator[Rows], columns: Columns = COLUMNS) -> AsyncIterator[bytes]:
    """CSV with a byte order mark, without which spreadsheets assume the local 8-bit encoding."""
    head = "\ufeff".encode() + _csv([{name: name for name in columns}], columns)
    async for rows in pages:
        yield head + await asyncio.to_thread(_csv, rows, columns)
        head = b""
    yield head


async def parquet_parts(pages: AsyncIterator[Rows], columns: Columns = COLUMNS) -> AsyncIterator[bytes]:
    """Parquet with a row group for each page."""
    file = await asyncio.to_thread(_ParquetFile, columns)
    async for rows in pages:
        yield await asyncio.to_thread(file.write, rows)
    yield await asyncio.to_thread(file.close)


def _csv(rows: Rows, columns: Columns) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([harmless(row[name]) for name in columns] for row in rows)
    return out.getvalue().encode()


class _ParquetFile:
    """A Parquet file whose bytes are taken as they are made. Made in a thread: the library takes long to import."""

    def __init__(self, columns: Columns) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._arrow = pa
        self._made = _Taken()
        self._schema: pa.Schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns.items()])
        self._writer = pq.ParquetWriter(pa.PythonFile(self._made, mode="w"), self._schema)

    def write(self, rows: Rows) -> bytes:
        """Add a row group; return the bytes made since the last call."""
        if rows:
            self._writer.write_table(self._arrow.Table.from_pylist(list(rows), self._schema))
        return self._made.take()

    def close(self) -> bytes:
        """Write the table of contents; return the last bytes."""
        self._writer.close()
        return self._made.take()


class _Taken(io.RawIOBase):
    """A file whose content is handed on instead of kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Bytes written so far."""
        return self._size

    def write(self, part: Any) -> int:
        """Keep a part until it is taken."""
        self._parts.append(bytes(part))
        self._size += len(self._parts[-1])
        return len(self._parts[-1])

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken, self._parts = b"".join(self._parts), []
        return taken
