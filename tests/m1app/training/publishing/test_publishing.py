"""Fine-tuned models handed on: quantized, described with what was measured, and pushed to a scripted hub."""

import asyncio
import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from m1app.benchmark.queries import BenchmarkReading
from m1app.settings import Settings
from m1app.training.publishing.errors import PublishingError, PushRefused, QuantizingFailed, TunedModelNotFound
from m1app.training.publishing.hub_push import PushRequest
from m1app.training.publishing.service import PublishingService
from storage.benchmarks.records import RunState
from storage.database import Database
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run
from tests.m1app.training.publishing.taking_hub import TOKEN, TakingHub, serving_taking_hub
from tests.m1app.training.publishing.tuned_cases import DECIDED, published
from tests.m1app.training.training_cases import RUN
from tests.models.weights.float_model import write_floats
from tests.shallow_model import write_shallow


@pytest.fixture
def settings(tmp_path: Path, no_settings: None) -> Settings:
    (tmp_path / "home").mkdir()
    return Settings(home=tmp_path / "home", hub_url="http://127.0.0.1:9", hub_token=TOKEN)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database_address)
    database.migrate()
    yield database
    database.dispose()


def service_for(settings: Settings, database: Database) -> PublishingService:
    return PublishingService(settings, database, BenchmarkReading(database))


@pytest.fixture
def service(settings: Settings, database: Database) -> PublishingService:
    return service_for(settings, database)


