"""Places in the queue of cases: the keys of groups, cursors, and ranges of ids for the random order."""

import hashlib
import operator
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, true

from storage.annotations.case_filters import ANSWERS, PROBES, Kind
from storage.errors import InvalidRecord

Place = tuple[datetime, str]
"""Where a group stands, newest first: its time and its key. A sweep has its own time, a question that of its newest
probe."""
Bounds = list[tuple[Callable[[Any, str], ColumnElement[bool]], str]]
"""Comparisons that an id must meet."""

_LETTERS = {"q": PROBES, "s": ANSWERS}


def key_of(kind: Kind, subject: str) -> str:
    """The key of a group: "s" with the sweep's id, or "q" with the question's id for its probes."""
    return ("q" if kind is PROBES else "s") + subject


def kind_of(key: str) -> tuple[Kind, str]:
    """The kind of the cases of a group, and its subject; an invalid key is a group without cases."""
    return _LETTERS.get(key[:1], PROBES), key[1:] if key[1:].isalnum() else ""


def as_cursor(place: Place) -> str:
    """The place as the cursor of the page that begins after it."""
    return f"{place[0].isoformat()}|{place[1]}"


def read_place(cursor: str) -> Place:
    """Return the place of a cursor; raises InvalidRecord."""
    moment, _, key = cursor.partition("|")
    try:
        created_at = datetime.fromisoformat(moment)
    except ValueError:
        raise _lost() from None
    if created_at.tzinfo is None or key[:1] not in _LETTERS or not key[1:].isalnum():
        raise _lost()
    return created_at, key


def read_drawn(cursor: str | None) -> str | None:
    """Return the id of a cursor in random order; raises InvalidRecord."""
    if cursor and not cursor.isalnum():
        raise _lost()
    return cursor or None


def beyond(time: Any, key: Any, place: Place | None, kind: Kind, *, is_backward: bool) -> list[ColumnElement[bool]]:
    """The condition that a group of this kind comes after a place; `is_backward` goes towards the newest."""
    if place is None:
        return []
    moment, other = place
    mine = "q" if kind is PROBES else "s"
    if other[:1] == mine:
        tied: ColumnElement[bool] = and_(time == moment, key > other[1:] if is_backward else key < other[1:])
    else:
        comes_after = mine > other[:1] if is_backward else mine < other[:1]
        tied = and_(time == moment, true() if comes_after else false())
    return [or_(time > moment if is_backward else time < moment, tied)]


def id_ranges(seed: int, after: str | None, *, is_backward: bool) -> list[Bounds]:
    """Ranges of ids to read one after the other, each in the order of the ids.

    Ids of cases are random, so their order is one, too. The seed says where in it the queue begins; it ends just before
    that place.
    """
    start = hashlib.sha256(str(seed).encode()).hexdigest()[:32]
    if after is None:
        return [[(operator.ge, start)], [(operator.lt, start)]]
    if is_backward:
        first: Bounds = [(operator.lt, after)]
        return [[*first, (operator.ge, start)]] if after >= start else [first, [(operator.ge, start)]]
    rest: Bounds = [(operator.gt, after)]
    return [rest, [(operator.lt, start)]] if after >= start else [[*rest, (operator.lt, start)]]


def _lost() -> InvalidRecord:
    return InvalidRecord("The queue cannot continue from this position. Start again from the first page.")
