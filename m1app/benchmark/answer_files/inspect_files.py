"""The samples of an Inspect log: an archive (.eval), or one JSON document.

Source: inspect_ai 499e615, `log/_recorders/eval.py`: a zip with `samples/ID_epoch_N.json` for each sample, deflated or
compressed by Zstandard, which Python's zipfile cannot read before 3.14; Arrow can.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.json_document import entries_under
from m1app.question_sets.row_table import PlacedRow, RowTable, check_row_count
from m1app.question_sets.row_values import RowProblem, unexpected
from m1app.question_sets.rows import MAX_DOCUMENT_BYTES

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_SAMPLES = "samples/"
_ZSTANDARD = 93
_LOCAL_HEADER_BYTES = 30
MAX_SAMPLE_BYTES = 64 * 2**20
"""Largest sample: with its messages and events, it is longer than its answer."""


def is_archive(file: BinaryIO) -> bool:
    """Whether an open file is a zip archive."""
    file.seek(0)
    return file.read(4) in _MAGIC


def document_table(file: BinaryIO, file_name: str) -> RowTable | None:
    """The samples of a log in one JSON document; None if the document is something else, or no JSON.

    Raises:
        InvalidQuestionSet: it is a log without samples, or too large.
    """
    if (size := file.seek(0, io.SEEK_END)) > MAX_DOCUMENT_BYTES:
        raise InvalidQuestionSet(
            f"{file_name}: found a JSON document of {size / 2**20:,.0f} MB, expected at most "
            f"{MAX_DOCUMENT_BYTES // 2**20} MB. Convert the log to .eval (`inspect log convert --to eval`)."
        )
    file.seek(0)
    try:
        text = file.read().decode("utf-8-sig")
        names, table = entries_under(text, "samples", file_name)
    except (RecursionError, ValueError):
        return None
    if table is None and {"eval", "status"} <= names:
        raise InvalidQuestionSet(f"{file_name}: found an Inspect log without samples. Name a log that has them.")
    if table is None and {"results", "configs"} <= names:
        raise InvalidQuestionSet(
            f"{file_name}: found the results of lm-evaluation-harness without samples. Run it with --log_samples, and "
            "name the file samples_*.jsonl."
        )
    return table


def archive_table(file: BinaryIO, file_name: str) -> RowTable:
    """The samples of an .eval archive.

    Raises:
        InvalidQuestionSet: it is no such archive.
    """
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as exc:
        raise InvalidQuestionSet(f"{file_name}: this is not an Inspect log ({exc}). Copy the file again.") from exc
    entries = [each for each in archive.infolist() if _is_sample(each.filename)]
    check_row_count(len(entries), file_name)
    if not entries:
        raise InvalidQuestionSet(
            f"{file_name}: found an archive without samples, expected samples/*.json as Inspect logs have them. "
            "Was the evaluation run with --no-log-samples?"
        )
    return RowTable("", lambda: _rows(file, archive, entries))


def _is_sample(name: str) -> bool:
    return name.startswith(_SAMPLES) and name.endswith(".json")


def _rows(file: BinaryIO, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> Iterator[PlacedRow]:
    for entry in entries:
        yield PlacedRow(entry.filename[:120], _sample(file, archive, entry))


def _sample(file: BinaryIO, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> object:
    try:
        content = _content(file, archive, entry)
        if len(content) > MAX_SAMPLE_BYTES:
            return RowProblem(f"found a sample of more than {MAX_SAMPLE_BYTES // 2**20} MB, expected a smaller one")
        return json.loads(content)
    except (OSError, EOFError, RuntimeError, RecursionError, ValueError, zipfile.BadZipFile, zlib.error) as exc:
        return unexpected("", entry.filename, f"a sample as JSON ({str(exc)[:100]})")


def _content(file: BinaryIO, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """One byte more than the largest sample, at most: an archive can hold far more than its own size."""
    if entry.compress_type != _ZSTANDARD:
        with archive.open(entry) as opened:
            return opened.read(MAX_SAMPLE_BYTES + 1)
    import pyarrow as pa

    with pa.CompressedInputStream(pa.BufferReader(_raw(file, entry)), "zstd") as stream:
        return bytes(stream.read(MAX_SAMPLE_BYTES + 1))


def _raw(file: BinaryIO, entry: zipfile.ZipInfo) -> bytes:
    """The compressed bytes of an entry."""
    if entry.compress_size > MAX_SAMPLE_BYTES:
        raise ValueError("it is too large")
    file.seek(entry.header_offset)
    header = file.read(_LOCAL_HEADER_BYTES)
    name_bytes, extra_bytes = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    file.seek(name_bytes + extra_bytes, io.SEEK_CUR)
    return file.read(entry.compress_size)
