"""Which runs the logs of one import become: their questions matched, their answers scored. Nothing is stored here."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from m1app.benchmark.imports.log_reading import ImportChoice, Log, LogQuestion
from m1app.benchmark.imports.matching import Match
from m1app.question.answers.scoring import SEVERAL_NOT_SCORED, STRICT_VERSION, letter_basis, score
from m1app.targets import is_target
from m1app.wording import counted
from storage.benchmarks.imports import ImportedResult
from storage.benchmarks.records import ImportedAnswer, ImportedFile, NewBenchmarkRun

_MARK = "imported"
_NAME_CHARACTERS = 200
_SETS_NAMED = 3

Place = tuple[str, str]
"""(set in the log, `question_key`)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the answers to a question of a log go."""

    set_name: str
    question_id: str | None
    """None for a question that is stored with its set's others."""
    options: Mapping[str, str]
    target: str


@dataclass(slots=True)
class NewSet:
    """Questions of logs that no stored set has."""

    name: str
    source: str
    """The first file that has them."""
    questions: dict[Place, LogQuestion] = field(default_factory=dict)


@dataclass(slots=True)
class RunPlan:
    """A run to be stored."""

    logs: list[Log]
    name: str = ""
    sets: list[str] = field(default_factory=list)
    """Its question sets."""
    items: dict[tuple[str, str], Target] = field(default_factory=dict)
    """Its questions by set and `question_key`, in order."""
    files: list[ImportedFile] = field(default_factory=list)
    results: Path | None = None
    """The file of its scored answers."""

    @property
    def budgets(self) -> tuple[int, ...]:
        """Ascending; 0 stands for a budget that is not stated."""
        return tuple(sorted({budget for log in self.logs for _, budget, _ in log.cells}))

    @property
    def rounds(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(sorted({rounds for log in self.logs for _, _, rounds in log.cells}))


def placed_questions(
    logs: Sequence[Log], matches: Mapping[str, Match], taken: Callable[[str], bool]
) -> tuple[dict[Place, Target], dict[str, NewSet]]:
    """Where each question of the logs goes, and the sets that have to be added, by the name in the log.

    Questions without a target that no stored set has go nowhere: nothing could score them.

    Args:
        logs: that were read.
        matches: the stored set for each set of the logs.
        taken: whether a set has this name.
    """
    placed: dict[Place, Target] = {}
    new: dict[str, NewSet] = {}
    for log in logs:
        for place, question in log.questions.items():
            match = matches[place[0]]
            if kept := match.questions.get(place[1]):
                placed[place] = Target(match.set_name, kept.id, kept.options, kept.target or "")
            elif question.target and is_target(question.target, question.options) and place not in placed:
                added = new.setdefault(place[0], NewSet(_free_name(place[0], taken), log.source.name))
                added.questions[place] = question
                placed[place] = Target(added.name, None, question.options, question.target)
    return placed, new


def _free_name(source: str, taken: Callable[[str], bool]) -> str:
    names = (f"{source} ({_MARK}{f' {number}' if number else ''})" for number in (0, *range(2, 10_000)))
    return next(name for name in names if not taken(name))


def plans_of(logs: Sequence[Log], placed: Mapping[Place, Target], choice: ImportChoice) -> list[RunPlan]:
    """Runs of logs of one tool and model, with the same sampling, that share no cell of a set."""
    plans: list[RunPlan] = []
    for log in logs:
        plan = next((each for each in plans if _fits(each, log)), None)
        if plan is None:
            plans.append(plan := RunPlan([]))
        plan.logs.append(log)
        for place in log.questions:
            if target := placed.get(place):
                plan.items.setdefault((target.set_name, place[1]), target)
                if target.set_name not in plan.sets:
                    plan.sets.append(target.set_name)
        plan.files.append(_file(log, placed))
    kept = [plan for plan in plans if plan.items]
    for number, plan in enumerate(kept):
        first = plan.logs[0]
        given = f"{choice.name} {number + 1}" if choice.name and len(kept) > 1 else choice.name
        sets = ", ".join(plan.sets) if len(plan.sets) <= _SETS_NAMED else counted(len(plan.sets), "question set")
        plan.name = (given or f"{first.tool}, {sets}: {first.model}")[:_NAME_CHARACTERS]
    return kept


def _fits(plan: RunPlan, log: Log) -> bool:
    first = plan.logs[0]
    is_alike = (first.tool, first.model, _sampling(first)) == (log.tool, log.model, _sampling(log))
    return is_alike and not any(set(log.cells) & set(each.cells) for each in plan.logs)


def _sampling(log: Log) -> tuple[str, str]:
    return log.facts.stated.get("temperature", ""), log.facts.stated.get("top_p", "")


def _file(log: Log, placed: Mapping[Place, Target]) -> ImportedFile:
    found = [placed.get(place) for place in log.questions]
    notes = list(log.notes)
    if without := sum(each is None for each in found):
        notes.append(f"left out: {counted(without, 'question')} without a right answer that no question set has")
    others = sum(
        bool(question.target and target and question.target != target.target)
        for question, target in zip(log.questions.values(), found, strict=True)
    )
    if others:
        notes.append(f"{counted(others, 'question')} with another right answer in the question set, which counts")
    return ImportedFile(
        file_name=log.source.name,
        sha256=log.digests.log,
        beside_sha256=log.digests.beside,
        tool=log.tool,
        tool_version=log.facts.tool_version,
        stated=log.facts.stated,
        questions=len(log.questions),
        matched=sum(each is not None and each.question_id is not None for each in found),
        notes=tuple(notes),
    )


def new_run(plan: RunPlan) -> NewBenchmarkRun:
    """The run's settings; those that only a run of this app has stay empty and are shown nowhere."""
    return NewBenchmarkRun(
        name=plan.name,
        question_sets=tuple(plan.sets),
        models=(plan.logs[0].model,),
        budgets=plan.budgets,
        force_rounds=plan.rounds,
        passes=max(log.passes for log in plan.logs),
        temperature=0.0,
        top_p=1.0,
        seed=None,
        answer_cap_tokens=0,
        system_prompt=None,
        asks_probabilities=False,
        profile="",
        limit=None,
        in_flight=0,
        strict_version=STRICT_VERSION,
    )


def write_results(plan: RunPlan, placed: Mapping[Place, Target], path: Path) -> None:
    """Score the answers of a run and write them to a file; blocks."""
    positions = {item: number for number, item in enumerate(plan.items)}
    with path.open("w", encoding="utf-8") as file:
        for log in plan.logs:
            for row in _rows(log.answers):
                target = placed.get((row["set"], row["key"]))
                if target is not None:
                    scored = _scored(log, row, target) | {"position": positions[target.set_name, row["key"]]}
                    file.write(json.dumps(scored) + "\n")
    plan.results = path


def results_of(plan: RunPlan) -> Iterator[ImportedResult]:
    """The scored answers of a run; blocks."""
    assert plan.results is not None
    for row in _rows(plan.results):
        yield ImportedResult(**row | {"answer": ImportedAnswer(**row["answer"])})


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _scored(log: Log, row: dict[str, Any], target: Target) -> dict[str, Any]:
    """The fields of an `ImportedResult` besides its position."""
    answer, options = row["answer"], dict(target.options)
    strict = score(answer["answer"], options, target.target)
    m1 = score(answer["answer"], options, target.target, "m1")
    basis = {name: value for name, value in letter_basis(strict, "").items() if name != "strict_version"}
    cell = (row["set"], answer["budget_tokens"], answer["force_rounds"])
    return {
        "answer": answer | basis,
        "letter": strict.letter,
        "is_correct": bool(strict.is_correct),
        "m1_letter": m1.letter,
        "m1_is_correct": None if m1.how == SEVERAL_NOT_SCORED else bool(m1.is_correct),
        "tokens": (answer["generated_tokens"] or 0) if log.cells[cell] else 0,
        "thinking_tokens": (answer["thinking_tokens"] or 0) if log.thinking_cells[cell] else 0,
    }
