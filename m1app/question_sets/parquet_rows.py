"""A Parquet file as a table of rows.

A few bytes of Parquet can stand for gigabytes: a page may repeat one value any number of times. What the file says
about itself is checked first, then it is read in small batches; the memory limit of `reading_process` is what holds if
the file lies.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.row_table import MAX_ROW_CHARACTERS, PlacedRow, RowTable, check_row_count, too_long

if TYPE_CHECKING:
    from pyarrow import parquet

MAGIC = b"PAR1"
MAX_COLUMNS = 2_000
MAX_UNPACKED_BYTES = 2 * 2**30
"""Largest size without compression, as the file states it and as it turns out."""
_BATCH_ROWS = 64
_BUFFER_BYTES = 1 << 20


def parquet_table(file: BinaryIO, file_name: str) -> RowTable:
    """Check the file's description of itself; its rows are read later.

    Raises:
        InvalidQuestionSet: it is no Parquet file, or is too large.
    """
    with _explained(file_name):
        about = _opened(file).metadata
        unpacked = sum(about.row_group(index).total_byte_size for index in range(about.num_row_groups))
    check_row_count(about.num_rows, file_name)
    if about.num_columns > MAX_COLUMNS:
        raise InvalidQuestionSet(
            f"{file_name}: found {about.num_columns:,} columns, expected at most {MAX_COLUMNS:,}. "
            "Export only those of the questions."
        )
    _check_unpacked(unpacked, file_name)
    return RowTable("", lambda: _rows(file, file_name))


def _check_unpacked(count: int, file_name: str) -> None:
    if count > MAX_UNPACKED_BYTES:
        raise InvalidQuestionSet(
            f"{file_name}: found more than {MAX_UNPACKED_BYTES // 2**30} GB of data after decompression, which is the "
            "limit. Export fewer columns, or split it into several files."
        )


def _opened(file: BinaryIO) -> "parquet.ParquetFile":
    # Imported late: it takes a quarter of a second, and most files do not need it.
    from pyarrow import parquet

    file.seek(0)
    return parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)


def _rows(file: BinaryIO, file_name: str) -> Iterator[PlacedRow]:
    number = unpacked = 0
    with _explained(file_name):
        for batch in _opened(file).iter_batches(_BATCH_ROWS, use_threads=False):
            # Not the batch's own size: one value can stand for many rows in it too.
            for row in batch.to_pylist():
                number += 1
                length = _length(row)
                unpacked += length
                _check_unpacked(unpacked, file_name)
                if length > MAX_ROW_CHARACTERS:
                    raise too_long(file_name, f"row {number:,}")
                yield PlacedRow(f"row {number:,}", row)


def _length(value: object) -> int:
    """Characters of a value and all that is in it; a number counts as eight."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_length, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_length, value))
    return 8


@contextmanager
def _explained(file_name: str) -> Iterator[None]:
    """Raise InvalidQuestionSet for what pyarrow raises; MemoryError passes."""
    import pyarrow

    try:
        yield
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError, OverflowError, RecursionError, UnicodeDecodeError) as exc:
        reason = str(exc).splitlines()[0][:200] if str(exc) else type(exc).__name__
        raise InvalidQuestionSet(
            f"{file_name}: this Parquet file cannot be read ({reason}). Download or export it again."
        ) from exc