@pytest.fixture(scope="module")
def floats(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("floats")
    return write_floats(write_shallow(smollm2_path, folder / "shallow.gguf"), folder / "f16.gguf")


async def test_a_model_is_quantized_and_in_the_catalog(
    settings: Settings, service: PublishingService, tmp_path: Path, floats: Path
) -> None:
    place = published(settings, tmp_path, floats)
    told: list[float] = []
    made = await service.quantize("mine", "q8_0", told.append)
    assert made.id == "mine-q8-0"
    assert (place / "mine-Q8_0.gguf").stat().st_size < 0.6 * floats.stat().st_size
    assert (made.engines, made.profile, made.parent) == (("embedded",), "m1", "smollm2-135m")
    assert told[-1] == 1.0
    (model,) = service.models()
    assert list(model.gguf) == ["f16", "q8_0"]
    # Again: the file is written anew, and the entry stays.
    assert (await service.quantize("mine", "q8_0")).id == "mine-q8-0"


async def test_what_cannot_be_quantized_is_said(
    settings: Settings, service: PublishingService, tmp_path: Path, smollm2_path: Path
) -> None:
    with pytest.raises(TunedModelNotFound, match=r"'other' is not a model that was fine-tuned here\. There are none"):
        await service.quantize("other", "q8_0")
    place = published(settings, tmp_path)
    with pytest.raises(QuantizingFailed, match="no GGUF file to quantize"):
        await service.quantize("mine", "q8_0")
    with pytest.raises(TunedModelNotFound, match="Fine-tuned here: mine"):
        await service.quantize("other", "q8_0")
    shutil.copyfile(smollm2_path, place / "mine.gguf")
    with pytest.raises(QuantizingFailed, match="is quantized already"):
        await service.quantize("mine", "q8_0")
    with pytest.raises(QuantizingFailed, match=r"not a type of quantization\. Choose one of: q8_0"):
        await service.quantize("mine", "q2_k")
    assert not list(place.glob("*.new"))


async def test_quantizing_in_the_background_says_what_came_of_it(
    settings: Settings, service: PublishingService, tmp_path: Path, floats: Path
) -> None:
    published(settings, tmp_path, floats)
    service.start_quantizing("mine", "q8_0")
    with pytest.raises(PublishingError, match="mine is busy: quantizing to q8_0"):
        service.start_quantizing("mine", "q4_k_m")
    activity = service.activity("mine")
    assert activity
    while activity.is_running:
        await asyncio.sleep(0.05)
    assert (activity.done, activity.error) == ("mine-q8-0 is in the catalog, for the embedded engine.", "")
    service.start_quantizing("nobody", "q8_0")
    failed = service.activity("nobody")
    assert failed
    while failed.is_running:
        await asyncio.sleep(0.05)
    assert "is not a model that was fine-tuned here" in failed.error


async def test_a_card_in_the_hubs_form_names_base_data_and_licence(
    settings: Settings, service: PublishingService, tmp_path: Path
) -> None:
    published(settings, tmp_path)
    card = ModelCard(await service.card("mine"))
    assert card.data.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert (card.data.license, card.data.library_name) == ("apache-2.0", "transformers")
    assert card.data.datasets == ["UCSC-VLAA/m1k-tokenized"]
    assert {"medical", "sft", "lora"} <= set(card.data.tags)
    assert card.data.eval_results is None
    assert "# mine" in card.text and "not medical advice" in card.text
    assert "## Evaluation" not in card.text
    assert str(tmp_path) not in card.content


async def test_a_card_has_what_was_measured_of_the_model_and_nothing_else(
    settings: Settings, service: PublishingService, database: Database, tmp_path: Path
) -> None:
    published(settings, tmp_path)
    asked = {name: questions_of(name, 20) for name in ("MedQA", "NEJM")}
    store_run(database, a_run(models=("mine",)), asked)
    store_run(database, a_run(models=("another",), question_sets=("NEJM",)), asked)
    store_run(database, a_run(models=("mine",), question_sets=("NEJM",)), asked, state=RunState.STOPPED)
    cells = await BenchmarkReading(database).cells([run.id for run in await BenchmarkReading(database).runs()])
    (wanted,) = {
        each.accuracy.value
        for each in cells
        if (each.model, each.question_set, each.budget_tokens, each.force_rounds) == ("mine", "MedQA", 2048, 1)
    }
    card = ModelCard(await service.card("mine"))
    results = card.data.eval_results
    assert card.data.model_name == "mine"
    assert [each.dataset_name for each in results] == ["MedQA", "NEJM"]
    assert results[0].metric_value == pytest.approx(wanted, abs=1e-4)
    assert results[0].metric_type == "accuracy"
    assert "thinking budget 2048, 1 force rounds, 20 questions" in results[0].metric_name
    assert card.text.index("## Evaluation") < card.text.index("## Files")
    assert "| MedQA | " in card.text


async def test_a_licence_that_the_hub_does_not_know_is_named(
    settings: Settings, service: PublishingService, tmp_path: Path
) -> None:
    place = published(settings, tmp_path)
    run = RUN.model_copy(update=DECIDED | {"licence": "see model card", "licence_url": "https://example.org/licence"})
    (place / "run.json").write_text(run.model_dump_json())
    card = ModelCard(await service.card("mine"))
    assert (card.data.license, card.data.license_name) == ("other", "see model card")
    assert card.data.license_link == "https://example.org/licence"


def request(**changes: Any) -> PushRequest:
    return replace(PushRequest("mine", "ada/mine"), **changes)


async def test_a_plan_names_the_repository_and_all_that_goes_up_and_asks_no_hub(
    settings: Settings, service: PublishingService, tmp_path: Path, floats: Path
) -> None:
    published(settings, tmp_path, floats)
    plan = await service.plan_push(request(gguf=("f16",), with_adapter=True))
    names = {"config.json", "model.safetensors", "mine.gguf", "adapter/adapter_model.safetensors"}
    assert {name for _, name in plan.files} == names
    words = plan.words()
    assert words.startswith("mine goes to http://127.0.0.1:9/ada/mine (private): 5 files with ")
    assert all(name in words for name in (*names, "README.md"))
    assert "(PUBLIC, everyone can read it)" in (await service.plan_push(request(is_public=True))).words()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repo": "mine"}, "is not a repository name"),
        ({"repo": "../../etc"}, "is not a repository name"),
        ({"gguf": ("q8_0",)}, "no GGUF file of type 'q8_0'. Available: none"),
        ({"model_id": "other"}, "is not a model that was fine-tuned here"),
    ],
)
async def test_what_cannot_be_pushed_is_said(
    settings: Settings, service: PublishingService, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    published(settings, tmp_path)
    with pytest.raises(PublishingError, match=said):
        await service.plan_push(request(**changes))


async def test_nothing_is_pushed_offline_or_without_a_token(
    settings: Settings, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    published(settings, tmp_path)
    for changes, said in (({"hub_offline": True}, "M1_HUB_OFFLINE is set"), ({"hub_token": ""}, "Set M1_HUB_TOKEN")):
        values = {"home": settings.home, "hub_token": TOKEN} | changes
        with pytest.raises(PushRefused, match=said):
            await service_for(Settings(**values), database).plan_push(request())


@pytest.fixture
def hub(settings: Settings) -> Iterator[TakingHub]:
    with serving_taking_hub(TakingHub()) as hub:
        yield hub


@pytest.fixture
def pushing(hub: TakingHub, settings: Settings, database: Database) -> PublishingService:
    return service_for(settings.model_copy(update={"hub_url": hub.url}), database)


async def test_a_confirmed_push_arrives_whole_in_a_private_repository(
    hub: TakingHub,
    pushing: PublishingService,
    settings: Settings,
    database: Database,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    place = published(settings, tmp_path)
    plan = await pushing.plan_push(request(with_adapter=True))
    assert hub.asked == []
    assert await pushing.push(plan) == f"{hub.url}/ada/mine"
    assert hub.private == {"ada/mine"}
    assert hub.files["model.safetensors"] == (place / "model" / "model.safetensors").read_bytes()
    assert hub.files["adapter/adapter_model.safetensors"] == b"adapter"
    assert hub.files["README.md"].decode() == plan.card
    assert hub.files.keys() == {"config.json", "model.safetensors", "README.md", "adapter/adapter_model.safetensors"}
    assert hub.tokens == {f"Bearer {TOKEN}"}
    # The token is in no file, and in no line of a log.
    assert TOKEN not in caplog.text
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]
    # A second push adds to the repository that is there.
    assert await pushing.push(plan) == f"{hub.url}/ada/mine"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"role": "read"}, "The token in M1_HUB_TOKEN has no write access to ada/mine"),
        ({"may_create": False}, "The token in M1_HUB_TOKEN has no write access to ada/mine"),
        ({"public": {"ada/mine"}}, "ada/mine exists and is public, and you asked for a private one"),
    ],
)
async def test_what_the_hub_refuses_is_said_and_nothing_is_uploaded(
    hub: TakingHub,
    pushing: PublishingService,
    settings: Settings,
    tmp_path: Path,
    changes: dict[str, Any],
    said: str,
) -> None:
    for name, value in changes.items():
        setattr(hub, name, value)
    published(settings, tmp_path)
    with pytest.raises(PushRefused, match=said) as refused:
        await pushing.push(await pushing.plan_push(request()))
    assert "Nothing was published" in str(refused.value)
    assert TOKEN not in str(refused.value)
    assert hub.files == {} and hub.objects == {}


async def test_a_token_that_is_not_accepted_and_a_hub_that_is_silent_are_said(
    hub: TakingHub, pushing: PublishingService, settings: Settings, database: Database, tmp_path: Path
) -> None:
    published(settings, tmp_path)
    other = service_for(Settings(home=settings.home, hub_url=hub.url, hub_token="hf_wrong"), database)
    with pytest.raises(PushRefused, match="does not accept the token"):
        await other.push(await other.plan_push(request()))
    silent = service_for(settings, database)
    with pytest.raises(PushRefused, match="is not responding"):
        await silent.push(await silent.plan_push(request()))
