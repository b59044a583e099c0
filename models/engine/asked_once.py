"""Replies that many ask for at the same time, such as the tokens of a delimiter: asked for once, and remembered."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class AskedOnce(Generic[_T]):
    """Replies by key, for one event loop. Failures are not remembered."""

    def __init__(self, most: int) -> None:
        """Remember up to `most` replies; the oldest go first."""
        self._most = most
        self._replies: dict[Hashable, asyncio.Future[_T]] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[_T]]) -> _T:
        """The reply for `key`, remembered or under way, else a new one; raises what `ask` raises."""
        reply = self._replies.get(key)
        if reply is None:
            reply = asyncio.ensure_future(_awaited(ask))
            while len(self._replies) >= self._most:
                del self._replies[next(iter(self._replies))]
            self._replies[key] = reply
            reply.add_done_callback(lambda done: self._drop_failure(key, done))
        # Whoever stops waiting must not end what others wait for.
        return await asyncio.shield(reply)

    def _drop_failure(self, key: Hashable, done: "asyncio.Future[_T]") -> None:
        if (done.cancelled() or done.exception() is not None) and self._replies.get(key) is done:
            del self._replies[key]


async def _awaited(ask: Callable[[], Awaitable[_T]]) -> _T:
    return await ask()
