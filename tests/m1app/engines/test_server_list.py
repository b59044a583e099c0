"""What servers can do, found out by asking them, and what is done instead."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m1app.engines.server_list import ServerList, instead
from m1app.engines.service import EngineService
from m1app.settings import Settings
from models.engine.endpoint import Endpoint
from models.engine.probing import Abilities
from models.profiles import load_profiles
from models.weights.catalog import Catalog
from tests.e2e.running_app import closed_port
from tests.m1app.engines.test_embedded_models import entry
from tests.models.engine.scripted_server import Script, chunk, fail, serving, stream

pytestmark = pytest.mark.usefixtures("no_settings")
ABLE = Abilities(True, 20, True, True, True, True, True, False, False)


@pytest.fixture
async def services() -> AsyncIterator[list[EngineService]]:
    made: list[EngineService] = []
    yield made
    for each in made:
        await each.aclose()


def listed(services: list[EngineService], home: Path, **settings: Any) -> ServerList:
    services.append(EngineService(Settings(home=home, **settings), Catalog.load(), load_profiles()))
    return ServerList(services[-1])


@pytest.mark.engine
async def test_the_real_embedded_engine_is_found_able(
    services: list[EngineService], tmp_path: Path, embedded_endpoint: Endpoint
) -> None:
    servers = listed(
        services, tmp_path, engine_url=embedded_endpoint.base_url, engine_api_key=embedded_endpoint.api_key
    )
    (before,) = await servers.servers()
    assert (before.models, before.abilities) == (("smollm2-135m",), None)
    (view,) = await servers.servers(is_probing=True)
    assert view.abilities == Abilities(
        has_token_ids=True,
        logprobs=20,
        tokenizes=True,
        detokenizes=True,
        cancels=True,
        has_whole_pieces=False,
        has_prefix_cache=True,
        has_speculation=False,
        has_lora=None,
    )
    # What is known is shown without asking again.
    (again,) = await servers.servers()
    assert again.abilities is view.abilities


@pytest.mark.vllm
@pytest.mark.timeout(600)
async def test_the_real_vllm_is_found_able(
    services: list[EngineService], tmp_path: Path, vllm_endpoint: Endpoint
) -> None:
    servers = listed(services, tmp_path, engine_url=vllm_endpoint.base_url, engine_api_key=vllm_endpoint.api_key)
    (view,) = await servers.servers(is_probing=True)
    assert view.abilities == ABLE


@pytest.mark.engine
async def test_looking_at_a_further_model_does_not_keep_it_from_being_stopped(
    services: list[EngineService], tmp_path: Path, smollm2_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    servers = listed(services, tmp_path, context_length=512, parallel_requests=1, threads=1)
    (tmp_path / "catalog.toml").write_text(entry("tuned-one", smollm2_path), encoding="utf-8")
    (engines,) = services
    await engines.prepare("tuned-one")
    used = dict(engines._embedded._used_at)
    own, further = await servers.servers(is_probing=True)
    assert "not ready yet" in own.problem  # it was not started
    assert (further.place.title, further.models) == ("Embedded, further model", ("tuned-one",))
    assert further.abilities is not None
    assert engines._embedded._used_at == used
    await asyncio.to_thread(engines.unload, "tuned-one")
    assert len(await servers.servers()) == 1


async def test_servers_of_every_kind_are_listed_also_those_that_are_down(
    services: list[EngineService], tmp_path: Path
) -> None:
    with serving(Script(stream(chunk("a", [97], "stop")))) as first, serving(Script(fail(500, {}))) as second:
        down = f"http://127.0.0.1:{closed_port()}"
        urls = f"{first.url},{down}"
        servers = listed(services, tmp_path, engine_urls=urls, more_engine_urls=second.url)
        found = await servers.servers(is_probing=True)
        assert [each.place.address for each in found] == [first.url, down, second.url]
        able, missing, broken = found
        assert (able.info.model, able.abilities.has_token_ids) == ("scripted", True)  # type: ignore[union-attr]
        assert "M1_ENGINE_URL" in missing.problem
        assert missing.info is None
        assert not broken.abilities.has_token_ids  # type: ignore[union-attr]


async def test_two_who_look_at_once_ask_a_server_once(
    services: list[EngineService], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def probe(engine: object) -> Abilities:
        asked.append(engine)
        await asyncio.sleep(0)
        return ABLE

    monkeypatch.setattr("m1app.engines.server_list.probe", probe)
    with serving(Script(stream(chunk("a", [97], "stop")))) as script:
        servers = listed(services, tmp_path, engine_url=script.url)
        looked = await asyncio.gather(servers.servers(is_probing=True), servers.servers(is_probing=True))
    assert [view.abilities for (view,) in looked] == [ABLE, ABLE]
    assert len(asked) == 1


async def test_a_server_without_token_ids_or_probabilities_is_found_out(
    services: list[EngineService], tmp_path: Path
) -> None:
    with serving(Script(stream({"choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]}))) as script:
        servers = listed(services, tmp_path, engine_url=script.url)
        (view,) = await servers.servers(is_probing=True)
    abilities = view.abilities
    assert abilities is not None
    assert (abilities.has_token_ids, abilities.logprobs, abilities.tokenizes) == (False, 0, True)
    assert "sends no token ids, so it is not used" in " ".join(instead(abilities))


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ({"logprobs": 0}, "results have no option probabilities"),
        ({"logprobs": 5}, "reports 5 candidates, not 20"),
        ({"has_whole_pieces": False}, "Benchmarks read it token by token"),
        ({"cancels": False}, "keeps generating after a run is stopped"),
        ({"has_prefix_cache": False}, "computed again for each answer"),
        ({"detokenizes": False}, "no /detokenize"),
    ],
)
def test_what_is_lacking_gets_the_next_best_way(lacking: dict[str, Any], words: str) -> None:
    assert instead(ABLE) == ()
    assert words in " ".join(instead(replace(ABLE, **lacking)))
