"""The client and the thinking pass on real engines: llama.cpp, and vLLM where it is installed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.protocol import ChatMessage, CompletionRequest, EngineKind, FinishReason, TokenIds
from models.errors import ContextOverflow, EngineRejectedKey, ModelNotServed
from models.profiles import load_profiles
from models.thinking.budget_forcing import PassOutcome, SegmentKind, ThinkingFinish
from models.thinking.option_probabilities import option_probabilities
from models.thinking.prompting import bind_markers, build_prompt
from models.thinking.thinking_pass import (
    PassFinished,
    PassSettings,
    SegmentGrew,
    SegmentOpened,
    TokensGenerated,
    run_pass,
)
from tests.conftest import ENGINE_CONTEXT_LENGTH
from tests.models.engine.dictated import LONG, Dictate

pytestmark = pytest.mark.engine

QUESTION = "Which vitamin deficiency causes scurvy?\nA. Vitamin A\nB. Vitamin C\nC. Vitamin D\nD. Vitamin K"
SHORT_THOUGHT = " Vitamin C keeps collagen strong."
EMOJI = " 🌟🩺 é 漢字 🫀"
END_OF_TURN = 2
END_OF_TEXT = (0, END_OF_TURN)
"""Tokens with which the model may end by itself."""


@pytest.fixture
async def engine(engine_endpoint: Endpoint) -> AsyncIterator[OpenAIEngine]:
    async with aclosing(OpenAIEngine(lambda: engine_endpoint)) as engine:
        yield engine


@pytest.fixture
async def whole_engine(whole_engine_endpoint: Endpoint) -> AsyncIterator[OpenAIEngine]:
    async with aclosing(OpenAIEngine(lambda: whole_engine_endpoint)) as engine:
        yield engine


async def generate(engine: OpenAIEngine, request: CompletionRequest) -> tuple[TokenIds, str, int, FinishReason | None]:
    ids: TokenIds = ()
    text, unreported, finish = "", 0, None
    async with aclosing(engine.stream(request)) as chunks:
        async for chunk in chunks:
            ids += chunk.token_ids
            text += chunk.text
            unreported += chunk.tokens_unreported
            finish = chunk.finish_reason or finish
    return ids, text, unreported, finish


async def think(
    engine: OpenAIEngine, settings: PassSettings, question: str = QUESTION
) -> tuple[list[tuple[SegmentKind, TokenIds]], PassOutcome, int]:
    """Segments, outcome and engine tokens of one pass on the plain profile."""
    profile = load_profiles().get("plain-chatml")
    prompt = await build_prompt(engine, profile, profile.chat.default_system, question)
    markers = await bind_markers(engine, profile)
    segments: list[tuple[SegmentKind, TokenIds]] = []
    cost, outcome = 0, None
    async with aclosing(run_pass(engine, prompt.token_ids, markers, settings)) as events:
        async for event in events:
            match event:
                case SegmentOpened(kind):
                    segments.append((kind, ()))
                case SegmentGrew(_, token_ids):
                    segments[-1] = (segments[-1][0], segments[-1][1] + token_ids)
                case TokensGenerated(count):
                    cost += count
                case PassFinished(ended):
                    outcome = ended
    assert outcome is not None
    return segments, outcome, cost


async def test_many_long_prompts_with_seeds_at_once_are_all_answered(engine: OpenAIEngine) -> None:
    # More tokens than are prefilled in one step; a seed split over two steps ended vLLM's CPU build.
    prompts = [
        await engine.tokenize(f"{number} " + "fever and cough " * 150, parse_special=False) for number in range(16)
    ]
    requests = [CompletionRequest(prompt, max_tokens=2, temperature=0.7, seed=7) for prompt in prompts]
    answers = await asyncio.gather(*(generate(engine, request) for request in requests))
    assert all(ids for ids, *_ in answers)


async def test_engine_says_what_it_is(engine: OpenAIEngine) -> None:
    info = await engine.describe()
    assert info.kind in (EngineKind.LLAMA_CPP, EngineKind.VLLM)
    assert info.model == "smollm2-135m"
    assert info.context_length == ENGINE_CONTEXT_LENGTH
    assert await engine.served_models() == ("smollm2-135m",)


async def test_every_generated_token_comes_with_its_id_and_the_text_is_theirs(
    engine: OpenAIEngine, dictate: Dictate
) -> None:
    dictate(LONG)
    prompt = await engine.tokenize("The heart pumps", parse_special=False)
    ids, text, unreported, finish = await generate(engine, CompletionRequest(prompt, max_tokens=24))
    assert (len(ids), unreported, finish) == (24, 0, FinishReason.LENGTH)
    assert await engine.detokenize(ids) == text


async def test_characters_of_several_tokens_keep_their_ids(engine: OpenAIEngine, dictate: Dictate) -> None:
    dictate(EMOJI)
    prompt = await engine.tokenize("Repeat these:", parse_special=False)
    ids, text, unreported, finish = await generate(engine, CompletionRequest(prompt, max_tokens=60))
    assert (text, finish) == (EMOJI, FinishReason.STOP)
    # llama.cpp withholds ids inside a character; they are known only if the model spelled it as the tokenizer does.
    # A stop leaves the end token as the last id; the text does not show it.
    shown = await engine.detokenize(ids[:-1])
    assert unreported or shown == EMOJI
    assert unreported == 0 or (await engine.describe()).kind is EngineKind.LLAMA_CPP


async def test_limit_inside_a_character_counts_every_token(engine: OpenAIEngine, dictate: Dictate) -> None:
    dictate(EMOJI)
    prompt = await engine.tokenize("Repeat these:", parse_special=False)
    for limit in range(1, 8):
        ids, text, unreported, finish = await generate(engine, CompletionRequest(prompt, max_tokens=limit))
        assert (len(ids) + unreported, finish) == (limit, FinishReason.LENGTH)
        assert EMOJI.startswith(text.rstrip("\ufffd"))


async def test_stop_leaves_the_stop_token_as_the_last_id(engine: OpenAIEngine, dictate: Dictate) -> None:
    dictate(SHORT_THOUGHT)
    prompt = await engine.tokenize("Why?", parse_special=False)
    ids, text, _, finish = await generate(engine, CompletionRequest(prompt, max_tokens=300))
    assert finish is FinishReason.STOP
    assert ids[-1] in END_OF_TEXT
    assert text == SHORT_THOUGHT == await engine.detokenize(ids[:-1])


async def test_what_a_person_typed_gives_no_special_token(engine: OpenAIEngine) -> None:
    text = "a <|im_end|> b <|im_start|>system"
    typed = await engine.tokenize(text, parse_special=False)
    parsed = await engine.tokenize(text, parse_special=True)
    assert END_OF_TURN in parsed
    assert END_OF_TURN not in typed
    assert await engine.detokenize(typed) == text


async def test_own_chat_template_of_the_model_is_applied(engine: OpenAIEngine) -> None:
    prompt = await engine.apply_chat_template([ChatMessage("system", "Be brief."), ChatMessage("user", "Hello")])
    assert (
        prompt == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    )


async def test_closing_the_stream_frees_the_engine(engine: OpenAIEngine, dictate: Dictate) -> None:
    dictate(LONG * 5)
    prompt = await engine.tokenize("Once upon a time", parse_special=False)
    request = CompletionRequest(prompt, max_tokens=1500)
    for _ in range(6):  # more than the engine runs at once: were one not cancelled, the last would wait for it
        async with aclosing(engine.stream(request)) as chunks:
            assert (await anext(chunks)).token_ids
    ids, _, _, _ = await generate(engine, CompletionRequest(prompt, max_tokens=4))
    assert len(ids) == 4


async def test_same_seed_samples_the_same_tokens(engine: OpenAIEngine) -> None:
    prompt = await engine.tokenize("My favourite organ is", parse_special=False)
    request = CompletionRequest(prompt, max_tokens=16, temperature=1.0, seed=7)
    await generate(engine, request)  # from here on the prompt is cached: batches of other shapes round differently
    first, second = (await generate(engine, request))[0], (await generate(engine, request))[0]
    other = (await generate(engine, CompletionRequest(prompt, max_tokens=16, temperature=1.0, seed=8)))[0]
    assert first == second != other


@pytest.mark.parametrize("budget", [1, 7, 60])
async def test_budget_is_kept_to_the_token(engine: OpenAIEngine, dictate: Dictate, budget: int) -> None:
    dictate(LONG)
    segments, outcome, _ = await think(engine, PassSettings(budget, 0, 16))
    thinking = [ids for kind, ids in segments if kind is SegmentKind.THINK]
    assert outcome.thinking_finish is ThinkingFinish.BUDGET
    assert outcome.thinking_tokens == sum(map(len, thinking)) == budget


async def test_forced_rounds_count_their_waits_and_go_on_thinking(engine: OpenAIEngine, dictate: Dictate) -> None:
    dictate(SHORT_THOUGHT)
    segments, outcome, cost = await think(engine, PassSettings(200, 2, 16))
    kinds = [kind for kind, _ in segments]
    assert kinds[:5] == [SegmentKind.THINK, SegmentKind.WAIT] * 2 + [SegmentKind.THINK]
    assert outcome.forced_rounds == 2 == kinds.count(SegmentKind.WAIT)
    assert outcome.thinking_finish is ThinkingFinish.NATURAL
    counted = [ids for kind, ids in segments if kind in (SegmentKind.THINK, SegmentKind.WAIT)]
    assert outcome.thinking_tokens == sum(map(len, counted)) <= 200
    generated = [ids for kind, ids in segments if kind in (SegmentKind.THINK, SegmentKind.ANSWER)]
    assert cost >= sum(map(len, generated)) + 3, "the tokens by which the model stopped three times count as well"


async def test_larger_budget_continues_the_smaller_ones_thinking(engine: OpenAIEngine) -> None:
    small, _, _ = await think(engine, PassSettings(20, 0, 4))
    large, _, _ = await think(engine, PassSettings(60, 0, 4))
    assert large[0][1][:20] == small[0][1]


async def test_option_probabilities_are_probabilities(whole_engine: OpenAIEngine) -> None:
    prompt = await whole_engine.tokenize(f"{QUESTION}\nThe answer is", parse_special=False)
    found = await option_probabilities(whole_engine, prompt, "ABCD")
    assert found is not None
    assert set(found.by_letter) == set("ABCD")
    assert 0 < sum(found.by_letter.values()) <= 1.000001
    assert found.tokens_generated == 1


async def test_prompt_longer_than_the_context_is_a_context_overflow(engine: OpenAIEngine) -> None:
    with pytest.raises(ContextOverflow):
        await generate(engine, CompletionRequest((5,) * (ENGINE_CONTEXT_LENGTH + 10), max_tokens=4))


async def test_wrong_key_and_wrong_model_are_told_apart(engine_endpoint: Endpoint) -> None:
    async with aclosing(OpenAIEngine(lambda: Endpoint(engine_endpoint.base_url, "wrong"))) as stranger:
        with pytest.raises(EngineRejectedKey):
            await generate(stranger, CompletionRequest((5,), max_tokens=1))
    async with aclosing(OpenAIEngine(lambda: engine_endpoint, model="other")) as engine:
        with pytest.raises(ModelNotServed, match="smollm2-135m"):
            await engine.describe()
