"""The audit log: who did what and when, by ids; never what somebody wrote."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice

from m1app.access.person import Permission, current_person, needs
from m1app.background import Rounds, start_task
from storage.database import Database, Session
from storage.errors import StorageError
from storage.people.audit import AuditRepository
from storage.people.records import AuditEntry, NewAuditEntry

_log = logging.getLogger(__name__)

_MAX_PAGE = 500
_SEEN_SECONDS = 3600.0
"""Opening the same again within this time is not noted again."""
_REMEMBERED = 10_000
_MAX_WAITING = 10_000
_BATCH = 200
_RETRY_SECONDS = 1.0
_LAST_WRITE_SECONDS = 5.0


def record(session: Session, action: str, subject: str = "", **details: str | int | bool) -> None:
    """Append an entry for the current person, in the transaction of what it is about.

    Args:
        session: the transaction.
        action: object and verb, such as "run.delete".
        subject: id of the object.
        details: further ids and numbers; no text that somebody wrote.
    """
    AuditRepository(session).add(_entry(action, subject, details))


@contextmanager
def suppress_unwritten(what: str) -> Iterator[None]:
    """Go on if the database does not take what the block writes; the app's log says that `what` is missing."""
    try:
        yield
    except StorageError as exc:
        _log.warning("not stored: %s: %s", what, exc)


class AuditService:
    """Writes and reads the audit log."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        """Args:
        database: stores the log.
        clock: seconds that only grow.
        """
        self._database = database
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._waiting: deque[NewAuditEntry] = deque()
        self._dropped = 0
        self._writer: asyncio.Task[None] | None = None

    @needs(Permission.READ)
    def note_soon(self, action: str, subject: str = "", **details: str | int | bool) -> None:
        """Append an entry about something that changes nothing, such as a download, in a moment.

        Without waiting: what the person asked for works even while the database takes no changes. The entry has the
        present time, and is written as soon as that is possible.
        """
        if len(self._waiting) < _MAX_WAITING:
            self._waiting.append(_entry(action, subject, details))
        else:
            self._dropped += 1
        if self._writer is None or self._writer.done():
            self._writer = start_task(self._write_waiting(), "audit")

    @needs(Permission.READ)
    def saw(self, action: str, subject: str) -> None:
        """Note that an account has opened something, at most once an hour each; see `note_soon`."""
        person = current_person()
        key, now = (person.account_id, action, subject), self._clock()
        noted_at = self._seen.get(key)
        if not person.account_id or (noted_at is not None and now - noted_at < _SEEN_SECONDS):
            return
        self._seen[key] = now
        self._seen.move_to_end(key)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        self.note_soon(action, subject)

    async def aclose(self) -> None:
        """Write what waits, if the database takes it; the log says how many entries are lost."""
        if self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer], timeout=_LAST_WRITE_SECONDS)
            self._writer.cancel()
        self._report_lost(len(self._waiting) + self._dropped)

    async def _write_waiting(self) -> None:
        rounds = Rounds("audit log", _RETRY_SECONDS)
        while self._waiting:
            batch = tuple(islice(self._waiting, _BATCH))
            with rounds.round():
                await self._database.write(partial(_add_all, entries=batch))
            if rounds.problem:
                await asyncio.sleep(rounds.pause_seconds)
                continue
            for _ in batch:
                self._waiting.popleft()
            self._report_lost(self._dropped)
            self._dropped = 0

    def _report_lost(self, count: int) -> None:
        if count:
            _log.error("%d entries of the audit log are lost: the database took none for too long", count)

    @needs(Permission.MANAGE)
    async def page(
        self, *, filters: Mapping[str, str], before: int | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        """Entries, newest first; filters are `person`, `action` and `subject` of `AuditRepository.page`."""
        chosen = {name: filters.get(name, "").strip() for name in ("person", "action", "subject")}
        size = min(max(1, limit), _MAX_PAGE)
        return await self._database.read(lambda s: AuditRepository(s).page(**chosen, before=before, limit=size))

    @needs(Permission.MANAGE)
    async def after(self, number: int) -> Sequence[AuditEntry]:
        """The entries that follow a number, oldest first; for exports."""
        return await self._database.read(lambda s: AuditRepository(s).after(number))

    @needs(Permission.MANAGE)
    async def first_broken(self) -> int | None:
        """Number of the first entry that was changed or whose predecessor is missing; None if the chain holds."""
        return await self._database.read(lambda s: AuditRepository(s).first_broken())


def _entry(action: str, subject: str, details: Mapping[str, str | int | bool]) -> NewAuditEntry:
    person = current_person()
    return NewAuditEntry(
        person=person.id or "nobody",
        action=action,
        subject=subject,
        details=details,
        address=person.address,
        made_at=datetime.now(UTC),
    )


def _add_all(session: Session, entries: Sequence[NewAuditEntry]) -> None:
    log = AuditRepository(session)
    for entry in entries:
        log.add(entry)
