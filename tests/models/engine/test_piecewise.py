"""Generation in pieces."""

import asyncio
import codecs
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from models.engine.piecewise import PiecewiseEngine
from models.engine.protocol import CompletionChunk, CompletionRequest, FinishReason, TokenIds
from models.thinking.think_parser import ThinkParser
from tests.models.thinking.test_sweep import ScriptedEngine

STOP = 99
PROMPT: TokenIds = (1, 2, 3)


@dataclass(frozen=True)
class Recording(ScriptedEngine):
    asked: list[CompletionRequest] = field(default_factory=list)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        self.asked.append(request)
        async for chunk in super().stream(request):
            yield chunk


async def generate(
    engine: ScriptedEngine, lengths: list[int], request: CompletionRequest
) -> tuple[list[CompletionChunk], list[int]]:
    """The chunks, and how many there were at each pause."""
    chunks: list[CompletionChunk] = []
    pauses: list[int] = []

    async def pause() -> None:
        pauses.append(len(chunks))

    async for chunk in PiecewiseEngine(engine, len(PROMPT), lengths, pause=pause).stream(request):
        chunks.append(chunk)  # noqa: PERF401 - a pause looks at how many there are
    return chunks, pauses


async def test_paused_generation_gives_the_same_tokens_as_one_request() -> None:
    engine = Recording(7, 0.0, is_spelled=False)
    request = CompletionRequest(PROMPT, 50, stop_token_ids=(STOP,), is_fresh=True)
    whole = [chunk async for chunk in engine.stream(request)]
    chunks, pauses = await generate(engine, [8, 20, 60], request)
    assert chunks == whole
    assert pauses == [0, 8, 20]
    assert [(len(asked.prompt_ids), asked.max_tokens) for asked in engine.asked[1:]] == [(3, 8), (11, 12), (23, 30)]
    assert [asked.is_fresh for asked in engine.asked[1:]] == [True, False, False]


async def test_stop_of_the_model_ends_it_without_another_request() -> None:
    engine = Recording(3, 0.3, is_spelled=False)
    request = CompletionRequest(PROMPT, 200, stop_token_ids=(STOP,))
    chunks, pauses = await generate(engine, [190], request)
    assert chunks[-1].finish_reason is FinishReason.STOP
    assert (len(engine.asked), pauses) == (1, [0])


async def test_prompt_that_is_past_a_length_does_not_pause_there() -> None:
    engine = Recording(7, 0.0, is_spelled=False)
    chunks, pauses = await generate(engine, [4, 8], CompletionRequest((*PROMPT, 5, 5, 5, 5), 10))
    assert (len(chunks), pauses) == (10, [0, 4])


async def test_sampled_pieces_have_seeds_of_their_own() -> None:
    engine = Recording(7, 0.0, is_spelled=False)
    await generate(engine, [4], CompletionRequest(PROMPT, 10, temperature=0.8, seed=5))
    first, second = engine.asked
    assert first.seed == 5
    assert second.seed not in (5, None)


@dataclass(frozen=True)
class HidingIds(Recording):
    """Gives no id with the last token of a request of 8, as llama.cpp does with the first token of a character."""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        async for chunk in super().stream(request):
            is_hidden = chunk.finish_reason is FinishReason.LENGTH and request.max_tokens == 8
            yield CompletionChunk((), "", chunk.finish_reason, (), 1) if is_hidden else chunk


async def test_length_inside_a_character_is_paused_at_once_and_generation_goes_on() -> None:
    engine = HidingIds(7, 0.0, is_spelled=False)
    request = CompletionRequest(PROMPT, 30)
    whole = [chunk.token_ids async for chunk in Recording(7, 0.0, is_spelled=False).stream(request)]
    chunks, pauses = await generate(engine, [8, 20], request)
    assert sum((chunk.token_ids for chunk in chunks), ()) == sum(whole, ())
    assert len(pauses) == 3
    assert [asked.max_tokens for asked in engine.asked] == [8, 13, 10]


WORDS = (" word", "\n", "## ", "Final", " Response", "#", "é", "😀", "\n\n## Final Response")
STOP_TEXTS = ("\n\n## Final Response", "## Final Response")


