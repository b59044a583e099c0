"""The engine's status, polled once for all open pages.

A single poller serves all listeners: it runs while readings are requested and ends a few seconds after the last
listener has gone, so the polling rate does not depend on the number of open tabs.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from m1app.engines.service import EngineService
from models.engine.protocol import EngineInfo
from models.errors import ModelsError

_POLL_SECONDS = 2.0
_LISTENING_SECONDS = 6.0
"""The poller ends after this long without requests: three ticks of a page."""
_FIRST_SECONDS = 5.0
"""Longest wait for the first reading; later pages find one."""
_READING_SECONDS = 30.0
"""Longest time for one reading; an engine may keep connections open without answering."""


@dataclass(frozen=True, slots=True)
class EngineReading:
    """The engine's last reply."""

    info: EngineInfo | None = None
    """None if it did not respond."""
    models: tuple[str, ...] = ()
    """Names of the available models; empty if it did not respond."""
    problem: str = ""
    """Why it did not respond; empty if it did."""
    age_seconds: float = 0.0
    """Age of this reading."""


_NOT_READ = EngineReading(problem="The engine has not answered yet.")


class EngineWatch:
    """The latest reading of one engine service, shared by all callers."""

    def __init__(
        self,
        engines: EngineService,
        *,
        poll_seconds: float = _POLL_SECONDS,
        listening_seconds: float = _LISTENING_SECONDS,
        reading_seconds: float = _READING_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engines = engines
        self._poll_seconds = poll_seconds
        self._listening_seconds = listening_seconds
        self._reading_seconds = reading_seconds
        self._clock = clock
        self._asked_at = 0.0
        self._read_at = 0.0
        self._reading = _NOT_READ
        self._is_read = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._default = engines.default_model

    async def latest(self) -> EngineReading:
        """Return the latest reading with its age; waits only if there is none from the last few seconds."""
        self._asked_at = self._clock()
        if self._default != self._engines.default_model:
            # Another model was chosen meanwhile: what was read is of the earlier one.
            self._default = self._engines.default_model
            await self.aclose()
        if self._poller is None or self._poller.done():
            self._is_read = asyncio.Event()
            self._poller = asyncio.create_task(self._poll(self._is_read), name="engine-watch")
        if not self._is_read.is_set():
            await self._wait_read(self._is_read, self._poller)
        return replace(self._reading, age_seconds=self._clock() - self._read_at)

    @property
    def is_polling(self) -> bool:
        """Whether the engine is being polled."""
        return self._poller is not None and not self._poller.done()

    async def aclose(self) -> None:
        """Stop the poller."""
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller
            self._poller = None

    async def _wait_read(self, is_read: asyncio.Event, poller: "asyncio.Task[None]") -> None:
        waiter = asyncio.ensure_future(is_read.wait())
        try:
            await asyncio.wait({waiter, poller}, timeout=_FIRST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiter.cancel()
        if poller.done():
            poller.result()  # Other errors are raised to the caller.
        if not is_read.is_set():
            self._reading, self._read_at = _NOT_READ, self._clock()

    async def _poll(self, is_read: asyncio.Event) -> None:
        while self._clock() - self._asked_at <= self._listening_seconds:
            self._reading, self._read_at = await self._read(), self._clock()
            is_read.set()
            await asyncio.sleep(self._poll_seconds)

    async def _read(self) -> EngineReading:
        try:
            async with asyncio.timeout(self._reading_seconds):
                info = await self._engines.engine().describe()
                return EngineReading(info, await self._engines.models())
        except TimeoutError:
            return EngineReading(problem=f"The engine has not answered within {self._reading_seconds:g} s.")
        except ModelsError as exc:
            return EngineReading(problem=str(exc))
