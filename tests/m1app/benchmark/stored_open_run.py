"""A run over open questions in the database, judged by a model."""

from collections.abc import Sequence

from storage.benchmarks.open_answers import OpenAnswerFilter, open_answers
from storage.benchmarks.records import BenchmarkRun
from storage.database import Database
from storage.open_verdicts.records import Judgement, NewOpenVerdict
from storage.open_verdicts.repository import OpenVerdictRepository, open_answer
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run

CELL = (128, 0)
QUESTIONS = (
    ("Why do sailors without fruit bleed?", "Lack of vitamin C"),
    ("Which nerve lifts the arm?", "The axillary nerve"),
    ("What does <img src=x onerror=window.__hit=21> mean?", "<b>Nothing</b> at all"),
)
JUDGED = (Judgement.RIGHT, Judgement.WRONG, None)
"""The model's verdicts on their answers; the last one has none."""
REASON = "Both say the same. <img src=x onerror=window.__hit=22>"


def store_run_with_open_set(database: Database, *sets: str) -> BenchmarkRun:
    """A run on sets of two questions with options each, and on the open set."""
    questions = {name: questions_of(name, 2) for name in sets}
    opened = [NewQuestion(stem=stem, source="Open") for stem, _ in QUESTIONS]
    run = store_run(database, a_run(question_sets=(*sets, "Open")), {**questions, "Open": opened})
    with database.session() as session:
        kept = QuestionRepository(session)
        for new_question, (_, reference) in zip(opened, QUESTIONS, strict=True):
            kept.set_reference(kept.upsert(new_question).id, reference)
    return run


def store_open_run(
    database: Database, *, name: str = "Open", judged: Sequence[Judgement | None] = JUDGED
) -> tuple[BenchmarkRun, list[str]]:
    """Return the run, and the ids of its answers in order."""
    questions = {"Open": [NewQuestion(stem=stem, source="Open") for stem, _ in QUESTIONS]}
    new = a_run(name=name, question_sets=("Open",), budgets=CELL[:1], force_rounds=CELL[1:])
    run = store_run(database, new, questions, with_sweeps=len(QUESTIONS))
    with database.session() as session:
        kept = QuestionRepository(session)
        for new_question, (_, reference) in zip(questions["Open"], QUESTIONS, strict=True):
            kept.set_reference(kept.upsert(new_question).id, reference)
        listed, _ = open_answers(session, run.id, OpenAnswerFilter(cell=CELL), 50, 0)
        answers = [each.checkpoint_id for each in listed]
        for answer, judgement in zip(answers, judged, strict=True):
            found = open_answer(session, answer)
            assert found is not None
            if judgement is not None:
                OpenVerdictRepository(session).put(
                    NewOpenVerdict(
                        trace_id=found.trace_id,
                        checkpoint_id=answer,
                        judgement=judgement,
                        reference=found.reference,
                        is_person=False,
                        judged_by="m1-32b",
                        reason=REASON,
                    )
                )
    return run, answers
