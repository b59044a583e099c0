"""Studies with made-up results: benchmark runs as the runner stores them, and claims with made-up tests, or stored."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from m1app.benchmark.cell_summaries import CellSummary
from m1app.benchmark.queries import BenchmarkReading
from m1app.studies.file_reading import parse_study
from m1app.studies.records import ClaimOutcome, Reading, SetCheck, StudyOutcome, StudyPart, Verdict
from m1app.studies.study_file import Claim, Study
from storage.benchmarks.records import BenchmarkRun, RunState
from storage.database import Database
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.studies.records import NewStudy, StoredStudy
from storage.studies.repository import StudyRepository
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run

MOMENT = datetime(2026, 11, 30, 12, tzinfo=UTC)
STUDY = """
name = "thinking-helps"
title = "Does thinking help?"
about = "Two sets, one model."
source = "m1, arXiv 2504.00869"
rule = "m1"

[[set]]
name = "MedQA"
size = 60
paper = "MedQA"

[[set]]
name = "NEJM"
paper = "NEJM"

[[model]]
role = "small"
about = "Seven billion parameters."
paper = "m1-7B-23K"

[[model]]
role = "large"

[[run]]
id = "main"
title = "Budgets"
question_sets = ["MedQA", "NEJM"]
models = ["small", "large"]
budgets = [128, 512, 2048]
force_rounds = [0, 1]

[[run]]
id = "more"
question_sets = ["NEJM"]
models = ["large"]
budgets = [128]

[[claim]]
id = "gains"
text = "Thinking helps."
kind = "gain"
refuted_by = "A loss from 128 to 2,048 tokens."
run = "main"
model = "small"
first = { budget = 128 }
second = { budget = 2048 }

[[claim]]
id = "breaks"
text = "Forcing breaks right answers."
kind = "breaks"
refuted_by = "Fewer than 1% of right answers turn wrong."
run = "main"
model = "small"
first = { budget = 2048 }
second = { budget = 2048, force_rounds = 1 }

[[claim]]
id = "larger"
text = "The larger model is better."
kind = "better"
refuted_by = "The smaller one is right as often."
run = "main"
first = { model = "small", budget = 2048 }
second = { model = "large", budget = 2048 }

[[figure]]
id = "figure-1"
title = "Accuracy by thinking budget"
kind = "curves"
runs = ["main"]

[[figure]]
id = "forcing"
title = "Accuracy by forced rounds"
kind = "rounds"
runs = ["main"]

[[figure]]
id = "flips"
title = "What forcing changes"
kind = "flips"
runs = ["main"]

