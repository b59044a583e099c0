"""A benchmark on two servers of which one dies: every question has its results once, with and without a router."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from models.engine import replicas as replicas_module
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.protocol import CompletionRequest, EngineKind
from models.servers import managed_server
from models.servers.managed_server import ManagedServer
from models.servers.vllm_server import vllm_server
from storage.benchmarks.records import BenchmarkRun, RunState
from tests.conftest import ENGINE_CONTEXT_LENGTH, VLLM_PYTHON
from tests.m1app.benchmark.test_service import RIGHT, answering, is_about, keep_set, recipe, services_at
from tests.m1app.benchmark.vllm_router import vllm_router
from tests.models.engine.scripted_server import Script, serving

pytestmark = [pytest.mark.usefixtures("no_settings")]

STORY = "Once upon a time, there was a physician who counted the days, one by one: 1, 2, 3, 4,"
RUNNING = r"vllm:num_requests_running\{.*\}"
FINISHED = r"vllm:request_success_total\{.*\}"


def stems(number: int) -> tuple[str, ...]:
    return tuple(f"Question {n}: which gland makes insulin?" for n in range(number))


async def check_results(services: Services, run: BenchmarkRun, questions: int) -> None:
    """Every question is done, and has each of its two cells once."""
    assert (run.state, run.items_done, run.items_failed) == (RunState.COMPLETED, questions, 0)
    table = await services.benchmark_reading.table(run.id)
    cells = table[["sweep_id", "budget_tokens", "force_rounds"]]
    assert len(cells) == 2 * questions
    assert not cells.duplicated().any()


async def test_questions_of_a_dead_server_move_and_none_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas_module, "_CHECKED_SECONDS", 0.2)
    with serving(Script(answering(lambda _: RIGHT))) as first, ExitStack() as second_runs:
        second = second_runs.enter_context(serving(Script(answering(lambda _: RIGHT))))
        settings = Settings(home=tmp_path, engine_urls=SecretStr(f"{first.url},{second.url}"))
        services = build_services(settings)
        try:
            keep_set(services, "many", stems(24))
            planned = await services.benchmarks.plan(recipe(question_sets=("many",), in_flight=4))
            running = asyncio.create_task(services.benchmarks.run(planned.id))
            while len(second.completions) < 6:
                await asyncio.sleep(0.01)
                assert not running.done(), running.exception()
            second_runs.close()
            await check_results(services, await running, 24)
        finally:
            await services.aclose()
    assert len(second.completions) >= 6
    assert len(first.completions) > len(second.completions)


@pytest.mark.vllm
async def test_a_router_uses_all_servers_keeps_questions_where_they_are_and_loses_none_of_a_dead_one(
    tmp_path: Path,
) -> None:
    with serving(Script(slowly_right)) as first, ExitStack() as second_runs:
        second = second_runs.enter_context(serving(Script(slowly_right)))
        with vllm_router(tmp_path / "router.log", first.url, second.url) as url:
            async with services_at(tmp_path / "home", url) as services:
                keep_set(services, "many", stems(48))
                planned = await services.benchmarks.plan(recipe(question_sets=("many",), in_flight=16))
                running = asyncio.create_task(services.benchmarks.run(planned.id))
                while min(len(first.completions), len(second.completions)) < 40:
                    await asyncio.sleep(0.01)
                    assert not running.done(), running.exception()
                by_first, by_second = asked(first), asked(second)
                second_runs.close()
                await check_results(services, await running, 48)
    assert len(by_first & by_second) < len(by_first ^ by_second)


def slowly_right(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    time.sleep(0.05)
    answering(lambda _: RIGHT)(handler, body)


def asked(server: Script) -> set[str]:
    """The questions that a server was asked."""
    return {stem for stem in stems(48) if any(is_about(body, stem) for body in server.completions)}


@pytest.fixture(scope="module")
def second_server(
    safetensors_path: Path, vllm_endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ManagedServer]:
    """Another real vLLM with the same key, because a router passes on only one."""
    server = vllm_server(
        VLLM_PYTHON,
        str(safetensors_path),
        "smollm2-135m",
        tmp_path_factory.mktemp("second") / "vllm.log",
        context_length=ENGINE_CONTEXT_LENGTH,
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(managed_server, "secrets", SimpleNamespace(token_urlsafe=lambda _: vllm_endpoint.api_key))
        server.start()
        try:
            server.wait_ready(600)
            yield server
        finally:
            server.stop()


@pytest.mark.vllm
@pytest.mark.timeout(900)
async def test_a_router_passes_on_all_that_the_app_asks_of_a_server(
    tmp_path: Path, vllm_endpoint: Endpoint, second_server: ManagedServer
) -> None:
    servers = [vllm_endpoint.base_url, second_server.wait_ready(600).base_url]
    with vllm_router(tmp_path / "router.log", *servers) as url:
        direct = OpenAIEngine(lambda: vllm_endpoint)
        through = OpenAIEngine(lambda: Endpoint(url, vllm_endpoint.api_key))
        try:
            info = await through.describe()
            assert (info, info.kind) == (await direct.describe(), EngineKind.VLLM)
            ids = await through.tokenize(STORY, parse_special=True)
            assert await through.detokenize(ids) == STORY
            for is_whole in (False, True):
                request = CompletionRequest(ids, 8, is_whole=is_whole, top_logprobs=3)
                given = await token_ids(through, request)
                assert len(given) == 8
                assert given == await token_ids(direct, request)
                await check_cancelling(through, replace(request, max_tokens=1500), servers)
        finally:
            await direct.aclose()
            await through.aclose()


async def token_ids(engine: OpenAIEngine, request: CompletionRequest) -> list[int]:
    return [token async for chunk in engine.stream(request) for token in chunk.token_ids]


async def check_cancelling(engine: OpenAIEngine, request: CompletionRequest, servers: list[str]) -> None:
    """A request that is cancelled while it runs is no longer running at its server, which has not finished it."""
    finished = await counted(servers, FINISHED)
    asking = asyncio.create_task(token_ids(engine, request))
    while not await counted(servers, RUNNING):
        await asyncio.sleep(0.1)
        assert not asking.done()
    asking.cancel()
    while await counted(servers, RUNNING):
        await asyncio.sleep(0.1)
    assert await counted(servers, FINISHED) == finished


async def counted(servers: list[str], metric: str) -> int:
    """The sum of vLLM's own counts."""
    # A server that computes on all cores may answer late.
    async with httpx2.AsyncClient(trust_env=False, timeout=120) as client:
        pages = [(await client.get(f"{url}/metrics")).text for url in servers]
    return sum(int(float(value)) for page in pages for value in re.findall(rf"^{metric} (\S+)$", page, re.MULTILINE))


