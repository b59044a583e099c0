"""The queue of cases: groups of one question each, or single cases in a random order, and the way from case to case."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, null, select, tuple_
from sqlalchemy.orm import Session

from storage.annotations.assessments import AssessmentRepository
from storage.annotations.case_filters import (
    ANSWERS,
    HAS_ANSWER,
    KINDS,
    PROBES,
    Conditions,
    Groups,
    Kind,
    asking_strategy,
    conditions,
    differing_cases,
    is_selective,
    is_submitted,
    left_to,
    listed,
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
"""In one page of a group."""


class QueueRepository:
    """The queue in the session's database, for one filter."""

    def __init__(self, session: Session, wanted: CaseFilter, seen_by: str | None = None) -> None:
        """`seen_by` limits the annotations that the filter looks at, as in `AnnotationRepository.submitted_after`."""
        self._session = session
        self._wanted = wanted
        is_looked_up = wanted.order is CaseOrder.DISAGREEMENT
        differing = differing_cases(session, seen_by) if is_looked_up else {}
        self._all = conditions(session, wanted, seen_by, differing)
        """Without what an annotator has submitted left out."""
        self._conditions = {kind.id: [*self._all[kind.id], *left_to(kind, wanted.not_assessed_by)] for kind in KINDS}
        self._group_of: Groups = {kind.id: self._meeting(kind, differing[kind.id]) for kind in KINDS if is_looked_up}
        """The cases of the order by disagreement with their groups; none for other orders."""

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

    def cases(self, key: str, annotator: str, after: str | None = None) -> tuple[CaseSummary, ...]:
        """The first 2,000 cases of a group in order, or those after a case of it; empty for an unknown group."""
        kind, subject = kind_of(key)
        query = self._summaries(kind, annotator, self._within(kind, [subject])).where(kind.group == subject)
        if after is not None:
            here = self._session.execute(kind.cases(*kind.place).where(kind.id == after)).first()
            if here is None:
                return ()
            query = query.where(self._beyond(kind, here, is_backward=False))
        return self._read(query.order_by(*kind.order()).limit(_MAX_GROUP_CASES))

    def every_case(self, key: str, annotator: str) -> Iterator[CaseSummary]:
        """All cases of a group in order, a page at a time."""
        page = self.cases(key, annotator)
        while page:
            yield from page
            page = self.cases(key, annotator, page[-1].id)

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
        beyond_it = self._beyond(kind, row[1:], is_backward=is_backward)
        within = self._ids_of(kind, row.subject).where(beyond_it)
        found = self._session.scalar(within.order_by(*kind.order(is_backward=is_backward)).limit(1))
        if found:
            return str(found)
        other = next(iter(self._places(1, place, is_backward=is_backward)), None)
        return self._edge(other[1], is_last=is_backward) if other else None

    def _beyond(self, kind: Kind, place: Sequence[Any], *, is_backward: bool) -> ColumnElement[bool]:
        """The condition that a case of a group comes after a place in it."""
        here, there = tuple_(*kind.place), tuple_(*place)
        return here > there if is_backward == kind.is_probe else here < there

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
        query = self._ids_of(kind, subject).order_by(*kind.order(is_backward=is_last))
        found = self._session.scalar(query.limit(1))
        return str(found) if found else None

    def _meeting(self, kind: Kind, differing: dict[str, str]) -> dict[str, str]:
        """Those of the differing cases that meet all conditions: looked up once, as they are all over the file."""
        if len(self._conditions[kind.id]) == 1:  # That they differ.
            return differing
        query = kind.cases(kind.id, kind.group).where(*self._conditions[kind.id])
        return {row[0]: row[1] for row in self._session.execute(query)}

    def _ids(self, kind: Kind) -> Select[Any]:
        return kind.cases(kind.id).where(*self._conditions[kind.id])

    def _ids_of(self, kind: Kind, subject: str) -> Select[Any]:
        """Ids of the cases of a group."""
        return kind.cases(kind.id).where(kind.group == subject, *self._within(kind, [subject]))

    def _places(self, limit: int, after: Place | None, *, is_backward: bool = False) -> list[Place]:
        """The next groups in order; `is_backward` goes towards the newest."""
        found = [*self._sweeps(limit, after, is_backward), *self._questions(limit, after, is_backward)]
        return sorted(found, reverse=not is_backward)[:limit]

    def _sweeps(self, limit: int, after: Place | None, is_backward: bool) -> list[Place]:
        found = self._group_of.get(ANSWERS.id)
        if found is not None:
            some: ColumnElement[bool] = SweepRow.id.in_(listed(self._session, set(found.values())))
        elif is_selective(self._wanted):
            some = SweepRow.id.in_(ANSWERS.cases(TraceRow.sweep_id).where(*self._conditions[ANSWERS.id]))
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
            query = kind.cases(*counted_columns(kind, annotator)).where(*self._within(kind, subjects))
            query = query.join(QuestionRow, QuestionRow.id == TraceRow.question_id).where(kind.group.in_(subjects))
            for row in self._session.execute(query.group_by(kind.group, QuestionRow.id)) if subjects else ():
                counts[key_of(kind, row.subject)] = row
        alone = self._single([row.first for row in counts.values() if row.cases == 1], annotator)
        only = {group.key[1:]: group.only for group in alone}
        return tuple(
            as_group(key, time, counts[key], only.get(counts[key].first)) for time, key in places if key in counts
        )

    def _within(self, kind: Kind, subjects: Sequence[str]) -> list[ColumnElement[bool]]:
        """The conditions on the cases of some groups."""
        found, few = self._group_of.get(kind.id), set(subjects)
        if found is None:
            return self._conditions[kind.id]
        return [kind.id.in_(listed(self._session, (case_id for case_id, group in found.items() if group in few)))]

    def _single(self, ids: Sequence[str], annotator: str) -> tuple[CaseGroup, ...]:
        """Cases by their ids, each as a group of its own, in the given order."""
        found: dict[str, CaseSummary] = {}
        for kind in KINDS:
            # Those that were looked up meet the conditions.
            query = self._summaries(kind, annotator, [] if self._group_of else self._conditions[kind.id])
            found |= {each.id: each for each in self._read(query.where(kind.id.in_(ids)))}
        return tuple(group_of_one(found[each]) for each in ids if each in found)

    def _summaries(self, kind: Kind, annotator: str, given: list[ColumnElement[bool]]) -> Select[Any]:
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
            (asking_strategy() if kind is PROBES else null()).label("strategy"),
        )
        query = kind.cases(*columns).join(QuestionRow, QuestionRow.id == TraceRow.question_id)
        return query.where(*given)

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
        total, left_out = sum(self._count(kind) for kind in KINDS), self._wanted.not_assessed_by
        if left_out and not self._group_of:
            # Subtracted, because looking for every case among the submitted ones takes longer.
            total -= self._count_submitted(left_out, self._all)
        is_counted = annotator and annotator != left_out
        return total, self._count_submitted(annotator, self._conditions) if is_counted else 0

    def _count(self, kind: Kind) -> int:
        if self._group_of:
            return len(self._group_of[kind.id])
        given = self._all[kind.id]
        of_trace = self._wanted.model or self._wanted.sweep_id or self._wanted.text.strip()
        if kind is PROBES or of_trace:
            return self._session.scalar(kind.cases(func.count()).where(*given)) or 0
        # All answers less those in the trash: the first number needs no trace, and the second is small.
        answers = select(func.count()).select_from(CheckpointRow).where(HAS_ANSWER, *given)
        thrown_away = select(TraceRow.id).where(TraceRow.trash_id.is_not(None))
        hidden = answers.where(CheckpointRow.trace_id.in_(thrown_away))
        in_trash = self._session.scalar(hidden, execution_options={WITH_TRASH: True}) or 0
        return (self._session.scalar(answers) or 0) - in_trash

    def _count_submitted(self, annotator: str, given: Conditions) -> int:
        """How many of some cases an annotator has submitted; begins at the annotator's assessments, which are few."""
        return sum(self._count_submitted_of(kind, annotator, given[kind.id]) for kind in KINDS)

    def _count_submitted_of(self, kind: Kind, annotator: str, given: list[ColumnElement[bool]]) -> int:
        own = AssessmentRow
        of_kind = own.checkpoint_id.is_(None) if kind is PROBES else own.checkpoint_id.is_not(None)
        mine = (own.annotator == replace_unstorable(annotator)) & own.is_submitted & of_kind
        if self._group_of:
            done = self._session.scalars(select(own.case_id).where(mine))
            return sum(case_id in self._group_of[kind.id] for case_id in done)
        query = select(func.count()).select_from(own).join(TraceRow, TraceRow.id == own.trace_id)
        if kind is ANSWERS:
            query = query.join(CheckpointRow, CheckpointRow.id == own.checkpoint_id)
        return self._session.scalar(query.where(mine, *given)) or 0
