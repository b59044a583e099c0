"""Job management: submit, list, stop, resume and delete jobs, and read their output.

A job is a row of the database and a folder, M1_HOME/jobs/ID. A worker, a separate process, does the work (`worker`); a
scheduler in the app starts it and notices when it is gone (`scheduler`).
"""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from m1app.access.audit import record
from m1app.access.discarding import discard
from m1app.access.person import Permission, needs
from m1app.background import start_thread
from m1app.jobs.errors import JobRefused
from m1app.jobs.executor import Executor
from m1app.jobs.files import JobFiles
from m1app.jobs.local_executor import LocalExecutor
from m1app.jobs.log import JobLog
from m1app.jobs.ray_executor import RayExecutor
from m1app.jobs.scheduler import JobScheduler, SchedulerSetup
from m1app.jobs.states import OVER, may_resume, states_before
from m1app.jobs.watching import WatchLimits
from m1app.jobs.worker_environment import worker_environment
from m1app.settings import Settings
from storage.database import Database, Session
from storage.jobs.records import Job, JobState, NewJob, Resource
from storage.jobs.repository import JobRepository
from storage.trash.records import Deletion, TrashKind

MAX_PRIORITY = 100
"""Priorities go from its negative to it; higher ones start first."""
_JOIN_SECONDS = 5.0


