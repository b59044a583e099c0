"""A worker: claims one job, runs it, reports heartbeats and progress, and records the outcome.

It depends on the database, not on the app that started it, and survives the app's exit and temporary database outages.
It stops when the job's state says so, when it is signalled, and when the job is no longer its own (deleted, marked
lost, or restarted by another worker).
"""

import asyncio
import logging
import math
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import TypeVar

from m1app.background import Rounds
from m1app.errors import FOR_PEOPLE
from m1app.jobs.files import JobFiles
from m1app.jobs.local_executor import handle_of
from m1app.jobs.states import ACTIVE, states_before
from m1app.settings import Settings
from storage.columns import replace_unstorable
from storage.database import Database, Session
from storage.errors import DiskFull, InvalidRecord, RecordNotFound, StorageError
from storage.jobs.records import Job, JobKind, JobProgress, JobState
from storage.jobs.repository import JobRepository

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

HEARTBEAT_SECONDS = 2.0
REPORT_SECONDS = 1.0
_RETRY_SECONDS = 2.0
_JOIN_SECONDS = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _unheard(_: JobProgress) -> None:
    """Ignores reports of a context without a worker."""


@dataclass
class JobContext:
    """What a runner receives."""

    job: Job
    artifacts: Path
    """An existing folder for the job's artifacts."""
    is_stopping: asyncio.Event
    """Set when the job should save its progress and exit."""
    on_report: Callable[[JobProgress], None] = field(default=_unheard, repr=False)

    def report(self, progress: JobProgress) -> None:
        """Report progress. Cheap, and callable from any thread: only the last report per second is stored."""
        self.on_report(progress)


