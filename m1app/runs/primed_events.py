"""The events of a thinking pass, asked for before anybody listens."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from m1app.background import start_task
from models.thinking.thinking_pass import PassEvent, TokensGenerated


class PrimedEvents:
    """Starts a pass at once; whoever iterates gets all its events, those of the meantime first.

    What the pass raises is raised to whoever iterates. Must be closed.
    """

    def __init__(self, events: AsyncGenerator[PassEvent, None]) -> None:
        self._events = events
        self._primed: list[PassEvent] = []
        self._priming = start_task(self._prime(), "first-token")

    async def _prime(self) -> None:
        """Up to the first token; those that follow are left to the connection's buffer."""
        async for event in self._events:
            self._primed.append(event)
            if isinstance(event, TokensGenerated):
                return

    async def __aiter__(self) -> AsyncIterator[PassEvent]:
        await self._priming
        for event in self._primed:
            yield event
        async for event in self._events:
            yield event

    async def aclose(self) -> None:
        """Cancel what the engine is doing."""
        self._priming.cancel()
        await asyncio.gather(self._priming, return_exceptions=True)
        await self._events.aclose()
