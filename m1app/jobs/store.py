"""Jobs in the database: each call is one transaction, in a thread for callers on the event loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from storage.database import Database
from storage.jobs.repository import JobRepository

_T = TypeVar("_T")


class JobStore:
    """The app's jobs. Every method raises `storage.errors.StorageError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_now(self, use: Callable[[JobRepository], _T]) -> _T:
        """What `use` finds; blocks."""
        with self._database.session(is_read_only=True) as session:
            return use(JobRepository(session))

    def change_now(self, use: Callable[[JobRepository], _T]) -> _T:
        """What `use` gives when its changes are stored; when it raises, none is. Blocks."""
        with self._database.session() as session:
            return use(JobRepository(session))

    async def read(self, use: Callable[[JobRepository], _T]) -> _T:
        """`read_now` for callers on the event loop."""
        return await asyncio.to_thread(self.read_now, use)

    async def change(self, use: Callable[[JobRepository], _T]) -> _T:
        """`change_now` for callers on the event loop."""
        return await asyncio.to_thread(self.change_now, use)
