"""Answers of a run to open questions, counted by what models and persons say of them.

No rule scores these answers, so they are in no accuracy of the run.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow
from storage.open_verdicts.records import Judgement
from storage.open_verdicts.tables import OpenVerdictRow
from storage.questions.tables import QuestionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCount:
    """Answers of one model to the open questions of one set, at one setting, by one judge."""

    model: str
    question_set: str
    budget_tokens: int
    force_rounds: int
    judge: str
    """The model that judged; empty for answers that none has judged."""
    judgements: Mapping[Judgement | None, int]
    """Verdict -> answers; None for those without one."""
    by_persons: Mapping[Judgement, int]
    """Persons' verdicts on the same answers."""

    @property
    def answers(self) -> int:
        """All of them."""
        return sum(self.judgements.values())


@dataclass(frozen=True, slots=True)
class JudgedAnswers:
    """What a run's answers to open questions were judged as."""

    counts: tuple[JudgedCount, ...]
    pairs: Mapping[tuple[Judgement, Judgement], int]
    """(model's, person's) verdict on the same answer -> how often; each answer once, however many settings share it."""


def judged_answers(session: Session, run_id: str) -> JudgedAnswers:
    """Count the verdicts on a run's answers; raises RecordNotFound."""
    run = BenchmarkRepository(session).get(run_id)
    found: dict[tuple[int, int, int, int, str], tuple[Counter[Judgement | None], Counter[Judgement]]] = {}
    for number, of_set, rounds, budget, judge, judgement, by_person, count in session.execute(_verdicts(run_id)):
        counts = found.setdefault((number, of_set, rounds, budget, judge), (Counter(), Counter()))
        counts[0][judgement] += count
        if by_person is not None:
            counts[1][by_person] += count
    return JudgedAnswers(
        tuple(
            JudgedCount(
                model=run.models[number],
                question_set=run.question_sets[of_set],
                budget_tokens=budget,
                force_rounds=rounds,
                judge=judge,
                judgements=judgements,
                by_persons=persons,
            )
            for (number, of_set, rounds, budget, judge), (judgements, persons) in found.items()
        ),
        _pairs(session, run_id),
    )


def _verdicts(run_id: str) -> Any:
    """Counts by model, set, setting, judge and both verdicts."""
    row, item = BenchmarkResultRow, BenchmarkItemRow
    model, person = aliased(OpenVerdictRow), aliased(OpenVerdictRow)
    keys = (row.model_number, row.set_number, row.force_rounds, row.budget_tokens)
    return (
        select(*keys, func.coalesce(model.judged_by, ""), model.judgement, person.judgement, func.count())
        .join(item, item.id == row.item_id)
        .join(QuestionRow, QuestionRow.id == item.question_id)
        .outerjoin(model, (model.checkpoint_id == row.checkpoint_id) & model.is_person.is_(False))
        .outerjoin(
            person,
            (person.checkpoint_id == row.checkpoint_id)
            & person.is_person.is_(True)
            & (person.reference == model.reference),
        )
        .where(row.run_id == run_id, row.is_correct.is_(None), QuestionRow.reference.is_not(None))
        .group_by(*keys, model.judged_by, model.judgement, person.judgement)
        .order_by(*keys)
    )


def _pairs(session: Session, run_id: str) -> Mapping[tuple[Judgement, Judgement], int]:
    model, person = aliased(OpenVerdictRow), aliased(OpenVerdictRow)
    of_run = select(BenchmarkResultRow.checkpoint_id).where(BenchmarkResultRow.run_id == run_id)
    is_same = (model.checkpoint_id == person.checkpoint_id) & (model.reference == person.reference)
    query = (
        select(model.judgement, person.judgement)
        .join(person, is_same)
        .where(model.is_person.is_(False), person.is_person.is_(True), model.checkpoint_id.in_(of_run))
    )
    return Counter((one, other) for one, other in session.execute(query))
