"""The audit log: appended to, never changed; each entry's hash covers the one before it.

Whoever changes or removes an entry breaks the chain from there on, unless every later hash is computed anew: compare
the newest hash with one that was exported earlier to notice that too.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from storage.columns import replace_unstorable
from storage.people.records import AuditEntry, NewAuditEntry
from storage.people.tables import AuditEntryRow

_FIELDS = [column.name for column in fields(AuditEntry)]
_FIRST = "0" * 64
_BATCH = 500
_ADVISORY_LOCK = 0x6D32
"""On PostgreSQL, writers of the log take turns; SQLite has one writer at a time anyway."""


class AuditRepository:
    """The log in the session's database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, entry: NewAuditEntry) -> AuditEntry:
        """Append an entry."""
        if self._session.get_bind().dialect.name == "postgresql":
            self._session.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        last = self._session.scalar(select(AuditEntryRow).order_by(AuditEntryRow.number.desc()).limit(1))
        row = AuditEntryRow(
            number=last.number + 1 if last else 1,
            made_at=entry.made_at.astimezone(UTC),
            # As they are stored: the hash is of what can be read again.
            person=replace_unstorable(entry.person),
            action=replace_unstorable(entry.action),
            subject=replace_unstorable(entry.subject),
            address=replace_unstorable(entry.address),
            details=dict(entry.details),
            sha256="",
        )
        row.sha256 = _hash_of(row, last.sha256 if last else _FIRST)
        self._session.add(row)
        self._session.flush()
        return _as_entry(row)

    def page(
        self, *, person: str = "", action: str = "", subject: str = "", before: int | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        """Entries, newest first.

        Args:
            person: only this person's; empty for all.
            action: only actions that begin so; empty for all.
            subject: only about this id; empty for all.
            before: only entries with smaller numbers; None starts with the newest.
            limit: maximum number of entries.
        """
        row = AuditEntryRow
        query = select(row).order_by(row.number.desc()).limit(max(1, limit))
        query = query.where(row.person == person) if person else query
        query = query.where(row.action.startswith(action, autoescape=True)) if action else query
        query = query.where(row.subject == subject) if subject else query
        query = query.where(row.number < before) if before is not None else query
        return tuple(map(_as_entry, self._session.scalars(query)))

    def after(self, number: int, limit: int = _BATCH) -> Sequence[AuditEntry]:
        """The entries that follow a number, oldest first."""
        query = select(AuditEntryRow).where(AuditEntryRow.number > number).order_by(AuditEntryRow.number)
        return tuple(map(_as_entry, self._session.scalars(query.limit(limit))))

    def first_broken(self) -> int | None:
        """Number of the first entry that does not follow from the one before it; None if the chain holds."""
        expected, before = 1, _FIRST
        for row in self._readable_rows():
            if row is None or row.number != expected or row.sha256 != _hash_of(row, before):
                return expected
            expected, before = row.number + 1, row.sha256
        return None

    def _readable_rows(self) -> Iterator[AuditEntryRow | None]:
        """All entries in order; None ends them where one has a date or details that nothing can read."""
        query, last = select(AuditEntryRow).order_by(AuditEntryRow.number), 0
        for batch in (_BATCH, 1):
            rows = self._session.scalars(query.where(AuditEntryRow.number > last).execution_options(yield_per=batch))
            try:
                for row in rows:
                    last = row.number
                    yield row
                return
            except (TypeError, ValueError):
                self._session.expunge_all()
        yield None


def _hash_of(row: AuditEntryRow, before: str) -> str:
    """SHA-256 (hex) of an entry's values and of the previous entry's hash."""
    values = [row.number, row.made_at.isoformat(), row.person, row.action, row.subject, row.details, row.address]
    content = json.dumps([before, *values], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _as_entry(row: AuditEntryRow) -> AuditEntry:
    return AuditEntry(**{name: getattr(row, name) for name in _FIELDS})
