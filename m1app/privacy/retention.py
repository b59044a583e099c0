"""Removes probes and sweeps for good once they are older than M1_RETENTION_DAYS, with questions that nothing uses then.
So are batches of questions that were left before all were asked.

Annotated ones stay unless they are asked for. Benchmark runs and question sets are kept until somebody deletes them.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from m1app.access.audit import record
from m1app.access.person import THE_APP, Permission, acting_as, needs
from m1app.background import Rounds
from m1app.privacy.erasure import counts_of
from storage.database import Database, Session
from storage.erasure.repository import ErasureRepository
from storage.probe_batches.repository import ProbeBatchRepository

_UPKEEP_SECONDS = 24 * 3600.0
_AT_ONCE = 100
"""Probes, and sweeps, that are removed in one transaction."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What was too old."""

    counts: Mapping[str, int]
    """How many records of each kind were removed, or would be."""
    problem: str = ""
    """What could not be overwritten in the database's files; empty if all was."""


class RetentionService:
    """Removes what is too old. May raise StorageError."""

    def __init__(
        self, database: Database, days: float, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Args:
        database: migrated.
        days: the age; 0 keeps everything.
        now: the present, in UTC.
        """
        self._database = database
        self.days = days
        self._now = now

    @needs(Permission.MANAGE)
    async def remove(self, *, with_annotated: bool = False, is_dry_run: bool = False) -> Removal:
        """Remove what is too old.

        Args:
            with_annotated: whether annotated ones go too, with what people wrote about them.
            is_dry_run: whether to only count.
        """
        return await self._remove(with_annotated, is_dry_run)

    async def run_upkeep(self) -> None:
        """Remove what is too old once a day, until cancelled."""
        rounds = Rounds("retention", _UPKEEP_SECONDS)
        while self.days:
            with rounds.round(), acting_as(THE_APP):
                await self._remove(with_annotated=False, is_dry_run=False)
            await asyncio.sleep(rounds.pause_seconds)

    async def _remove(self, with_annotated: bool, is_dry_run: bool) -> Removal:
        moment = self._now() - timedelta(days=self.days)
        if not self.days:
            return Removal({})
        if is_dry_run:
            return Removal(
                await self._database.write(lambda s: _remove_some(s, moment, with_annotated, limit=None, is_dry=True))
            )
        total = Counter[str]()
        try:
            while some := await self._database.write(lambda s: _remove_some(s, moment, with_annotated, limit=_AT_ONCE)):
                total.update(some)
        finally:
            # Also if nothing was removed: a process that was killed may have removed something and not come to this.
            # Without writing the whole file anew: deleted rows are overwritten as they go.
            problem = await asyncio.to_thread(self._database.scrub, is_whole=False)
        return Removal(total, problem)


def _remove_some(
    session: Session, moment: datetime, with_annotated: bool, *, limit: int | None, is_dry: bool = False
) -> Mapping[str, int]:
    """Remove some of what is too old, so that nobody waits for all of it; empty if nothing is left."""
    erasure = ErasureRepository(session)
    extent = erasure.older_than(moment, with_annotated=with_annotated, limit=limit)
    questions = erasure.questions_of(extent)
    erasure.erase(extent)
    batches, asked = ProbeBatchRepository(session).remove_before(moment)
    counts = counts_of(extent) | {"questions": erasure.erase_unused(questions) + asked, "batches": batches}
    some = {kind: number for kind, number in counts.items() if number}
    if is_dry:
        session.rollback()
    elif some:
        record(session, "retention.remove", "", **some)
    return some
