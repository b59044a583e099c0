"""An engine that pauses generation at given lengths, so that other requests can run in between.

llama.cpp computes two concurrent requests in different batches than one alone, which rounds differently: a greedy pass
with answers forked alongside it differs from the pass by itself. When the pass pauses at each cut while the answers
run, every token is computed as in a separate run, and the answers reuse the cache that the pass has filled.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import replace

from models.engine.protocol import (
    ChatMessage,
    CompletionChunk,
    CompletionRequest,
    Engine,
    EngineInfo,
    FinishReason,
    TokenIds,
)

_SEED_STEP, _SEED_LIMIT = 1_000_003, 2**31


class PausingEngine:
    """Implements `models.engine.protocol.Engine` over another engine."""

    def __init__(
        self, engine: Engine, base_tokens: int, lengths: Collection[int], pause: Callable[[], Awaitable[None]]
    ) -> None:
        """Args:
        engine: generates.
        base_tokens: leading tokens of every prompt that do not count towards `lengths`.
        lengths: generation pauses when prompt and completion together exceed `base_tokens` by one of these.
        pause: awaited at each length, and before each request.
        """
        self._engine = engine
        self._base_tokens = base_tokens
        self._lengths = sorted(lengths)
        self._pause = pause

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        """See `Engine.stream`."""
        piece, left, reached = request, request.max_tokens, 0
        while True:
            await self._pause()
            position = len(piece.prompt_ids) - self._base_tokens
            piece = replace(piece, max_tokens=self._room(max(position, reached), position, left))
            # Pause once at each length, even if the last token before it had no id.
            reached = position + piece.max_tokens
            ids: list[int] = []
            is_paused = False
            async with aclosing(self._engine.stream(piece)) as chunks:
                async for chunk in chunks:
                    ids.extend(chunk.token_ids)
                    is_at_length = chunk.finish_reason is FinishReason.LENGTH and piece.max_tokens < left
                    is_paused = is_paused or is_at_length
                    yield replace(chunk, finish_reason=None) if is_paused else chunk
            if not is_paused:
                return
            # Tokens without an id, the first of a character, are generated again.
            left -= len(ids)
            seed = None if piece.seed is None else (piece.seed * _SEED_STEP + 1) % _SEED_LIMIT
            piece = replace(piece, prompt_ids=(*piece.prompt_ids, *ids), seed=seed, is_fresh=False)

    def _room(self, reached: int, position: int, left: int) -> int:
        following = next((length for length in self._lengths if length > reached), None)
        return left if following is None else min(left, following - position)

    async def describe(self) -> EngineInfo:
        """See `Engine.describe`."""
        return await self._engine.describe()

    async def tokenize(self, text: str, *, parse_special: bool) -> TokenIds:
        """See `Engine.tokenize`."""
        return await self._engine.tokenize(text, parse_special=parse_special)

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """See `Engine.detokenize`."""
        return await self._engine.detokenize(token_ids)

    async def apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        """See `Engine.apply_chat_template`."""
        return await self._engine.apply_chat_template(messages)

    async def aclose(self) -> None:
        """Does nothing: the wrapped engine belongs to the caller."""
