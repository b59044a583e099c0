"""A profile from a model's template to the traces that name it."""

import json
from pathlib import Path

import pytest

from m1app.access.person import Person, acting_as
from m1app.bootstrap import Services
from m1app.engines.errors import TemplateRefused
from m1app.engines.profile_preview import preview_profile
from m1app.errors import AppError
from m1app.runs.probe_request import ProbeRequest
from models.engine.endpoint import Endpoint
from models.errors import CatalogError, UnknownProfile
from models.profiles import load_profiles
from storage.people.records import Role
from tests.m1app.conftest import MakeServices

pytestmark = [pytest.mark.usefixtures("no_settings")]
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MINE = load_profiles().get("plain-chatml").values() | {"title": "Mine", "models": [], "hints": []}


@pytest.fixture
def services(make_services: MakeServices, embedded_endpoint: Endpoint) -> Services:
    return make_services(embedded_endpoint)


def folder_with(path: Path, config: object, **files: str) -> Path:
    path.mkdir()
    (path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    for name, content in files.items():
        (path / name.replace("__", ".")).write_text(content, encoding="utf-8")
    return path


@pytest.mark.engine
async def test_a_running_model_s_template_is_read_from_the_engine(services: Services) -> None:
    (source,) = await services.own_profiles.sources()
    assert (source.id, source.is_running) == ("smollm2-135m", True)
    made = await services.own_profiles.propose(model=source.id)
    assert made.values["chat"]["template"] == load_profiles().get("plain-chatml").chat.template
    assert made.values["models"] == ["smollm2-135m"]
    assert made.values["answer"]["stop_tokens"] == ["<|im_end|>"]


@pytest.mark.engine
async def test_a_file_s_and_a_folder_s_template_are_read(
    services: Services, smollm2_path: Path, tmp_path: Path
) -> None:
    own = services.own_profiles
    by_file = await own.propose(place=str(smollm2_path))
    assert by_file.values["chat"]["template"] == load_profiles().get("plain-chatml").chat.template
    assert by_file.values["models"] == []
    added = {"0": {"content": "<think>"}, "1": {"content": "</think>"}, "2": {"content": "<|im_end|>"}}
    config = {"chat_template": CHATML, "added_tokens_decoder": added, "eos_token": {"content": "<|im_end|>"}}
    by_config = await own.propose(place=str(folder_with(tmp_path / "My Model", config)))
    assert by_config.values["thinking"]["opening"] == "<think>\n"
    assert by_config.name == "my-model"
    other = folder_with(tmp_path / "b", {"chat_template": "wrong"}, chat_template__jinja=CHATML)
    assert (await own.propose(place=str(other))).values["chat"] == {
        **by_config.values["chat"],
        "reference": f"chat template of {other}",
        "default_system": MINE["chat"]["default_system"],
    }


@pytest.mark.engine
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "Choose a model"),
        ({"place": "model.gguf"}, "not a full path"),
        ({"place": "/none.gguf"}, "not found"),
        ({"place": "/proc"}, "has no chat template"),
        ({"place": "/dev/null"}, "not a GGUF"),
        ({"template": "{% for %}"}, "cannot be rendered"),
        ({"template": "{{ raise_exception('x' * 600) }}"}, "cannot be rendered: xxx"),
        ({"template": "hello"}, "0 times"),
        ({"template": "x" * 300_000}, "at most 262,144"),
    ],
)
async def test_what_has_no_usable_template_says_why(services: Services, asked: dict[str, str], said: str) -> None:
    with pytest.raises(TemplateRefused, match=said):
        await services.own_profiles.propose(**asked)


@pytest.mark.engine
async def test_broken_files_of_a_folder_are_named(services: Services, tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "broken", {})
    (folder / "tokenizer_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(TemplateRefused, match=r"tokenizer_config\.json cannot be read as JSON"):
        await services.own_profiles.propose(place=str(folder))


@pytest.mark.engine
async def test_a_pasted_template_s_first_token_is_asked_for(services: Services) -> None:
    made = await services.own_profiles.propose(template="{{ bos_token }}" + CHATML)
    assert any("bos_token" in note for note in made.notes)


@pytest.mark.engine
async def test_a_preview_shows_each_token_and_what_is_split(services: Services) -> None:
    values = MINE | {"thinking": MINE["thinking"] | {"opening": "<think>", "stop_tokens": ["<|im_end|>", "</think>"]}}
    preview = await services.own_profiles.preview(values, "smollm2-135m")
    prompt = preview.parts[0]
    assert "".join(each.text for each in prompt.tokens) == prompt.text
    assert {each.text for each in prompt.tokens if each.is_special} == {"<|im_start|>", "<|im_end|>"}
    assert [note.partition(" is ")[0] for note in preview.notes] == ["</think>", "<think>"]
    as_text = await services.own_profiles.preview(values, "not-running")
    assert (as_text.parts[0].text, as_text.parts[0].tokens) == (prompt.text, ())
    assert "No engine runs" in as_text.notes[0]
    with pytest.raises(CatalogError, match="stop_tokens"):
        await services.own_profiles.preview(MINE | {"answer": {"stop_tokens": []}}, "")


async def test_a_preview_without_an_engine_has_the_system_prompt_only_where_there_is_one() -> None:
    profile = load_profiles().get("think-qwen3")
    assert (await preview_profile(profile, None)).parts[0].text.startswith("<|im_start|>user\n")


@pytest.mark.engine
async def test_a_saved_profile_is_used_for_its_models_and_its_traces_keep_it(services: Services) -> None:
    own = services.own_profiles
    assert services.engines.match_profile("smollm2-135m").profile.id == "plain-chatml"
    saved = await own.save("mine", MINE | {"models": ["smollm2-*"]})
    assert services.engines.match_profile("smollm2-135m").profile == saved
    trace = await services.probe.start(ProbeRequest(stem="Why?", thinking_budget_tokens=4, answer_cap_tokens=4))
    assert trace.profile == saved.id
    changed = await own.save("mine", MINE | {"models": ["smollm2-*"], "title": "Changed"}, replaces=True)
    again = ProbeRequest(stem="Why?", thinking_budget_tokens=4, answer_cap_tokens=4, profile=trace.profile)
    assert (await services.probe.start(again)).profile == saved.id
    await own.remove("mine")
    assert services.profiles.get(saved.id) == saved
    assert services.profiles.get(changed.id) == changed
    assert saved.id not in [profile.id for profile in await own.refresh()]
    with pytest.raises(UnknownProfile):
        await own.remove("mine")


@pytest.mark.engine
async def test_only_those_who_manage_the_app_make_profiles(services: Services) -> None:
    with acting_as(Person("1", Role.ANNOTATOR, "Ann")):
        assert await services.own_profiles.refresh()
        with pytest.raises(AppError):
            await services.own_profiles.save("mine", MINE)
        with pytest.raises(AppError):
            await services.own_profiles.propose(template=CHATML)
