"""An engine that a run began with: it refuses to go on when its server has another model meanwhile.

A server can be restarted with another model at the same address, and even under the same name. What it would generate
then must not become a part of a trace of the earlier model.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from models.engine.protocol import ChatMessage, CompletionChunk, CompletionRequest, Engine, EngineInfo, TokenIds
from models.errors import ModelNotServed


class PinnedEngine:
    """Implements `models.engine.protocol.Engine` over another engine."""

    def __init__(self, engine: Engine, info: EngineInfo) -> None:
        """Args:
        engine: generates.
        info: how it described itself when the run began.
        """
        self._engine = engine
        self._info = info

    async def describe(self) -> EngineInfo:
        """See `Engine.describe`; also raises ModelNotServed."""
        found = await self._engine.describe()
        if nature_of(found) != nature_of(self._info):
            raise ModelNotServed(
                f"The engine was restarted with another model: this run began with {nature_of(self._info)}, and now "
                f"there is {nature_of(found)}. Run the question again, or start the earlier model again."
            )
        return found

    async def tokenize(self, text: str, *, parse_special: bool) -> TokenIds:
        """See `Engine.tokenize`."""
        return await self._engine.tokenize(text, parse_special=parse_special)

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """See `Engine.detokenize`."""
        return await self._engine.detokenize(token_ids)

    async def apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        """See `Engine.apply_chat_template`."""
        return await self._engine.apply_chat_template(messages)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        """See `Engine.stream`; also raises ModelNotServed."""
        await self.describe()
        async with aclosing(self._engine.stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        await self._engine.aclose()


def nature_of(info: EngineInfo) -> str:
    """What a server serves, in words; the same for servers whose answers may be mixed."""
    source = f" from {info.model_source}" if info.model_source else ""
    return f"{info.model}{source} on {info.kind.value}, context {info.context_length:,}"
