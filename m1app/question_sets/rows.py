"""Files of questions as tables of rows: JSON, JSON lines, CSV, Parquet and Excel workbooks, also in .gz and .zip.

`layouts` interprets the columns. Text is kept unchanged; only a byte order mark is dropped. JSON lines, CSV and Parquet
are read row by row; a JSON document is in memory as a whole. What a file is, its content says where that is certain,
else its name.
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import PurePath, PurePosixPath
from typing import BinaryIO, cast
from zipfile import ZipFile, ZipInfo

from m1app.question_sets.csv_rows import csv_rows
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.json_document import json_tables, strict_decoder
from m1app.question_sets.parquet_rows import MAGIC, parquet_table
from m1app.question_sets.row_table import MAX_ROW_CHARACTERS, MAX_SETS, PlacedRow, RowTable
from m1app.question_sets.row_values import RowProblem, unexpected
from m1app.question_sets.text_encoding import encoding_of
from m1app.question_sets.text_lines import TextFile
from m1app.question_sets.workbook_rows import is_workbook, workbook_table
from m1app.question_sets.zip_members import MAGICS, check_unpacked, explained, opened_zip

FILE_KINDS = ".json, .jsonl, .csv, .tsv, .parquet or .xlsx, each also as .gz or in a .zip"
MAX_DOCUMENT_BYTES = 256 * 2**20
"""Largest JSON document, and largest Parquet file or workbook in a ZIP: these are in memory as a whole."""
_TEXT_ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")
_WORKBOOK_ENDINGS = (".xlsx", ".xlsm")
_MEMBER_ENDINGS = (*_TEXT_ENDINGS, ".parquet", *_WORKBOOK_ENDINGS)
_GZIP_MAGIC = b"\x1f\x8b"
_OLD_EXCEL_MAGIC = b"\xd0\xcf\x11\xe0"
_CHUNK_BYTES = 1 << 20
_NAME_CHARACTERS = 80


def read_tables(file: BinaryIO, file_name: str) -> tuple[RowTable, ...]:
    """Find the tables of an open file, whose rows are read later.

    Args:
        file: can be read from any position; stays open as long as rows are read.
        file_name: starts error messages, and determines the format.

    Raises:
        InvalidQuestionSet: the format is unknown, or the file cannot be read.
    """
    if _begins_with(file, *MAGICS):
        archive = opened_zip(file, file_name)
        if not is_workbook(archive):
            return _archive_tables(archive, file_name)
    if _begins_with(file, _GZIP_MAGIC):
        return _tables(_unpacked_gzip(file, file_name), file_name, file_name.removesuffix(".gz"))
    return _tables(file, file_name, file_name)


def unpacked(file: BinaryIO, file_name: str) -> BinaryIO:
    """The content of a .gz file, to be read from any position; another file as it is. Raises InvalidQuestionSet."""
    if _begins_with(file, _GZIP_MAGIC):
        file = _unpacked_gzip(file, file_name)
    file.seek(0)
    return file


def set_name(file_name: str) -> str:
    """The name of a set whose file does not name it: the file's, without its endings."""
    return PurePath(file_name.removesuffix(".gz")).stem


def _begins_with(file: BinaryIO, *magics: bytes) -> bool:
    file.seek(0)
    return file.read(4).startswith(magics)


def _tables(file: BinaryIO, file_name: str, name: str) -> tuple[RowTable, ...]:
    """The tables of a file that is not compressed.

    Args:
        file: the content.
        file_name: for messages.
        name: determines the format.
    """
    ending = PurePath(name).suffix.lower()
    if _begins_with(file, *MAGICS):
        return (workbook_table(file, file_name),)
    if ending == ".parquet" or _begins_with(file, MAGIC):
        return (parquet_table(file, file_name),)
    if _begins_with(file, _OLD_EXCEL_MAGIC):
        raise InvalidQuestionSet(
            f"{file_name}: found a workbook of an old format (.xls), or a password-protected one; expected .xlsx. "
            "Save it as an Excel workbook (.xlsx) without a password, or as CSV."
        )
    if ending in _WORKBOOK_ENDINGS:
        raise InvalidQuestionSet(
            f"{file_name}: found a file that is no Excel workbook, though it is named {ending}. "
            "Save it again as .xlsx, or correct its extension."
        )
    if ending not in _TEXT_ENDINGS:
        raise InvalidQuestionSet(
            f"{file_name}: found a name that ends with {ending or 'nothing'}, expected {FILE_KINDS}. "
            "Convert the file, or correct its extension."
        )
    return _text_tables(file, file_name, ending)


def _text_tables(file: BinaryIO, file_name: str, ending: str) -> tuple[RowTable, ...]:
    encoding = encoding_of(file, file_name)
    text = TextFile(file, encoding.codec)
    notes = (encoding.note,) if encoding.note else ()
    if ending in (".csv", ".tsv"):
        return (RowTable("", lambda: csv_rows(text, file_name), notes),)
    if ending == ".json" and not _is_json_lines(text):
        tables = json_tables(_document(text, file_name), file_name)
        return (replace(tables[0], notes=notes), *tables[1:])
    # Hubs also use the extension .json for JSON lines.
    return (RowTable("", lambda: _json_lines(text, file_name), notes),)


