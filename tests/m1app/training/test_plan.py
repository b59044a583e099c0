"""Tokens of a plan's samples: counted where the base's tokenizer is, else estimated and said to be."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.training import plan as plans
from m1app.training import preview
from m1app.training.plan import FineTuningPlan, count_tokens
from m1app.training.recipe import TrainingRecipe
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.weights.catalog import Catalog
from tests.e2e.admin_training_page import write_traces
from tests.e2e.running_app import closed_port
from tests.m1app.conftest import MakeServices
from tests.models.engine.scripted_server import Script, fail, serving

LONG = 3
"""Of the twenty samples."""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count is not given up because the machine is busy."""
    monkeypatch.setattr(plans, "_FIND_SECONDS", 60.0)
    monkeypatch.setattr(preview, "_COUNT_SECONDS", 60.0)
    monkeypatch.setattr(preview, "_SHOW_SECONDS", 60.0)


@pytest.fixture
def recipe(tmp_path: Path) -> TrainingRecipe:
    path = write_traces(tmp_path)
    rows = json.loads(path.read_text())
    for row in rows[2 : LONG + 2]:
        row["reasoning"] += " The kidney filters it." * 120
    path.write_text(json.dumps(rows))
    small = {"block_size": 600, "batch_size": 1, "gradient_accumulation": 1}
    return TrainingRecipe.of_preset("cpu-trial", "smollm2-135m", str(path), profile="m1", **small)


def a_script(model: str = "smollm2-135m") -> Script:
    """An engine whose tokens are characters."""
    listed = [{"id": model, "owned_by": "vllm", "max_model_len": 8192}]
    return Script(fail(500, {}), models=listed)


async def planned(services: Services, recipe: TrainingRecipe) -> FineTuningPlan:
    return await count_tokens(await services.fine_tuning.plan(recipe), services.engines)


def length_note(plan: FineTuningPlan) -> str:
    (note,) = (each for each in plan.notes if "longer than" in each)
    return note


async def test_the_embedded_engine_counts_as_the_training_will(
    make_services: MakeServices, embedded_endpoint: Endpoint, recipe: TrainingRecipe
) -> None:
    plan = await planned(make_services(embedded_endpoint), recipe)
    assert length_note(plan) == (
        "3 of 20 samples are longer than 600 tokens and will be left out, not cut; a larger block_size fits them. "
        "Counted with the tokenizer of smollm2-135m."
    )
    *learnt, left_out = plan.preview
    assert [bool(each.note) for each in plan.preview] == [False, False, False, True]
    assert left_out.tokens is not None and left_out.tokens.total > 600
    engine = OpenAIEngine(lambda: embedded_endpoint)
    for each in learnt:
        texts = [each.rendered.prompt, *(text for _, text in each.rendered.parts)]
        assert each.tokens is not None
        assert [each.tokens.prompt, *each.tokens.parts] == [
            len(await engine.tokenize(text, parse_special=True)) for text in texts
        ]
    await engine.aclose()


async def test_a_sample_of_exactly_a_block_is_not_left_out(make_services: MakeServices, recipe: TrainingRecipe) -> None:
    with serving(a_script()) as server:  # Two are the longest ones.
        services = make_services(Endpoint(server.url, ""))
        plan = await planned(services, recipe)
        longest = max(len(each.prompt) + len(each.completion) for each in (*plan.rows.train, *plan.rows.evaluation))
        exact = await planned(services, recipe.model_copy(update={"block_size": longest}))
        short = await planned(services, recipe.model_copy(update={"block_size": longest - 1}))
    assert length_note(exact).startswith(f"None of 20 samples is longer than {longest:,} tokens")
    assert length_note(short).startswith("2 of 20 samples are longer")
    assert all(each.tokens for each in exact.preview)


async def test_of_too_much_data_the_first_samples_are_counted_and_it_says_so(
    make_services: MakeServices, recipe: TrainingRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure, done = preview._measure_one, []

    async def measure_five(*given: object) -> preview.PreviewedSample:
        done.append(given)
        if len(done) > 5:
            raise TimeoutError
        return await measure(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(preview, "_measure_one", measure_five)
    monkeypatch.setattr(preview, "_AT_ONCE", 1)
    with serving(a_script()) as server:
        plan = await planned(make_services(Endpoint(server.url, "")), recipe)
    assert " of the first 5 of 20 samples " in length_note(plan).lower()
    assert "Training counts the others." in length_note(plan)


@pytest.mark.parametrize("model", ["another-model", "smollm2-135m-q8"])
async def test_an_engine_of_another_model_is_not_taken_for_the_bases(
    make_services: MakeServices, recipe: TrainingRecipe, model: str
) -> None:
    with serving(a_script(model)) as server:
        plan = await planned(make_services(Endpoint(server.url, "")), recipe)
        assert not any(path == "/tokenize" for path, _ in server.requests)
    assert "Tokens are estimated" in length_note(plan)


async def test_without_an_engine_lengths_are_about_and_no_report_makes_them_up(
    make_services: MakeServices, recipe: TrainingRecipe
) -> None:
    plan = await planned(make_services(Endpoint(f"http://127.0.0.1:{closed_port()}", "")), recipe)
    assert not any("600 tokens" in report.title for report in plan.reports)
    assert length_note(plan).startswith("At least 3 of 20 samples are longer than 600 tokens and will be left out")
    assert "Training counts exactly" in length_note(plan)
    assert [bool(each.note) for each in plan.preview] == [False, False, False, True]
    assert not any(each.tokens for each in plan.preview)


async def test_a_further_server_counts_and_the_parent_has_the_same_tokenizer(
    tmp_path: Path, recipe: TrainingRecipe
) -> None:
    with serving(a_script("another-model")) as own, serving(a_script()) as further:
        settings = Settings(home=tmp_path / "home", engine_url=own.url, more_engine_urls=further.url)
        services = build_services(settings)
        plan = await services.fine_tuning.plan(recipe)
        tuned = replace(Catalog.load().get("smollm2-135m"), id="tuned", parent="smollm2-135m")
        plan = replace(plan, base=replace(plan.base, id="tuned", entry=tuned))
        counted = await count_tokens(plan, services.engines)
        await services.aclose()
    assert "Counted with the tokenizer of smollm2-135m @ 127.0.0.1:" in length_note(counted)
