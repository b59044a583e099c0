"""Which rows of a file are taken: those that can be read, those in a list of ids, a random part."""

import hashlib
import heapq
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.row_table import MAX_ROWS, PlacedRow
from m1app.question_sets.row_values import SetQuestion
from m1app.question_sets.text_encoding import encoding_of

ID_COLUMNS = (
    "id",
    "_id",
    "ID",
    "qid",
    "question_id",
    "unique_id",
    "uuid",
    "pubid",
    "Record ID",
    "doc_id",
    "exam_id",
    "idx",
)
"""Columns that hold a row's id; the first that a row has counts, because numbers in another mean something else."""
MAX_ID_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class RowChoice:
    """The rows to take of each set."""

    skips_bad_rows: bool = False
    """Leave rows out that cannot be used, instead of refusing the file."""
    limit: int = 0
    """Number of questions, taken at random; 0 takes all."""
    seed: int = 0
    """Other seeds take other questions; the same one always takes the same, in whatever order the file is."""
    ids: frozenset[str] | None = None
    """Take only rows with one of these ids or stem hashes; None takes all."""


def ids_of(row: PlacedRow) -> set[str]:
    """The ids that a row has: its key in the file, and the value of the first of `ID_COLUMNS`."""
    ids = {row.key} if row.key else set()
    if isinstance(row.value, Mapping):
        values = (row.value.get(column) for column in ID_COLUMNS)
        found = next((value for value in values if isinstance(value, str | int) and value != ""), None)
        ids |= {str(found).strip()} if found is not None else set()
    return ids


def stem_hash(question: SetQuestion) -> str:
    """SHA-256 (hex) of the stem in UTF-8: Unicode NFC, without white space around it."""
    return hashlib.sha256(unicodedata.normalize("NFC", question.stem).strip().encode(errors="replace")).hexdigest()


def lottery_number(question_hash: str, seed: int) -> bytes:
    """A question's number in the draw for a seed; it depends on nothing else, so that every import draws the same."""
    return hashlib.sha256(f"{seed}\0{question_hash}".encode()).digest()


def drawn(numbers: Iterable[bytes], limit: int) -> frozenset[bytes]:
    """The `limit` lowest of the distinct numbers."""
    return frozenset(heapq.nsmallest(limit, set(numbers)))


def read_ids(file: BinaryIO, file_name: str) -> frozenset[str]:
    """Read a list of ids: a JSON list, the keys of a JSON object, or one on each line, before a comma or tab.

    Raises:
        InvalidQuestionSet: it is no such list, is empty or too large.
    """
    if file.seek(0, 2) > MAX_ID_FILE_BYTES:
        raise InvalidQuestionSet(
            f"{file_name}: found more than {MAX_ID_FILE_BYTES // 2**20} MB, expected a list of ids."
        )
    codec = encoding_of(file, file_name).codec
    file.seek(0)
    text = file.read().decode(codec).strip()
    ids = _json_ids(text, file_name) if text.startswith(("[", "{")) else _line_ids(text)
    if not ids or len(ids) > MAX_ROWS:
        raise InvalidQuestionSet(f"{file_name}: found {len(ids):,} ids, expected 1 to {MAX_ROWS:,}, one on each line.")
    return ids


def _json_ids(text: str, file_name: str) -> frozenset[str]:
    try:
        value = json.loads(text)
    except (RecursionError, ValueError) as exc:
        raise InvalidQuestionSet(
            f"{file_name}: this is not JSON ({str(exc)[:100]}). Write one id on each line."
        ) from exc
    if isinstance(value, list) and not all(isinstance(each, str | int) for each in value):
        raise InvalidQuestionSet(f"{file_name}: found a list of other things, expected texts or numbers as ids.")
    return frozenset(str(each).strip() for each in value)


def _line_ids(text: str) -> frozenset[str]:
    first_cells = (line.split("\t")[0].split(",")[0].strip().strip('"') for line in text.splitlines())
    return frozenset(filter(None, first_cells))
