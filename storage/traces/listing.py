"""Lists of traces: filters and result pages.

Pages of the newest traces are keyset pages: a cursor names the last record seen, so no trace is repeated or skipped
when others are added or deleted. Other orders have a first page only.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, exists, func, or_, select
from sqlalchemy.orm import Session

from storage.branches.tables import BranchRow
from storage.columns import replace_unstorable
from storage.errors import InvalidRecord
from storage.questions.tables import QuestionRow
from storage.search import trace_matches
from storage.traces.records import TraceState
from storage.traces.tables import TraceRow

STEM_CHARACTERS = 160
"""Characters of a question shown in lists, before "…"."""
MAX_PAGE_SIZE = 500


class RunOrder(StrEnum):
    """Order of a list; what is equal comes newest first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"
    """By name, or by question where there is none; case does not matter."""
    VERDICT = "verdict"
    """Right, wrong, wrong without an option, not scored; sweeps have no verdict."""
    MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFilter:
    """Filter for traces; fields left at their defaults do not filter."""

    text: str = ""
    """Words in name, tags, question, thinking or answer, the last one as a prefix. See `search.py`."""
    state: TraceState | None = None
    is_running: bool | None = None
    """True: traces that run; False: those that have ended."""
    model: str | None = None
    """Model id, exact."""
    is_correct: bool | None = None
    """True: correct traces; False: wrong ones; unscored traces are neither."""
    is_scored: bool | None = None
    """True: scored traces; False: unscored ones."""
    has_target: bool | None = None
    """True: questions with a target; False: those without."""
    since: datetime | None = None
    """Started at or after this time; aware."""
    until: datetime | None = None
    """Started before this time; aware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    """A trace as shown in lists."""

    id: str
    created_at: datetime
    """Aware, UTC."""
    question_id: str
    stem: str
    """The beginning of the question, see `beginning`."""
    name: str
    tags: tuple[str, ...]
    model: str
    thinking_budget_tokens: int
    force_rounds: int
    """Requested force rounds."""
    state: TraceState
    answer_letter: str | None
    target: str | None
    is_correct: bool | None
    """None if unscored."""
    thinking_tokens: int
    """Tokens counted against the budget so far."""
    seconds: float | None
    """None while it is running."""
    owner: str
    """"host:pid" of the process that runs it, or ran it."""
    updated_at: datetime
    """Time of the last save, aware, UTC."""
    asked_by: str
    """Id of the account that asked; empty for a person without one."""
    is_branch: bool = False
    """Whether it goes on from another thinking, edited or resampled."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    items: tuple[TraceSummary, ...]
    next_cursor: str | None
    """Cursor for the next page; None on the last page, and in other orders than newest first."""
    has_more: bool = False


def read_beginning() -> ColumnElement[str]:
    """As much of a stem as `beginning` needs."""
    return func.substr(QuestionRow.stem, 1, STEM_CHARACTERS + 1)


def beginning(stem: str) -> str:
    """A stem as lists show it: all of it, or its first 160 characters and "…"."""
    return stem if len(stem) <= STEM_CHARACTERS else f"{stem[:STEM_CHARACTERS].rstrip()}…"


_COLUMNS: tuple[Any, ...] = (
    TraceRow.id,
    TraceRow.created_at,
    TraceRow.question_id,
    read_beginning().label("stem"),
    TraceRow.name,
    TraceRow.tags,
    TraceRow.model,
    TraceRow.thinking_budget_tokens,
    TraceRow.force_rounds,
    TraceRow.state,
    TraceRow.answer_letter,
    QuestionRow.target,
    TraceRow.is_correct,
    TraceRow.thinking_tokens,
    TraceRow.seconds,
    TraceRow.owner,
    TraceRow.updated_at,
    TraceRow.asked_by,
    exists().where(BranchRow.trace_id == TraceRow.id).label("is_branch"),
)


