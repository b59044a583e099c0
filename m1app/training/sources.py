"""Reads files of reasoning traces as samples: all of a file, or nothing.

`m1app.question_sets.rows` reads the file format (JSON, JSON lines, CSV, Parquet), `sample_layouts` interprets the
columns, and `curation` judges the samples. This runs in the process that reads a file; `sample_files` is its other end.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, BinaryIO

from m1app.question_sets.batches import batches
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.importing import sha256_of
from m1app.question_sets.row_table import RowTable
from m1app.question_sets.row_values import RowProblem, unexpected
from m1app.question_sets.rows import read_tables
from m1app.training.errors import InvalidTrainingData
from m1app.training.sample_layouts import (
    COMMON_COLUMNS,
    LAYOUTS,
    SampleLayout,
    detect_layout,
    layout_of,
    missing_columns,
)
from m1app.training.samples import TrainingSample

_SHOWN_PROBLEMS = 10
MAX_READ_AS = 1000
"""Code points of what a file was read as, in words."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


MAX_DATA_SET_CHARACTERS = 300_000_000
"""Maximum length of all samples of a data set together, from whatever sources."""
MAX_SAMPLE_CHARACTERS = 1_000_000
"""Maximum length of a sample with its options."""
SAMPLES = "m1app.training.sources:sample_messages"
"""The producer of these messages, see `m1app.question_sets.file_reading`."""


@dataclass(slots=True)
class FileNotes:
    """What a file was read as, filled in while it is read."""

    layouts: dict[str, None] = field(default_factory=dict)
    """Labels of the layouts of its tables, in order."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What rows have that their samples do not ("system messages"), with the number of rows."""
    on_reading: list[str] = field(default_factory=list)
    """How its text was decoded, if not as usual."""

    def read_as(self) -> str:
        """In words, for people."""
        return "; ".join([", ".join(self.layouts), *self.on_reading])


def sample_messages(file: BinaryIO, file_name: str, layout: str) -> Iterator[dict[str, Any]]:
    """Yield the samples of a file in batches, and at the end what it was read as; raises as `read_samples`."""
    notes = FileNotes()
    for batch in batches(read_samples(file, file_name, layout, notes), sample_length):
        yield {"samples": [sample.as_row() for sample in batch]}
    yield {"sha256": sha256_of(file), "layout": notes.read_as()[:MAX_READ_AS], "left_out": dict(notes.left_out)}


def read_samples(
    file: BinaryIO, file_name: str, layout: str = "", notes: FileNotes | None = None
) -> Iterator[TrainingSample]:
    """Yield all samples of a file, in order, after all were checked.

    Args:
        file: open for reading; see `read_tables`.
        file_name: its name; determines the format, starts error messages, and is the source of samples that name none.
        layout: id of the layout; empty detects it from the columns.
        notes: filled in with what the file was read as.

    Raises:
        InvalidTrainingData: the file is empty, too large or cannot be read, columns are missing, or rows are invalid:
            up to ten are listed with their lines and columns.
    """
    try:
        yield from _read_samples(file, file_name, layout_of(layout) if layout else None, notes or FileNotes())
    except InvalidQuestionSet as exc:
        raise InvalidTrainingData(str(exc)) from exc


def _read_samples(
    file: BinaryIO, file_name: str, chosen: SampleLayout | None, notes: FileNotes
) -> Iterator[TrainingSample]:
    tables = [(table, _layout(table, file_name, chosen)) for table in read_tables(file, file_name)]
    notes.layouts.update(dict.fromkeys(layout.label for _, layout in tables))
    notes.on_reading += [note for table, _ in tables for note in table.notes]
    problems: list[str] = []
    count = characters = 0
    for table, layout in tables:
        for read in _read_table(table, layout, file_name, notes):
            if isinstance(read, str):
                problems.append(read if len(problems) < _SHOWN_PROBLEMS else "")
                continue
            count, characters = count + 1, characters + sample_length(read)
            if characters > MAX_DATA_SET_CHARACTERS:
                raise InvalidTrainingData(
                    f"{file_name}: found samples of more than {MAX_DATA_SET_CHARACTERS:,} characters "
                    "together. Split it."
                )
    if problems:
        raise InvalidTrainingData(_report(problems))
    if not count:
        raise InvalidTrainingData(f"{file_name}: the file has no rows. {_expected()}")
    for table, layout in tables:
        for read in _read_table(table, layout, file_name, FileNotes()):
            if isinstance(read, TrainingSample):
                yield read


