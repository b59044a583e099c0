"""Reads one log: its questions are kept in memory, its answers in a file, until both are stored."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from m1app.benchmark.answer_files.answer_file import AnswerFile, open_answers, read_facts, read_verdicts
from m1app.benchmark.answer_files.companions import question_digest
from m1app.benchmark.answer_files.fields import ChosenFields
from m1app.benchmark.answer_files.given_answer import Details, FileFacts, GivenAnswer
from m1app.benchmark.answer_files.layouts import INSPECT, LM_EVAL, M1
from m1app.benchmark.answer_files.thinking_marks import output_parts
from m1app.benchmark.imports.matching import has_usual_letters, question_key
from m1app.benchmark.imports.sources import Digests, Source
from m1app.question.errors import InvalidAnswers
from m1app.wording import counted

TOOLS = {LM_EVAL: "lm-evaluation-harness", INSPECT: "Inspect", M1: "m1"}
MAX_CHARACTERS = 400_000_000
"""Most characters of the answers of one log."""
MAX_PASSES = 1000
_SET_CHARACTERS = 150
_BATCH = 200

Marks = Sequence[tuple[str, str]]
"""Openings and closings of thinking."""
CellKey = tuple[str, int, int]
"""(set in the log, thinking budget, force rounds)."""


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """A question of a log."""

    stem: str
    options: Mapping[str, str]
    target: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportChoice:
    """What a person says of the logs; empty and None where the logs say it."""

    question_set: str = ""
    """The only stored set to look for their questions in."""
    model: str = ""
    name: str = ""
    """Of the run."""
    budget_tokens: int | None = None
    """The thinking budget, of logs that do not say it."""
    force_rounds: int | None = None


@dataclass(slots=True, kw_only=True)
class Log:
    """A log that was read; its answers are in the file `answers`."""

    source: Source
    digests: Digests
    tool: str
    model: str
    facts: FileFacts
    answers: Path
    questions: dict[tuple[str, str], LogQuestion] = field(default_factory=dict)
    """By the name of the set in the log, and `question_key`; in order."""
    cells: dict[CellKey, bool] = field(default_factory=dict)
    """Whether every answer of the cell says how many tokens were generated."""
    thinking_cells: dict[CellKey, bool] = field(default_factory=dict)
    """The same of thinking tokens."""
    passes: int = 1
    notes: list[str] = field(default_factory=list)


async def read_log(source: Source, digests: Digests, folder: Path, choice: ImportChoice, marks: Marks) -> Log:
    """Read all of a log.

    Args:
        source: the file.
        digests: of it.
        folder: takes the file of its answers.
        choice: what the person says of it.
        marks: of thinking, see `marks_of`.

    Raises:
        InvalidAnswers: it is no log, cannot be read, says no model, or has a sample twice.
    """
    beside = await read_facts(source.facts) if source.facts else FileFacts()
    verdicts = await read_verdicts(source.verdicts) if source.verdicts else ()
    async with open_answers(source.path, ChosenFields()) as file:
        if file.layout not in TOOLS:
            raise InvalidAnswers(
                f"{source.name}: found {file.layout}, expected a log of lm-evaluation-harness or Inspect, or a result "
                "file of m1. To score a table of answers, use `m1app score`."
            )
        facts = _merged(file.facts, beside)
        log = Log(
            source=source,
            digests=digests,
            tool=TOOLS[file.layout],
            model=_model(source, facts, choice),
            facts=facts,
            answers=folder / f"{digests.log}-{digests.beside}.jsonl",
        )
        await _take_all(_Taking(log, choice, marks, verdicts), file)
        log.notes += _notes_of(file, facts, choice)
    return log


def _merged(inside: FileFacts, beside: FileFacts) -> FileFacts:
    """What the log says itself comes before what a file beside it says."""
    return FileFacts(
        tool_version=inside.tool_version or beside.tool_version,
        model=inside.model or beside.model,
        budget_tokens=beside.budget_tokens if inside.budget_tokens is None else inside.budget_tokens,
        force_rounds=beside.force_rounds if inside.force_rounds is None else inside.force_rounds,
        stated={**beside.stated, **inside.stated},
    )


def _model(source: Source, facts: FileFacts, choice: ImportChoice) -> str:
    model = "".join(sign for sign in choice.model or facts.model if sign.isprintable()).strip()
    if not model:
        raise InvalidAnswers(
            f"{source.name}: the files do not say which model answered. Keep the log next to its results_*.json "
            "(lm-evaluation-harness) or config.yaml (m1), or name the model with --model."
        )
    return model


def _notes_of(file: AnswerFile, facts: FileFacts, choice: ImportChoice) -> list[str]:
    notes = []
    if len(file.filters) > 1:
        notes.append(
            f"verdicts by the filter {file.filters[0]}; left out {counted(file.left_out, 'row')} of "
            f"{', '.join(file.filters[1:])}"
        )
    if choice.model and facts.model and choice.model != facts.model:
        notes.append(f"the file names the model {facts.model}")
    if facts.stated.get("status", "success") != "success":
        notes.append(f"the evaluation did not end with success ({facts.stated['status']})")
    return notes


async def _take_all(taking: "_Taking", file: AnswerFile) -> None:
    spool = await asyncio.to_thread(taking.log.answers.open, "w", encoding="utf-8")
    try:
        batch: list[GivenAnswer] = []
        async for answer in file.answers:
            batch.append(answer)
            if len(batch) == _BATCH:
                await asyncio.to_thread(taking.take, batch, spool)
                batch = []
        await asyncio.to_thread(taking.take, batch, spool)
    finally:
        await asyncio.to_thread(spool.close)
    taking.finish()


class _Taking:
    """Takes the answers of a log one after the other."""

    def __init__(
        self, log: Log, choice: ImportChoice, marks: Marks, verdicts: Sequence[tuple[str, bool | None]]
    ) -> None:
        self.log = log
        self._choice = choice
        self._marks = marks
        self._verdicts = verdicts
        self._seen: set[tuple[Any, ...]] = set()
        self._ids: set[tuple[Any, ...]] = set()
        self._left_out: Counter[str] = Counter()
        self._rows = 0
        self._characters = 0

    def take(self, answers: Sequence[GivenAnswer], spool: IO[str]) -> None:
        """Write some answers to the file; raises InvalidAnswers."""
        for each in answers:
            self._rows += 1
            row = self._row(each)
            if row is not None:
                line = json.dumps(row)
                self._characters += len(line)
                if self._characters > MAX_CHARACTERS:
                    raise InvalidAnswers(
                        f"{self._name}: found more than {MAX_CHARACTERS:,} characters of answers. Split the log."
                    )
                spool.write(line + "\n")

    def finish(self) -> None:
        """Note what was left out; raises InvalidAnswers if nothing is left."""
        listed = [f"{counted(count, 'answer')} {why}" for why, count in self._left_out.items()]
        if not self.log.questions:
            raise InvalidAnswers(
                f"{self._name}: found no answer that can be imported: {'; '.join(listed)}. Only answers to questions "
                "with options are scored."
            )
        self.log.notes += [f"left out: {each}" for each in listed]

    @property
    def _name(self) -> str:
        return self.log.source.name

    def _row(self, answer: GivenAnswer) -> dict[str, Any] | None:
        """An answer as a line of the file; None if it is left out."""
        self._check_repeated(answer)
        details = answer.details
        if details.pass_number >= MAX_PASSES:
            raise InvalidAnswers(
                f"{self._name}, {answer.where}: found more than {MAX_PASSES:,} answers to one question."
            )
        if not has_usual_letters(answer.options) or not details.stem.strip():
            self._left_out["to questions without options or text"] += 1
            return None
        name, key = self._set_of(answer), question_key(details.stem, answer.options)
        cell = (name, self._budget(answer), self._rounds(answer))
        if (key, details.pass_number, cell) in self._seen:
            self._left_out["to questions that the file has more than once"] += 1
            return None
        self._seen.add((key, details.pass_number, cell))
        question = LogQuestion(details.stem, answer.options, answer.target, answer.tags)
        self.log.questions.setdefault((name, key), question)
        self._count(cell, answer)
        return {"set": name, "key": key, "answer": self._answer(answer, cell)}

    def _check_repeated(self, answer: GivenAnswer) -> None:
        """A sample that is there twice belongs to another evaluation, appended to the file."""
        if not answer.question_key or self.log.tool == "m1":
            return
        known = (answer.question_key, answer.details.pass_number)
        if known in self._ids:
            raise InvalidAnswers(
                f"{self._name}, {answer.where}: the sample {answer.question_key[:60]} occurs twice (answer "
                f"{answer.details.pass_number + 1}), so the file contains several evaluations. Split it into one file "
                "for each."
            )
        self._ids.add(known)

    def _set_of(self, answer: GivenAnswer) -> str:
        given = answer.details.source or _task(self.log)
        return "".join(sign for sign in given if sign.isprintable()).strip()[:_SET_CHARACTERS] or "unnamed"

    def _budget(self, answer: GivenAnswer) -> int:
        said = (answer.details.budget_tokens, self.log.facts.budget_tokens, self._choice.budget_tokens)
        return next((each for each in said if each is not None), 0)

    def _rounds(self, answer: GivenAnswer) -> int:
        said = (answer.details.force_rounds, self.log.facts.force_rounds, self._choice.force_rounds)
        return next((each for each in said if each is not None), 0)

    def _count(self, cell: CellKey, answer: GivenAnswer) -> None:
        log, details = self.log, answer.details
        log.cells[cell] = log.cells.get(cell, True) and details.generated_tokens is not None
        log.thinking_cells[cell] = log.thinking_cells.get(cell, True) and details.thinking_tokens is not None
        log.passes = max(log.passes, details.pass_number + 1)

    def _answer(self, answer: GivenAnswer, cell: CellKey) -> dict[str, Any]:
        """The fields of an `ImportedAnswer` that come from the file."""
        details = self._with_verdict(answer)
        found = output_parts(answer.text, self._marks)
        thinking = found.thinking if details.thinking is None else details.thinking
        names = ("pass_number", "own_is_correct", "own_letter", "own_rule", "generated_tokens", "thinking_tokens")
        return {name: getattr(details, name) for name in names} | {
            "budget_tokens": cell[1],
            "force_rounds": cell[2],
            "thinking": thinking,
            "answer": found.answer if details.thinking is None else answer.text,
        }

    def _with_verdict(self, answer: GivenAnswer) -> Details:
        """The details, with the verdict of the file beside, if its row is of the same question."""
        place = self._rows - 1
        if place >= len(self._verdicts) or self._verdicts[place][0] != question_digest(answer.question):
            return answer.details
        return replace(answer.details, own_is_correct=self._verdicts[place][1], own_rule="score.py")


def _task(log: Log) -> str:
    """The name of the evaluated set, as the log or its file has it."""
    if task := log.facts.stated.get("task"):
        return task.rpartition("/")[2]
    name = log.source.path.name.rpartition(".")[0]
    return name.partition("_")[2].rpartition("_")[0] or name if name.startswith("samples_") else name