def tokens_of(word: str) -> list[bytes]:
    """Characters outside ASCII have a token for each byte."""
    return [bytes([byte]) for byte in word.encode()] if not word.isascii() else [word.encode()]


class Reading(ScriptedEngine):
    """Says what is written, a token at a time or as a whole; a token's id is its number among all of them."""

    def __init__(self, words: Sequence[str], *, stops_at_texts: bool) -> None:
        super().__init__(0, 0.0, is_spelled=False)
        self._tokens = [token for word in words for token in tokens_of(word)]
        self._stops_at_texts = stops_at_texts
        self.asked: list[CompletionRequest] = []
        self.read: list[TokenIds] = []

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        self.read.append(tuple(token_ids))
        return self._bytes(token_ids).decode(errors="replace")

    def _bytes(self, token_ids: Sequence[int]) -> bytes:
        return b"".join(self._tokens[token] for token in token_ids if token < len(self._tokens))

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        self.asked.append(request)
        begin = len(request.prompt_ids) - len(PROMPT)
        end = min(begin + request.max_tokens, len(self._tokens))
        finish = FinishReason.STOP if end == len(self._tokens) else FinishReason.LENGTH
        ids = [*range(begin, end), *([STOP] if finish is FinishReason.STOP else [])][: request.max_tokens]
        finish = FinishReason.STOP if STOP in ids else FinishReason.LENGTH
        if request.is_whole:
            if self._stops_at_texts:
                for count in range(1, len(ids) + 1):
                    if any(stop in self._text(ids[:count]) for stop in request.stop_texts):
                        ids, finish = ids[:count], FinishReason.STOP
                        break
            yield CompletionChunk(tuple(ids), self._text(ids), finish)
            return
        decoder = codecs.getincrementaldecoder("utf-8")()
        for number, token in enumerate(ids):
            text = decoder.decode(self._bytes([token]))
            yield CompletionChunk((token,), text, finish if number + 1 == len(ids) else None)

    def _text(self, ids: Sequence[int]) -> str:
        """Servers leave out what of a character is missing."""
        return self._bytes(ids).decode(errors="ignore")


async def read(engine: Reading, request: CompletionRequest, *, is_whole: bool, most: int) -> tuple[str, TokenIds, bool]:
    """What a segment that ends at a stop text came to."""
    parser, text, ids = ThinkParser((STOP,), STOP_TEXTS), "", ()
    pieces = PiecewiseEngine(engine, len(PROMPT), [5], most_tokens=most, is_whole=True) if is_whole else engine
    async for chunk in pieces.stream(request):
        delta = parser.feed(chunk.text, chunk.token_ids, is_stop=chunk.finish_reason is FinishReason.STOP)
        text, ids = text + delta.text, ids + delta.token_ids
        if parser.has_ended:
            break
    rest = parser.flush()
    return text + rest.text, ids + rest.token_ids, parser.has_ended


@settings(deadline=None, max_examples=300)
@given(
    words=st.lists(st.sampled_from(WORDS), max_size=40),
    room=st.integers(1, 60),
    most=st.integers(1, 12),
    stops_at_texts=st.booleans(),
)
def test_whole_pieces_are_read_as_a_stream_is(words: list[str], room: int, most: int, stops_at_texts: bool) -> None:
    request = CompletionRequest(PROMPT, room, stop_token_ids=(STOP,), stop_texts=STOP_TEXTS)
    streamed = asyncio.run(read(Reading(words, stops_at_texts=False), request, is_whole=False, most=most))
    engine = Reading(words, stops_at_texts=stops_at_texts)
    assert asyncio.run(read(engine, request, is_whole=True, most=most)) == streamed
    assert all(asked.is_whole and asked.max_tokens <= most for asked in engine.asked)


def test_a_piece_that_ends_with_a_whole_character_is_read_by_its_last_token_only() -> None:
    request = CompletionRequest(PROMPT, 8, stop_token_ids=(STOP,), stop_texts=STOP_TEXTS)
    engine = Reading(["one", "two", "three", "four", "five", "six"], stops_at_texts=True)
    asyncio.run(read(engine, request, is_whole=True, most=2))
    assert len(engine.asked) > 2
    assert engine.read
    assert all(len(ids) == 1 for ids in engine.read)
