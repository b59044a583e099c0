"""The exported model is asked as it was trained, wherever it is loaded: the same ids through its chat template."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from m1app.question.wording import render_question
from m1app.training.exported_template import exported_template, stop_tokens
from m1app.training.folder import TrainingFolder
from m1app.training.rendering import end_of_turn, render
from m1app.training.samples import TrainingSample
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.protocol import CompletionRequest
from models.profiles import load_profiles
from models.servers.llama_server import llama_server
from models.servers.managed_server import ManagedServer
from models.servers.vllm_server import vllm_server
from tests.m1app.training.trainings import ROOT, TRAIN_PYTHON, finish, prepare

VLLM_PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
SAMPLE = TrainingSample("Which drug reverses dabigatran?", {"A": "Vitamin K", "B": "Idarucizumab"}, "B", "It.", "B")
pytestmark = [pytest.mark.training, pytest.mark.timeout(600)]


def trained(path: Path, base: Path, profile_id: str) -> TrainingFolder:
    """A model tuned for one step with a profile, whose system prompt is not its base's."""
    profile = load_profiles().get(profile_id)
    end = end_of_turn(profile)
    template = exported_template(profile, "", end)
    decided = {"chat_template": template, "stop_tokens": stop_tokens(profile, end), "asked_as": "Q"}
    folder = prepare(path, base, decided=decided, max_steps=1, evaluation_share=0.0)
    status, output = finish(folder)
    assert status == 0, output
    return folder


@pytest.fixture(scope="module")
def of_folder(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingFolder:
    return trained(tmp_path_factory.mktemp("asked") / "run", tiny_base, "m1")


@pytest.fixture(scope="module")
def of_gguf(of_folder: TrainingFolder, tmp_path_factory: pytest.TempPathFactory) -> TrainingFolder:
    """Tuned from the GGUF file of the other, with another profile."""
    return trained(tmp_path_factory.mktemp("asked") / "run", of_folder.gguf, "plain-chatml")


@pytest.fixture(params=[("of_folder", "m1"), ("of_gguf", "plain-chatml")], ids=lambda pair: pair[1])
def asked(request: pytest.FixtureRequest) -> tuple[TrainingFolder, str, str]:
    """A tuned model, the prompt of a sample as it was trained on, and the user's message in it."""
    fixture, profile_id = request.param
    profile = load_profiles().get(profile_id)
    user = render_question(profile.prompt, SAMPLE.question, dict(SAMPLE.options), SAMPLE.target)
    prompt = render(SAMPLE, profile, "as-asked", lambda _: "", end_of_turn(profile)).prompt
    return request.getfixturevalue(fixture), prompt, user


def ids_by_transformers(folder: Path, prompt: str, user: str) -> dict[str, Any]:
    """Token ids of the trained prompt and of the chat template's, and what ends an answer, from the exported folder."""
    script = """
import json, sys
from transformers import AutoTokenizer, GenerationConfig
from m1app.training.sft.tokenized_rows import token_ids
folder, prompt, user = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
chat = tokenizer.apply_chat_template([{"role": "user", "content": user}], add_generation_prompt=True)
stops = GenerationConfig.from_pretrained(folder).eos_token_id
print(json.dumps({"trained": token_ids(tokenizer, prompt), "chat": list(chat["input_ids"]),
                  "stops": tokenizer.convert_ids_to_tokens(stops), "eos": tokenizer.eos_token}))
"""
    done = subprocess.run(
        [str(TRAIN_PYTHON), "-c", script, str(folder), prompt, user],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_transformers_renders_the_trained_prompt(asked: tuple[TrainingFolder, str, str]) -> None:
    folder, prompt, user = asked
    found = ids_by_transformers(folder.model, prompt, user)
    assert found["chat"] == found["trained"]
    assert found["stops"][0] == found["eos"] == "<|im_end|>"
    # m1's answer begins with <|im_start|>, at which its answers must not end.
    assert ("<|im_start|>" in found["stops"]) is ("medical expert" in prompt)
    # Servers that load the LoRA at run time find the same beside it.
    beside = [each / "chat_template.jinja" for each in (folder.adapter, folder.model)]
    assert beside[0].read_text() == beside[1].read_text()


async def test_llama_cpp_answers_a_chat_from_the_trained_prompt(
    asked: tuple[TrainingFolder, str, str], tmp_path: Path
) -> None:
    folder, prompt, user = asked
    body: dict[str, Any] = {"messages": [{"role": "user", "content": user}], "temperature": 0, "max_tokens": 6}
    server = llama_server(folder.gguf, "tuned", 512, 1, 1, tmp_path / "llama.log")
    async with served(server) as (engine, endpoint):
        trained_ids = await engine.tokenize(prompt, parse_special=True)
        rendered = (await post(endpoint, "/apply-template", body))["prompt"]
        assert await engine.tokenize(rendered, parse_special=True) == trained_ids
        answered = await post(endpoint, "/v1/chat/completions", body | {"logprobs": True, "top_logprobs": 1})
        request = CompletionRequest(trained_ids, max_tokens=6)
        wanted = [token async for chunk in engine.stream(request) for token in chunk.token_ids]
    assert answered["usage"]["prompt_tokens"] == len(trained_ids)
    assert [each["id"] for each in answered["choices"][0]["logprobs"]["content"]] == wanted


@pytest.mark.vllm
async def test_vllm_answers_a_chat_from_the_trained_prompt(
    asked: tuple[TrainingFolder, str, str], tmp_path: Path
) -> None:
    if not VLLM_PYTHON.exists():
        pytest.skip("there is no .venv-vllm; `make vllm` makes it")
    folder, prompt, user = asked
    body = {"model": "tuned", "messages": [{"role": "user", "content": user}], "max_tokens": 4}
    exact = ("--dtype", "float32")
    server = vllm_server(VLLM_PYTHON, str(folder.model), "tuned", tmp_path / "vllm.log", exact, context_length=512)
    async with served(server) as (engine, endpoint):
        trained_ids = await engine.tokenize(prompt, parse_special=True)
        answered = await post(endpoint, "/v1/chat/completions", body | {"return_token_ids": True})
    assert tuple(answered["prompt_token_ids"]) == trained_ids


@asynccontextmanager
async def served(server: ManagedServer) -> AsyncIterator[tuple[OpenAIEngine, Endpoint]]:
    """The server's engine and its address."""
    server.start()
    try:
        endpoint = await asyncio.to_thread(server.wait_ready, 500.0)
        engine = OpenAIEngine(lambda: endpoint)
        try:
            yield engine, endpoint
        finally:
            await engine.aclose()
    finally:
        server.stop()


async def post(endpoint: Endpoint, path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    async with httpx.AsyncClient(base_url=endpoint.base_url, headers=headers, timeout=200, trust_env=False) as client:
        answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