def sample_length(sample: TrainingSample) -> int:
    """Its length in characters, with its options."""
    texts = (sample.question, sample.reasoning, sample.answer, sample.domain, sample.source, *sample.options.values())
    return sum(map(len, texts))


def _read_table(
    table: RowTable, layout: SampleLayout, file_name: str, notes: FileNotes
) -> Iterator[TrainingSample | str]:
    """Yield each row's sample, or what is wrong with the row."""
    source = table.name or PurePath(file_name).stem
    for row in table.rows(file_name):
        try:
            sample, left_out = _sample(row.value, layout)
            notes.left_out.update(left_out)
            yield sample if sample.source else replace(sample, source=source)
        except RowProblem as exc:
            yield f"{file_name}, {row.where}: {exc}"


def _layout(table: RowTable, file_name: str, chosen: SampleLayout | None) -> SampleLayout:
    columns: set[str] = set()
    has_rows = False
    for row in table.rows(file_name):
        if isinstance(row.value, Mapping):
            has_rows = True
            columns.update(row.value)
    if not has_rows:
        return chosen or LAYOUTS[0]
    layout, missing = (chosen, missing_columns(chosen, columns)) if chosen else detect_layout(columns)
    if missing:
        raise InvalidTrainingData(f"{file_name}: {_what_is_missing(layout, missing, columns)} {_expected()}")
    return layout


def _what_is_missing(layout: SampleLayout, missing: Sequence[str], columns: Collection[str]) -> str:
    found = f"found {', '.join(repr(name[:60]) for name in sorted(columns)[:12])}"
    if not set(layout.columns) - set(missing) - COMMON_COLUMNS:
        return f"its columns are those of no known layout: {found}."
    absent = " and the column ".join(map(repr, missing))
    return f"it looks like the layout {layout.label!r}, of which the column {absent} is missing; {found}."


def _expected() -> str:
    known = "; ".join(f"{', '.join(layout.columns)} ({layout.label})" for layout in LAYOUTS)
    return f"Name the columns as one of these: {known}. See docs/training-data.md."


def _sample(row: object, layout: SampleLayout) -> tuple[TrainingSample, Collection[str]]:
    """The sample of a row, and what is left out of it."""
    if isinstance(row, RowProblem):
        raise row
    if not isinstance(row, Mapping):
        raise unexpected("", row, "an object with a question, its reasoning and its answer")
    absent = [name for name in layout.columns if name not in row]
    if absent:
        raise RowProblem(f"column {absent[0]} is missing in this row; add it, empty if necessary")
    try:
        sample, left_out = layout.read(row), layout.left_out(row)
    except (OverflowError, RecursionError, TypeError, ValueError) as exc:
        raise RowProblem(f"a value cannot be read ({type(exc).__name__}: {str(exc)[:100]})") from exc
    if (length := sample_length(sample)) > MAX_SAMPLE_CHARACTERS:
        raise RowProblem(
            f"found a sample of {length:,} characters, expected at most {MAX_SAMPLE_CHARACTERS:,}; remove it"
        )
    _check_storable(sample)
    return sample, left_out


def _check_storable(sample: TrainingSample) -> None:
    texts = {
        "the question": sample.question,
        "the reasoning": sample.reasoning,
        "the answer": sample.answer,
        "the domain": sample.domain,
        "the source": sample.source,
    }
    for name, text in (texts | {f"option {letter}": text for letter, text in sample.options.items()}).items():
        if wrong := _UNSTORABLE.search(text):
            raise RowProblem(
                f"found U+{ord(wrong[0]):04X} in {name} at character {wrong.start() + 1:,}, not valid text; remove it"
            )


def _report(problems: Sequence[str]) -> str:
    lines = [f"{problem}." for problem in problems[:_SHOWN_PROBLEMS]]
    more = len(problems) - _SHOWN_PROBLEMS
    if more > 0:
        lines.append(f"... and {more:,} more.")
    lines.append("Nothing was imported. Correct or remove these rows.")
    return "\n".join(lines)