@pytest.mark.vllm
@pytest.mark.timeout(900)
async def test_two_real_servers_one_killed_under_load(
    tmp_path: Path, vllm_endpoint: Endpoint, second_server: ManagedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two benchmarks at once, one given both addresses and one behind a router, see the same server die."""
    monkeypatch.setattr(replicas_module, "_CHECKED_SECONDS", 1.0)
    endpoints = (vllm_endpoint, second_server.wait_ready(600))
    urls = ",".join(f"{each.base_url.replace('://', f'://:{each.api_key}@')}" for each in endpoints)
    with vllm_router(tmp_path / "router.log", *[each.base_url for each in endpoints]) as router:
        homes = [
            build_services(Settings(home=tmp_path / "direct", engine_urls=SecretStr(urls), model="smollm2-135m")),
            build_services(
                Settings(home=tmp_path / "routed", engine_url=router, engine_api_key=SecretStr(vllm_endpoint.api_key))
            ),
        ]
        try:
            runs = [await begin(services) for services in homes]
            for services, (run_id, running) in zip(homes, runs, strict=True):
                while (await services.benchmark_reading.get(run_id)).items_done < 3:
                    await asyncio.sleep(0.2)
                    assert not running.done(), running.exception()
            await asyncio.to_thread(second_server.stop)
            for services, (_, running) in zip(homes, runs, strict=True):
                await check_results(services, await running, 16)
        finally:
            for services in homes:
                await services.aclose()


async def begin(services: Services) -> tuple[str, "asyncio.Task[BenchmarkRun]"]:
    keep_set(services, "many", stems(16))
    wanted = recipe(question_sets=("many",), in_flight=8, budgets=(16, 48), answer_cap_tokens=8)
    planned = await services.benchmarks.plan(wanted)
    return planned.id, asyncio.create_task(services.benchmarks.run(planned.id))