JobRunner = Callable[[JobContext], Awaitable[bool]]
"""Runs a job. True: it is complete. False: it stopped because `is_stopping` was set. An exception becomes the job's
error."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    state: JobState
    error: str = ""


async def work(job_id: str, runners: Mapping[JobKind, JobRunner], database: Database, settings: Settings) -> int:
    """Run a job that a scheduler has started.

    Returns:
        Exit status: 0 when the job succeeded or was stopped, 1 when it failed or is not this worker's.
    """
    files = JobFiles(settings.jobs_directory)
    job = await _claim(database, job_id)
    if job is None:
        return 1
    if job.state is JobState.STOPPING:
        return await _end(database, job, _Outcome(JobState.STOPPED), None)
    loop, is_stopping = asyncio.get_running_loop(), asyncio.Event()

    def stop(reason: str) -> None:
        if not is_stopping.is_set():
            _log.info("stopping: %s", reason)
        is_stopping.set()

    pulse = _Pulse(database, job, lambda reason: loop.call_soon_threadsafe(stop, reason))
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, f"received {number.name}")
    pulse.start()
    try:
        context = JobContext(job, files.artifacts_folder(job.id), is_stopping, pulse.report)
        outcome = await _run(runners, context)
        return await _end(database, job, outcome, pulse.last)
    finally:
        pulse.end()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _claim(database: Database, job_id: str) -> Job | None:
    """Claim the job, which may already have been told to stop; None if it must be left alone."""

    def claim(session: Session) -> tuple[Job | None, Job]:
        jobs = JobRepository(session)
        seen = jobs.get(job_id)
        # Its own handle, in case the scheduler that started it died before storing it.
        handle = handle_of(os.getpid()) if seen.executor == "local" else ""
        return jobs.claim(job_id, handle), seen

    try:
        claimed, seen = await _persistently(lambda: database.write(claim))
    except RecordNotFound as exc:
        _log.error("%s", exc)
        return None
    if claimed is not None:
        _log.info("attempt %d of %s %r starts, process %d", claimed.attempt, claimed.kind, claimed.name, os.getpid())
        return claimed
    if seen.state is JobState.STOPPING and seen.heartbeat_at is None:
        return seen
    has_worker = seen.state in ACTIVE
    why = "another worker is running it" if has_worker else f"it is {seen.state.value}, and only a scheduler starts it"
    _log.error("job %s was not taken: %s", job_id, why)
    return None


async def _run(runners: Mapping[JobKind, JobRunner], context: JobContext) -> _Outcome:
    runner = runners.get(context.job.kind)
    if runner is None:
        return _Outcome(JobState.FAILED, f"This version of the app cannot run {context.job.kind} jobs.")
    try:
        context.artifacts.mkdir(parents=True, exist_ok=True)
        is_complete = await runner(context)
    except Exception as exc:  # noqa: BLE001 - a runner may raise anything; the traceback is in the job's log
        _log.exception("the job failed")
        return _Outcome(JobState.FAILED, _message_of(exc))
    if is_complete:
        return _Outcome(JobState.SUCCEEDED)
    if context.is_stopping.is_set():
        return _Outcome(JobState.STOPPED)
    return _Outcome(JobState.FAILED, "The job ended before it was complete. See its log for the cause, then resume it.")


def _message_of(error: Exception) -> str:
    if isinstance(error, FOR_PEOPLE):
        return str(error)
    return f"An unexpected error occurred ({type(error).__name__}: {error}). The job's log has the details."


async def _end(database: Database, job: Job, outcome: _Outcome, progress: JobProgress | None) -> int:
    state, allowed = outcome.state, states_before(outcome.state)
    _log.info("%s%s", state.value, f": {outcome.error}" if outcome.error else "")

    def end(session: Session) -> bool:
        return JobRepository(session).end(job, state, allowed, error=outcome.error, progress=progress)

    is_stored = await _persistently(lambda: database.write(end))
    if not is_stored:
        _log.warning("the job has moved on without this worker; its result (%s) is not saved", state.value)
        return 1
    return 1 if state is JobState.FAILED else 0


async def _persistently(ask: Callable[[], Awaitable[_T]]) -> _T:
    """Return the result of `ask`, retrying as long as the database is unavailable or full."""
    is_told = False
    while True:
        try:
            return await ask()
        except StorageError as exc:
            if not (exc.is_retryable or isinstance(exc, DiskFull)):
                raise
            if not is_told:
                _log.warning("waiting for the database: %s", exc)
            is_told = True
            await asyncio.sleep(_RETRY_SECONDS)


class _Pulse(Thread):
    """Reports heartbeats and progress from its own thread, even while the runner is busy."""

    def __init__(self, database: Database, job: Job, on_stop: Callable[[str], object]) -> None:
        """`on_stop` is called with the reason, from this thread, whenever the worker is found to be unwanted."""
        super().__init__(name="job-pulse", daemon=True)
        self.last: JobProgress | None = None
        """The last report; None before the first."""
        self._database = database
        self._job = job
        self._on_stop = on_stop
        self._is_over = Event()
        self._is_new = Event()
        self._is_away = False

    def report(self, progress: JobProgress) -> None:
        """Store progress within a second."""
        self.last = _storable(progress)
        self._is_new.set()

    def end(self) -> None:
        """Stop sending heartbeats."""
        self._is_over.set()
        self.join(_JOIN_SECONDS)

    def run(self) -> None:
        """Send a heartbeat every two seconds, or with each second's report."""
        beaten_at = monotonic()
        rounds = Rounds("the heartbeat", REPORT_SECONDS)
        while not self._is_over.wait(rounds.pause_seconds):
            if self._is_new.is_set() or monotonic() - beaten_at >= HEARTBEAT_SECONDS:
                with rounds.round():
                    self._beat()
                beaten_at = monotonic()

    def _beat(self) -> None:
        is_new = self._is_new.is_set()
        # Before `last` is read, so that a report that arrives in between is stored by the next beat.
        self._is_new.clear()
        progress = self.last if is_new else None
        try:
            state = self._database.write_now(
                lambda s: JobRepository(s).heartbeat(self._job.id, self._job.attempt, progress)
            )
        except StorageError as exc:
            if not self._is_away:
                _log.warning("heartbeats do not reach the database: %s", exc)
            self._is_away = True
            if progress is not None and not isinstance(exc, InvalidRecord):
                self._is_new.set()
            return
        if self._is_away:
            _log.info("heartbeats reach the database again")
        self._is_away = False
        if state is not JobState.RUNNING:
            self._on_stop(_UNWANTED.get(state, f"the job is {state}"))


_UNWANTED: Mapping[JobState | None, str] = {
    None: "the job was deleted, or another worker has restarted it",
    JobState.STOPPING: "stop requested by a user",
    JobState.LOST: "the job was marked as lost; resume it to continue",
}


def _storable(progress: JobProgress) -> JobProgress:
    """`progress` without values that cannot be stored: a NaN loss must not cost a heartbeat."""
    figures = {name: value for name, value in progress.figures.items() if math.isfinite(value)}
    return replace(
        progress,
        per_second=_finite(progress.per_second),
        seconds_left=_finite(progress.seconds_left),
        message=replace_unstorable(progress.message),
        figures=figures,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
