"""Pages that ask for the same within a moment get one reading."""

import asyncio

import pytest

from m1app.ui.shell.shared_reading import SharedReading


class Counted:
    """A reading that waits until it may end, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()

    async def read(self) -> int:
        self.begun += 1
        number = self.begun
        await self.may_end.wait()
        return number


async def test_many_tabs_share_a_reading_and_a_later_one_reads_anew() -> None:
    now, counted = [0.0], Counted()
    counted.may_end.set()
    shared: SharedReading[int] = SharedReading(1.0, lambda: now[0])
    assert await asyncio.gather(*(shared.get("jobs", counted.read) for _ in range(40))) == [1] * 40
    now[0] = 0.9
    assert await shared.get("jobs", counted.read) == 1
    now[0] = 1.0
    assert await shared.get("jobs", counted.read) == 2


async def test_each_key_has_its_own_reading() -> None:
    counted = Counted()
    counted.may_end.set()
    shared: SharedReading[int] = SharedReading(1.0)
    assert await shared.get(("", ""), counted.read) == 1
    assert await shared.get(("active", ""), counted.read) == 2


async def test_a_change_makes_the_next_reading_a_new_one_even_beside_one_under_way() -> None:
    counted = Counted()
    shared: SharedReading[int] = SharedReading(1.0)
    before = asyncio.ensure_future(shared.get("jobs", counted.read))
    await asyncio.sleep(0)
    shared.forget()
    after = asyncio.ensure_future(shared.get("jobs", counted.read))
    await asyncio.sleep(0)
    counted.may_end.set()
    assert (await before, await after) == (1, 2)


async def test_a_closed_tab_does_not_cancel_what_others_wait_for() -> None:
    counted = Counted()
    shared: SharedReading[int] = SharedReading(1.0)
    closed = asyncio.ensure_future(shared.get("jobs", counted.read))
    other = asyncio.ensure_future(shared.get("jobs", counted.read))
    await asyncio.sleep(0)
    closed.cancel()
    await asyncio.sleep(0)
    counted.may_end.set()
    assert await other == 1


async def test_a_failed_reading_is_not_kept() -> None:
    async def fail() -> int:
        raise ValueError

    async def read() -> int:
        return 5

    shared: SharedReading[int] = SharedReading(1.0)
    with pytest.raises(ValueError):
        await shared.get("jobs", fail)
    assert await shared.get("jobs", read) == 5