def read_page(
    session: Session, wanted: TraceFilter, limit: int, cursor: str | None, order: RunOrder = RunOrder.NEWEST
) -> Page:
    """Return one page of the traces that match `wanted`.

    Raises:
        InvalidRecord: the cursor did not come from a page, or the order is another one than newest first.
    """
    size = max(1, min(limit, MAX_PAGE_SIZE))
    query = _restricted(session, select(*_COLUMNS), wanted)
    if cursor is not None:
        if order is not RunOrder.NEWEST:
            raise InvalidRecord("Only a list sorted by newest first can be continued. Request a longer list instead.")
        query = query.where(_after(cursor))
    rows = session.execute(query.order_by(*_ordered(order)).limit(size + 1)).all()
    items, has_more = tuple(_summary(row) for row in rows[:size]), len(rows) > size
    return Page(items, _cursor(items[-1]) if has_more and order is RunOrder.NEWEST else None, has_more)


def count_traces(session: Session, wanted: TraceFilter) -> int:
    """Count the traces that match `wanted`."""
    return session.scalar(_restricted(session, select(func.count(TraceRow.id)), wanted)) or 0


def _ordered(order: RunOrder) -> tuple[ColumnElement[Any], ...]:
    newest = (TraceRow.created_at.desc(), TraceRow.id.desc())
    match order:
        case RunOrder.NEWEST:
            return newest
        case RunOrder.OLDEST:
            return TraceRow.created_at.asc(), TraceRow.id.asc()
        case RunOrder.NAME:
            return called(TraceRow.name), *newest
        case RunOrder.VERDICT:
            return _verdict_rank(), *newest
        case RunOrder.MODEL:
            return TraceRow.model.asc(), *newest


def called(name: ColumnElement[str] | Any) -> ColumnElement[str]:
    """What a list calls a trace or a sweep, to sort by: its name, or else its question."""
    return func.lower(func.coalesce(func.nullif(name, ""), func.substr(QuestionRow.stem, 1, STEM_CHARACTERS)))


def _verdict_rank() -> ColumnElement[int]:
    is_right = TraceRow.is_correct.is_(True)
    is_wrong = TraceRow.is_correct.is_(False)
    return case((is_right, 0), (is_wrong & TraceRow.answer_letter.is_not(None), 1), (is_wrong, 2), else_=3)


def _restricted(session: Session, query: Select[Any], wanted: TraceFilter) -> Select[Any]:
    joined = query.select_from(TraceRow).join(QuestionRow, TraceRow.question_id == QuestionRow.id)
    return joined.where(*_conditions(session, wanted))


def _conditions(session: Session, wanted: TraceFilter) -> list[ColumnElement[bool]]:
    # Passes are found through their sweep.
    given: list[ColumnElement[bool]] = [TraceRow.sweep_id.is_(None), TraceRow.strategy_run_id.is_(None)]
    if wanted.text.strip():
        given.append(trace_matches(session, wanted.text))
    if wanted.state is not None:
        given.append(TraceRow.state == wanted.state)
    if wanted.is_running is not None:
        is_running = TraceRow.state == TraceState.RUNNING
        given.append(is_running if wanted.is_running else ~is_running)
    if wanted.model is not None:
        given.append(TraceRow.model == replace_unstorable(wanted.model))
    if wanted.is_correct is not None:
        given.append(TraceRow.is_correct.is_(wanted.is_correct))
    if wanted.is_scored is not None:
        given.append(TraceRow.is_correct.is_not(None) if wanted.is_scored else TraceRow.is_correct.is_(None))
    if wanted.has_target is not None:
        given.append(QuestionRow.target.is_not(None) if wanted.has_target else QuestionRow.target.is_(None))
    if wanted.since is not None:
        given.append(TraceRow.created_at >= wanted.since)
    if wanted.until is not None:
        given.append(TraceRow.created_at < wanted.until)
    return given


def _summary(row: Row[Any]) -> TraceSummary:
    return TraceSummary(**{**row._mapping, "stem": beginning(row.stem)})


def _cursor(last: TraceSummary) -> str:
    return f"{last.created_at.isoformat()}|{last.id}"


def _after(cursor: str) -> ColumnElement[bool]:
    moment, _, trace_id = cursor.partition("|")
    try:
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None or not trace_id.isalnum():
            raise ValueError(cursor)
    except ValueError as exc:
        raise InvalidRecord("The list cannot continue from this position. Start again from the first page.") from exc
    same_moment = (TraceRow.created_at == created_at) & (TraceRow.id < trace_id)
    return (TraceRow.created_at <= created_at) & or_(TraceRow.created_at < created_at, same_moment)
