"""The data of a site's questions, written as they are read: details, list, verdicts, words.

    data/site.js            what there is: sources, sets, how many questions
    data/list/N.js          rows of the list, `ROWS` each
    data/question/N.js      questions with all that was answered, a few each
    data/verdicts/S-B-R.js  one character for each question: source, budget, rounds
    data/words/N.js         which questions have a word

In memory are one file of details, the list's rows since its last file, a character for each question and cell, and the
index of words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from m1app.publishing.question_document import Document
from m1app.publishing.scripts import as_json
from m1app.publishing.search_words import SHARDS, WordIndex
from m1app.publishing.site_folder import SiteWriter
from m1app.publishing.site_plan import Entry, SitePlan
from m1app.publishing.verdicts import Changes, changes_between
from storage.benchmarks.results import CellKey

ROWS = 500
_MOST_IN_A_FILE = 25
_FULL_CHARACTERS = 200_000
_BEGINNING = 160


@dataclass(frozen=True, slots=True)
class QuestionData:
    """What is written of one question."""

    entry: Entry
    document: Document
    words: Sequence[str]
    """Texts that the search finds."""
    codes: Mapping[tuple[int, CellKey], str]
    """Verdict of the first pass by source and cell."""
    marks: int


class QuestionFiles:
    """Writes the data of questions, which are added in the order of the plan."""

    def __init__(self, writer: SiteWriter, plan: SitePlan) -> None:
        self._writer = writer
        self._plan = plan
        self._words = WordIndex()
        self._codes = {(number, cell): [] for number, source in enumerate(plan.sources) for cell in source.cells}  # type: dict[tuple[int, CellKey], list[str]]
        self._details: dict[int, Document] = {}
        self._characters = 0
        self._detail_files = 0
        self._rows: list[list[Any]] = []
        self._count = 0

    def add(self, found: QuestionData) -> None:
        """Write a question, or keep it until its file is full; raises PublishRefused."""
        number = self._count
        self._count += 1
        self._details[number] = found.document
        self._characters += len(as_json(found.document))
        stem = found.document.get("stem", "")
        beginning = stem if len(stem) <= _BEGINNING else f"{stem[: _BEGINNING - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"
        self._rows.append([beginning, found.entry.set_number, found.entry.place, self._detail_files, found.marks])
        for key, codes in self._codes.items():
            codes.append(found.codes.get(key, "-"))
        self._words.add(number, found.words)
        if self._characters >= _FULL_CHARACTERS or len(self._details) == _MOST_IN_A_FILE:
            self._write_details()
        if len(self._rows) == ROWS:
            self._write_rows()

    def finish(self) -> None:
        """Write the rest: what is still kept, verdicts, words, and what there is; raises PublishRefused."""
        if self._details:
            self._write_details()
        if self._rows:
            self._write_rows()
        for (source, (budget, rounds)), codes in self._codes.items():
            self._writer.write_data(f"verdicts/{source}-{budget}-{rounds}", "".join(codes))
        shards = []
        for shard, words in self._words.shards():
            # As pairs: a word such as __proto__ is no key of a JavaScript object.
            self._writer.write_data(f"words/{shard}", list(words.items()))
            shards.append(shard)
        self._writer.write_data("site", self._facts(shards))

    def changes(self, source: int, before: CellKey, after: CellKey) -> Changes:
        """How verdicts of a source changed from one cell to another."""
        return changes_between(self._codes[source, before], self._codes[source, after])

    def _facts(self, shards: Sequence[int]) -> Document:
        plan = self._plan
        return {
            "sources": [
                {"name": each.name, "budgets": each.run.budgets, "rounds": each.run.force_rounds}
                for each in plan.sources
            ],
            "sets": [
                {"name": each.name, "first": start, "end": end}
                for each, (start, end) in zip(plan.sets, plan.places(), strict=True)
            ],
            "questions": self._count,
            "rows": ROWS,
            "word_shards": SHARDS,
            "words": list(shards),
        }

    def _write_details(self) -> None:
        name = f"question/{self._detail_files}"
        self._writer.write_data(name, [[number, document] for number, document in self._details.items()])
        self._detail_files += 1
        self._details, self._characters = {}, 0

    def _write_rows(self) -> None:
        self._writer.write_data(f"list/{(self._count - 1) // ROWS}", self._rows)
        self._rows = []
