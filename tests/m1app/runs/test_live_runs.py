"""Ends of runs: finished although they are cancelled, and saved once."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from m1app.access.errors import QuotaReached
from m1app.access.person import Person, acting_as
from m1app.access.quota import Quota
from m1app.runs.live_run import Changes, LiveRun, to_the_end
from m1app.runs.live_runs import LiveRuns
from models.thinking.early_exit import EarlyExit
from storage.errors import DatabaseLocked, InvalidRecord
from storage.people.records import Role
from storage.traces.records import TraceState


async def test_work_is_finished_although_its_caller_is_cancelled_twice() -> None:
    done: list[str] = []
    began = asyncio.Event()

    async def close() -> None:
        began.set()
        await asyncio.sleep(0.05)
        done.append("closed")

    async def run() -> None:
        await to_the_end(close())
        done.append("after")

    task = asyncio.create_task(run())
    await began.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert done == ["closed", "after"]


async def test_error_of_the_work_is_raised() -> None:
    async def fail() -> None:
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        await to_the_end(fail())


SECONDS = 0.05


class SlowToSave(LiveRun[str]):
    """A run that is over at once, and whose end takes longer to store than the saver waits."""

    tokens_per_second = 0.0

    def __init__(self) -> None:
        super().__init__("run", Changes())
        self.times_saved = 0

    def snapshot(self) -> str:
        return "over"

    async def work(self) -> None:
        return

    def answer_now(self) -> bool:
        return False

    def end(self, state: TraceState, error: str) -> None:
        return

    async def save_end(self) -> None:
        await asyncio.sleep(SECONDS * 3)
        self.times_saved += 1
        if self.times_saved > 1:
            raise InvalidRecord("It is closed.")


async def test_an_end_that_takes_long_to_save_is_saved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("m1app.runs.live_runs.SAVE_SECONDS", SECONDS)

    async def save(_: object) -> None:
        return

    async def read(_: str) -> str:
        return "stored"

    runs: LiveRuns[SlowToSave, str] = LiveRuns(
        "run",
        9,
        save=save,
        read=read,
        record_of=lambda _: None,
        mark_interrupted=lambda: save(0),  # type: ignore
    )
    run = SlowToSave()
    runs.start(run)
    while not run.is_over or runs._unsaved:
        await asyncio.sleep(0.05)
    await asyncio.sleep(SECONDS * 8)
    await runs.aclose()
    assert (run.times_saved, run.save_error) == (1, "")


class Waiting(SlowToSave):
    """A run that waits to be stopped."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.id = f"run{number}"

    async def work(self) -> None:
        await asyncio.Event().wait()

    async def save_end(self) -> None:
        return


def waiting_runs(max_running: int, quota: Quota | None) -> LiveRuns[Waiting, str]:
    async def nothing(*_: object) -> str:
        return ""

    return LiveRuns(
        "run",
        max_running,
        save=nothing,  # type: ignore
        read=nothing,
        record_of=lambda _: None,  # type: ignore
        mark_interrupted=nothing,
        quota=quota,
    )


class Thinking(Waiting):
    """A run that can be made to answer, and whose engine takes a moment to leave."""

    def __init__(self) -> None:
        super().__init__(1)
        self.exits = EarlyExit()
        self.ended_as: TraceState | None = None

    async def work(self) -> None:
        async def chunks() -> AsyncGenerator[int, None]:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(SECONDS)
            yield 0

        await self.exits.next_of(chunks())

    def answer_now(self) -> bool:
        self.exits.ask()
        return True

    def end(self, state: TraceState, error: str) -> None:
        self.ended_as = state


@pytest.mark.parametrize("wait_seconds", [0.0, SECONDS / 2])
async def test_a_run_that_was_to_answer_can_be_stopped_while_it_leaves_the_engine(wait_seconds: float) -> None:
    runs, run = waiting_runs(9, None), Thinking()
    runs.start(run)
    await asyncio.sleep(SECONDS)
    run.answer_now()
    await asyncio.sleep(wait_seconds)
    assert runs.stop(run.id) and runs.stop(run.id)
    await runs.finished(run.id)
    assert run.ended_as is TraceState.STOPPED


