"""Generation that pauses at given lengths."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from models.engine.pausing import PausingEngine
from models.engine.protocol import CompletionChunk, CompletionRequest, FinishReason, TokenIds
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

    async for chunk in PausingEngine(engine, len(PROMPT), lengths, pause).stream(request):
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
