"""Jobs: stored, scheduled, and moved between states by conditional updates.

Every change is one UPDATE that names its starting states, so that of two processes on one database exactly one
succeeds. The caller decides which transitions are allowed.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, CursorResult, func, select, update
from sqlalchemy.orm import Session

from storage.columns import replace_unstorable
from storage.errors import not_found
from storage.jobs.records import Job, JobProgress, JobState, NewJob, Resource
from storage.jobs.tables import JobRow
from storage.questions.repository import utc_now

_NEW_FIELDS = [column.name for column in fields(NewJob)]
_FIELDS = [column.name for column in fields(Job) if column.name != "progress"]
_BY_TURN = (JobRow.priority.desc(), JobRow.created_at, JobRow.id)
_TURN_LOCK = 0x6D316A6F62
"""PostgreSQL: held while a job is selected, so that two schedulers cannot both claim the same free slot."""


class JobRepository:
    """Jobs in the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(self, job: NewJob) -> Job:
        """Store a job; it waits for its turn.

        Raises:
            InvalidRecord: its name cannot be stored, or its recipe is not JSON.
        """
        row = JobRow(
            **{name: getattr(job, name) for name in _NEW_FIELDS},
            id=uuid4().hex,
            created_at=self._now(),
            started_at=None,
            ended_at=None,
            heartbeat_at=None,
            state=JobState.QUEUED,
            handle="",
            attempt=0,
            progress=_stored(JobProgress()),
            error="",
        )
        self._session.add(row)
        self._session.flush()
        return _as_job(row)

    def get(self, job_id: str) -> Job:
        """Return the job with this id.

        Raises:
            RecordNotFound: no record has that id.
        """
        found = self._session.scalar(select(JobRow).where(_has_id(job_id)).execution_options(populate_existing=True))
        if found is None:
            raise not_found("job", job_id)
        return _as_job(found)

    def recent(self, limit: int = 100, states: Collection[JobState] = (), text: str = "") -> tuple[Job, ...]:
        """Jobs, newest first.

        Args:
            limit: maximum number of results.
            states: only jobs in one of these states; empty means all.
            text: part of the name, or the start of the id; blank matches everything.
        """
        query = select(JobRow).order_by(JobRow.created_at.desc(), JobRow.id.desc()).limit(max(1, limit))
        if states:
            query = query.where(JobRow.state.in_(states))
        if words := replace_unstorable(text).strip():
            query = query.where(
                JobRow.name.icontains(words, autoescape=True) | JobRow.id.startswith(words, autoescape=True)
            )
        return tuple(map(_as_job, self._session.scalars(query)))

    def latest_of(self, subject_id: str) -> Job | None:
        """The newest job that works on this benchmark run or study; None if there is none."""
        query = select(JobRow).where(JobRow.subject_id == subject_id)
        row = self._session.scalar(query.order_by(JobRow.created_at.desc(), JobRow.id.desc()).limit(1))
        return None if row is None else _as_job(row)

    def in_states(self, states: Collection[JobState]) -> tuple[Job, ...]:
        """All jobs in one of these states, in scheduling order."""
        return tuple(
            map(_as_job, self._session.scalars(select(JobRow).where(JobRow.state.in_(states)).order_by(*_BY_TURN)))
        )

    def start_next(self, resource: Resource, limit: int, executor: str, executors: Collection[str]) -> Job | None:
        """Mark the next job as running, without handle or heartbeat, and count the attempt.

        Args:
            resource: the resource it will occupy.
            limit: maximum number of jobs that occupy it at once, including stopping ones.
            executor: the executor that will run it.
            executors: all executors of this app; other jobs wait for an app that has theirs.

        Returns:
            The job; None if no job is waiting, no slot is free, or it is another executor's turn.
        """
        if self._session.get_bind().dialect.name == "postgresql":
            self._session.execute(select(func.pg_advisory_xact_lock(_TURN_LOCK)))
        occupied = (JobState.RUNNING, JobState.STOPPING)
        busy = select(func.count()).where(JobRow.resource == resource, JobRow.state.in_(occupied))
        waiting = (JobRow.state == JobState.QUEUED) & (JobRow.resource == resource) & JobRow.executor.in_(executors)
        turn = select(JobRow.id, JobRow.executor).where(waiting).order_by(*_BY_TURN).limit(1)
        first = self._session.execute(turn).one_or_none() if (self._session.scalar(busy) or 0) < limit else None
        if first is None or first.executor != executor:
            return None
        values = {
            "state": JobState.RUNNING,
            "started_at": self._now(),
            "ended_at": None,
            "heartbeat_at": None,
            "handle": "",
            "error": "",
            "attempt": JobRow.attempt + 1,
        }
        is_ours = self._update(_has_id(first.id) & (JobRow.state == JobState.QUEUED), values)
        return self.get(first.id) if is_ours else None

    def claim(self, job_id: str, handle: str) -> Job | None:
        """Claim a started job for a worker; this is its first heartbeat.

        Args:
            job_id: the job.
            handle: handle of this worker; empty keeps the current one.

        Returns:
            The job; None if it should not run, or another worker has it.
        """
        values: dict[str, Any] = {"heartbeat_at": self._now()} | ({"handle": handle} if handle else {})
        unclaimed = (JobRow.state == JobState.RUNNING) & JobRow.heartbeat_at.is_(None)
        return self.get(job_id) if self._update(_has_id(job_id) & unclaimed, values) else None

    def heartbeat(self, job_id: str, attempt: int, progress: JobProgress | None = None) -> JobState | None:
        """Record that the worker of an attempt is alive, and its progress (None: unchanged).

        Returns:
            The job's state; None if the job was deleted or is in another attempt. Only running or stopping jobs are
            updated.
        """
        values: dict[str, Any] = {"heartbeat_at": self._now()}
        if progress is not None:
            values["progress"] = _stored(progress)
        which = _has_id(job_id) & (JobRow.attempt == attempt)
        self._update(which & JobRow.state.in_((JobState.RUNNING, JobState.STOPPING)), values)
        return self._session.scalar(select(JobRow.state).where(which))

    def set_handle(self, job_id: str, attempt: int, handle: str) -> None:
        """Store the handle of an attempt's worker, unless the job has moved on."""
        self._update(_has_id(job_id) & (JobRow.attempt == attempt), {"handle": handle})

    def set_priority(self, job_id: str, priority: int) -> bool:
        """Set the priority; return whether the job exists."""
        return self._update(_has_id(job_id), {"priority": priority})

    def request(self, job_id: str, state: JobState, allowed_from: Collection[JobState]) -> bool:
        """Change a job's state on a user's request to stop or resume it; False if it is in none of the allowed
        states."""
        values: dict[str, Any] = {"state": state}
        if state is JobState.QUEUED:
            values |= {"ended_at": None, "heartbeat_at": None, "handle": "", "error": ""}
        elif state is JobState.STOPPED:
            values |= {"ended_at": self._now()}
        return self._update(_has_id(job_id) & JobRow.state.in_(allowed_from), values)

    def end(
        self,
        seen: Job,
        state: JobState,
        allowed_from: Collection[JobState],
        *,
        error: str = "",
        progress: JobProgress | None = None,
        is_unheard: bool = False,
    ) -> bool:
        """End an attempt; False if the job has moved on.

        Args:
            seen: the job as the caller last saw it; its id and attempt are compared.
            state: how it ended.
            allowed_from: states that it may be in now.
            error: message for the user.
            progress: final progress; None keeps what is stored.
            is_unheard: True ends it only if there has been no heartbeat since the one in `seen`.
        """
        which = _has_id(seen.id) & (JobRow.attempt == seen.attempt) & JobRow.state.in_(allowed_from)
        if is_unheard:
            last = seen.heartbeat_at
            which &= JobRow.heartbeat_at.is_(None) if last is None else JobRow.heartbeat_at == last
        values: dict[str, Any] = {"state": state, "ended_at": self._now(), "error": replace_unstorable(error)}
        if progress is not None:
            values["progress"] = _stored(progress)
        return self._update(which, values)

    def _update(self, which: ColumnElement[bool], values: Mapping[str, Any]) -> bool:
        changed = update(JobRow).where(which).values(values).execution_options(synchronize_session=False)
        return _is_one(self._session.execute(changed))


def _has_id(job_id: str) -> ColumnElement[bool]:
    # Our ids are hexadecimal; the database may reject anything else.
    return JobRow.id == (job_id if job_id.isascii() and job_id.isalnum() else "")


def _is_one(result: Any) -> bool:
    return isinstance(result, CursorResult) and result.rowcount == 1


def _stored(progress: JobProgress) -> dict[str, Any]:
    return asdict(progress) | {"figures": dict(progress.figures)}


def _as_job(row: JobRow) -> Job:
    return Job(**{name: getattr(row, name) for name in _FIELDS}, progress=JobProgress(**row.progress))
