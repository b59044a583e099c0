"""Profiles: every shipped file works on a real engine, mistakes are named, and models find theirs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.errors import CatalogError, UnknownProfile
from models.profiles import FALLBACK_PROFILE_ID, Profile, Profiles, load_profiles
from models.thinking.prompting import bind_markers, build_prompt
from models.weights.catalog import Catalog

PROFILES = list(load_profiles())
each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.id)


@pytest.fixture
async def engine(embedded_endpoint: Endpoint) -> AsyncIterator[OpenAIEngine]:
    client = OpenAIEngine(lambda: embedded_endpoint)
    yield client
    await client.aclose()


def test_every_family_has_a_file() -> None:
    assert {profile.id for profile in PROFILES} == {
        "baichuan-m2",
        "gpt-oss",
        "gpt-oss-high",
        "gpt-oss-low",
        "huatuo-o1",
        "huatuo-o1-strict",
        "m1",
        "m1-as-published",
        "magistral",
        "medgemma",
        "medreason",
        "medreason-strict",
        "plain",
        "plain-chatml",
        "plain-llama3",
        "s1",
        "think-deepseek-r1",
        "think-qwen3",
        "think-qwq",
        "ultramedical",
    }


@each_profile
def test_a_profile_says_where_its_delimiters_come_from(profile: Profile) -> None:
    assert profile.title
    assert profile.reference
    assert profile.chat.reference
    assert profile.thinking.wait == "Wait"


@pytest.mark.engine
@each_profile
async def test_a_profile_binds_to_the_tokens_of_a_real_engine(engine: OpenAIEngine, profile: Profile) -> None:
    markers = await bind_markers(engine, profile)
    thinking, answer = profile.thinking, profile.answer
    assert [m.text for m in (markers.opening, markers.natural_close, markers.overrun_close)] == [
        thinking.opening,
        thinking.natural_close,
        thinking.overrun_close,
    ]
    for marker in (markers.opening, markers.wait, markers.spaced_wait, markers.natural_close, markers.overrun_close):
        assert marker.token_ids
        assert await engine.detokenize(marker.token_ids) == marker.text
    assert (markers.wait.text, markers.spaced_wait.text) == ("Wait", " Wait")
    assert bool(markers.option_prefix.token_ids) is bool(answer.option_prefix)
    # A spelling that the model has no token for is watched for as text, so that none is lost.
    assert {*markers.stop_token_texts, *markers.stop_texts} == {*thinking.stop_tokens, *thinking.stop_texts}
    assert len(markers.stop_token_ids) == len(markers.stop_token_texts)


@pytest.mark.engine
async def test_delimiters_that_are_special_tokens_are_sent_as_those_tokens(engine: OpenAIEngine) -> None:
    (start,) = await engine.tokenize("<|im_start|>", parse_special=True)
    markers = await bind_markers(engine, load_profiles().get("m1"))
    assert [m.token_ids[0] for m in (markers.opening, markers.natural_close, markers.overrun_close)] == [start] * 3
    assert markers.line_break.text == "\n"
    assert len(markers.line_break.token_ids) == 1
    assert set(markers.stop_token_texts) == {"<|im_start|>", "<|im_end|>", "<|endoftext|>"}
    assert start in markers.stop_token_ids
    assert start in markers.answer_stop_token_ids


@pytest.mark.engine
@each_profile
async def test_a_profile_renders_a_prompt_with_question_and_system(engine: OpenAIEngine, profile: Profile) -> None:
    system, user = "SYSTEM-TEXT", "Why is blood red?\nA. Iron\nB. Copper"
    with_system = await build_prompt(engine, profile, system, user)
    without = await build_prompt(engine, profile, "", user)
    assert (with_system.text.count(user), with_system.text.count(system)) == (1, 1)
    assert with_system.text.index(system) < with_system.text.index(user)
    assert (without.text.count(user), without.text.count(system)) == (1, 0)
    assert not {"{user}", "{system}"} & {*with_system.text.split(), *without.text.split()}
    assert await engine.detokenize(with_system.token_ids) == with_system.text


GOOD = """
title = "T"
reference = "R"
models = ["org/*"]
[chat]
source = "profile"
template = "{system} {user}"
template_without_system = "{user}"
reference = "R"
[thinking]
opening = "<t>"
stop_tokens = ["</t>"]
natural_close = "</t>"
overrun_close = "</t>"
[answer]
stop_tokens = ["<e>"]
"""


def test_a_new_family_is_a_new_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD, encoding="utf-8")
    (profile,) = load_profiles(tmp_path)
    assert (profile.id, profile.title, profile.models, profile.hints) == ("mine", "T", ("org/*",), ())
    assert profile.prompt.with_options == "{question}\n{options}"


def test_a_family_takes_what_it_leaves_out_from_the_one_it_extends(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "own.toml").write_text('extends = "mine"\ntitle = "Own"\n[thinking]\nwait = "Hm"\n', encoding="utf-8")
    mine, own = load_profiles(tmp_path)
    assert (own.id, own.title, own.models, own.reference) == ("own", "Own", (), "R")
    assert own.thinking == mine.thinking.model_copy(update={"wait": "Hm"})
    assert own.chat == mine.chat


@pytest.mark.parametrize("named", ["own", "none", "../own"])
def test_a_family_that_extends_itself_or_none_is_refused(tmp_path: Path, named: str) -> None:
    (tmp_path / "own.toml").write_text(f'extends = "{named}"\n', encoding="utf-8")
    with pytest.raises(CatalogError, match=r"there is no .*Name another file"):
        load_profiles(tmp_path)


@pytest.mark.parametrize(
    ("found", "instead", "words"),
    [
        ('title = "T"', "", "title: Field required"),
        ('title = "T"', 'title = "T"\ncolour = "red"', "colour: Extra inputs"),
        ('opening = "<t>"', 'opening = "<t>"\nopenning = "x"', "thinking.openning: Extra inputs"),
        ('opening = "<t>"', "opening = 5", "thinking.opening: Input should be a valid string"),
        ('stop_tokens = ["</t>"]', "stop_tokens = []", "thinking.stop_tokens: List should have at least 1 item"),
        ('stop_tokens = ["<e>"]', "", "answer.stop_tokens: Field required"),
        ('source = "profile"', 'source = "guess"', "chat.source: Input should be 'profile' or 'engine'"),
        ("{system} {user}", "{user}", "chat: .*needs template with {system} and {user}"),
        ('template_without_system = "{user}"', "", "chat: .*template_without_system with {user}"),
        ("[answer]", "[answer", "not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_file_and_field(tmp_path: Path, found: str, instead: str, words: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD.replace(found, instead), encoding="utf-8")
    with pytest.raises(CatalogError, match=words) as caught:
        load_profiles(tmp_path)
    assert str(caught.value).startswith(f"{file}: ")


def test_an_unknown_id_lists_the_known_ones() -> None:
    with pytest.raises(UnknownProfile, match=r"'m2'; choose one of: baichuan-m2, .*, m1, m1-as-published, .*, plain"):
        load_profiles().get("m2")


@pytest.mark.parametrize("model", Catalog.load().models, ids=lambda model: model.id)
def test_every_catalog_model_has_the_profile_that_its_names_match(model: object) -> None:
    profiles = load_profiles()
    named = profiles.get(model.profile)
    for names in ((model.id,), *([(model.hub_repo,)] if model.hub_repo else [])):
        match = profiles.match(*names)
        assert (match.profile.id, match.is_guess) == (named.id, False)


HUB_NAMES = {
    "baichuan-inc/Baichuan-M2-32B": "baichuan-m2",
    "baichuan-inc/Baichuan-M2-32B-GPTQ-Int4": "baichuan-m2",
    "UCSC-VLAA/m1-7B-23K": "m1",
    "UCSC-VLAA/m1-32B-1K": "m1",
    "UCSC-VLAA/MedReason-8B": "medreason",
    "UCSC-VLAA/MedReason-Llama": "medreason",
    "FreedomIntelligence/HuatuoGPT-o1-7B": "huatuo-o1",
    "FreedomIntelligence/HuatuoGPT-o1-70B": "huatuo-o1",
    "simplescaling/s1-32B": "s1",
    "simplescaling/s1.1-32B": "s1",
    "deepseek-ai/DeepSeek-R1": "think-deepseek-r1",
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B": "think-deepseek-r1",
    "Qwen/Qwen3-0.6B": "think-qwen3",
    "Qwen/Qwen3-8B-FP8": "think-qwen3",
    "Qwen/Qwen3-30B-A3B": "think-qwen3",
    "Qwen/Qwen3-30B-A3B-GPTQ-Int4": "think-qwen3",
    "Qwen/Qwen3-30B-A3B-Thinking-2507": "think-qwen3",
    "Qwen/Qwen3-30B-A3B-Instruct-2507": "plain-chatml",
    "Qwen/Qwen3-4B-Instruct-2507-FP8": "plain-chatml",
    "Qwen/Qwen2.5-7B-Instruct": "plain-chatml",
    "HuggingFaceTB/SmolLM2-135M-Instruct": "plain-chatml",
    "Qwen/QwQ-32B": "think-qwq",
    "Qwen/QwQ-32B-AWQ": "think-qwq",
    "google/medgemma-27b-text-it": "medgemma",
    "google/medgemma-1.5-4b-it": "medgemma",
    "openai/gpt-oss-20b": "gpt-oss",
    "openai/gpt-oss-120b": "gpt-oss",
    "mistralai/Magistral-Small-2507": "magistral",
    "TsinghuaC3I/Llama-3-8B-UltraMedical": "ultramedical",
    "TsinghuaC3I/Llama-3.1-70B-UltraMedical": "ultramedical",
    "meta-llama/Meta-Llama-3-8B-Instruct": "plain-llama3",
    "meta-llama/Llama-3.1-8B-Instruct": "plain-llama3",
    "meta-llama/Llama-3.3-70B-Instruct": "plain-llama3",
}


@pytest.mark.parametrize(("repository", "profile_id"), HUB_NAMES.items())
def test_a_model_of_the_hub_belongs_to_one_family(repository: str, profile_id: str) -> None:
    for name in (repository, repository.split("/")[1]):
        owners = [p.id for p in PROFILES if not Profiles([p, load_profiles().get("plain")]).match(name).is_guess]
        assert owners in ([profile_id], []), name
    match = load_profiles().match(repository)
    assert (match.profile.id, match.is_guess) == (profile_id, False)


@pytest.mark.parametrize(
    "name", ["Qwen/Qwen3-8B-Base", "Qwen/Qwen3-Embedding-8B", "Qwen/QwQ-32B-Preview", "google/medgemma-4b-pt"]
)
def test_a_model_that_does_not_think_like_its_family_is_only_a_guess(name: str) -> None:
    assert load_profiles().match(name).is_guess


@pytest.mark.parametrize("profile_id", ["gpt-oss-low", "gpt-oss-high", "huatuo-o1-strict", "medreason-strict"])
def test_another_way_of_asking_a_family_is_chosen_only_by_name(profile_id: str) -> None:
    profile = load_profiles().get(profile_id)
    assert (profile.models, profile.hints) == ((), ())


@pytest.mark.parametrize(
    ("profile_id", "asked"),
    [
        ("huatuo-o1", "Please answer the following multiple-choice question:\nWhich?\nA. one"),
        (
            "medgemma",
            "Answer the given question. Think step by step.\nYou can directly provide the answer (A single letter), "
            'without further additions. E.g. "Final Answer: (A)".\nQuestion: Which?\nA. one',
        ),
        ("s1", "Which?\n\nA. one"),
        (
            "think-deepseek-r1",
            "Which?\nA. one\nPlease reason step by step, and put your final answer within \\boxed{}.",
        ),
    ],
)
def test_a_family_is_asked_in_the_words_of_its_own_code(profile_id: str, asked: str) -> None:
    wording = load_profiles().get(profile_id).prompt.with_options
    assert wording.replace("{question}", "Which?").replace("{options}", "A. one") == asked


def test_efforts_of_gpt_oss_differ_in_one_word() -> None:
    medium, low, high = (load_profiles().get(f"gpt-oss{effort}") for effort in ("", "-low", "-high"))
    for profile, word in ((low, "low"), (high, "high")):
        assert profile.thinking == medium.thinking
        assert profile.chat.template == medium.chat.template.replace("Reasoning: medium", f"Reasoning: {word}")
        assert profile.chat.template_without_system == medium.chat.template_without_system.replace(
            "Reasoning: medium", f"Reasoning: {word}"
        )


@pytest.mark.parametrize(
    ("names", "profile_id"),
    [
        (("someone/m1-7B-23K-AWQ",), "m1"),
        (("/models/DeepSeek-R1-Distill-Qwen-7B-GGUF",), "think-deepseek-r1"),
        (("my-qwen3-finetune",), "think-qwen3"),
        (("someone/QwQ-32B",), "think-qwq"),
        (("unsloth/Qwen3-4B-Instruct-2507-GGUF",), "plain-chatml"),
        (("unsloth/medgemma-27b",), "medgemma"),
        (("unsloth/Magistral-Small-2509-GGUF",), "magistral"),
        (("unsloth/gpt-oss-20b-GGUF",), "gpt-oss"),
        (("someone/s1.1-32B-GGUF",), "s1"),
        (("bartowski/MedReason-8B-GGUF",), "medreason"),
        (("bartowski/Llama-3.1-8B-UltraMedical-GGUF",), "ultramedical"),
        (("unsloth/Llama-3.2-1B-Instruct-GGUF",), "plain-llama3"),
        (("/models/DeepSeek-R1-0528-Qwen3-8B-GGUF",), "think-deepseek-r1"),
        (("huatuo-vision",), "huatuo-o1"),
        (("my-smollm",), "plain-chatml"),
        (("m", "someone/qwen3-8b-copy"), "think-qwen3"),
        (("bartowski/baichuan-inc_Baichuan-M2-32B-GGUF",), "baichuan-m2"),
        (("baichuan-inc/Baichuan2-7B-Chat",), FALLBACK_PROFILE_ID),
        (("", ""), FALLBACK_PROFILE_ID),
        ((), FALLBACK_PROFILE_ID),
    ],
)
def test_an_unknown_model_gets_the_nearest_profile_as_a_guess(names: tuple[str, ...], profile_id: str) -> None:
    match = load_profiles().match(*names)
    assert (match.profile.id, match.is_guess) == (profile_id, True)


@pytest.mark.parametrize("name", ["ucsc-vlaa/M1-7b-1k", "QWEN/qwen3-8B", "Google/MedGemma-27B-text-it"])
def test_names_match_in_any_case(name: str) -> None:
    assert not load_profiles().match(name).is_guess