[[figure]]
id = "table-1"
title = "Accuracies"
kind = "accuracies"
runs = ["main"]
"""
QUESTIONS = {"MedQA": questions_of("MedQA", 60), "NEJM": questions_of("NEJM", 40)}


async def a_study(
    database: Database,
    *,
    text: str = STUDY,
    model: str = "m1-7b",
    questions: Mapping[str, list[NewQuestion]] = QUESTIONS,
    done: int | None = None,
    with_sweeps: int = 0,
    temperature: float = 0.0,
    **changes: Any,
) -> StudyOutcome:
    """A study whose run "main" was asked of one model, and whose run "more" was left out.

    Args:
        database: migrated.
        text: its file.
        model: who plays "small".
        questions: of its sets, which are stored too, as "my NAME".
        done: number of finished items; None means all.
        with_sweeps: number of items with a trace.
        temperature: of its runs.
        changes: of the outcome.
    """
    study = parse_study(text, "study.toml")
    asked = study.run("main")
    here = {name: f"my {name}" for name in questions}
    run = a_run(
        question_sets=tuple(here.values()), models=(model,), budgets=asked.budgets, force_rounds=asked.force_rounds,
        temperature=temperature,
    )  # fmt: skip
    state = RunState.COMPLETED if done is None else RunState.STOPPED
    own = {here[name]: each for name, each in questions.items()}
    stored = store_run(database, run, own, done=done, state=state, with_sweeps=with_sweeps)
    with database.session() as session:
        sets = QuestionSetRepository(session)
        for name, each in own.items():
            if sets.find(name) is None:
                sets.add(name, f"{name}.json", "m1", "ab" * 32, each)
    cells = await BenchmarkReading(database).cells([stored.id], study.rule)
    found = StudyOutcome(
        id="a" * 32,
        name=study.name,
        study=study,
        state="completed",
        created_at=MOMENT,
        updated_at=MOMENT,
        models={"small": model},
        sets=here,
        parts=tuple(_part(study, each.id, stored) for each in study.runs),
        cells={"main": cells},
        readings=tuple(_readings(study, cells, model, here)),
        claims=tuple(_claims(study.claims)),
        set_checks=tuple(
            _check(each.name, each.size, len(questions.get(each.name, ()))) for each in study.question_sets
        ),
        protocol_differences=("The answer may have 256 tokens instead of 2,048.",),
        look=1,
        level=0.95,
        is_demo=False,
        text=text,
    )
    return replace(found, **changes)


def store_study(database: Database, **changes: Any) -> StoredStudy:
    """A started study of the same file, whose run "main" was asked of "m1-7b"; run "more" was left out.

    Args:
        database: migrated.
        changes: of the stored study.
    """
    own = {f"my {name}": questions for name, questions in QUESTIONS.items()}
    run = store_run(database, a_run(question_sets=tuple(own)), own, with_sweeps=2)
    facts = {
        "sets": {
            name: {"source": f"{name}.json", "questions": len(own[f"my {name}"]), "sha256": ""} for name in QUESTIONS
        }
    }
    with database.session() as session:
        sets = QuestionSetRepository(session)
        for name, questions in own.items():
            if sets.find(name) is None:
                sets.add(name, f"{name}.json", "m1", "", questions)
        new = NewStudy(
            name="thinking-helps", text=STUDY, models={"small": "m1-7b"},
            sets={name: f"my {name}" for name in QUESTIONS}, runs={"main": run.id}, facts=facts,
            started_by="command line",
        )  # fmt: skip
        return StudyRepository(session).add(replace(new, **changes))


def _part(study: Study, run_id: str, stored: BenchmarkRun) -> StudyPart:
    if run_id != "main":
        return StudyPart(run_id=run_id, title="", benchmark=None, recipe=None, note="No model plays large.")
    return StudyPart(run_id=run_id, title=study.run(run_id).title, benchmark=stored, recipe=None)


def _check(name: str, size: int | None, questions: int) -> SetCheck:
    return SetCheck(
        name=name, question_set=f"my {name}", source=f"{name}.json", questions=questions, official_size=size,
        sha256="ab" * 32, published_sha256=None, md5="", published_md5=None, overlaps=(), overlap_note="",
        problems=("It has another size than the published set.",) if size not in (None, questions) else (),
    )  # fmt: skip


def _readings(study: Study, cells: tuple[CellSummary, ...], model: str, here: Mapping[str, str]) -> list[Reading]:
    found = []
    for name in ("", *(each.name for each in study.question_sets)):
        of_set = here.get(name, "")
        own = [each for each in cells if each.question_set == of_set and each.force_rounds == 0]
        if own:
            largest, best = max(own, key=lambda c: c.budget_tokens), max(own, key=lambda c: c.accuracy.value)
            found.append(
                Reading(
                    run_id="main", role="small", model=model, question_set=name, force_rounds=0,
                    budget_tokens=largest.budget_tokens, at_one_budget=largest.accuracy,
                    best_budget_tokens=best.budget_tokens, best_of_budgets=best.accuracy,
                    paper_at_one_budget=0.703 if name == "MedQA" else None,
                    paper_best_of_budgets=0.7519 if name == "MedQA" else None,
                )
            )  # fmt: skip
    return found


def _claims(claims: tuple[Claim, ...]) -> list[ClaimOutcome]:
    numbers: dict[str, dict[str, Any]] = {
        "gains": {
            "verdict": Verdict.HOLDS, "why": "31 of 100 questions turned right and 12 wrong.", "estimate": 0.19,
            "low": 0.0612345, "high": 0.3187654, "n": 100, "test": "exact McNemar test", "p": 0.00271828,
            "p_adjusted": 0.00543656, "p_against": 0.9991, "p_against_adjusted": 1.0, "paper": 0.0321,
            "paper_place": "Figure 1", "difference_to_find": 0.142,
        },
        "breaks": {
            "verdict": Verdict.NOT_DECIDABLE, "why": "Of 45 questions that were right, 3 turned wrong.",
            "estimate": 0.0666667, "low": 0.0229, "high": 0.1786, "n": 45, "test": "exact binomial test", "p": 0.0712,
            "p_adjusted": 0.0712, "p_against": 0.98, "p_against_adjusted": 1.0, "difference_to_find": 0.11,
        },
    }  # fmt: skip
    unknown = {"verdict": Verdict.NOT_MEASURED, "why": "No model plays large."}
    return [ClaimOutcome(claim=each, **numbers.get(each.id, unknown)) for each in claims]
