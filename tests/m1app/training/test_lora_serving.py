"""Checkpoints asked at a vLLM that serves the base: what it is told, and what is said if it cannot."""

from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from m1app.settings import Settings
from m1app.training.accuracy.cost import accuracy_notes
from m1app.training.accuracy.lora_serving import check_server, serving_adapter
from m1app.training.base_model import BaseModel
from m1app.training.errors import CheckpointNotServed, RecipeRefused
from m1app.training.estimate import estimate_training
from m1app.training.folder import TrainingFolder
from m1app.training.recipe import TrainingRecipe
from models.engine.protocol import EngineInfo
from tests.m1app.training.training_cases import RUN
from tests.models.engine.scripted_server import Script, fail, reply_json, serving

ADDRESS = "http://127.0.0.1:9"
BASE = BaseModel("base", "folder", "/bases/tiny", "", 1_000, None, 512, "", None)


def recipe(**changes: Any) -> TrainingRecipe:
    asked = {"accuracy_set": "exam", "accuracy_server": ADDRESS}
    return TrainingRecipe.of_preset("cpu-trial", "base", "d", **(asked | changes))


def settings(folder: Path, url: str) -> Settings:
    return Settings(home=folder / "home", more_engine_urls=SecretStr(url.replace("http://", "http://:secret@")))


def a_vllm() -> Script:
    """A server of the base, which lists the LoRAs that it has loaded."""
    base = {"id": "weights", "owned_by": "vllm", "max_model_len": 512, "root": "/bases/tiny"}
    listed: list[dict[str, Any]] = [base]
    script = Script(fail(500, {}), models=listed)

    def adapt(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        name = body["lora_name"]
        if "lora_path" in body:
            listed.append({"id": name, "owned_by": "vllm", "root": body["lora_path"], "parent": "weights"})
        elif not any(each["id"] == name for each in listed):
            reply_json(handler, 404, {"error": {"message": f"{name} is not loaded"}})
            return
        else:
            listed[:] = [each for each in listed if each["id"] != name]
        reply_json(handler, 200, b"Success")

    script.adapters = adapt
    return script


def a_folder(place: Path, url: str) -> TrainingFolder:
    folder = TrainingFolder(place / "run")
    run = RUN.model_copy(update={"model_id": "tuned", "base_kind": "folder", "base_location": "/bases/tiny"})
    folder.write(recipe(accuracy_server=url), run, [], [])
    return folder


async def described(folder: TrainingFolder, step: int, chosen: Settings) -> EngineInfo:
    async with serving_adapter(folder, step, chosen) as engine:
        return await engine.describe()


async def test_each_checkpoints_lora_is_loaded_and_forgotten_again(tmp_path: Path, no_settings: None) -> None:
    with serving(a_vllm()) as script:
        folder, chosen = a_folder(tmp_path, script.url), settings(tmp_path, script.url)
        base = await described(folder, 0, chosen)
        assert (base.model, base.context_length) == ("weights", 512)
        assert not [path for path, _ in script.requests if path.endswith("_lora_adapter")]
        asked = await described(folder, 20, chosen)
        assert (asked.model, asked.context_length) == ("tuned-step-20", 512)
        told = [(path, body) for path, body in script.requests if path.endswith("_lora_adapter")]
        assert [path for path, _ in told] == [
            "/v1/unload_lora_adapter", "/v1/load_lora_adapter", "/v1/unload_lora_adapter",
        ]  # fmt: skip
        assert told[1][1]["lora_path"] == str(folder.weights_to_ask(20))
        assert told[1][1]["_authorization"] == "Bearer secret"
        assert script.models is not None and [each["id"] for each in script.models] == ["weights"]


async def test_a_lora_that_a_killed_attempt_left_is_loaded_anew(tmp_path: Path, no_settings: None) -> None:
    with serving(a_vllm()) as script:
        assert script.models is not None
        script.models.append({"id": "tuned-step-20", "owned_by": "vllm", "root": "/old", "parent": "weights"})
        asked = await described(a_folder(tmp_path, script.url), 20, settings(tmp_path, script.url))
    assert asked.model_source.endswith("step-20")


async def test_a_server_that_loads_no_lora_is_said_with_how_to_start_it(tmp_path: Path, no_settings: None) -> None:
    with serving(a_vllm()) as script:
        script.adapters = None
        with pytest.raises(CheckpointNotServed, match=r"does not load its LoRA .* --enable-lora --max-lora-rank 16"):
            await described(a_folder(tmp_path, script.url), 20, settings(tmp_path, script.url))


async def test_a_server_of_another_model_is_not_asked(tmp_path: Path, no_settings: None) -> None:
    other = pytest.raises(CheckpointNotServed, match="serves scripted, not the base")
    with serving(Script(fail(500, {}))) as script, other:
        await described(a_folder(tmp_path, script.url), 0, settings(tmp_path, script.url))


async def test_a_server_that_the_settings_no_longer_name_is_not_asked(tmp_path: Path, no_settings: None) -> None:
    with pytest.raises(CheckpointNotServed, match="is no longer a server of this app"):
        await described(a_folder(tmp_path, ADDRESS), 0, Settings(home=tmp_path / "home"))


def test_servers_and_bases_that_cannot_be_asked_are_refused_before(tmp_path: Path, no_settings: None) -> None:
    known = settings(tmp_path, ADDRESS)
    check_server(recipe(), BASE, known)
    check_server(recipe(accuracy_server=f"{ADDRESS}/v1/"), BASE, known)
    check_server(recipe(accuracy_server=""), BASE, Settings(home=tmp_path))
    with pytest.raises(RecipeRefused, match="Add it to M1_MORE_ENGINE_URLS") as refused:
        check_server(recipe(accuracy_server="http://elsewhere:8000"), BASE, known)
    assert refused.value.field == "accuracy_server"
    with pytest.raises(RecipeRefused, match="is a GGUF file, over which vLLM loads no LoRA"):
        check_server(recipe(), replace(BASE, kind="gguf"), known)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"accuracy_set": ""}, "accuracy_set", "name a question set in accuracy_set"),
        ({"method": "full"}, "accuracy_server", "only the LoRA of a checkpoint"),
        ({"modules_to_save": "input_layernorm"}, "accuracy_server", "so modules_to_save cannot be asked there"),
    ],
)
def test_a_recipe_that_a_lora_cannot_answer_for_is_refused(changes: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(RecipeRefused, match=said) as refused:
        recipe(**changes)
    assert refused.value.field == field


def test_a_server_takes_no_memory_of_the_training_and_no_file_is_written() -> None:
    def needed(**changes: Any) -> tuple[int, int]:
        estimate = estimate_training(recipe(**changes), replace(BASE, parameters=1_000_000), 20, 300)
        return estimate.memory_bytes, estimate.disk_bytes

    served, here, unasked = needed(), needed(accuracy_server=""), needed(accuracy_server="", accuracy_set="")
    assert served[0] == unasked[0] < here[0]
    # Checkpoints are kept until they were asked; the GGUF file of one is not written.
    assert here[1] - served[1] == 2 * 1_000_000


def test_the_plan_says_that_a_server_is_asked_and_no_step_waits() -> None:
    (said,) = accuracy_notes(recipe(), 40, 30)
    assert f"by the vLLM at {ADDRESS}, which loads their LoRAs. No training step waits for it." in said
    assert "cores" not in said
