"""Rows of files, of which several passages were cut: what else is in the rows of a passage."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CTE, Select, func, literal, select, union_all
from sqlalchemy.orm import Session, aliased

from storage.corpora.tables import CorpusPassageRow, CorpusRepeatRow, PassageRow

_ROW_PASSAGES = 64
"""How far from each other passages of one row may be: some 12,000 words."""
_MOST_ROWS = 50
"""A passage of more rows is about none of them."""
_MOST_PARTS = 10_000
"""Passages of all rows together, of each table: a file can give all its rows the same id."""
_AFTER_REPEATS = 2**31 - 1
_TABLES = (CorpusPassageRow, CorpusRepeatRow)


def whole_rows(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """Headings and texts of all passages that were cut from the same rows of files, row by row, by id.

    Args:
        session: of the database.
        ids: of passages; those that are from no row are left out.
    """
    own, row = _rows_of(ids), PassageRow
    parts = union_all(*(select(_parts_of(own, table)) for table in _TABLES)).subquery()
    in_order = (parts.c.place, parts.c.position, parts.c.repeat)
    query = select(parts.c.id, row.heading, row.text).join(row, row.number == parts.c.passage_number)
    found: dict[str, list[str]] = {}
    for part in session.execute(query.order_by(*in_order)):
        found.setdefault(part.id, []).append(f"{part.heading}\n{part.text}".strip())
    return {each: "\n".join(texts) for each, texts in found.items()}


def _rows_of(ids: Sequence[str]) -> CTE:
    """The rows of passages: id, corpus_id, position, source, key, and `place`, the number of the row."""
    asked = aliased(PassageRow)
    all_rows = union_all(
        *(
            select(asked.id, table.corpus_id, table.position, table.source, table.key)
            .join(table, table.passage_number == asked.number)
            .where(asked.id.in_(ids), table.key != "")
            for table in _TABLES
        )
    ).subquery()
    in_order = (all_rows.c.corpus_id, all_rows.c.position, all_rows.c.key)
    place = func.row_number().over(partition_by=all_rows.c.id, order_by=in_order).label("place")
    numbered = select(all_rows, place).subquery()
    return select(numbered).where(numbered.c.place <= _MOST_ROWS).cte("own")


def _parts_of(own: CTE, table: Any) -> Any:
    """The passages of a table that are in one of the rows."""
    near = aliased(table)
    is_in_row = (
        (near.corpus_id == own.c.corpus_id)
        & near.position.between(own.c.position - _ROW_PASSAGES, own.c.position + _ROW_PASSAGES)
        & (near.source == own.c.source)
        & (near.key == own.c.key)
    )
    # Repeats have the position of what follows them.
    repeat = near.number if table is CorpusRepeatRow else literal(_AFTER_REPEATS)
    parts: Select[Any] = select(own.c.id, own.c.place, near.position, repeat.label("repeat"), near.passage_number)
    return parts.join(near, is_in_row).limit(_MOST_PARTS).subquery()
