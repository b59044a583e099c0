"""An Excel workbook (.xlsx) as rows: the first visible sheet, parsed as a stream.

Written for this purpose, because of two libraries, one makes a table of every cell between the first and the last
(two cells are enough to end the process), and the other takes half a millisecond for a row. Formulas are never
evaluated: the result that Excel stored counts. A cell whose text Excel has turned into a date is no text any more; it
is refused where it is used. Format: ECMA-376, part 1, 18.3 (sheets), 18.4 (shared strings), 18.8 (styles).
"""

import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat

from m1app.question_sets.cell_rows import MAX_COLUMNS, Cells, PlacedCells, rows_of_cells
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.row_table import (
    MAX_FILE_QUESTION_CHARACTERS,
    MAX_ROW_CHARACTERS,
    PlacedRow,
    RowTable,
    too_long,
)
from m1app.question_sets.zip_members import explained, opened_zip

WORKBOOK = "xl/workbook.xml"
_MAX_SHEET_ROWS = 1_048_576
_MAX_STRINGS = 2_000_000
_MAX_SMALL_PART_BYTES = 16 * 2**20
_CHUNK_BYTES = 1 << 16
_COLUMN = re.compile(r"([A-Z]{1,3})[0-9]{1,7}")
_DATE_FORMATS = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
"""Numbers of the built-in formats of dates and times."""
_DATE_LETTERS = re.compile(r"[dmyhs]", re.IGNORECASE)
_QUOTED_IN_FORMAT = re.compile(r"\"[^\"]*\"|\\.|\[[^\]]*\]|General", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NoText:
    """A cell that holds no text of its own."""

    what: str

    def __repr__(self) -> str:
        return self.what


def is_workbook(archive: zipfile.ZipFile) -> bool:
    """Whether an archive is a workbook."""
    return WORKBOOK in archive.namelist()


def workbook_table(file: BinaryIO, file_name: str) -> RowTable:
    """Find the first visible sheet of a workbook; its rows are read later.

    Raises:
        InvalidQuestionSet: it is no workbook, or is damaged or too large.
    """
    archive = opened_zip(file, file_name)
    with _explained(file_name):
        sheets = [each for each in _sheets(archive) if not each.is_hidden]
        if not sheets:
            raise InvalidQuestionSet(f"{file_name}: found no visible sheet, expected one with the questions.")
        strings, dates = _shared_strings(archive, file_name), _date_styles(archive)
    others = ", ".join(repr(each.name[:40]) for each in sheets[1:6]) + (", ..." if len(sheets) > 6 else "")
    note = f"{file_name}: only the first sheet, {sheets[0].name[:40]!r}, was read, not {others}."
    return RowTable(
        "", lambda: _rows(archive, sheets[0], strings, dates, file_name), (note,) if len(sheets) > 1 else ()
    )


def _rows(
    archive: zipfile.ZipFile, sheet: "_Sheet", strings: list[str], dates: frozenset[int], file_name: str
) -> Iterator[PlacedRow]:
    parser = _SheetParser(strings, dates, file_name)

    def lines() -> PlacedCells:
        for _ in _parsed(archive, sheet.part, parser.start, parser.end, parser.text):
            yield from parser.taken()

    with _explained(file_name):
        yield from rows_of_cells(lines(), file_name, is_padded=True)


@contextmanager
def _explained(file_name: str) -> Iterator[None]:
    """Raise InvalidQuestionSet for what a damaged workbook causes."""
    try:
        with explained(file_name):
            yield
    except (expat.ExpatError, LookupError) as exc:
        raise InvalidQuestionSet(
            f"{file_name}: this workbook cannot be read ({str(exc)[:100]}). Save it again as .xlsx."
        ) from exc


_Attributes = Mapping[str, str]


def _parsed(
    archive: zipfile.ZipFile,
    part: str,
    start: Callable[[str, _Attributes], None],
    end: Callable[[str], None],
    text: Callable[[str], None],
) -> Iterator[None]:
    """Parse a part of the archive; yields after each chunk. Names come without namespaces."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: start(name.rpartition(":")[2], attributes)
    parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = _no_document_type
    with archive.open(part) as content:
        while chunk := content.read(_CHUNK_BYTES):
            parser.Parse(chunk, False)
            yield
        parser.Parse(b"", True)
    yield


def _no_document_type(name: str, *_: object) -> None:
    raise KeyError("a document type, which no workbook has")


def _elements(archive: zipfile.ZipFile, part: str) -> list[tuple[str, _Attributes]]:
    """Elements of a small part, with their attributes."""
    if archive.getinfo(part).file_size > _MAX_SMALL_PART_BYTES:
        raise KeyError(f"{part} is too large")
    found: list[tuple[str, _Attributes]] = []
    for _ in _parsed(archive, part, lambda name, attributes: found.append((name, attributes)), _ignore, _ignore):
        pass
    return found


def _ignore(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Sheet:
    name: str
    part: str
    is_hidden: bool


def _sheets(archive: zipfile.ZipFile) -> list[_Sheet]:
    places = _related(archive, by="Id")
    found = []
    for name, attributes in _elements(archive, WORKBOOK):
        relation = next((value for key, value in attributes.items() if key.endswith(":id")), "")
        if name == "sheet" and "/worksheets/" in f"/{places.get(relation, '')}":
            is_hidden = attributes.get("state", "visible") != "visible"
            found.append(_Sheet(attributes.get("name", ""), places[relation], is_hidden))
    return found


def _related(archive: zipfile.ZipFile, by: str) -> dict[str, str]:
    """Parts of the workbook by the id, or the last word of the type, of their relation."""
    related = {}
    for name, attributes in _elements(archive, "xl/_rels/workbook.xml.rels"):
        if name == "Relationship":
            target = attributes["Target"]
            place = target[1:] if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            related[attributes[by].rpartition("/")[2]] = place
    return related


def _shared_strings(archive: zipfile.ZipFile, file_name: str) -> list[str]:
    part = _related(archive, by="Type").get("sharedStrings", "")
    if part not in archive.namelist():
        return []
    collected = _StringParser(file_name)
    for _ in _parsed(archive, part, collected.start, collected.end, collected.text):
        pass
    return collected.strings


@dataclass(slots=True)
class _StringParser:
    """Collects the texts of shared strings, without the hints for pronunciation in some."""

    file_name: str
    strings: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    is_text: bool = False
    is_hint: bool = False
    characters: int = 0

    def start(self, name: str, _: _Attributes) -> None:
        self.is_text = name == "t"
        self.is_hint = self.is_hint or name == "rPh"

    def end(self, name: str) -> None:
        self.is_text = False
        if name == "rPh":
            self.is_hint = False
        elif name == "si":
            self.strings.append("".join(self.parts))
            self.parts.clear()
            if len(self.strings) > _MAX_STRINGS:
                raise self._too_much()

    def text(self, text: str) -> None:
        if self.is_text and not self.is_hint:
            self.parts.append(text)
            self.characters += len(text)
            if self.characters > MAX_FILE_QUESTION_CHARACTERS:
                raise self._too_much()

    def _too_much(self) -> InvalidQuestionSet:
        return InvalidQuestionSet(
            f"{self.file_name}: found more than {_MAX_STRINGS:,} texts or {MAX_FILE_QUESTION_CHARACTERS:,} characters "
            "in the workbook, expected fewer. Split it."
        )


def _date_styles(archive: zipfile.ZipFile) -> frozenset[int]:
    """Indices of the cell styles that show a number as a date or time."""
    part = _related(archive, by="Type").get("styles", "")
    if part not in archive.namelist():
        return frozenset()
    dates, styles, is_cell_style = set(_DATE_FORMATS), [], False
    for name, attributes in _elements(archive, part):
        if name == "numFmt" and _DATE_LETTERS.search(_QUOTED_IN_FORMAT.sub("", attributes.get("formatCode", ""))):
            dates.add(int(attributes["numFmtId"]))
        # cellStyles follows cellXfs; cellStyleXfs, which counts apart, comes before it.
        is_cell_style = name == "cellXfs" or (is_cell_style and name != "cellStyles")
        if is_cell_style and name == "xf":
            styles.append(int(attributes.get("numFmtId", 0)))
    return frozenset(index for index, number in enumerate(styles) if number in dates)


class _SheetParser:
    """Takes the events of a sheet's XML; `taken` hands over its complete rows."""

    def __init__(self, strings: list[str], dates: frozenset[int], file_name: str) -> None:
        self._strings = strings
        self._dates = dates
        self._file_name = file_name
        self._done: list[tuple[str, Cells]] = []
        self._row = 0
        self._cells: list[object] = []
        self._column = 0
        self._type = self._style = ""
        self._value: list[str] = []
        self._is_value = self._is_hint = self._has_formula = False
        self._characters = 0

    def taken(self) -> Iterator[tuple[str, Cells]]:
        """The rows since the last call that have text, each with its place."""
        done, self._done = self._done, []
        yield from done

    def start(self, name: str, attributes: _Attributes) -> None:
        if name == "row":
            self._row = int(attributes.get("r", self._row + 1))
            self._cells, self._column, self._characters = [], 0, 0
            if self._row > _MAX_SHEET_ROWS:
                raise InvalidQuestionSet(
                    f"{self._file_name}: found row {self._row:,}, expected at most {_MAX_SHEET_ROWS:,} rows. Split it."
                )
        elif name == "c":
            self._column = self._column_of(attributes.get("r", ""))
            self._type, self._style = attributes.get("t", "n"), attributes.get("s", "0")
            self._value, self._has_formula = [], False
        elif name == "f":
            self._has_formula = True
        self._is_hint = self._is_hint or name == "rPh"
        self._is_value = name in ("v", "t")

    def text(self, text: str) -> None:
        if self._is_value and not self._is_hint:
            self._value.append(text)
            self._count(len(text))

    def end(self, name: str) -> None:
        self._is_value = False
        if name == "rPh":
            self._is_hint = False
        elif name == "c":
            self._end_cell()
        elif name == "row":
            while self._cells and self._cells[-1] == "":
                self._cells.pop()
            if self._cells:
                self._done.append((f"row {self._row:,}", self._cells))

    def _count(self, characters: int) -> None:
        self._characters += characters
        if self._characters > MAX_ROW_CHARACTERS:
            raise too_long(self._file_name, f"row {self._row:,}")

    def _column_of(self, place: str) -> int:
        """Number of a cell's column, from 1: that of its place, such as "B7", else the next one."""
        found = _COLUMN.fullmatch(place)
        number = self._column + 1
        if found:
            number = 0
            for letter in found[1]:
                number = number * 26 + ord(letter) - 64
        if number > MAX_COLUMNS:
            raise InvalidQuestionSet(
                f"{self._file_name}, row {self._row:,}: found a cell in column {number:,}, expected at most "
                f"{MAX_COLUMNS:,} columns. Keep only the columns with question data."
            )
        return number

    def _end_cell(self) -> None:
        value = self._cell("".join(self._value))
        if value == "":
            return
        if self._column <= len(self._cells):
            raise IndexError(f"row {self._row} has two cells in one column, or they are out of order")
        self._cells += [""] * (self._column - 1 - len(self._cells))
        self._cells.append(value)

    def _shared(self, index: int) -> str:
        if index < 0:
            raise IndexError(f"row {self._row} has the shared text {index}")
        return self._strings[index]

    def _cell(self, text: str) -> object:
        if self._has_formula and not text:
            return NoText("a formula without a stored result")
        if not text:
            return ""
        if self._type == "s":
            shared = self._shared(int(text))
            self._count(len(shared))
            return shared
        if self._type == "b":
            return "TRUE" if text == "1" else "FALSE"
        if self._type == "e":
            return NoText(f"the error {text[:20]}")
        if self._type == "d" or (self._type == "n" and int(self._style) in self._dates):
            return NoText("a date, which Excel makes of texts such as 3/4")
        return _number(text) if self._type == "n" else text


def _number(text: str) -> str:
    """A number as Excel shows it: 15 digits, no ".0"."""
    return f"{float(text):.15g}"
