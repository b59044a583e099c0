"""Starts waiting jobs and monitors running ones: one loop per executor, each in its own thread.

Threads, because executors block: an unresponsive cluster must hold up neither the page nor local jobs. Several apps on
one database may each run a scheduler: only one of them starts a given job.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Event
from time import monotonic

from m1app.background import Rounds
from m1app.errors import FOR_PEOPLE
from m1app.jobs.errors import ExecutorError, JobsError
from m1app.jobs.executor import Executor, WorkerTask
from m1app.jobs.files import JobFiles
from m1app.jobs.log import JobLog
from m1app.jobs.log_reasons import without_warnings
from m1app.jobs.states import ACTIVE, states_before
from m1app.jobs.watching import Judgement, Presence, Sighting, WatchLimits, judge
from storage.database import Database, Session
from storage.jobs.records import Job, JobState, Resource
from storage.jobs.repository import JobRepository

_log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
_UNFINISHED = ACTIVE | {JobState.QUEUED}
_ERROR_LINES = 10
_LOG_LINES = 60
_ERROR_CHARACTERS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSetup:
    """State shared by the schedulers of all executors."""

    database: Database
    files: JobFiles
    executors: Mapping[str, Executor]
    places: Mapping[Resource, int]
    """Maximum number of jobs that occupy each resource at once."""
    environment: Mapping[str, str]
    """Environment for workers."""
    limits: WatchLimits


class JobScheduler:
    """Schedules one executor's jobs."""

    def __init__(self, name: str, setup: SchedulerSetup) -> None:
        """`name` is the executor's name in `setup`."""
        self._name = name
        self._executor = setup.executors[name]
        self._database = setup.database
        self._files = setup.files
        self._log_of = JobLog(setup.files, setup.executors)
        self._setup = setup
        self._active: dict[str, Job] = {}
        self._heard: dict[str, tuple[datetime | None, float]] = {}
        self._told: dict[str, float] = {}

    @property
    def running(self) -> int:
        """Number of its jobs that were running or stopping at the last tick."""
        return len(self._active)

    def run(self, is_over: Event) -> None:
        """Tick once a second until `is_over`; failures are logged and retried."""
        rounds = Rounds(f"the scheduler of {self._name} jobs", TICK_SECONDS, (*FOR_PEOPLE, OSError))
        while not is_over.is_set():
            with rounds.round():
                self.tick()
            is_over.wait(rounds.pause_seconds)

    def tick(self) -> None:
        """Check each job that should be running, then fill free slots."""
        unfinished = self._database.read_now(lambda s: JobRepository(s).in_states(_UNFINISHED))
        mine = {job.id: job for job in unfinished if job.executor == self._name and job.state in ACTIVE}
        for job in mine.values():
            self._look_after(job)
        ended = [job for id_, job in self._active.items() if id_ not in mine]
        self._active = mine
        for known in (self._heard, self._told):
            for gone in known.keys() - mine.keys():
                del known[gone]
        for job in ended:
            self._keep_log(job)
        self._fill_places(unfinished)

    def _fill_places(self, unfinished: Collection[Job]) -> None:
        for resource, places in self._setup.places.items():
            states = [job.state for job in unfinished if job.resource is resource]
            busy = sum(state in ACTIVE for state in states)
            # Asking for the next job takes the write lock, which most ticks do not need.
            if JobState.QUEUED in states and busy < places:
                while self._start_next(resource, places):
                    pass

    def _look_after(self, job: Job) -> None:
        presence = self._executor.look(job.handle) if job.handle else Presence.UNKNOWN
        judgement = judge(self._sighting(job, presence), self._setup.limits)
        if judgement is not None:
            if presence is Presence.WAITING:
                self._executor.stop(job.handle)
            self._give_up(job, judgement)
        elif job.state is JobState.STOPPING and job.handle and presence is Presence.ALIVE:
            self._end_worker(job)

    def _sighting(self, job: Job, presence: Presence) -> Sighting:
        now = monotonic()
        if job.id not in self._heard or self._heard[job.id][0] != job.heartbeat_at:
            self._heard[job.id] = (job.heartbeat_at, now)
        since = job.heartbeat_at or job.started_at or job.created_at
        return Sighting(
            state=job.state,
            presence=presence,
            has_begun=job.heartbeat_at is not None,
            silent_seconds=(datetime.now(UTC) - since).total_seconds(),
            watched_seconds=now - self._heard[job.id][1],
        )

    def _give_up(self, job: Job, judgement: Judgement) -> None:
        self._keep_log(job)
        error = judgement.reason
        if error and (tail := without_warnings(self._log_of.tail(job, _LOG_LINES), _ERROR_LINES)):
            error = f"{error}\n\nThe last lines of its log:\n{tail[-_ERROR_CHARACTERS:]}".rstrip()

        def give_up(session: Session) -> None:
            allowed = states_before(judgement.state) & ACTIVE
            if JobRepository(session).end(job, judgement.state, allowed, error=error, is_unheard=True):
                self._note(job, f"{judgement.state.value}: {judgement.reason or 'its worker is gone'}")

        self._database.write_now(give_up)

    def _end_worker(self, job: Job) -> None:
        """Ask the worker to stop; kill it after the grace period."""
        now = monotonic()
        if job.id not in self._told:
            self._told[job.id] = now
            self._executor.stop(job.handle)
        elif now - self._told[job.id] > self._setup.limits.grace_of(job.kind):
            self._told[job.id] = now
            self._note(job, "its worker did not stop in time and was terminated")
            self._executor.kill(job.handle)

    def _start_next(self, resource: Resource, places: int) -> bool:
        """Start the next job; False if there is none for this executor."""
        names = tuple(self._setup.executors)
        job = self._database.write_now(lambda s: JobRepository(s).start_next(resource, places, self._name, names))
        if job is None:
            return False
        try:
            self._files.create(job.id)
            self._note(job, f"started, attempt {job.attempt}, on {resource.value} by {self._name}")
            handle = self._executor.start(self._task(job))
        except (ExecutorError, OSError) as exc:
            self._refuse(job, str(exc))
            return True
        self._database.write_now(lambda s: JobRepository(s).set_handle(job.id, job.attempt, handle))
        # It may be over before the next tick.
        self._active[job.id] = replace(job, handle=handle)
        return True

    def _task(self, job: Job) -> WorkerTask:
        return WorkerTask(
            job_id=job.id,
            attempt=job.attempt,
            resource=job.resource,
            log_path=self._files.log_path(job.id),
            environment=self._setup.environment,
        )

    def _refuse(self, job: Job, problem: str) -> None:
        self._note(job, f"could not be started: {problem}")
        self._database.write_now(lambda s: JobRepository(s).end(job, JobState.FAILED, ACTIVE, error=problem))

    def _keep_log(self, job: Job) -> None:
        try:
            self._log_of.keep(job)
        except (JobsError, OSError) as exc:
            _log.info("the log of job %s was not copied: %s", job.id, exc)

    def _note(self, job: Job, text: str) -> None:
        try:
            self._files.note(job.id, text)
        except OSError as exc:
            _log.warning("the log of job %s cannot be written: %s", job.id, exc)
