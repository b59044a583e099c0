"""Where a pass turned from right to wrong, kept with its checkpoints: lists of many passes then read no other cuts."""

import itertools
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from storage.traces.tables import CheckpointRow

Turn = tuple[bool, bool, bool]
"""`is_after_right`, `is_flip` and `is_last` of a checkpoint."""


def mark_turns(session: Session, trace_id: str) -> None:
    """Bring the flags of a pass's checkpoints up to date after one was added; answers arrive in any order."""
    row = CheckpointRow
    columns = (row.id, row.cut_tokens, row.is_correct, row.is_after_right, row.is_flip, row.is_last)
    query = select(*columns).where(row.trace_id == trace_id, row.error == "").order_by(row.cut_tokens, row.id)
    found = session.execute(query).all()
    flags = turns([(each.cut_tokens, each.is_correct) for each in found])
    changed = [
        {"key": each.id, "after": turn[0], "flip": turn[1], "last": turn[2]}
        for each, turn in zip(found, flags, strict=True)
        if (each.is_after_right, each.is_flip, each.is_last) != turn
    ]
    if changed:
        values: dict[str, Any] = {
            "is_after_right": bindparam("after"),
            "is_flip": bindparam("flip"),
            "is_last": bindparam("last"),
        }
        statement = update(CheckpointRow.__table__).where(CheckpointRow.__table__.c.id == bindparam("key"))  # type: ignore[arg-type]
        session.connection().execute(statement.values(values), changed)


def turns(points: list[tuple[int, bool | None]]) -> list[Turn]:
    """The flags of each checkpoint, from (cut in tokens, verdict) in order of the cuts; equal cuts are one place."""
    found: list[Turn] = []
    was_ever_right = was_just_right = False
    last = points[-1][0] if points else 0
    for cut, group in itertools.groupby(points, key=lambda point: point[0]):
        verdicts = [is_correct for _, is_correct in group]
        for is_correct in verdicts:
            is_wrong = is_correct is False
            found.append((was_ever_right and is_wrong, was_just_right and is_wrong, cut == last))
        was_just_right = any(verdicts)
        was_ever_right = was_ever_right or was_just_right
    return found
