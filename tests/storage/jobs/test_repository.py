"""Jobs: chosen by turn, claimed once, changed only from the states that the caller names."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TypeVar

import pytest

from storage.database import Database
from storage.errors import InvalidRecord, RecordNotFound
from storage.jobs.records import Job, JobKind, JobProgress, JobState, NewJob, Resource
from storage.jobs.repository import JobRepository
from storage.trash.records import TrashKind
from tests.storage.samples import discard, purge

_T = TypeVar("_T")
JOB = NewJob(kind=JobKind.BENCHMARK, name="m1 on MedQA", recipe={"budgets": [64, 128], "name": "Müller"})
ACTIVE = (JobState.RUNNING, JobState.STOPPING)
BOTH = ("local", "ray")


def change(database: Database, use: Callable[[JobRepository], _T]) -> _T:
    with database.session() as session:
        return use(JobRepository(session))


def read(database: Database, use: Callable[[JobRepository], _T]) -> _T:
    with database.session(is_read_only=True) as session:
        return use(JobRepository(session))


def add(database: Database, **changes: object) -> Job:
    return change(database, lambda jobs: jobs.add(replace(JOB, **changes)))  # type: ignore[arg-type]


def get(database: Database, job_id: str) -> Job:
    return read(database, lambda jobs: jobs.get(job_id))


def start(database: Database, *, limit: int = 100, executor: str = "local", resource: Resource = Resource.CPU) -> str:
    """Id of the job that was started; empty when none was."""
    job = change(database, lambda jobs: jobs.start_next(resource, limit, executor, BOTH))
    return job.id if job else ""


def test_job_comes_back_as_it_was_given_and_waits(database: Database) -> None:
    kept = add(database, subject_id="a" * 32, resource=Resource.GPU, priority=-3, executor="ray")
    assert get(database, kept.id) == kept
    assert (kept.state, kept.attempt, kept.handle, kept.error) == (JobState.QUEUED, 0, "", "")
    assert (kept.started_at, kept.ended_at, kept.heartbeat_at) == (None, None, None)
    assert (kept.recipe, kept.priority, kept.progress) == (JOB.recipe, -3, JobProgress())


@pytest.mark.parametrize("job_id", ["f" * 32, "", "a\x00b", "' OR 1=1 --", "ä" * 32])
def test_job_that_is_not_there_is_not_found_and_not_changed(database: Database, job_id: str) -> None:
    add(database)
    with pytest.raises(RecordNotFound, match=r"Job .* not found"):
        get(database, job_id)
    assert change(database, lambda jobs: jobs.claim(job_id, "")) is None
    assert change(database, lambda jobs: jobs.heartbeat(job_id, 0)) is None
    assert not change(database, lambda jobs: jobs.request(job_id, JobState.STOPPED, list(JobState)))
    with pytest.raises(RecordNotFound, match=r"Job .* not found"):
        discard(database, TrashKind.JOB, job_id)
    assert len(read(database, lambda jobs: jobs.recent())) == 1


@pytest.mark.parametrize("changes", [{"name": "a\x00b"}, {"recipe": {"rate": float("nan")}}])
def test_what_cannot_be_stored_is_refused(database: Database, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidRecord):
        add(database, **changes)
    assert read(database, lambda jobs: jobs.recent()) == ()


def test_list_is_newest_first_and_can_be_narrowed(database: Database) -> None:
    moments = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number) for number in range(9))
    with database.session() as session:
        jobs = JobRepository(session, now=lambda: next(moments))
        first, second, third = (jobs.add(replace(JOB, name=name)) for name in ("Sweep of 100%", "other", "SWEEP again"))
    assert [job.id for job in read(database, lambda jobs: jobs.recent())] == [third.id, second.id, first.id]
    assert [job.id for job in read(database, lambda jobs: jobs.recent(limit=1))] == [third.id]
    assert [job.id for job in read(database, lambda jobs: jobs.recent(text=" sweep "))] == [third.id, first.id]
    assert [job.id for job in read(database, lambda jobs: jobs.recent(text="0%"))] == [first.id]
    assert [job.id for job in read(database, lambda jobs: jobs.recent(text=second.id[:12]))] == [second.id]
    assert read(database, lambda jobs: jobs.recent(text="no\x00thing")) == ()
    assert start(database) == first.id
    assert [job.id for job in read(database, lambda jobs: jobs.recent(states=[JobState.RUNNING]))] == [first.id]
    assert [job.id for job in read(database, lambda jobs: jobs.in_states(ACTIVE))] == [first.id]


def test_turn_goes_by_priority_then_age(database: Database) -> None:
    old, low, high, young = (add(database, priority=priority).id for priority in (0, -1, 5, 0))
    assert [start(database) for _ in range(5)] == [high, old, young, low, ""]


def test_started_job_is_in_a_new_attempt_without_traces_of_the_last_one(database: Database) -> None:
    job = add(database)
    start(database)
    change(database, lambda jobs: jobs.claim(job.id, "host:1:2"))
    seen = get(database, job.id)
    change(database, lambda jobs: jobs.end(seen, JobState.FAILED, ACTIVE, error="no memory"))
    assert change(database, lambda jobs: jobs.request(job.id, JobState.QUEUED, [JobState.FAILED]))
    assert start(database) == job.id
    again = get(database, job.id)
    assert (again.attempt, again.handle, again.error, again.ended_at) == (2, "", "", None)
    assert again.heartbeat_at is None


def test_no_more_jobs_are_started_than_the_resource_has_places(database: Database) -> None:
    cpu = [add(database).id for _ in range(3)]
    gpu = add(database, resource=Resource.GPU).id
    assert [start(database, limit=2) for _ in range(3)] == [cpu[0], cpu[1], ""]
    assert start(database, limit=1, resource=Resource.GPU) == gpu
    change(database, lambda jobs: jobs.request(cpu[0], JobState.STOPPING, [JobState.RUNNING]))
    assert start(database, limit=2) == "", "a stopping job still has its place"
    change(database, lambda jobs: jobs.end(get(database, cpu[0]), JobState.STOPPED, ACTIVE))
    assert start(database, limit=2) == cpu[2]


def test_job_whose_turn_it_is_waits_for_its_executor(database: Database) -> None:
    foreign = add(database, executor="slurm", priority=9).id
    ray, local = add(database, executor="ray", priority=1).id, add(database).id
    assert start(database) == "", "the one of Ray comes first"
    assert start(database, executor="ray") == ray
    assert start(database) == local
    assert get(database, foreign).state is JobState.QUEUED


def test_of_many_schedulers_one_starts_each_job_and_the_limit_holds(database: Database) -> None:
    expected = {add(database).id for _ in range(12)}
    barrier = Barrier(4)

    def fill() -> list[str]:
        barrier.wait()
        return [start(database, limit=5) for _ in range(6)]

    with ThreadPoolExecutor(4) as pool:
        started = [job_id for each in [pool.submit(fill) for _ in range(4)] for job_id in each.result() if job_id]
    assert len(started) == len(set(started)) == 5
    assert set(started) <= expected


def test_started_job_is_claimed_by_one_of_many_workers(database: Database) -> None:
    job_id = add(database).id
    assert change(database, lambda jobs: jobs.claim(job_id, "early")) is None
    start(database)
    barrier = Barrier(4)

    def claim(number: int) -> Job | None:
        barrier.wait()
        return change(database, lambda jobs: jobs.claim(job_id, f"host:{number}:1"))

    with ThreadPoolExecutor(4) as pool:
        claimed = [job for job in pool.map(claim, range(4)) if job]
    assert len(claimed) == 1
    assert get(database, job_id) == claimed[0]
    assert claimed[0].heartbeat_at is not None


def test_claim_without_a_handle_keeps_the_one_that_is_there(database: Database) -> None:
    job_id = add(database).id
    start(database)
    change(database, lambda jobs: jobs.set_handle(job_id, 1, "m1-x-1"))
    change(database, lambda jobs: jobs.set_handle(job_id, 2, "of another attempt"))
    claimed = change(database, lambda jobs: jobs.claim(job_id, ""))
    assert claimed is not None
    assert claimed.handle == "m1-x-1"


def test_heartbeat_stores_progress_and_tells_the_state(database: Database) -> None:
    job_id = add(database).id
    start(database)
    change(database, lambda jobs: jobs.claim(job_id, ""))
    first = get(database, job_id)
    progress = JobProgress(done=3, total=9, unit="questions", per_second=1.5, figures={"accuracy": 0.5})
    assert change(database, lambda jobs: jobs.heartbeat(job_id, 1, progress)) is JobState.RUNNING
    change(database, lambda jobs: jobs.request(job_id, JobState.STOPPING, [JobState.RUNNING]))
    assert change(database, lambda jobs: jobs.heartbeat(job_id, 1)) is JobState.STOPPING
    beaten = get(database, job_id)
    assert beaten.progress == progress
    assert beaten.heartbeat_at is not None
    assert first.heartbeat_at is not None
    assert beaten.heartbeat_at > first.heartbeat_at


def test_heartbeat_of_a_job_that_is_over_or_in_another_attempt_changes_nothing(database: Database) -> None:
    job_id = add(database).id
    start(database)
    change(database, lambda jobs: jobs.end(get(database, job_id), JobState.LOST, ACTIVE))
    lost = get(database, job_id)
    assert change(database, lambda jobs: jobs.heartbeat(job_id, 1, JobProgress(done=1))) is JobState.LOST
    assert get(database, job_id) == lost
    change(database, lambda jobs: jobs.request(job_id, JobState.QUEUED, [JobState.LOST]))
    start(database)
    again = get(database, job_id)
    assert change(database, lambda jobs: jobs.heartbeat(job_id, 1, JobProgress(done=1))) is None
    assert get(database, job_id) == again


def test_attempt_ends_once_and_only_from_the_named_states(database: Database) -> None:
    job_id = add(database).id
    start(database)
    seen = get(database, job_id)
    done = JobProgress(done=9, total=9)
    assert not change(database, lambda jobs: jobs.end(seen, JobState.SUCCEEDED, [JobState.STOPPING]))
    assert change(database, lambda jobs: jobs.end(seen, JobState.SUCCEEDED, ACTIVE, progress=done))
    assert not change(database, lambda jobs: jobs.end(seen, JobState.FAILED, ACTIVE, error="too late"))
    ended = get(database, job_id)
    assert (ended.state, ended.error, ended.progress) == (JobState.SUCCEEDED, "", done)
    assert ended.ended_at is not None


def test_error_with_what_no_database_can_hold_is_stored_without_it(database: Database) -> None:
    job_id = add(database).id
    start(database)
    change(database, lambda jobs: jobs.end(get(database, job_id), JobState.FAILED, ACTIVE, error="a\x00b\ud800"))
    assert get(database, job_id).error == "a\ufffdb\ufffd"


@pytest.mark.parametrize("is_claimed", [True, False])
def test_job_that_was_heard_of_meanwhile_is_not_given_up(database: Database, is_claimed: bool) -> None:
    job_id = add(database).id
    start(database)
    if is_claimed:
        change(database, lambda jobs: jobs.claim(job_id, ""))
    seen = get(database, job_id)
    change(database, lambda jobs: jobs.heartbeat(job_id, 1))
    assert not change(database, lambda jobs: jobs.end(seen, JobState.LOST, ACTIVE, is_unheard=True))
    now = get(database, job_id)
    assert change(database, lambda jobs: jobs.end(now, JobState.LOST, ACTIVE, is_unheard=True))


def test_stop_before_the_start_is_dated_and_resume_clears_it(database: Database) -> None:
    job_id = add(database).id
    assert change(database, lambda jobs: jobs.request(job_id, JobState.STOPPED, [JobState.QUEUED]))
    assert get(database, job_id).ended_at is not None
    assert start(database) == ""
    assert change(database, lambda jobs: jobs.request(job_id, JobState.QUEUED, [JobState.STOPPED]))
    assert get(database, job_id).ended_at is None
    assert start(database) == job_id


def test_priority_is_changed_and_a_deleted_job_is_neither_listed_nor_started(database: Database) -> None:
    first, second = add(database).id, add(database).id
    assert change(database, lambda jobs: jobs.set_priority(second, 7))
    assert start(database) == second
    deletion = discard(database, TrashKind.JOB, first)
    assert [job.id for job in read(database, lambda jobs: jobs.recent())] == [second]
    assert not change(database, lambda jobs: jobs.set_priority(first, 8))
    assert start(database) == ""
    purge(database, deletion)
    assert [job.id for job in read(database, lambda jobs: jobs.recent())] == [second]
