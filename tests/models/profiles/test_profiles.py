"""Profiles: every shipped file works on a real engine, mistakes are named, and models find theirs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.errors import CatalogError, UnknownProfile
from models.profiles import FALLBACK_PROFILE_ID, Profile, load_profiles
from models.thinking.prompting import bind_markers, build_prompt
from models.weights.catalog import Catalog

PROFILES = list(load_profiles())
each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.id)


@pytest.fixture
async def engine(embedded_endpoint: Endpoint) -> AsyncIterator[OpenAIEngine]:
    client = OpenAIEngine(lambda: embedded_endpoint)
    yield client
    await client.aclose()


def test_every_family_of_the_issue_has_a_file() -> None:
    assert {profile.id for profile in PROFILES} == {
        "huatuo-o1",
        "m1",
        "medgemma",
        "plain",
        "plain-chatml",
        "think-deepseek-r1",
        "think-qwen3",
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
    with pytest.raises(UnknownProfile, match=r"'m2'; choose one of: huatuo-o1, m1, medgemma, plain"):
        load_profiles().get("m2")


@pytest.mark.parametrize("model", Catalog.load().models, ids=lambda model: model.id)
def test_every_catalog_model_has_the_profile_that_its_names_match(model: object) -> None:
    profiles = load_profiles()
    named = profiles.get(model.profile)
    for names in ((model.id,), *([(model.hub_repo,)] if model.hub_repo else [])):
        match = profiles.match(*names)
        assert (match.profile.id, match.is_guess) == (named.id, False)


@pytest.mark.parametrize(
    ("names", "profile_id"),
    [
        (("someone/m1-7B-23K-AWQ",), "m1"),
        (("/models/DeepSeek-R1-Distill-Qwen-7B-GGUF",), "think-deepseek-r1"),
        (("my-qwen3-finetune",), "think-qwen3"),
        (("someone/QwQ-32B",), "think-qwen3"),
        (("unsloth/medgemma-27b",), "medgemma"),
        (("huatuo-vision",), "huatuo-o1"),
        (("my-smollm",), "plain-chatml"),
        (("m", "someone/qwen3-8b-copy"), "think-qwen3"),
        (("gpt-oss-20b",), FALLBACK_PROFILE_ID),
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
