"""Real vocabularies and chat templates through both engines: ids, round trips, prompts, and stops.

What the `tokenizers` library makes of a family's own tokenizer.json is right. vLLM runs two of the four families: it
takes a minute to start.
"""

import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from m1app.engines.profile_sources import facts_of_engine
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.profiles import load_profiles
from models.profiles.proposal import propose
from models.thinking.budget_forcing import PassOutcome, SegmentKind, ThinkingFinish
from models.thinking.prompting import bind_markers, build_prompt
from models.thinking.thinking_pass import (
    PassFinished,
    PassSettings,
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    run_pass,
)
from tests.models.vocabularies.real_vocabulary import Vocabulary, find_vocabulary
from tests.models.vocabularies.tiny_servers import (
    ANSWER,
    FAMILIES,
    SECOND_THOUGHT,
    THOUGHT,
    Family,
    serve_embedded,
    serve_vllm,
)

pytestmark = pytest.mark.engine

TEXTS = [
    "A 62-year-old man, 39.5 °C, HbA1c ≥ 6.5 %, β-blocker 2.5 mg/kg, CRP 120 µg/mL.",
    "Sjögren's syndrome; caf\u0065\u0301-au-lait spots; nai\u0308ve T cells",
    "患者，女，45岁，发热三天，咳嗽。\n诊断是什么？",
    "مريض يعاني من حمى منذ ثلاثة أيام، ١٢٠/٨٠",
    "👩🏽‍⚕️ 🫀 🏳️‍🌈 👨‍👩‍👧‍👦",
    "Na\t140\r\nK\t4.1\n\n\n  indented \n \n",
    " two  spaces   around    words ",
    "12345 1,234.56 x1y22 O₂ Ca²⁺ ½ Ⅷ",
    "don't we've I'LL\u00a0\u200b\ufeff→ ไข้ हृदय 𝔘𝔫𝔦",
]
QUESTION = (
    "A 62-year-old man has fever (39.5 °C) and a new murmur. Which organism?\nA. S. aureus\nB. β-haemolytic\nC. 发热"
)
SYSTEM = "You are careful.\nAnswer in one line."
SINGLE_TOKENS = {
    "qwen3": {"<think>": 151667, "</think>": 151668, "<|im_start|>": 151644, "<|im_end|>": 151645},
    "gemma3": {"<unused94>": 100, "<unused95>": 101, "<start_of_turn>": 105, "<end_of_turn>": 106, "<bos>": 2},
    "llama3_1": {"<|eot_id|>": 128009, "<|start_header_id|>": 128006, "<|end_header_id|>": 128007},
    "deepseek_v3": {"<｜end▁of▁sentence｜>": 1, "<｜User｜>": 128803, "<｜Assistant｜>": 128804},
}
CLAIMS_THE_TEMPLATE = {"think-qwen3", "baichuan-m2", "medgemma", "plain-llama3", "think-deepseek-r1", "plain"}
SERVED = [
    *((serve_embedded, name) for name in FAMILIES),
    *(pytest.param((serve_vllm, name), marks=pytest.mark.vllm) for name in ("qwen3", "gemma3")),
]


@dataclass(frozen=True)
class Served:
    family: Family
    vocabulary: Vocabulary
    endpoint: Endpoint
    is_vllm: bool


@pytest.fixture(scope="module", params=SERVED, ids=lambda each: f"{each[0].__name__.removeprefix('serve_')}-{each[1]}")
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    serve, name = request.param
    with serve(name, tmp_path_factory.mktemp(name)) as endpoint:
        yield Served(FAMILIES[name], find_vocabulary(name), endpoint, serve is serve_vllm)


@pytest.fixture
async def engine(served: Served) -> AsyncIterator[OpenAIEngine]:
    async with aclosing(OpenAIEngine(lambda: served.endpoint)) as client:
        yield client


async def test_texts_are_split_as_the_family_splits_them(served: Served, engine: OpenAIEngine) -> None:
    for text in TEXTS:
        if served.is_vllm or unicodedata.is_normalized("NFC", text):
            assert await engine.tokenize(text, parse_special=False) == served.vocabulary.encode(text)


async def test_texts_come_back_as_they_went_in(served: Served, engine: OpenAIEngine) -> None:
    # Qwen's own tokenizer composes characters; llama.cpp leaves them as they are.
    composes = served.is_vllm and (served.vocabulary.description["normalizer"] or {}).get("type") == "NFC"
    for text in TEXTS:
        back = await engine.detokenize(await engine.tokenize(text, parse_special=False))
        assert back == (unicodedata.normalize("NFC", text) if composes else text)


