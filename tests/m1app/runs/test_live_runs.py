"""Closing a run is finished although it is cancelled."""

import asyncio

import pytest

from m1app.runs.live_runs import to_the_end


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
