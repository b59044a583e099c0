"""Replies that many wait for."""

import asyncio

import pytest

from models.engine.asked_once import AskedOnce


class Server:
    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None

    async def ask(self) -> int:
        self.asked += 1
        await self.may_answer.wait()
        if self.error:
            raise self.error
        return self.asked


async def test_those_who_come_while_it_is_asked_wait_for_the_same_reply() -> None:
    server, replies = Server(), AskedOnce[int](2)
    waiting = [asyncio.create_task(replies.get("a", server.ask)) for _ in range(5)]
    await asyncio.sleep(0)
    server.may_answer.set()
    assert await asyncio.gather(*waiting) == [1] * 5
    assert await replies.get("a", server.ask) == 1


async def test_one_who_stops_waiting_does_not_end_it_for_the_others() -> None:
    server, replies = Server(), AskedOnce[int](2)
    first, second = (asyncio.create_task(replies.get("a", server.ask)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    server.may_answer.set()
    assert await second == 1
    assert first.cancelled()


async def test_a_failure_reaches_all_and_is_asked_again() -> None:
    server, replies = Server(), AskedOnce[int](2)
    server.error = ValueError("down")
    server.may_answer.set()
    failed = await asyncio.gather(*(replies.get("a", server.ask) for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in failed] == ["down"] * 3
    assert server.asked == 1
    server.error = None
    assert await replies.get("a", server.ask) == 2


@pytest.mark.parametrize("most", [1, 3])
async def test_the_oldest_replies_are_forgotten(most: int) -> None:
    server, replies = Server(), AskedOnce[int](most)
    server.may_answer.set()
    for key in range(most + 1):
        await replies.get(key, server.ask)
    assert server.asked == most + 1
    await replies.get(most, server.ask)
    assert server.asked == most + 1
    await replies.get(0, server.ask)
    assert server.asked == most + 2
