"""Traces and questions in the database, for callers on the event loop: each call is one transaction in a thread."""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from m1app.runs.errors import TraceNotFound
from storage.database import Database
from storage.errors import RecordNotFound
from storage.questions.records import NewQuestion, Question
from storage.questions.repository import QuestionRepository
from storage.traces.listing import Page, TraceFilter
from storage.traces.records import NewTrace, Progress, Segment, Trace, TraceOutcome
from storage.traces.repository import TraceRepository

_T = TypeVar("_T")
STALE_SECONDS = 15.0
"""A running trace is saved every second; one that was not for this long has lost its process."""


def this_process() -> str:
    """Owner of the traces that this process runs: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


class TraceStore:
    """The app's traces. Every method raises `storage.errors.StorageError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, question: NewQuestion, trace_of: Callable[[Question], NewTrace]) -> Trace:
        """Store a question, or find the equal one, and a trace of it that begins: in one transaction."""

        def store(session: Any) -> Trace:
            return TraceRepository(session).add(trace_of(QuestionRepository(session).upsert(question)))

        return await asyncio.to_thread(self._in_session(store))

    async def save_progress(self, traces: Sequence[Trace]) -> None:
        """Store what has come so far of each, in one transaction; also the heartbeat.

        One that was deleted or has ended meanwhile is passed over.
        """
        progress = [
            Progress(trace.id, trace.segments, trace.tokens_generated, trace.time_to_first_token_seconds)
            for trace in traces
        ]
        await asyncio.to_thread(self._in_session(lambda s: TraceRepository(s).save_all(progress)))

    async def end(self, trace_id: str, outcome: TraceOutcome, segments: Sequence[Segment]) -> None:
        """Store the last segments and the outcome."""
        await asyncio.to_thread(self._in_session(lambda s: TraceRepository(s).close(trace_id, outcome, segments)))

    async def get(self, trace_id: str) -> Trace:
        """The trace with that id; raises TraceNotFound."""
        try:
            return await asyncio.to_thread(
                self._in_session(lambda s: TraceRepository(s).get(trace_id), is_read_only=True)
            )
        except RecordNotFound as exc:
            raise TraceNotFound(
                f"There is no trace {trace_id[:40]!r} here. It was deleted, or the link is another machine's."
            ) from exc

    async def page(self, wanted: TraceFilter, limit: int, cursor: str | None = None) -> Page:
        """Newest traces first."""
        return await asyncio.to_thread(
            self._in_session(lambda s: TraceRepository(s).list(wanted, limit=limit, cursor=cursor), is_read_only=True)
        )

    async def models(self) -> Sequence[str]:
        """Models that traces were made with."""
        return await asyncio.to_thread(self._in_session(lambda s: TraceRepository(s).models(), is_read_only=True))

    async def delete(self, trace_id: str) -> None:
        """Forget a trace."""
        await asyncio.to_thread(self._in_session(lambda s: TraceRepository(s).delete(trace_id)))

    def mark_interrupted(self, *, is_at_start: bool = False) -> int:
        """Mark running traces whose process is gone; gives how many.

        Args:
            is_at_start: True while this process runs no trace yet: one that bears its process id is then a
                predecessor's (in a container every process is number 1).
        """

        def is_alive(owner: str) -> bool:
            return not is_at_start if owner == this_process() else may_be_alive(owner)

        return self._in_session(
            lambda s: TraceRepository(s).mark_interrupted(is_alive, stale_after_seconds=STALE_SECONDS)
        )()

    def _in_session(self, use: Callable[..., _T], *, is_read_only: bool = False) -> Callable[[], _T]:
        def run() -> _T:
            with self._database.session(is_read_only=is_read_only) as session:
                return use(session)

        return run


def may_be_alive(owner: str) -> bool:
    """Whether a trace's process may still run; processes of other machines are judged by their heartbeat."""
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
