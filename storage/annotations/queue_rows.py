"""Rows of the queue's statements as records."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, func

from storage.annotations.case_filters import Kind, submitted_by
from storage.annotations.records import CaseGroup, CaseSummary
from storage.questions.tables import QuestionRow
from storage.traces.listing import beginning
from storage.traces.tables import TraceRow


def counted_columns(kind: Kind, annotator: str) -> tuple[Any, ...]:
    """What is counted of the cases of a group."""

    def how_many(condition: Any) -> Any:
        return func.sum(case((condition, 1), else_=0))

    return (
        kind.group.label("subject"),
        QuestionRow.stem,
        QuestionRow.target,
        func.count().label("cases"),
        how_many(kind.is_correct.is_(False)).label("wrong"),
        how_many(kind.is_flip).label("flips"),
        how_many(submitted_by(kind, annotator)).label("submitted"),
        func.count(TraceRow.model.distinct()).label("models"),
        func.min(TraceRow.model).label("model"),
        func.count(TraceRow.id.distinct()).label("passes"),
        func.min(kind.id).label("first"),
    )


def as_group(key: str, created_at: datetime, row: Row[Any], only: CaseSummary | None) -> CaseGroup:
    """A group from its counts; `only` is its case if it has one only."""
    return CaseGroup(
        key=key,
        created_at=created_at,
        stem=beginning(row.stem),
        target=row.target,
        models=row.models,
        model=row.model,
        passes=row.passes,
        cases=row.cases,
        wrong=row.wrong,
        flips=row.flips,
        submitted=row.submitted,
        only=only,
    )


def group_of_one(only: CaseSummary) -> CaseGroup:
    """A case as a group of its own."""
    return CaseGroup(
        key=f"c{only.id}",
        created_at=only.created_at,
        stem=only.stem,
        target=only.target,
        models=1,
        model=only.model,
        passes=1,
        cases=1,
        wrong=int(only.is_correct is False),
        flips=int(only.is_flip),
        submitted=int(bool(only.is_submitted)),
        only=only,
    )


def as_summary(row: Row[Any], assessed_by: int) -> CaseSummary:
    """A case with the number of its submitted assessments."""
    budget, rounds = smallest(row.cells) or (row.thinking_budget_tokens, row.force_rounds)
    return CaseSummary(
        id=row.id,
        trace_id=row.trace_id,
        checkpoint_id=None if row.id == row.trace_id else row.id,
        sweep_id=row.sweep_id,
        created_at=row.created_at,
        stem=beginning(row.stem),
        target=row.target,
        model=row.model,
        pass_number=row.pass_number,
        seed=row.seed,
        thinking_budget_tokens=budget,
        force_rounds=rounds,
        letter=row.letter,
        is_correct=row.is_correct,
        is_flip=bool(row.is_flip),
        is_submitted=row.is_submitted,
        assessed_by=assessed_by,
        strategy=row.strategy or "",
    )


def smallest(cells: tuple[tuple[int, int], ...] | None) -> tuple[int, int] | None:
    """The smallest of a cut's cells: budget and force rounds; None if there are none."""
    return min(cells) if cells else None
