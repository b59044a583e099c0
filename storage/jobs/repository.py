"""Jobs: kept, chosen by turn, and moved from state to state by conditional updates.

Every change names the states that it starts from and is one UPDATE, so that of two processes on one database exactly
one makes it. Which states may follow each other is for the caller to say.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, CursorResult, delete, func, select, update
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
"""PostgreSQL: held while a job is chosen, so that two choices cannot both count the place that is free."""


class JobRepository:
    """Jobs of the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(self, job: NewJob) -> Job:
        """Keep a job; it waits for its turn.

        Raises:
            InvalidRecord: its name holds what cannot be stored, or its recipe is not JSON.
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
        """The job with that id.

        Raises:
            RecordNotFound: there is none.
        """
        found = self._session.scalar(select(JobRow).where(_has_id(job_id)).execution_options(populate_existing=True))
        if found is None:
            raise not_found("job", job_id)
        return _as_job(found)

    def recent(self, limit: int = 100, states: Collection[JobState] = (), text: str = "") -> tuple[Job, ...]:
        """Jobs, newest first.

        Args:
            limit: how many at most.
            states: only those in one of these; empty means all.
            text: what the name holds, or the id begins with; blank finds all.
        """
        query = select(JobRow).order_by(JobRow.created_at.desc(), JobRow.id.desc()).limit(max(1, limit))
        if states:
            query = query.where(JobRow.state.in_(states))
        if words := replace_unstorable(text).strip():
            query = query.where(
                JobRow.name.icontains(words, autoescape=True) | JobRow.id.startswith(words, autoescape=True)
            )
        return tuple(map(_as_job, self._session.scalars(query)))

    def in_states(self, states: Collection[JobState]) -> tuple[Job, ...]:
        """Every job in one of these states, by turn."""
        return tuple(
            map(_as_job, self._session.scalars(select(JobRow).where(JobRow.state.in_(states)).order_by(*_BY_TURN)))
        )

    def start_next(self, resource: Resource, limit: int, executor: str, executors: Collection[str]) -> Job | None:
        """Take the job whose turn it is: running from now on, without handle and heartbeat, one attempt more.

        Args:
            resource: what it is to occupy.
            limit: how many may occupy it at once, stopping ones included.
            executor: who is to run it.
            executors: all that the app has; jobs of others wait for an app that has theirs.

        Returns:
            The job; None when none waits, no place is free, or it is another executor's turn.
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
        """Take a started job for a worker: its first heartbeat.

        Args:
            job_id: the job.
            handle: of this worker; empty keeps what is there.

        Returns:
            The job; None when it is not to be run, or another worker has it.
        """
        values: dict[str, Any] = {"heartbeat_at": self._now()} | ({"handle": handle} if handle else {})
        unclaimed = (JobRow.state == JobState.RUNNING) & JobRow.heartbeat_at.is_(None)
        return self.get(job_id) if self._update(_has_id(job_id) & unclaimed, values) else None

    def heartbeat(self, job_id: str, attempt: int, progress: JobProgress | None = None) -> JobState | None:
        """The worker of an attempt is alive, and this far (None: as far as before).

        Returns:
            The job's state; None when the job was deleted or is in another attempt. Only a running or stopping job is
            changed.
        """
        values: dict[str, Any] = {"heartbeat_at": self._now()}
        if progress is not None:
            values["progress"] = _stored(progress)
        which = _has_id(job_id) & (JobRow.attempt == attempt)
        self._update(which & JobRow.state.in_((JobState.RUNNING, JobState.STOPPING)), values)
        return self._session.scalar(select(JobRow.state).where(which))

    def set_handle(self, job_id: str, attempt: int, handle: str) -> None:
        """By which the worker of an attempt is found; passes over a job that has gone on meanwhile."""
        self._update(_has_id(job_id) & (JobRow.attempt == attempt), {"handle": handle})

    def set_priority(self, job_id: str, priority: int) -> bool:
        """Whether the job was there to be given this priority."""
        return self._update(_has_id(job_id), {"priority": priority})

    def request(self, job_id: str, state: JobState, allowed_from: Collection[JobState]) -> bool:
        """Move a job that a person asked to stop or to resume; False when it is in none of the allowed states."""
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
        """End an attempt; False when the job has gone on meanwhile.

        Args:
            seen: the job as the caller knows it; its id and attempt count.
            state: how it ended.
            allowed_from: states that it may be in now.
            error: message for the person.
            progress: how far it came; None: as stored.
            is_unheard: True ends it only while there is no heartbeat later than the one in `seen`.
        """
        which = _has_id(seen.id) & (JobRow.attempt == seen.attempt) & JobRow.state.in_(allowed_from)
        if is_unheard:
            last = seen.heartbeat_at
            which &= JobRow.heartbeat_at.is_(None) if last is None else JobRow.heartbeat_at == last
        values: dict[str, Any] = {"state": state, "ended_at": self._now(), "error": replace_unstorable(error)}
        if progress is not None:
            values["progress"] = _stored(progress)
        return self._update(which, values)

    def delete(self, job_id: str, allowed_from: Collection[JobState]) -> bool:
        """Forget a job; False when it is in none of the allowed states."""
        doomed = delete(JobRow).where(_has_id(job_id), JobRow.state.in_(allowed_from))
        return _is_one(self._session.execute(doomed.execution_options(synchronize_session=False)))

    def _update(self, which: ColumnElement[bool], values: Mapping[str, Any]) -> bool:
        changed = update(JobRow).where(which).values(values).execution_options(synchronize_session=False)
        return _is_one(self._session.execute(changed))


def _has_id(job_id: str) -> ColumnElement[bool]:
    # An id of ours is hexadecimal; anything else may be a text that the database refuses.
    return JobRow.id == (job_id if job_id.isascii() and job_id.isalnum() else "")


def _is_one(result: Any) -> bool:
    return isinstance(result, CursorResult) and result.rowcount == 1


def _stored(progress: JobProgress) -> dict[str, Any]:
    return asdict(progress) | {"figures": dict(progress.figures)}


def _as_job(row: JobRow) -> Job:
    return Job(**{name: getattr(row, name) for name in _FIELDS}, progress=JobProgress(**row.progress))
