"""Training data on the Admin page: previewed, built, listed, read and deleted; over HTTP and without a file."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import gradio as gr
import httpx2
import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.training.curation_steps import StepReport
from m1app.training.errors import PruningStopped
from m1app.training.pruning.reasoning_steps import StepLabel
from m1app.training.pruning.records import Outcome, SamplePruning, SampleStep
from m1app.ui.admin.training_data_tab import TrainingDataPart, carried_out, model_choices
from m1app.ui.admin.training_data_view import pruned_value, steps_value
from m1app.ui.web import build_app
from storage.benchmarks.repository import BenchmarkRepository
from tests.e2e.admin_training_page import write_traces
from tests.m1app.benchmark.benchmark_samples import a_run
from tests.m1app.question_sets.hub_stand_in import serving_hub
from tests.m1app.training.preferences.pair_cases import stored_contrasts
from tests.m1app.training.pruning.judging_server import judge, write_reasonings
from tests.m1app.ui.admin.test_page import serving
from tests.m1app.ui.serving import log_in_by_link
from tests.models.engine.scripted_server import Script
from tests.models.engine.scripted_server import serving as serving_script

PLAN = {"max_tokens": None, "limit": None}


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    (tmp_path / "home").mkdir()
    made = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9", cpu_jobs=0))
    yield made
    made.database.dispose()


@pytest.fixture
def part(services: Services) -> TrainingDataPart:
    with gr.Blocks():
        return TrainingDataPart(services)


@pytest.fixture
def client(services: Services) -> Iterator[httpx2.Client]:
    with serving(build_app(services)) as client:
        log_in_by_link(client, services)
        yield client


def form(**changes: Any) -> dict[str, Any]:
    return {"name": "exam", "is_preview": False, "plan": PLAN} | changes


def send(client: httpx2.Client, path: Path, **changes: Any) -> httpx2.Response:
    params = {"file": path.name, "form": json.dumps(form(**changes))}
    return client.post("/admin/training-data", params=params, content=path.read_bytes())


async def ask(part: TrainingDataPart, action: str, chosen: str | None = None, **values: Any) -> tuple[Any, Any]:
    event = cast(gr.EventData, gr.EventData(None, {"action": action, "number": 4, **values}))
    value, choice = await part._on_ask(event, chosen)
    assert value["number"] == 4
    return value, choice


async def test_a_file_is_previewed_then_built_and_leaves_nothing_else(
    client: httpx2.Client, services: Services, tmp_path: Path
) -> None:
    path = write_traces(tmp_path)
    answer = send(client, path, is_preview=True)
    assert answer.status_code == 200
    report = answer.json()["report"]
    assert report["headline"] == "20 samples would be kept. Nothing has been built yet."
    steps = {step["name"]: step for step in report["steps"]}
    assert steps["Answers checked against targets"]["counts"] == "21 of 22 kept"
    (dropped,) = steps["Answers checked against targets"]["unverified"]
    assert "Which one does contradict" in dropped["question"]
    assert (dropped["why"], dropped["is_kept"]) == ("names another option", False)
    kept = send(client, path, is_preview=True, plan=PLAN | {"keep": [dropped["key"]]}).json()["report"]
    assert kept["headline"] == "21 samples would be kept. Nothing has been built yet."
    assert await services.training_data.all() == ()
    answer = send(client, path)
    assert (answer.status_code, answer.json()["built"]) == (200, "exam:v1")
    assert "Only 20 samples" in answer.json()["report"]["notes"][0]
    assert [each.id for each in await services.training_data.all()] == ["exam:v1"]
    left = [each.name for each in services.settings.home.iterdir() if each.name.startswith(("upload-", "corrections-"))]
    assert left == []


async def test_preference_pairs_are_built_without_a_file(part: TrainingDataPart, services: Services) -> None:
    services.database.migrate()
    stored_contrasts(services.database, 8)
    wanted = form(name="preferred", plan={"pairs": ["passes", "corrections"], "pairs_per_question": "2"})
    value, _ = await ask(part, "make", form=wanted | {"is_preview": True})
    report = value["reply"]["report"]
    assert report["headline"] == "8 preference pairs would be kept. Nothing has been built yet."
    assert report["notes"][0] == "corrections, before and after: 0 preference pairs."
    value, choice = await ask(part, "make", form=wanted)
    assert value["reply"]["built"] == "preferred:v1"
    assert [(each["id"], each["kind"]) for each in value["rows"]] == [("preferred:v1", "pairs")]
    assert choice["choices"] == [("preferred:v1 (8 pairs)", "preferred:v1")]
    value, _ = await ask(part, "card", id="preferred:v1")
    assert "8 preference pairs" in value["reply"]["card"]["text"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "has no name"),
        ({"name": "../evil"}, "is not a data set name"),
        ({"plan": {"limit": "few"}}, 'Max samples is "few"'),
        ({"plan": {"limit": "3"}}, "Max samples"),
        ({"plan": {"balance": "domain"}}, "balancing by domain needs a limit"),
        ({"plan": {"overlap_ngram": 5}}, "overlap ngram must be 8"),
        ({"unheard": 1}, "cannot be built:"),
    ],
)
def test_what_cannot_be_built_is_said(
    client: httpx2.Client, services: Services, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    answer = send(client, write_traces(tmp_path), **changes)
    assert answer.status_code == 422
    assert said in answer.json()["error"]
    assert not list((services.settings.home / "training-data").glob("*/v*"))


def test_a_form_that_is_no_json_and_samples_that_are_none_are_refused(client: httpx2.Client, tmp_path: Path) -> None:
    answer = client.post("/admin/training-data", params={"file": "a.json", "form": "{"}, content=b"x")
    assert answer.status_code == 422
    assert "cannot be built:" in answer.json()["error"]
    path = tmp_path / "none.json"
    path.write_text('[{"text": "?"}]')
    answer = send(client, path)
    assert answer.status_code == 422
    assert "none.json" in answer.json()["error"]


async def test_a_version_is_offered_read_and_deleted(
    client: httpx2.Client, part: TrainingDataPart, tmp_path: Path
) -> None:
    for _ in range(2):
        assert send(client, write_traces(tmp_path)).status_code == 200
    value, choice = await ask(part, "list", "/typed/path.json")
    assert [row["id"] for row in value["rows"]] == ["exam:v2", "exam:v1"]
    assert choice["value"] == "/typed/path.json"
    _, choice = await ask(part, "list", "exam:v1", built="exam:v2")
    assert (choice["value"], choice["choices"][0]) == ("exam:v2", ("exam:v2 (20)", "exam:v2"))
    value, _ = await ask(part, "card", id="exam:v1")
    assert value["reply"]["card"]["text"].startswith("# exam, version 1")
    value, choice = await ask(part, "delete", "exam:v2", id="exam:v2")
    assert ([row["id"] for row in value["rows"]], choice["value"]) == (["exam:v1"], "exam:v1")
    value, _ = await ask(part, "card", id="exam:v2")
    assert "has no version 2" in value["reply"]["error"]


async def test_without_a_file_there_must_be_another_source(part: TrainingDataPart) -> None:
    value, _ = await ask(part, "make", form=form())
    assert "No source of samples" in value["reply"]["error"]
    value, _ = await ask(part, "make", form=form(with_corrections=True))
    assert "No corrections yet" in value["reply"]["error"]
    value, _ = await ask(part, "make", form=form(with_own_traces=True))
    assert "0 samples" in value["reply"]["error"]


async def test_a_dataset_of_the_hub_is_taken(tmp_path: Path) -> None:
    rows = write_traces(tmp_path).read_bytes()
    (tmp_path / "home").mkdir()
    with serving_hub({"some/traces": {"data/train.json": rows}}) as hub:
        made = build_services(
            Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9", cpu_jobs=0, hub_url=hub.url)
        )
        try:
            with gr.Blocks():
                part = TrainingDataPart(made)
            value, _ = await ask(part, "make", form=form(hub="some/traces", is_preview=True))
        finally:
            made.database.dispose()
    assert value["reply"]["report"]["headline"] == "20 samples would be kept. Nothing has been built yet."


def test_a_run_of_several_models_is_offered_once_for_each(services: Services) -> None:
    with services.database.session() as session:
        runs = BenchmarkRepository(session)
        one = runs.add(a_run(name="One", models=("weak",)), [])
        two = runs.add(a_run(name="Two", models=("weak", "strong:8b")), [])
    choices = model_choices((one, two))
    assert [choice for choice, _ in choices] == [one.id, f"{two.id}:weak", f"{two.id}:strong:8b"]
    assert [label.partition(",")[0] for _, label in choices] == ["One", "Two", "Two"]
    assert choices[2][1].endswith(", strong:8b")


def test_a_step_shows_pairs_in_place_of_the_examples_made_of_them() -> None:
    pairs = tuple((f"here {i}", f"MedQA: there {i}", 0.875) for i in range(12))
    (step,) = steps_value([StepReport("overlap", "12 overlap", 30, 18, ("here 0 ~ there 0",), pairs)])
    assert (step["counts"], step["dropped"], step["examples"]) == ("18 of 30 kept", 12, [])
    assert (len(step["pairs"]), step["pairs"][0]) == (10, ["here 0", "MedQA: there 0", "88%"])


PRUNE = {**PLAN, "verified_only": False, "prune_steps": "0.6"}


@contextmanager
def judged(tmp_path: Path, **named: Any) -> Iterator[tuple[TrainingDataPart, Services, Script]]:
    """The part of an app whose engine judges steps."""
    (tmp_path / "home").mkdir(exist_ok=True)
    with serving_script(judge(**named)) as script:
        made = build_services(Settings(home=tmp_path / "home", engine_url=script.url, cpu_jobs=0))
        try:
            with gr.Blocks():
                yield TrainingDataPart(made), made, script
        finally:
            made.database.dispose()


async def test_pruning_is_estimated_with_labelled_steps_then_shown_with_what_it_saves(tmp_path: Path) -> None:
    with judged(tmp_path) as (part, services, script):
        path = write_reasonings(tmp_path)
        preview = await carried_out(services, form(plan=PRUNE, is_preview=True), [path])
        assert any("45 letter probes, one token each" in note for note in preview["report"]["notes"])
        assert any("1 sample: open question" in note for note in preview["report"]["notes"])
        labelled = preview["report"]["labelled"][0]
        assert [step["label"] for step in labelled["steps"]][1:3] == ["verification", "alternative"]
        assert (labelled["facts"], labelled["steps"][1]["importance"]) == ("", None)
        assert script.completions == []
        built = await carried_out(services, form(plan=PRUNE), [path])
        assert built["built"] == "exam:v1"
        assert built["report"]["steps"][-1]["name"] == "Reasoning steps pruned"
        value, _ = await ask(part, "card", id="exam:v1")
        pruned = value["reply"]["card"]["pruned"]
        assert (pruned["index"], pruned["total"]) == (0, 9)
        assert [step["is_pruned"] for step in pruned["sample"]["steps"]] == [False, True, True, False, False, False]
        assert pruned["sample"]["steps"][4]["importance"] == pytest.approx(1.79, abs=0.01)
        assert "60.0% after the whole reasoning, 70.0% after the pruned one" in pruned["sample"]["facts"]
        value, _ = await ask(part, "pruned", id="exam:v1", index=99)
        assert value["reply"]["pruned"]["index"] == 8
        await services.aclose()


async def test_pruning_is_watched_and_stopped_and_goes_on_where_it_was(tmp_path: Path) -> None:
    gate = threading.Event()
    with judged(tmp_path, gate=gate, free=7) as (part, services, script):
        path = write_reasonings(tmp_path)
        assert await part._progress() == {"pruning": None}
        building = asyncio.create_task(carried_out(services, form(plan=PRUNE), [path]))
        while len(script.completions) < 8:
            await asyncio.sleep(0.02)
        shown = (await part._progress())["pruning"]
        assert (shown["name"], shown["share"], shown["is_stopping"]) == ("exam", 0.1, False)
        assert shown["text"].startswith("1 of 10 samples")
        await part._on_stop()
        assert (await part._progress())["pruning"]["is_stopping"]
        gate.set()
        with pytest.raises(PruningStopped, match="nothing was built"):
            await building
        assert await part._progress() == {"pruning": None}
        assert await services.training_data.all() == ()
        asked = len(script.completions)
        await carried_out(services, form(plan=PRUNE), [path])
        assert len(script.completions) == 45
        assert asked < 12
        await services.aclose()


@pytest.mark.parametrize(
    ("ratio", "said"), [("0", "The share of steps to prune is"), ("1.5", "The share of"), ("half", "The share of")]
)
def test_a_share_that_is_none_is_said(client: httpx2.Client, tmp_path: Path, ratio: str, said: str) -> None:
    answer = send(client, write_traces(tmp_path), plan={**PRUNE, "prune_steps": ratio})
    assert (answer.status_code, said in answer.json()["error"]) == (422, True)


def test_pruning_without_an_engine_says_what_is_missing(
    client: httpx2.Client, services: Services, tmp_path: Path
) -> None:
    answer = send(client, write_traces(tmp_path), plan=PRUNE)
    assert answer.status_code == 422
    assert "No engine is responding" in answer.json()["error"]
    assert not list((services.settings.home / "training-data").glob("*/v*"))


def test_a_long_reasoning_is_shown_in_part() -> None:
    steps = (SampleStep("x" * 5000, StepLabel.CORRECTION, 0.5, True),) * 201
    record = SamplePruning(Outcome.PRUNED, "Which?", steps, 0.5, 0.5, 100, 50)
    shown = pruned_value([record], 0)
    assert shown is not None
    assert (len(shown["sample"]["steps"]), shown["sample"]["left_out"]) == (200, 1)
    assert len(shown["sample"]["steps"][0]["text"]) == 2001
    assert pruned_value([SamplePruning(Outcome.NOTHING, "Which?")], 0) is None
