"""The samples of an Inspect log, and what it says of them all: an archive (.eval), or one JSON document.

Source: inspect_ai 499e615, `log/_recorders/eval.py`: a zip with `samples/ID_epoch_N.json` for each sample, deflated or
compressed by Zstandard, which Python's zipfile cannot read before 3.14; Arrow can. `header.json`, or before the end of
an evaluation `_journal/start.json`, has the fields of `EvalLog` (`log/_log.py`) without the samples.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from m1app.benchmark.answer_files.given_answer import SHORT_CHARACTERS, FileFacts
from m1app.benchmark.answer_files.own_verdicts import whole_number
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.json_document import entries_under, value_at
from m1app.question_sets.row_table import PlacedRow, RowTable, check_row_count
from m1app.question_sets.row_values import RowProblem, unexpected
from m1app.question_sets.rows import MAX_DOCUMENT_BYTES

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_SAMPLES = "samples/"
_ZSTANDARD = 93
_LOCAL_HEADER_BYTES = 30
_HEADERS = ("header.json", "_journal/start.json")
_HEADER_MEMBERS = ("version", "status", "eval", "plan")
_MAX_VERSION = 2
_SETTINGS = ("temperature", "top_p", "max_tokens", "seed", "reasoning_effort", "reasoning_tokens")
MAX_SAMPLE_BYTES = 64 * 2**20
"""Largest sample: with its messages and events, it is longer than its answer."""


def is_archive(file: BinaryIO) -> bool:
    """Whether an open file is a zip archive."""
    file.seek(0)
    return file.read(4) in _MAGIC


def document_table(file: BinaryIO, file_name: str) -> tuple[RowTable, FileFacts] | None:
    """The samples of a log in one JSON document; None if the document is something else, or no JSON.

    Raises:
        InvalidQuestionSet: it is a log without samples, too large, or of a newer version.
    """
    if (size := file.seek(0, io.SEEK_END)) > MAX_DOCUMENT_BYTES:
        raise InvalidQuestionSet(
            f"{file_name}: found a JSON document of {size / 2**20:,.0f} MB, expected at most "
            f"{MAX_DOCUMENT_BYTES // 2**20} MB. Convert the log to .eval (`inspect log convert --to eval`)."
        )
    file.seek(0)
    try:
        text = file.read().decode("utf-8-sig")
        places, table = entries_under(text, "samples", file_name)
        header = {name: value_at(text, places[name]) for name in _HEADER_MEMBERS if table and name in places}
    except (RecursionError, ValueError):
        return None
    names = places.keys()
    if table is None and {"eval", "status"} <= names:
        raise InvalidQuestionSet(f"{file_name}: found an Inspect log without samples. Choose a log that has samples.")
    if table is None and {"results", "configs"} <= names:
        raise InvalidQuestionSet(
            f"{file_name}: found the results of lm-evaluation-harness without samples. Run it with --log_samples, and "
            "name the file samples_*.jsonl."
        )
    return (table, _facts(header, file_name)) if table else None


def archive_table(file: BinaryIO, file_name: str) -> tuple[RowTable, FileFacts]:
    """The samples of an .eval archive.

    Raises:
        InvalidQuestionSet: it is no such archive, or of a newer version.
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
    return RowTable("", lambda: _rows(file, archive, entries)), _facts(_header(file, archive), file_name)


def _header(file: BinaryIO, archive: zipfile.ZipFile) -> Mapping[str, Any]:
    """What the log says of itself; empty if that cannot be read."""
    names = set(archive.namelist())
    name = next((each for each in _HEADERS if each in names), None)
    found = _sample(file, archive, archive.getinfo(name)) if name else None
    return found if isinstance(found, Mapping) else {}


def _facts(header: Mapping[str, Any], file_name: str) -> FileFacts:
    version = header.get("version")
    if isinstance(version, int) and version > _MAX_VERSION:
        raise InvalidQuestionSet(
            f"{file_name}: found an Inspect log of version {version}, expected at most {_MAX_VERSION}. Update this "
            "app, or write the log with an earlier inspect_ai."
        )
    task = _object(header, "eval")
    config = {**_object(_object(header, "plan"), "config"), **_object(task, "model_generate_config")}
    stated = {"task": task.get("task"), "created": task.get("created"), "status": header.get("status")}
    stated |= {name: config.get(name) for name in _SETTINGS}
    model, tool_version = task.get("model"), _object(task, "packages").get("inspect_ai")
    return FileFacts(
        tool_version=tool_version[:SHORT_CHARACTERS] if isinstance(tool_version, str) else "",
        model=model[:SHORT_CHARACTERS] if isinstance(model, str) else "",
        budget_tokens=whole_number(config.get("reasoning_tokens")),
        stated=stated_texts(stated),
    )


def stated_texts(found: Mapping[str, object]) -> dict[str, str]:
    """Settings that are texts or numbers, as text."""
    return {
        name: str(value)[:SHORT_CHARACTERS]
        for name, value in found.items()
        if isinstance(value, str | int | float) and value != ""
    }


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, Mapping) else {}


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
