"""Several servers of one model as one engine: each question gets a server, and keeps it.

A question's requests share a prompt, which its server has in its prefix cache. What is asked of a server that stops
answering fails; whoever resumes the question gets another server for the rest.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

from models.engine.client import OpenAIEngine
from models.engine.pinned import nature_of
from models.engine.protocol import ChatMessage, CompletionChunk, CompletionRequest, EngineInfo, TokenIds
from models.errors import BadEngineResponse, EngineError, EngineUnreachable

_T = TypeVar("_T")
_CHECKED_SECONDS = 5.0
"""How long a server counts as answering, or as not, after it was asked."""
_PATIENCE_SECONDS = 5.0


@dataclass(slots=True)
class _Replica:
    place: str
    engine: OpenAIEngine
    questions: int = 0
    """That it was given."""
    checked_at: float = -_CHECKED_SECONDS
    problem: str = ""
    """Why it did not answer when it was asked last."""
    checking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Replicas:
    """Implements `models.engine.protocol.Engine` over several servers; `for_question` is how questions are asked."""

    def __init__(self, engines: Mapping[str, OpenAIEngine]) -> None:
        """Args:
        engines: the clients by address; at least one.
        """
        self._replicas = [_Replica(place, engine) for place, engine in engines.items()]

    @property
    def generating(self) -> int:
        """Requests for tokens that are under way at all servers."""
        return sum(each.engine.generating for each in self._replicas)

    @property
    def count(self) -> int:
        """Servers, whether they answer or not."""
        return len(self._replicas)

    @property
    def engines(self) -> Mapping[str, OpenAIEngine]:
        """The clients by address."""
        return {each.place: each.engine for each in self._replicas}

    async def for_question(self) -> OpenAIEngine:
        """The server for one question: of those that answer, the least busy one.

        Raises:
            EngineUnreachable: none answers.
            BadEngineResponse: they do not serve the same model.
        """
        alive = await self._alive()
        chosen = min(alive, key=lambda each: (each.engine.generating, each.questions))
        chosen.questions += 1
        await self._check_alike(alive)
        return chosen.engine

    async def served_models(self) -> tuple[str, ...]:
        """Names of the models that the first server that answers has; raises EngineError."""
        return await self._first(lambda engine: engine.served_models())

    async def describe(self) -> EngineInfo:
        """See `Engine.describe`."""
        await self._check_alike(await self._alive())
        return await self._first(lambda engine: engine.describe())

    async def tokenize(self, text: str, *, parse_special: bool) -> TokenIds:
        """See `Engine.tokenize`."""
        return await self._first(lambda engine: engine.tokenize(text, parse_special=parse_special))

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """See `Engine.detokenize`."""
        return await self._first(lambda engine: engine.detokenize(token_ids))

    async def apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        """See `Engine.apply_chat_template`."""
        return await self._first(lambda engine: engine.apply_chat_template(messages))

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        """See `Engine.stream`."""
        engine = await self.for_question()
        async with aclosing(engine.stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        for each in self._replicas:
            await each.engine.aclose()

    async def _first(self, ask: Callable[[OpenAIEngine], Awaitable[_T]]) -> _T:
        """What the first server that answers says; raises what the last one raised."""
        problem: EngineError | None = None
        for each in await self._alive():
            try:
                return await ask(each.engine)
            except EngineUnreachable as exc:
                each.problem, each.checked_at, problem = str(exc), time.monotonic(), exc
        raise problem or EngineUnreachable("No server is responding.")

    async def _alive(self) -> list[_Replica]:
        await asyncio.gather(*map(self._check, self._replicas))
        alive = [each for each in self._replicas if not each.problem]
        if not alive:
            places = ", ".join(each.place for each in self._replicas)
            raise EngineUnreachable(
                f"None of the {len(self._replicas)} servers is responding ({places}): {self._replicas[0].problem}"
            )
        return alive

    async def _check(self, each: _Replica) -> None:
        async with each.checking:
            if time.monotonic() - each.checked_at < _CHECKED_SECONDS:
                return
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await each.engine.served_models()
                each.problem = ""
            except EngineError as exc:
                each.problem = str(exc)
            except TimeoutError:
                each.problem = f"It did not answer within {_PATIENCE_SECONDS:g} s."
            each.checked_at = time.monotonic()

    async def _check_alike(self, alive: Sequence[_Replica]) -> None:
        """Refuse servers that serve something else under the same name: their answers must not be mixed."""
        first, *others = alive
        wanted = nature_of(await first.engine.describe())
        for each in others:
            found = nature_of(await each.engine.describe())
            if found != wanted:
                raise BadEngineResponse(
                    f"The servers at {first.place} and {each.place} do not match: {wanted} and {found}. List servers "
                    "of one model only in M1_ENGINE_URLS, and others in M1_MORE_ENGINE_URLS."
                )
