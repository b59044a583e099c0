"""Makes backups on a schedule while the app runs, if M1_BACKUP_DIRECTORY is set.

Several apps on one home take turns: whoever finds that the last backup is due, and no other at work, makes one.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from threading import Event

from m1app.background import Rounds, start_thread
from m1app.backup.service import BackupService
from m1app.errors import FOR_PEOPLE
from m1app.settings import Settings
from m1app.wording import size

_log = logging.getLogger(__name__)

_TICK_SECONDS = 60.0
_RETRY_SECONDS = 3600.0
"""Pause after a failure, which may have read the whole database."""


class BackupSchedule:
    """The schedule of one home."""

    def __init__(self, service: BackupService, settings: Settings) -> None:
        self._service = service
        self._settings = settings

    async def run(self) -> None:
        """Make backups until cancelled; one that is being made then is abandoned."""
        if not self._settings.backup_directory:
            return
        is_over = Event()
        start_thread(lambda: self._run(is_over), "backup-schedule")
        try:
            await asyncio.Event().wait()
        finally:
            is_over.set()

    def is_due(self) -> bool:
        """Whether the last backup is older than M1_BACKUP_HOURS, or there is none."""
        found = self._service.found()
        return not found or datetime.now(UTC) - found[0].made_at >= timedelta(hours=self._settings.backup_hours)

    def tick(self) -> None:
        """Make a backup if one is due, and remove old ones; raises like `BackupService.make`."""
        if self.is_due():
            made = self._service.make()
            _log.info("backup %s, %s, verified", made.file, size(made.size_bytes))
            self._service.remove_old()

    def _run(self, is_over: Event) -> None:
        rounds = Rounds("the backup schedule", _TICK_SECONDS, (*FOR_PEOPLE, OSError))
        while not is_over.wait(_RETRY_SECONDS if rounds.problem else rounds.pause_seconds):
            with rounds.round():
                self.tick()
