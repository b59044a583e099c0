"""A benchmark on two servers of which one dies: every question has its results once."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from m1app.bootstrap import build_services
from m1app.settings import Settings
from models.engine import replicas as replicas_module
from models.engine.endpoint import Endpoint
from models.servers.vllm_server import vllm_server
from storage.benchmarks.records import RunState
from tests.conftest import ENGINE_CONTEXT_LENGTH, VLLM_PYTHON
from tests.m1app.benchmark.test_service import RIGHT, answering, keep_set, recipe
from tests.models.engine.scripted_server import Script, serving

pytestmark = [pytest.mark.usefixtures("no_settings")]


async def test_questions_of_a_dead_server_move_and_none_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas_module, "_CHECKED_SECONDS", 0.2)
    stems = tuple(f"Question {number}: which gland makes insulin?" for number in range(24))
    with serving(Script(answering(lambda _: RIGHT))) as first, ExitStack() as second_runs:
        second = second_runs.enter_context(serving(Script(answering(lambda _: RIGHT))))
        settings = Settings(home=tmp_path, engine_urls=SecretStr(f"{first.url},{second.url}"))
        services = build_services(settings)
        try:
            keep_set(services, "many", stems)
            planned = await services.benchmarks.plan(recipe(question_sets=("many",), in_flight=4))
            running = asyncio.create_task(services.benchmarks.run(planned.id))
            while len(second.completions) < 6:
                await asyncio.sleep(0.01)
                assert not running.done(), running.exception()
            second_runs.close()
            run = await running
            table = await services.benchmark_reading.table(run.id)
        finally:
            await services.aclose()
    assert (run.state, run.items_done, run.items_failed) == (RunState.COMPLETED, 24, 0)
    cells = table[["sweep_id", "budget_tokens", "force_rounds"]]
    assert len(cells) == 48
    assert not cells.duplicated().any()
    assert len(second.completions) >= 6
    assert len(first.completions) > len(second.completions)


@pytest.mark.vllm
@pytest.mark.timeout(900)
async def test_two_real_servers_one_killed_under_load(
    tmp_path: Path,
    safetensors_path: Path,
    vllm_endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replicas_module, "_CHECKED_SECONDS", 1.0)
    other = vllm_server(
        VLLM_PYTHON, str(safetensors_path), "smollm2-135m", tmp_path / "vllm.log", context_length=ENGINE_CONTEXT_LENGTH
    )
    other.start()
    try:
        killed = await asyncio.to_thread(other.wait_ready, 600)
        urls = ",".join(f"{each.base_url.replace('://', f'://:{each.api_key}@')}" for each in (vllm_endpoint, killed))
        services = build_services(Settings(home=tmp_path / "home", engine_urls=SecretStr(urls), model="smollm2-135m"))
        stems = tuple(f"Question {number}: which gland makes insulin?" for number in range(16))
        try:
            keep_set(services, "many", stems)
            wanted = recipe(question_sets=("many",), in_flight=8, budgets=(16, 48), answer_cap_tokens=8)
            planned = await services.benchmarks.plan(wanted)
            running = asyncio.create_task(services.benchmarks.run(planned.id))
            while (await services.benchmark_reading.get(planned.id)).items_done < 3:
                await asyncio.sleep(0.2)
                assert not running.done()
            await asyncio.to_thread(other.stop)
            run = await running
            table = await services.benchmark_reading.table(run.id)
        finally:
            await services.aclose()
    finally:
        other.stop()
    assert (run.state, run.items_done, run.items_failed) == (RunState.COMPLETED, 16, 0)
    cells = table[["sweep_id", "budget_tokens", "force_rounds"]]
    assert len(cells) == 32
    assert not cells.duplicated().any()
