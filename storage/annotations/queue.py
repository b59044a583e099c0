"""The queue of cases: groups of one question each, or single cases in a random order, and the way from case to case."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select, tuple_
from sqlalchemy.orm import Session

from storage.annotations.assessments import AssessmentRepository
from storage.annotations.case_filters import (
    ANSWERS,
    HAS_ANSWER,
    KINDS,
    PROBES,
    Kind,
    conditions,
    is_selective,
    is_submitted,
)
from storage.annotations.queue_places import (
    Bounds,
    Place,
    as_cursor,
    beyond,
    id_ranges,
    key_of,
    kind_of,
    read_drawn,
    read_place,
)
from storage.annotations.queue_rows import as_group, as_summary, counted_columns, group_of_one
from storage.annotations.records import CaseFilter, CaseGroup, CaseOrder, CasePage, CaseSummary
from storage.annotations.tables import AssessmentRow
from storage.columns import replace_unstorable
from storage.questions.tables import QuestionRow
from storage.sweeps.tables import SweepRow
from storage.traces.tables import CheckpointRow, TraceRow
from storage.trash.tables import WITH_TRASH

_MAX_PAGE_SIZE = 500
_MAX_GROUP_CASES = 2000
"""More cases of one group are reached by filters."""


class QueueRepository:
    """The queue in the session's database, for one filter."""

    def __init__(self, session: Session, wanted: CaseFilter, seen_by: str | None = None) -> None:
        """`seen_by` limits the annotations that the filter looks at, as in `AnnotationRepository.submitted_after`."""
        self._session = session
        self._wanted = wanted
        self._conditions = {kind.id: conditions(session, kind, wanted, seen_by) for kind in KINDS}

    def page(self, annotator: str, limit: int, cursor: str | None) -> CasePage:
        """Return one page of the queue; `annotator` is whose progress is shown.

        Raises:
            InvalidRecord: the cursor did not come from a page of this order.
        """
        size = max(1, min(limit, _MAX_PAGE_SIZE))
        if self._wanted.order is CaseOrder.RANDOM:
            ids = self._drawn(size + 1, read_drawn(cursor))
            groups = self._single(ids[:size], annotator)
            last = ids[size - 1] if len(ids) > size else None
        else:
            places = self._places(size + 1, read_place(cursor) if cursor else None)
            groups = self._groups(places[:size], annotator)
            last = as_cursor(places[size - 1]) if len(places) > size else None
        total, submitted = self._progress(annotator)
        return CasePage(groups=groups, total=total, submitted=submitted, next_cursor=last)

    def cases(self, key: str, annotator: str) -> tuple[CaseSummary, ...]:
        """The cases of a group in order; empty for an unknown group."""
        kind, subject = kind_of(key)
        query = self._summaries(kind, annotator).where(kind.group == subject)
        return self._read(query.order_by(*kind.order()).limit(_MAX_GROUP_CASES))

    def first(self) -> str | None:
        """Id of the first case; None if the queue is empty."""
        if self._wanted.order is CaseOrder.RANDOM:
            return next(iter(self._drawn(1, None)), None)
        place = next(iter(self._places(1, None)), None)
        return self._edge(place[1], is_last=False) if place else None

    def neighbours(self, case_id: str) -> tuple[str | None, str | None]:
        """Ids of the previous and next case in the queue; the case itself may no longer be in it."""
        if self._wanted.order is CaseOrder.RANDOM:
            previous = self._drawn(1, case_id, is_backward=True)
            return next(iter(previous), None), next(iter(self._drawn(1, case_id)), None)
        here = self._here(case_id)
        if here is None:
            return None, None
        return self._step(*here, is_backward=True), self._step(*here, is_backward=False)

    def _step(self, kind: Kind, row: Row[Any], place: Place, *, is_backward: bool) -> str | None:
        """The case after or before one, in its group or else in the next one."""
        is_greater = is_backward == kind.is_probe
        here, there = tuple_(*kind.place), tuple_(*row[1:])
        within = self._ids(kind).where(kind.group == row.subject, here > there if is_greater else here < there)
        found = self._session.scalar(within.order_by(*kind.order(is_backward=is_backward)).limit(1))
        if found:
            return str(found)
        other = next(iter(self._places(1, place, is_backward=is_backward)), None)
        return self._edge(other[1], is_last=is_backward) if other else None

    def _here(self, case_id: str) -> tuple[Kind, Row[Any], Place] | None:
        """The case's kind, the subject of its group with its place in it, and the place of the group."""
        for kind in KINDS:
            query = kind.cases(kind.group.label("subject"), *kind.place).where(kind.id == case_id)
            if row := self._session.execute(query).first():
                return kind, row, (self._time(kind, row), key_of(kind, row.subject))
        return None

    def _time(self, kind: Kind, row: Row[Any]) -> datetime:
        if kind is ANSWERS:
            query = select(SweepRow.created_at).where(SweepRow.id == row.subject)
        else:
            newest = func.max(TraceRow.created_at)
            query = kind.cases(newest).where(*self._conditions[kind.id], kind.group == row.subject)
        found: datetime | None = self._session.scalar(query)
        # A probe that the filter leaves out may be alone; its place begins with its time.
        return found or tuple(row)[1]

    def _edge(self, key: str, *, is_last: bool) -> str | None:
        """Id of the first or last case of a group."""
        kind, subject = kind_of(key)
        query = self._ids(kind).where(kind.group == subject).order_by(*kind.order(is_backward=is_last))
        found = self._session.scalar(query.limit(1))
        return str(found) if found else None

    def _ids(self, kind: Kind) -> Select[Any]:
        return kind.cases(kind.id).where(*self._conditions[kind.id])

    def _places(self, limit: int, after: Place | None, *, is_backward: bool = False) -> list[Place]:
        """The next groups in order; `is_backward` goes towards the newest."""
        found = [*self._sweeps(limit, after, is_backward), *self._questions(limit, after, is_backward)]
        return sorted(found, reverse=not is_backward)[:limit]

    def _sweeps(self, limit: int, after: Place | None, is_backward: bool) -> list[Place]:
        if is_selective(self._wanted):
            some: ColumnElement[bool] = SweepRow.id.in_(
                ANSWERS.cases(TraceRow.sweep_id).where(*self._conditions[ANSWERS.id])
            )
        else:
            matching = ANSWERS.cases(TraceRow.id).where(TraceRow.sweep_id == SweepRow.id)
            some = matching.where(*self._conditions[ANSWERS.id]).correlate(SweepRow).exists()
        key, time = SweepRow.id, SweepRow.created_at
        query = select(time, key).where(some).where(*beyond(time, key, after, ANSWERS, is_backward=is_backward))
        order = (time, key) if is_backward else (time.desc(), key.desc())
        return [(row[0], key_of(ANSWERS, row[1])) for row in self._session.execute(query.order_by(*order).limit(limit))]

    def _questions(self, limit: int, after: Place | None, is_backward: bool) -> list[Place]:
        key, time = TraceRow.question_id, func.max(TraceRow.created_at)
        query = PROBES.cases(time, key).where(*self._conditions[PROBES.id]).group_by(key)
        query = query.having(*beyond(time, key, after, PROBES, is_backward=is_backward))
        order = (time, key) if is_backward else (time.desc(), key.desc())
        return [(row[0], key_of(PROBES, row[1])) for row in self._session.execute(query.order_by(*order).limit(limit))]

    def _groups(self, places: Sequence[Place], annotator: str) -> tuple[CaseGroup, ...]:
        counts: dict[str, Row[Any]] = {}
        for kind in KINDS:
            subjects = [key[1:] for _, key in places if kind_of(key)[0] is kind]
            query = kind.cases(*counted_columns(kind, annotator)).where(*self._conditions[kind.id])
            query = query.join(QuestionRow, QuestionRow.id == TraceRow.question_id).where(kind.group.in_(subjects))
            for row in self._session.execute(query.group_by(kind.group, QuestionRow.id)) if subjects else ():
                counts[key_of(kind, row.subject)] = row
        alone = self._single([row.first for row in counts.values() if row.cases == 1], annotator)
        only = {group.key[1:]: group.only for group in alone}
        return tuple(
            as_group(key, time, counts[key], only.get(counts[key].first)) for time, key in places if key in counts
        )

    def _single(self, ids: Sequence[str], annotator: str) -> tuple[CaseGroup, ...]:
        """Cases by their ids, each as a group of its own, in the given order."""
        found: dict[str, CaseSummary] = {}
        for kind in KINDS:
            found |= {each.id: each for each in self._read(self._summaries(kind, annotator).where(kind.id.in_(ids)))}
        return tuple(group_of_one(found[each]) for each in ids if each in found)

    def _summaries(self, kind: Kind, annotator: str) -> Select[Any]:
        columns = (
            kind.id.label("id"),
            TraceRow.id.label("trace_id"),
            TraceRow.sweep_id,
            kind.created_at.label("created_at"),
            TraceRow.model,
            TraceRow.pass_number,
            TraceRow.seed,
            TraceRow.thinking_budget_tokens,
            TraceRow.force_rounds,
            kind.cells.label("cells"),
            kind.letter.label("letter"),
            kind.is_correct.label("is_correct"),
            kind.is_flip.label("is_flip"),
            QuestionRow.stem,
            QuestionRow.target,
            is_submitted(kind, annotator).label("is_submitted"),
        )
        query = kind.cases(*columns).join(QuestionRow, QuestionRow.id == TraceRow.question_id)
        return query.where(*self._conditions[kind.id])

    def _read(self, query: Select[Any]) -> tuple[CaseSummary, ...]:
        rows = self._session.execute(query).all()
        assessed = AssessmentRepository(self._session).count_submitted([row.id for row in rows])
        return tuple(as_summary(row, assessed.get(row.id, 0)) for row in rows)

    def _drawn(self, limit: int, after: str | None, *, is_backward: bool = False) -> list[str]:
        """Ids of the next cases in random order: ids are random, and the seed says from which on they are read."""
        found: list[str] = []
        for bounds in id_ranges(self._wanted.seed, after, is_backward=is_backward):
            both = [each for kind in KINDS for each in self._in_range(kind, bounds, limit - len(found), is_backward)]
            found += sorted(both, reverse=is_backward)[: limit - len(found)]
            if len(found) == limit:
                break
        return found

    def _in_range(self, kind: Kind, bounds: Bounds, limit: int, is_backward: bool) -> list[str]:
        query = self._ids(kind).where(*(compare(kind.id, value) for compare, value in bounds))
        return list(self._session.scalars(query.order_by(kind.id.desc() if is_backward else kind.id).limit(limit)))

    def _progress(self, annotator: str) -> tuple[int, int]:
        """How many cases there are, and how many of them the annotator has submitted."""
        total = sum(self._count(kind) for kind in KINDS)
        if not annotator or annotator == self._wanted.not_assessed_by:
            return total, 0
        return total, sum(self._count_submitted(kind, annotator) for kind in KINDS)

    def _count(self, kind: Kind) -> int:
        given = self._conditions[kind.id]
        of_trace = self._wanted.model or self._wanted.sweep_id or self._wanted.text.strip()
        if kind is PROBES or of_trace:
            return self._session.scalar(kind.cases(func.count()).where(*given)) or 0
        # All answers less those in the trash: the first number needs no trace, and the second is small.
        answers = select(func.count()).select_from(CheckpointRow).where(HAS_ANSWER, *given)
        hidden = answers.join(TraceRow, TraceRow.id == CheckpointRow.trace_id).where(TraceRow.trash_id.is_not(None))
        in_trash = self._session.scalar(hidden, execution_options={WITH_TRASH: True}) or 0
        return (self._session.scalar(answers) or 0) - in_trash

    def _count_submitted(self, kind: Kind, annotator: str) -> int:
        """Begins at the annotator's assessments, of which there are few."""
        own = AssessmentRow
        query = select(func.count()).select_from(own).join(TraceRow, TraceRow.id == own.trace_id)
        if kind is ANSWERS:
            query = query.join(CheckpointRow, CheckpointRow.id == own.checkpoint_id)
        else:
            query = query.where(own.checkpoint_id.is_(None))
        mine = own.annotator == replace_unstorable(annotator)
        return self._session.scalar(query.where(mine, own.is_submitted, *self._conditions[kind.id])) or 0