async def test_a_run_that_is_stopped_before_its_first_step_ends_as_stopped() -> None:
    runs, run = waiting_runs(9, None), Thinking()
    runs.start(run)
    assert runs.stop(run.id)
    await runs.finished(run.id)
    assert (run.is_over, run.ended_as) == (True, TraceState.STOPPED)


class Refused(Waiting):
    """A run whose end the database does not take until `is_open`."""

    tries = 0
    is_open = False

    async def save_end(self) -> None:
        Refused.tries += 1
        await asyncio.sleep(0.01)  # As a lock that is waited for.
        if not Refused.is_open:
            raise DatabaseLocked("The database is busy.")


async def test_ends_that_wait_for_a_busy_database_are_not_tried_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("m1app.runs.live_runs.SAVE_SECONDS", SECONDS)
    monkeypatch.setattr(Refused, "tries", 0)
    runs, started = waiting_runs(99, None), [Refused(number) for number in range(20)]
    for run in started:
        runs.start(run)
    await asyncio.sleep(0)
    runs.stop_all()
    while not all(run.is_over for run in started):
        await asyncio.sleep(0)
    assert Refused.tries == 1
    assert {run.save_error for run in started} == {"The database is busy."}
    await runs._save_ends()
    assert Refused.tries == 2
    monkeypatch.setattr(Refused, "is_open", True)
    await runs.aclose()
    assert not runs._unsaved
    assert {run.save_error for run in started} == {""}


async def test_only_the_runs_that_ended_last_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("m1app.runs.live_runs._MOST_REMEMBERED", 3)
    runs, started = waiting_runs(99, None), [Waiting(number) for number in range(5)]
    for run in started:
        runs.start(run)
        await asyncio.sleep(0)
        runs.stop(run.id)
        while run.id in runs._tasks:
            await asyncio.sleep(0)
    assert [runs.live(run.id) for run in started] == [None, None, *started[2:]]


async def test_a_run_that_is_resumed_is_not_dropped_at_the_time_of_its_first_end() -> None:
    runs, first, again = waiting_runs(99, None), Waiting(1), Waiting(1)
    first.remembered_seconds = SECONDS
    runs.start(first)
    await asyncio.sleep(0)
    runs.stop(first.id)
    while first.id in runs._tasks:
        await asyncio.sleep(0)
    runs.start(again)
    await asyncio.sleep(SECONDS * 2)
    assert runs.live(again.id) is again
    await runs.aclose()


async def prepare(runs: LiveRuns[Waiting, str], number: int) -> None:
    with runs.place():
        await asyncio.sleep(0)  # Others may ask for a place while this one is prepared.
        runs.start(Waiting(number))


async def test_nobody_starts_more_runs_than_one_person_may_have() -> None:
    anna = Person("1", Role.ANNOTATOR, "anna")
    quota = Quota(2, "You have two.")
    probes, sweeps = waiting_runs(9, quota), waiting_runs(9, quota)
    with acting_as(anna):
        outcomes = await asyncio.gather(*(prepare(probes, number) for number in range(4)), return_exceptions=True)
        assert [type(each) for each in outcomes] == [type(None), type(None), QuotaReached, QuotaReached]
        with pytest.raises(QuotaReached):
            await prepare(sweeps, 0)
    for person in (Person("2", Role.ANNOTATOR, "ben"), Person("3", Role.ADMIN, "chief")):
        with acting_as(person):
            await prepare(sweeps, int(person.id))
    with acting_as(Person("3", Role.ADMIN, "chief")):
        for number in range(4, 8):
            await prepare(sweeps, number)
    await probes.aclose()
    with acting_as(anna):
        await prepare(sweeps, 9)
    await sweeps.aclose()


async def test_runs_that_are_being_prepared_take_a_place() -> None:
    runs = waiting_runs(2, None)
    outcomes = await asyncio.gather(*(prepare(runs, number) for number in range(3)), return_exceptions=True)
    assert "2 runs are already running" in str(outcomes[2])
    assert runs.running == 2
    await runs.aclose()