class JobService:
    """The app's jobs. Methods may also raise `storage.errors.StorageError`."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        executors: Mapping[str, Executor] | None = None,
        limits: WatchLimits | None = None,
    ) -> None:
        """Set up the service without starting anything.

        Args:
            database: migrated.
            settings: the app's settings, also passed to workers.
            executors: executors by name; None uses those that the settings allow.
            limits: the scheduler's timeouts; None uses the defaults.
        """
        self._database = database
        self._files = JobFiles(settings.jobs_directory)
        self._executors = _executors_of(settings) if executors is None else executors
        self._log = JobLog(self._files, self._executors)
        setup = SchedulerSetup(
            database=database,
            files=self._files,
            executors=self._executors,
            places={Resource.CPU: settings.cpu_jobs, Resource.GPU: settings.gpu_jobs},
            environment=worker_environment(settings),
            limits=limits or WatchLimits(),
        )
        self._schedulers = tuple(JobScheduler(name, setup) for name in self._executors)
        self._is_over = Event()

    @needs(Permission.MANAGE)
    async def submit(self, job: NewJob, check: Callable[[Session], None] = lambda _: None) -> Job:
        """Store a job, which then waits for its turn.

        Args:
            job: the job.
            check: refuses it in the same transaction, by raising an error.

        Raises:
            JobRefused: its recipe is not JSON, no executor can run it, or its folder cannot be created.
        """
        self._check_executor(job.executor)
        wanted = replace(job, recipe=_checked_recipe(job.recipe), priority=_checked_priority(job.priority))

        def store(session: Session) -> Job:
            check(session)
            kept = JobRepository(session).add(wanted)
            # In the same transaction, so that no job lacks a folder for its log.
            self._files.create(kept.id)
            self._files.note(kept.id, f"created: {kept.kind.value} {kept.name!r}, priority {kept.priority}")
            record(session, "job.submit", kept.id, kind=kept.kind.value, about=kept.subject_id or "")
            return kept

        try:
            return await self._database.write(store)
        except OSError as exc:
            raise JobRefused(
                f"The job's folder cannot be created ({exc.strerror}: {exc.filename}). Free some space or grant "
                "write permission."
            ) from exc

    @needs(Permission.MANAGE)
    async def recent(self, *, limit: int = 100, states: Collection[JobState] = (), text: str = "") -> tuple[Job, ...]:
        """Jobs, newest first; see `JobRepository.recent`."""
        return await self._database.read(lambda s: JobRepository(s).recent(limit, states, text))

    @needs(Permission.MANAGE)
    async def get(self, job_id: str) -> Job:
        """Return the job with this id; raises RecordNotFound."""
        return await self._database.read(lambda s: JobRepository(s).get(job_id))

    @needs(Permission.MANAGE)
    async def stop(self, job_id: str) -> Job:
        """Stop a waiting job at once; tell a running one to save its progress and exit. A stopping job is left alone.

        Raises:
            RecordNotFound: no record has that id.
            JobRefused: it has already ended.
        """
        waiting, running = {JobState.QUEUED}, states_before(JobState.STOPPING)
        if not await self._request(
            job_id, JobState.STOPPED, waiting, "job.stop", "stopped by a user before it started"
        ):
            await self._request(job_id, JobState.STOPPING, running, "job.stop", "stop requested by a user")
        job = await self.get(job_id)
        if job.state in OVER - {JobState.STOPPED}:
            raise JobRefused(f"Job {job.name!r} has already ended ({job.state.value}); there is nothing to stop.")
        return job

    @needs(Permission.MANAGE)
    async def resume(self, job_id: str) -> Job:
        """Resume a job that `may_resume`: the same job and folder, with a new attempt.

        Raises:
            RecordNotFound: no record has that id.
            JobRefused: it has not ended, or has fully succeeded, or no executor can run it any more.
        """
        job = await self.get(job_id)
        self._check_executor(job.executor)
        allowed = states_before(JobState.QUEUED) | ({job.state} if may_resume(job) else set())
        if not await self._request(job_id, JobState.QUEUED, allowed, "job.resume", "resumed by a user"):
            job = await self.get(job_id)
            raise JobRefused(
                f"Job {job.name!r} ({job.state.value}) cannot be resumed; only a job that was stopped, lost or failed, "
                "or that has failed questions, can."
            )
        return await self.get(job_id)

    @needs(Permission.MANAGE)
    async def set_priority(self, job_id: str, priority: int) -> Job:
        """Change a job's priority, for its turn or its next attempt; raises RecordNotFound, JobRefused."""
        checked = _checked_priority(priority)

        def store(session: Session) -> None:
            JobRepository(session).set_priority(job_id, checked)
            record(session, "job.priority", job_id, priority=checked)

        await self._database.write(store)
        return await self.get(job_id)

    @needs(Permission.MANAGE)
    async def delete(self, job_id: str) -> Deletion:
        """Move a job that has ended to the trash; its log and artifacts are kept until it is removed for good.

        Raises:
            RecordNotFound: no record has that id.
            JobRefused: it has not ended.
        """

        def store(session: Session) -> Deletion:
            job = JobRepository(session).get(job_id)
            if job.state not in OVER:
                raise JobRefused(f"Job {job.name!r} is {job.state.value}. Stop it before you delete it.")
            return discard(session, TrashKind.JOB, job_id)

        return await self._database.write(store)

    def remove_files(self, deletion: Deletion) -> None:
        """Remove the log and artifacts of a job that is removed for good; blocks. Raises OSError."""
        if deletion.kind is TrashKind.JOB:
            self._files.delete(deletion.subject_id)

    @needs(Permission.MANAGE)
    async def log_tail(self, job_id: str, *, lines: int = 200) -> str:
        """Return the last lines of the job's log; raises RecordNotFound."""
        job = await self.get(job_id)
        return await asyncio.to_thread(self._log.tail, job, lines)

    @needs(Permission.MANAGE)
    def artifacts(self, job_id: str) -> tuple[tuple[str, int], ...]:
        """Artifacts of the job: (relative path, bytes); empty for an unknown job."""
        try:
            return self._files.artifacts(job_id)
        except ValueError:
            return ()

    @needs(Permission.MANAGE)
    def artifact(self, job_id: str, name: str) -> Path:
        """Return the path of an artifact; raises JobRefused if there is none of that name."""
        try:
            path = self._files.artifact(job_id, name)
        except ValueError:
            path = None
        if path is None:
            raise JobRefused(f"Job {job_id[:40]!r} has no artifact {name[:100]!r}. Choose one from its list.")
        return path

    @property
    def running(self) -> int:
        """Number of running jobs at the scheduler's last tick; 0 if no scheduler runs."""
        return sum(scheduler.running for scheduler in self._schedulers)

    async def run_scheduler(self) -> None:
        """Start waiting jobs and monitor running ones until cancelled; workers continue without it."""
        self._is_over = is_over = Event()
        threads = [start_thread(partial(each.run, is_over), "job-scheduler") for each in self._schedulers]
        try:
            await asyncio.Event().wait()
        finally:
            is_over.set()
            # A scheduler that waits for an unresponsive cluster is abandoned.
            await asyncio.gather(*(asyncio.to_thread(thread.join, _JOIN_SECONDS) for thread in threads))

    async def aclose(self) -> None:
        """Stop the scheduler; workers continue, and the next app finds them."""
        self._is_over.set()

    def _check_executor(self, name: str) -> None:
        if name in self._executors:
            return
        if name == "ray":
            raise JobRefused(
                "No Ray cluster is configured. Set M1_RAY_ADDRESS to its dashboard, such as http://head:8265, and "
                "restart "
                "the app, or run the job on this machine (local)."
            )
        raise JobRefused(f"Executor {name[:40]!r} not found. Available: {', '.join(self._executors)}.")

    async def _request(
        self, job_id: str, state: JobState, allowed_from: Collection[JobState], action: str, event: str
    ) -> bool:
        """Move the job to `state`; return whether it did. The log entry is written before anyone can act on the
        change."""

        def request(session: Session) -> bool:
            is_done = JobRepository(session).request(job_id, state, allowed_from)
            if is_done:
                self._files.create(job_id)
                self._files.note(job_id, event)
                record(session, action, job_id)
            return is_done

        try:
            return await self._database.write(request)
        except OSError as exc:
            raise JobRefused(
                f"The job's log cannot be written ({exc.strerror}: {exc.filename}). Free some space."
            ) from exc


def _executors_of(settings: Settings) -> dict[str, Executor]:
    found: dict[str, Executor] = {"local": LocalExecutor()}
    return found | {"ray": RayExecutor(settings.ray_address)} if settings.ray_address else found


def _checked_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    try:
        checked = json.loads(json.dumps(dict(recipe), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as exc:
        raise JobRefused(
            f"The recipe is not JSON ({exc}). Use only strings, finite numbers, lists and mappings."
        ) from exc
    return dict(checked)


def _checked_priority(priority: int) -> int:
    if abs(priority) > MAX_PRIORITY:
        raise JobRefused(f"Priority is {priority:,}; enter a whole number from -{MAX_PRIORITY} to {MAX_PRIORITY}.")
    return priority