async def test_delimiters_bind_to_the_tokens_of_the_vocabulary(served: Served, engine: OpenAIEngine) -> None:
    for spelling, token in SINGLE_TOKENS[served.family.vocabulary].items():
        assert await engine.tokenize(spelling, parse_special=True) == (token,)
    for profile_id in (served.family.profile, *served.family.also):
        profile = load_profiles().get(profile_id)
        markers = await bind_markers(engine, profile)
        for marker in (markers.opening, markers.wait, markers.natural_close, markers.overrun_close):
            assert marker.token_ids == served.vocabulary.encode(marker.text), (profile_id, marker.text)
        ids = {spelling: served.vocabulary.encode(spelling) for spelling in profile.thinking.stop_tokens}
        single = [token[0] for token in ids.values() if len(token) == 1]
        assert set(single) <= set(markers.stop_token_ids), profile_id
        # llama.cpp knows "</s>" in any vocabulary.
        split = {spelling for spelling, token in ids.items() if len(token) != 1} - {"</s>"}
        assert split <= set(markers.stop_texts), profile_id
        assert markers.answer_stop_token_ids


async def test_the_prompt_is_the_family_s_own_template_token_for_token(served: Served, engine: OpenAIEngine) -> None:
    for profile_id in {served.family.profile, *served.family.also} & CLAIMS_THE_TEMPLATE:
        profile = load_profiles().get(profile_id)
        for system in ("", SYSTEM):
            turns = [("system", system)] if system else []
            expected = served.vocabulary.render(*turns, ("user", QUESTION))
            prompt = await build_prompt(engine, profile, system, QUESTION)
            assert (profile_id, prompt.text) == (profile_id, expected)
            assert prompt.token_ids == served.vocabulary.encode(expected), profile_id


async def test_the_profile_proposed_from_the_running_template_asks_as_ours_does(
    served: Served, engine: OpenAIEngine
) -> None:
    ours = load_profiles().get(served.family.profile)
    made = propose(await facts_of_engine(engine, [f"org/{ours.id}"]), "here").values
    assert made["chat"]["template"] == ours.chat.template
    assert made["chat"]["template_without_system"] == ours.chat.template_without_system
    assert made["answer"]["stop_tokens"][0] == ours.answer.stop_tokens[0]


async def test_no_token_of_the_vocabulary_can_be_typed(served: Served, engine: OpenAIEngine) -> None:
    added = [each for each in served.vocabulary.added if each["content"].strip(" ▁\n\t")]
    kept = [each for each in added if not each["content"].startswith(("<unused", "<｜place"))] + added[:20]
    typed = " or ".join(each["content"] for each in kept)
    ids = await engine.tokenize(typed, parse_special=False)
    assert {each["content"] for each in kept if each["id"] in ids} == set()
    assert await engine.detokenize(ids) == typed


async def passed(
    engine: OpenAIEngine, served: Served, force_rounds: int
) -> tuple[list[tuple[SegmentKind, str, bool]], PassOutcome]:
    """(kind, text, whether the model ended it) of each segment, and the outcome."""
    profile = load_profiles().get(served.family.profile)
    prompt = await build_prompt(engine, profile, "", QUESTION)
    markers = await bind_markers(engine, profile)
    segments: list[tuple[SegmentKind, str, bool]] = []
    events = run_pass(engine, prompt.token_ids, markers, PassSettings(64, force_rounds, 32))
    async with aclosing(events):
        async for event in events:
            match event:
                case SegmentOpened(kind):
                    segments.append((kind, "", False))
                case SegmentGrew(text, _):
                    kind, before, _ = segments[-1]
                    segments[-1] = (kind, before + text, False)
                case SegmentClosed(is_natural):
                    segments[-1] = (*segments[-1][:2], is_natural)
                case PassFinished(outcome):
                    return segments, outcome
    raise AssertionError("the pass did not finish")


async def test_natural_ends_of_thinking_and_answer_are_seen(served: Served, engine: OpenAIEngine) -> None:
    segments, outcome = await passed(engine, served, force_rounds=0)
    close = load_profiles().get(served.family.profile).thinking.natural_close
    assert [each for each in segments if each[0] is not SegmentKind.CLOSE] == [
        (SegmentKind.THINK, THOUGHT, True),
        (SegmentKind.ANSWER, ANSWER, True),
    ]
    assert close in "".join(text for kind, text, _ in segments if kind is SegmentKind.CLOSE)
    assert outcome.thinking_finish is ThinkingFinish.NATURAL
    assert outcome.thinking_tokens == len(served.vocabulary.encode(THOUGHT))


async def test_a_forced_round_goes_on_after_the_model_s_own_end(served: Served, engine: OpenAIEngine) -> None:
    segments, _ = await passed(engine, served, force_rounds=1)
    assert [(kind, is_natural) for kind, _, is_natural in segments if kind is not SegmentKind.CLOSE] == [
        (SegmentKind.THINK, True),
        (SegmentKind.WAIT, False),
        (SegmentKind.THINK, True),
        (SegmentKind.ANSWER, True),
    ]
    assert [text for kind, text, _ in segments if kind is SegmentKind.THINK] == [THOUGHT, SECOND_THOUGHT]
