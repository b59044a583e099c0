"""An engine that generates in pieces: up to given lengths, and no more than so many tokens at once.

Two uses. llama.cpp computes two concurrent requests in different batches than one alone, which rounds differently: a
greedy pass with answers forked alongside it differs from the pass by itself. When the pass pauses at each cut while the
answers run, every token is computed as in a separate run, and the answers reuse the cache that the pass has filled.

And where nobody watches a token, a server that can be cancelled without a stream is asked for whole pieces: one
response for some hundred tokens costs the app hardly more than a chunk of a stream with one. What is lost when the app
is killed is one piece.
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
_LONGEST_CHARACTER = 4
"""In bytes, and so in tokens."""
_INCOMPLETE = "\ufffd"
_ALIGNED_CHARACTERS = 8


class PiecewiseEngine:
    """Implements `models.engine.protocol.Engine` over another engine."""

    def __init__(
        self,
        engine: Engine,
        base_tokens: int = 0,
        lengths: Collection[int] = (),
        *,
        pause: Callable[[], Awaitable[None]] | None = None,
        most_tokens: int | None = None,
        is_whole: bool = False,
    ) -> None:
        """Args:
        engine: generates.
        base_tokens: leading tokens of every prompt that do not count towards `lengths`.
        lengths: a piece ends when prompt and completion together exceed `base_tokens` by one of these.
        pause: awaited before each piece.
        most_tokens: of a piece; None for as many as asked for.
        is_whole: ask for each piece as a whole.
        """
        self._engine = engine
        self._base_tokens = base_tokens
        self._lengths = sorted(lengths)
        self._pause = pause
        self._most_tokens = most_tokens
        self._is_whole = is_whole

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        """See `Engine.stream`."""
        piece, left, reached = replace(request, is_whole=self._is_whole), request.max_tokens, 0
        unread: TokenIds = ()
        while True:
            if self._pause is not None:
                await self._pause()
            position = len(piece.prompt_ids) - self._base_tokens
            piece = replace(piece, max_tokens=self._room(max(position, reached), position, left))
            # Pause once at each length, even if the last token before it had no id.
            reached = position + piece.max_tokens
            ids: list[int] = []
            is_cut = False
            async with aclosing(self._engine.stream(piece)) as chunks:
                async for chunk in chunks:
                    ids.extend(chunk.token_ids)
                    is_at_length = chunk.finish_reason is FinishReason.LENGTH and piece.max_tokens < left
                    is_cut = is_cut or is_at_length
                    if is_cut:
                        chunk = replace(chunk, finish_reason=None)
                    if not self._is_whole:
                        yield chunk
                        continue
                    if unread:
                        chunk = await self._read_again(unread, chunk)
                    async for part in self._around_stop_texts(chunk, unread, request.stop_texts):
                        yield part
            if not is_cut:
                return
            if self._is_whole:
                unread = await self._unread((*unread, *ids))
            # Tokens without an id, the first of a character, are generated again.
            left -= len(ids)
            seed = None if piece.seed is None else (piece.seed * _SEED_STEP + 1) % _SEED_LIMIT
            piece = replace(piece, prompt_ids=(*piece.prompt_ids, *ids), seed=seed, is_fresh=False)

    def _room(self, reached: int, position: int, left: int) -> int:
        following = next((length for length in self._lengths if length > reached), None)
        room = left if following is None else min(left, following - position)
        return room if self._most_tokens is None else min(room, self._most_tokens)

    async def _unread(self, ids: TokenIds) -> TokenIds:
        """The tokens at the end of what was read that begin a character which the next piece ends."""
        # A token that is whole characters by itself ends one; the client remembers the texts of single tokens.
        last = await self._engine.detokenize(ids[-1:]) if ids else ""
        if last and _INCOMPLETE not in last:
            return ()
        # Twice as long, because it may begin inside another character.
        tail = ids[-2 * _LONGEST_CHARACTER :]
        for count in range(min(_LONGEST_CHARACTER, len(tail))):
            if not (await self._engine.detokenize(tail[: len(tail) - count])).endswith(_INCOMPLETE):
                return tail[len(tail) - count :]
        return ids[-_LONGEST_CHARACTER + 1 :]

    async def _read_again(self, unread: TokenIds, chunk: CompletionChunk) -> CompletionChunk:
        """The first chunk of a piece with the character that it ends: servers read each piece by itself."""
        ids = chunk.token_ids[:-1] if chunk.finish_reason is FinishReason.STOP else chunk.token_ids
        text = await self._engine.detokenize((*unread, *ids))
        return replace(chunk, text=text if chunk.finish_reason is FinishReason.STOP else text.rstrip(_INCOMPLETE))

    async def _around_stop_texts(
        self, chunk: CompletionChunk, unread: TokenIds, stop_texts: Sequence[str]
    ) -> AsyncGenerator[CompletionChunk, None]:
        """The chunk in parts: what comes before a stop text, and the tokens of the stop text one by one.

        A reader of chunks can only drop whole ones; and a stop text may begin in one piece and end in the next.
        """
        start = _stop_begins(chunk.text, stop_texts)
        if start is None or len(chunk.token_ids) < 2:
            yield chunk
            return
        end = max((start + len(stop) for stop in stop_texts if chunk.text.startswith(stop, start)), default=None)
        ids = chunk.token_ids
        # Some tokenizers put a space in front that the server leaves out.
        lead = max(0, (await self._engine.detokenize((*unread, *ids))).find(chunk.text[:_ALIGNED_CHARACTERS]))

        async def characters(count: int) -> int:
            text = (await self._engine.detokenize((*unread, *ids[:count]))).rstrip(_INCOMPLETE)
            return min(max(0, len(text) - lead), len(chunk.text))

        before, above = 0, len(ids)
        while above - before > 1:
            middle = (before + above) // 2
            before, above = (middle, above) if await characters(middle) <= start else (before, middle)
        tokens, read = 0, 0
        for count in range(before, len(ids)):
            upto = await characters(count) if count else 0
            if count:
                yield replace(chunk, token_ids=ids[tokens:count], text=chunk.text[read:upto], finish_reason=None)
            tokens, read = count, upto
            if end is not None and read >= end:
                break
        yield replace(chunk, token_ids=ids[tokens:], text=chunk.text[read:])

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


def _stop_begins(text: str, stop_texts: Sequence[str]) -> int | None:
    """Where the first stop text begins, or might: its end may be in the next piece."""
    begins = [place for stop in stop_texts if (place := text.find(stop)) >= 0]
    for stop in stop_texts:
        for length in range(min(len(stop) - 1, len(text)), 0, -1):
            if text.endswith(stop[:length]):
                begins.append(len(text) - length)
                break
    return min(begins, default=None)
