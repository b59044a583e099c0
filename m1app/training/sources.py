"""Reads files of reasoning traces as samples: all of a file, or nothing.

`m1app.question_sets.rows` reads the file format (JSON, JSON lines, CSV, Parquet), `sample_layouts` interprets the
columns, and `curation` judges the samples.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.row_values import RowProblem, unexpected
from m1app.question_sets.rows import RowTable, read_tables
from m1app.training.errors import InvalidTrainingData
from m1app.training.sample_layouts import LAYOUTS, SampleLayout, detect_layout
from m1app.training.samples import TrainingSample

_SHOWN_PROBLEMS = 10
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def read_samples(content: bytes, file_name: str) -> tuple[TrainingSample, ...]:
    """Return all samples of a file, in order.

    Args:
        content: the whole file.
        file_name: its name; determines the format, starts error messages, and is the source of samples that name none.

    Raises:
        InvalidTrainingData: the file is empty or cannot be read, columns are missing, or rows are invalid: up to ten
            are listed with their lines and columns.
    """
    try:
        tables = read_tables(content, file_name)
    except InvalidQuestionSet as exc:
        raise InvalidTrainingData(str(exc)) from exc
    samples: list[TrainingSample] = []
    problems: list[str] = []
    for table in tables:
        samples += _read_table(table, file_name, problems)
    if problems:
        raise InvalidTrainingData(_report(problems))
    if not samples:
        raise InvalidTrainingData(f"{file_name}: the file has no rows. {_expected()}")
    return tuple(samples)


def _read_table(table: RowTable, file_name: str, problems: list[str]) -> list[TrainingSample]:
    rows = [row for row in table.rows if isinstance(row, Mapping)]
    layout = _layout(rows, file_name) if rows else LAYOUTS[-1]
    source = table.name or PurePath(file_name).stem
    samples: list[TrainingSample] = []
    for index, row in enumerate(table.rows):
        try:
            sample = _sample(row, layout)
            samples.append(sample if sample.source else replace(sample, source=source))
        except RowProblem as exc:
            problems.append(f"{file_name}, {table.where(index)}: {exc}")
    return samples


def _layout(rows: Iterable[Mapping[str, object]], file_name: str) -> SampleLayout:
    columns: set[str] = set()
    for row in rows:
        columns.update(row)
    layout, missing = detect_layout(columns)
    if missing:
        raise InvalidTrainingData(
            f"{file_name}: the column {' and the column '.join(map(repr, missing))} of the layout {layout.label!r} is "
            f"missing; found {', '.join(map(repr, sorted(columns)[:12]))}. {_expected()}"
        )
    return layout


def _expected() -> str:
    known = "; ".join(f"{', '.join(layout.columns)} ({layout.label})" for layout in reversed(LAYOUTS))
    return f"Name the columns as one of these: {known}."


def _sample(row: object, layout: SampleLayout) -> TrainingSample:
    if isinstance(row, RowProblem):
        raise row
    if not isinstance(row, Mapping):
        raise unexpected("", row, "an object with a question, its reasoning and its answer")
    absent = [name for name in layout.columns if name not in row]
    if absent:
        raise RowProblem(f"column {absent[0]} is missing in this row; add it, empty if necessary")
    sample = layout.read(row)
    _check_storable(sample)
    return sample


def _check_storable(sample: TrainingSample) -> None:
    texts = {"the question": sample.question, "the reasoning": sample.reasoning, "the answer": sample.answer}
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
    lines.append("Nothing was read. Correct or remove these rows.")
    return "\n".join(lines)
