"""Models are found, fetched, chosen and removed; what is fetched is what the hub says it is."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from m1app.bootstrap import Services, build_services
from m1app.engines.chosen_model import ChosenModel
from m1app.engines.library_records import Fetch, LibraryModel, Presence, Use
from m1app.errors import AppError
from m1app.settings import Settings
from models.errors import DownloadError, SourceRefused, UnknownModel
from models.weights.catalog import own_models
from tests.models.weights.hub_stand_in import COMMIT, Hub, serving_hub

pytestmark = [pytest.mark.usefixtures("no_settings")]
REPO = "org/Small-GGUF"


@pytest.fixture
def hub(smollm2_path: Path) -> AsyncIterator[Hub]:
    content = smollm2_path.read_bytes()
    with serving_hub(Hub({REPO: {"Small-Q4_K_M.gguf": content, "Small-00001-of-00002.gguf": b"GGUF"}})) as served:
        yield served  # type: ignore[misc]


@asynccontextmanager
async def services_at(home: Path, hub_url: str, **changes: object) -> AsyncIterator[Services]:
    settings = {"context_length": 512, "parallel_requests": 1, "threads": 2, **changes}
    services = build_services(Settings(home=home, hub_url=hub_url, **settings))  # type: ignore[arg-type]
    try:
        yield services
    finally:
        await services.aclose()


def here(services: Services, model_id: str) -> LibraryModel:
    return next(each for each in services.models.models() if each.model.id == model_id)


async def fetched(services: Services, model_id: str) -> Fetch:
    while (fetch := here(services, model_id).fetch) is None or fetch.is_running:
        await asyncio.sleep(0.05)
    return fetch


@pytest.mark.engine
async def test_from_the_hubs_list_to_the_default_model_after_a_restart(home_with_model: Path, hub: Hub) -> None:
    async with services_at(home_with_model, hub.url) as services:
        services.engines.wait_ready(120)
        assert services.engines.is_demo
        offer = await services.models.offer(f"https://huggingface.co/{REPO}/tree/main")
        assert [(each.file.name, each.is_preferred, bool(each.problem)) for each in offer.files] == [
            ("Small-00001-of-00002.gguf", False, True),
            ("Small-Q4_K_M.gguf", True, False),
        ]
        model = await services.models.add_from_hub(REPO, "Small-Q4_K_M.gguf", COMMIT)
        assert (model.id, model.revision, model.profile) == ("small-q4_k_m", COMMIT, "plain")
        assert model.sha256 == hashlib.sha256(hub.repositories[REPO]["Small-Q4_K_M.gguf"]).hexdigest()
        assert (model.context_length, model.licence) == (8192, "apache-2.0")
        assert await services.models.add_from_hub(REPO, "Small-Q4_K_M.gguf", COMMIT) == model
        assert here(services, model.id).presence is Presence.AWAY
        with pytest.raises(AppError, match="Fetch them first"):
            await services.models.use(model.id)
        services.models.fetch(model.id)
        assert await fetched(services, model.id) == Fetch(here(services, model.id).fetch.progress, is_running=False)  # type: ignore[union-attr]
        assert here(services, model.id).presence is Presence.HERE
        trial, match = await services.models.try_out(model.id)
        assert (match.profile.id, trial.tokens_per_second > 0, 0 < trial.thinking_tokens <= 64) == ("plain", True, True)
        assert services.engines.is_loaded(model.id)
        await services.models.use(model.id)
        assert not services.engines.is_demo
        assert await services.engines.engine().served_models() == (model.id,)
        assert "smollm2-135m" in await services.engines.models()
        with pytest.raises(AppError, match="default model"):
            await services.models.remove(model.id)
    async with services_at(home_with_model, hub.url) as services:
        services.engines.wait_ready(120)
        assert await services.engines.engine().served_models() == ("small-q4_k_m",)
        assert here(services, "small-q4_k_m").use is Use.DEFAULT
        await services.models.use("smollm2-135m")
        await services.models.remove("small-q4_k_m")
        assert own_models(home_with_model / "catalog.toml") == ()
        assert not (home_with_model / "models" / "small-q4_k_m").exists()
        with pytest.raises(UnknownModel):
            services.models.fetch("small-q4_k_m")


@pytest.mark.engine
async def test_a_model_that_does_not_start_leaves_the_earlier_one(home_with_model: Path, tmp_path: Path) -> None:
    weights = tmp_path / "other.gguf"
    weights.write_bytes((home_with_model / "models").glob("*/*.gguf").__next__().read_bytes())
    async with services_at(home_with_model, "http://127.0.0.1:9") as services:
        services.engines.wait_ready(120)
        model = await services.models.add_file(str(weights))
        weights.write_bytes(weights.read_bytes()[:100_000])
        with pytest.raises(Exception, match="truncated"):
            await services.models.use(model.id)
        services.engines.wait_ready(120)
        assert await services.engines.engine().served_models() == ("smollm2-135m",)
        assert ChosenModel(home_with_model).id == "smollm2-135m"


@pytest.fixture
async def remote(tmp_path: Path, hub: Hub) -> AsyncIterator[Services]:
    """Services whose engine does not matter."""
    async with services_at(tmp_path / "home", hub.url, engine_url="http://127.0.0.1:9") as services:
        yield services


async def add(services: Services) -> str:
    return (await services.models.add_from_hub(REPO, "Small-Q4_K_M.gguf", COMMIT)).id


async def test_bytes_that_are_not_the_hubs_own_are_not_used(remote: Services, hub: Hub) -> None:
    hub.wrong_sha256 = True
    model_id = await add(remote)
    remote.models.fetch(model_id)
    fetch = await fetched(remote, model_id)
    assert "sha256" in fetch.error
    assert here(remote, model_id).presence is Presence.AWAY


async def test_a_fetch_is_stopped_and_resumed(remote: Services, hub: Hub) -> None:
    model_id = await add(remote)
    hub.seconds_per_block = 0.1
    remote.models.fetch(model_id)
    while not here(remote, model_id).bytes_here:
        await asyncio.sleep(0.05)
    remote.models.stop_fetch(model_id)
    assert "Stopped" in (await fetched(remote, model_id)).error
    assert here(remote, model_id).presence is Presence.PARTLY
    hub.seconds_per_block = 0.0
    remote.models.fetch(model_id)
    assert (await fetched(remote, model_id)).error == ""
    ranges = [headers.get("range", "") for method, path, headers in hub.seen if method == "GET" and "/resolve/" in path]
    assert not ranges[-1].startswith("bytes=0-")
    assert here(remote, model_id).presence is Presence.HERE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda hub: setattr(hub, "status", 401), "M1_HUB_TOKEN"),
        (lambda hub: setattr(hub, "status", 503), "few minutes"),
        (lambda hub: hub.repositories[REPO].update({"Small-Q4_K_M.gguf": b"not a model"}), "not a GGUF file"),
        (lambda hub: hub.repositories[REPO].pop("Small-Q4_K_M.gguf"), "has no Small-Q4_K_M.gguf"),
    ],
    ids=["gated", "down", "foreign", "gone"],
)
async def test_what_the_hub_does_not_have_is_not_added(
    remote: Services, hub: Hub, change: Callable[[Hub], object], words: str
) -> None:
    change(hub)
    with pytest.raises(DownloadError, match=words):
        await add(remote)
    assert not (remote.settings.home / "catalog.toml").exists()


async def test_a_part_of_a_model_is_not_added(remote: Services) -> None:
    with pytest.raises(SourceRefused, match="split into several files"):
        await remote.models.add_from_hub(REPO, "Small-00001-of-00002.gguf", COMMIT)


async def test_a_repository_without_gguf_files_says_what_runs_it(remote: Services, hub: Hub) -> None:
    hub.repositories["org/full"] = {"model.safetensors": b"x" * 1000, "pytorch_model.bin": b"x"}
    hub.gated, hub.card = "auto", {}
    offer = await remote.models.offer("org/full")
    assert offer.files == ()
    text = " ".join(offer.notes)
    for words in ("no GGUF file", "run with vLLM", "may run code", "accept its licence", "states no licence"):
        assert words in text


async def test_offline_asks_nobody(tmp_path: Path, hub: Hub) -> None:
    async with services_at(tmp_path / "home", hub.url, engine_url="http://127.0.0.1:9", hub_offline=True) as services:
        with pytest.raises(SourceRefused, match="M1_HUB_OFFLINE"):
            await services.models.offer(REPO)
    assert hub.seen == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.bin", b"PK", "may run code"),
        ("model.gguf", b"nothing", "not a GGUF"),
        ("model.gguf", b"GGUF", "truncated"),
        (None, b"", "not found"),
    ],
)
async def test_a_file_that_is_no_model_is_not_added(
    remote: Services, tmp_path: Path, name: str | None, content: bytes, words: str
) -> None:
    path = tmp_path / (name or "none.gguf")
    if name:
        path.write_bytes(content)
    with pytest.raises(SourceRefused, match=words):
        await remote.models.add_file(str(path))
    with pytest.raises(SourceRefused, match="not a full path"):
        await remote.models.add_file("model.gguf")


async def test_a_local_file_is_used_in_place_and_not_deleted(remote: Services, smollm2_path: Path) -> None:
    model = await remote.models.add_file(str(smollm2_path))
    found = here(remote, model.id)
    assert (found.presence, found.is_own, found.fits) == (Presence.HERE, True, True)
    assert found.memory_bytes is not None
    assert found.memory_bytes > smollm2_path.stat().st_size
    await remote.models.remove(model.id)
    assert smollm2_path.exists()


async def test_only_the_embedded_engines_model_is_chosen(remote: Services, smollm2_path: Path) -> None:
    model = await remote.models.add_file(str(smollm2_path))
    with pytest.raises(AppError, match="M1_ENGINE"):
        await remote.models.use(model.id)


async def test_suggestions_say_what_fits(remote: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("m1app.engines.model_library.available_memory", lambda: 4 << 30)
    found = remote.models.suggestions()
    assert [each.fits for each in found] == sorted((each.fits for each in found), reverse=True)
    assert [each.suggestion.title for each in found if each.is_best] == ["Qwen3 4B"]
    monkeypatch.setattr("m1app.engines.model_library.available_memory", lambda: 1 << 20)
    assert not any(each.fits or each.is_best for each in remote.models.suggestions())


async def test_a_file_that_is_removed_while_the_list_is_made_has_no_known_memory(
    remote: Services, smollm2_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: Path) -> None:
        raise FileNotFoundError(path)

    added = await remote.models.add_file(str(smollm2_path))
    monkeypatch.setattr("m1app.engines.model_library.check_model_file", gone)
    assert here(remote, added.id).memory_bytes is None