def _unpacked_gzip(file: BinaryIO, file_name: str) -> BinaryIO:
    """The content of a .gz file, which has been read to its end once."""
    packed = file.seek(0, io.SEEK_END)
    file.seek(0)
    content = gzip.GzipFile(fileobj=file)
    unpacked = 0
    try:
        while chunk := content.read(_CHUNK_BYTES):
            unpacked += len(chunk)
            check_unpacked(unpacked, packed, file_name)
    except (EOFError, OSError, zlib.error) as exc:
        raise InvalidQuestionSet(
            f"{file_name}: this .gz file is damaged or cut off ({str(exc)[:100]}). Download or compress it again."
        ) from exc
    return _to_read(cast(BinaryIO, content), unpacked, file_name, file_name.removesuffix(".gz"))


def _to_read(content: BinaryIO, size: int, file_name: str, name: str) -> BinaryIO:
    """Compressed content that can be read from any position: what is read from its end has to be in memory."""
    if PurePath(name).suffix.lower() in _TEXT_ENDINGS:
        return content
    if size > MAX_DOCUMENT_BYTES:
        raise InvalidQuestionSet(
            f"{file_name}: found {size / 2**20:,.0f} MB after decompression, expected at most "
            f"{MAX_DOCUMENT_BYTES // 2**20} MB of this kind. Decompress it and import its content."
        )
    content.seek(0)
    return io.BytesIO(content.read())


def _archive_tables(archive: ZipFile, file_name: str) -> tuple[RowTable, ...]:
    """The tables of all members that can hold questions, in the order of their names."""
    files = [each for each in archive.infolist() if not each.is_dir()]
    members = sorted((each for each in files if _can_hold_questions(each)), key=lambda each: each.filename)
    if not members:
        found = ", ".join(_shown_name(each) for each in files[:5]) or "nothing"
        raise InvalidQuestionSet(f"{file_name}: found {found} in the ZIP, expected {', '.join(_MEMBER_ENDINGS)}.")
    if len(members) > MAX_SETS:
        raise InvalidQuestionSet(
            f"{file_name}: found {len(members):,} files in the ZIP, expected at most {MAX_SETS}. Split it."
        )
    tables = [table for member in members for table in _member_tables(archive, member, file_name)]
    names = [table.name for table in tables]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise InvalidQuestionSet(
            f"{file_name}: found two sets named {doubled[:_NAME_CHARACTERS]!r} in the ZIP (folders do not count), "
            "expected one. Rename one of the files."
        )
    return tuple(tables)


def _can_hold_questions(member: ZipInfo) -> bool:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    is_hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    return path.suffix.lower() in _MEMBER_ENDINGS and not is_hidden


def _shown_name(member: ZipInfo) -> str:
    """A member's name for messages: without folders, short and printable."""
    name = PurePosixPath(member.filename.replace("\\", "/")).name[-_NAME_CHARACTERS:]
    return "".join(sign if sign.isprintable() else "?" for sign in name)


def _member_tables(archive: ZipFile, member: ZipInfo, file_name: str) -> Iterator[RowTable]:
    name = _shown_name(member)
    shown = f"{file_name}, {name}"
    with explained(shown):
        content = _checked_member(archive, member, shown)
    for table in _tables(content, shown, name):
        yield replace(table, name=table.name or set_name(name), read=partial(_in_member, table, name))


def _in_member(table: RowTable, name: str) -> Iterator[PlacedRow]:
    """The rows of a table, with the member's name in their places."""
    for row in table.read():
        yield replace(row, where=f"{name}, {row.where}")


def _checked_member(archive: ZipFile, member: ZipInfo, shown: str) -> BinaryIO:
    """The content of a member, which has been read to its end once: its checksum is right."""
    content = archive.open(member)
    while content.read(_CHUNK_BYTES):
        pass
    return _to_read(cast(BinaryIO, content), member.file_size, shown, member.filename)


def _document(text: TextFile, file_name: str) -> str:
    size = text.file.seek(0, io.SEEK_END)
    if size > MAX_DOCUMENT_BYTES:
        raise InvalidQuestionSet(
            f"{file_name}: found a JSON document of {size / 2**20:,.0f} MB, expected at most "
            f"{MAX_DOCUMENT_BYTES // 2**20} MB. Save it as JSON lines (.jsonl), which are read one at a time."
        )
    text.file.seek(0)
    return text.file.read().decode(text.codec)


def _is_json_lines(file: TextFile) -> bool:
    """Whether the first line is a whole object and something follows it."""
    with file.opened("\n") as text:
        line = text.readline(MAX_ROW_CHARACTERS)
        if not (line.startswith("{") and line.endswith("\n") and any(map(str.strip, text))):
            return False
    try:
        json.loads(line)
    except (RecursionError, ValueError):
        return False
    return True


def _json_lines(file: TextFile, file_name: str) -> Iterator[PlacedRow]:
    # Only "\n" ends a line: JSON strings may contain U+2028 and similar characters.
    with closing(file.lines("\n", file_name)) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield PlacedRow(f"line {number:,}", _json_line(line))


def _json_line(line: str) -> object:
    try:
        return strict_decoder().decode(line)
    except RowProblem as exc:
        return exc
    except (RecursionError, ValueError) as exc:
        return unexpected("", line.strip(), f"one JSON object on the line ({exc})")
