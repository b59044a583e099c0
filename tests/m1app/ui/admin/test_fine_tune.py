"""Fine-tuning on the Admin page: the form, a plan, a training's progress, and what leads from job to job."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from m1app.benchmark.intervals import wilson
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.training.comparison import ComparedRun, metrics_of
from m1app.training.errors import RecipeRefused
from m1app.training.pace import measured_pace
from m1app.training.preview import PreviewedSample, SampleTokens
from m1app.training.recipe import PRESETS, TrainingRecipe
from m1app.training.rendering import RenderedSample
from m1app.ui.admin.compared_runs_view import compared_value
from m1app.ui.admin.fine_tune_form import TrainingForm, place_of, preset_meaning, preset_values, read_other
from m1app.ui.admin.fine_tune_plan_view import _sample
from m1app.ui.admin.fine_tune_progress_view import MOST_POINTS, training_said, training_value
from m1app.ui.admin.fine_tune_tab import TrainingTab, base_choices
from m1app.ui.admin.jobs_view import detail_value
from models.engine.endpoint import Endpoint
from storage.jobs.records import Job, JobKind, JobProgress, JobState, NewJob
from tests.e2e.admin_training_page import write_progress, write_traces
from tests.m1app.training.training_cases import RUN

RECIPE = TrainingRecipe.of_preset(
    "lora",
    "smollm2-135m",
    "exam:v2",
    name="mine",
    max_steps=12,
    learning_rate=5e-5,
    lora_rank=8,
    weight_decay=0.01,
    profile="m1",
)
JOB = Job(
    kind=JobKind.FINE_TUNING,
    name="smollm2-135m on exam:v2",
    recipe=RECIPE.model_dump(mode="json"),
    id="c" * 32,
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
    started_at=None,
    ended_at=None,
    heartbeat_at=None,
    state=JobState.RUNNING,
    handle="",
    attempt=1,
    progress=JobProgress(),
    error="",
)


@pytest.fixture
def form() -> Iterator[TrainingForm]:
    with gr.Blocks():
        yield TrainingForm([("smollm2-135m (135M)", "smollm2-135m")], "smollm2-135m", has_ray=False)


@pytest.fixture
def services(home_with_model: Path) -> Iterator[Services]:
    made = build_services(Settings(home=home_with_model, engine_url="http://127.0.0.1:9", cpu_jobs=0))
    yield made
    made.database.dispose()


@pytest.fixture
def tab(services: Services) -> TrainingTab:
    with gr.Blocks():
        return TrainingTab(services)


def values_of(form: TrainingForm, recipe: TrainingRecipe, **changes: Any) -> list[Any]:
    filled = form.fill_with(recipe)
    for name, value in changes.items():
        filled[getattr(form, name)] = value
    return [filled[component] for component in form.inputs]


async def last_of(answers: AsyncIterator[dict[Any, Any]]) -> dict[Any, Any]:
    shown: dict[Any, Any] = {}
    async for each in answers:
        shown |= each
    return shown


def log(step: int, loss: float | None) -> dict[str, Any]:
    return {"event": "log", "step": step, "loss": loss, "learning_rate": 1e-4, "tokens_per_second": 90.0}


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        *(TrainingRecipe.of_preset(preset, "a.gguf", "b") for preset in PRESETS),
        TrainingRecipe.of_preset("m1", "a", "b", method="lora", lora_rank=4),
        TrainingRecipe.of_preset("lora", "a", "b", accuracy_set="my set", accuracy_questions=9, best_by="accuracy"),
        TrainingRecipe.of_preset("cpu-trial", "a", "b", max_steps=None, gradient_checkpointing=True),
    ],
    ids=lambda recipe: f"{recipe.preset}-{recipe.method}-{recipe.max_steps}",
)
def test_what_fills_the_form_is_what_it_reads(form: TrainingForm, recipe: TrainingRecipe) -> None:
    assert form.read(values_of(form, recipe)) == recipe


def test_an_untouched_form_asks_for_the_preset(form: TrainingForm) -> None:
    values = [component.value for component in form.inputs]
    values[1] = "exam:v1"
    assert form.read(values) == TrainingRecipe.of_preset("cpu-trial", "smollm2-135m", "exam:v1")


@pytest.mark.parametrize(
    ("changes", "field", "place", "said"),
    [
        ({"base": None}, "base", "base", "No base model"),
        ({"data": " "}, "data", "data", "No data set"),
        ({"epochs": "many"}, "epochs", "steps", "'many'"),
        ({"batch_size": "3"}, "gradient_accumulation", "sizes", "equal parts"),
        ({"name": "x" * 61}, "name", "name", "60"),
        ({"best_by": "accuracy"}, "accuracy_set", "accuracy", "name a question set"),
        ({"accuracy_questions": "many"}, "accuracy_questions", "accuracy", "'many'"),
        ({"other": "seed"}, "", "other", "without ="),
        ({"other": "unheard=1"}, "unheard", "other", "no field 'unheard'"),
        ({"other": "method=full"}, "lora_rank", "sizes", "no adapter"),
    ],
)
def test_a_refusal_stands_at_its_field(
    form: TrainingForm, changes: dict[str, Any], field: str, place: str, said: str
) -> None:
    with pytest.raises(RecipeRefused, match=said) as refused:
        form.read(values_of(form, RECIPE, **changes))
    assert (refused.value.field, place_of(refused.value.field)) == (field, place)
    shown = form.show_problem(refused.value, "<b>why</b>")
    visible = [component.elem_id for component, update in shown.items() if update["visible"]]
    assert visible == [f"admin-problem-training-{place}"]
    assert not any("<b>" in update["value"] for update in shown.values())


def test_every_field_of_a_recipe_has_a_place_that_the_form_has(form: TrainingForm) -> None:
    places = {component.elem_id for component in form.problems}
    assert {f"admin-problem-training-{place_of(field)}" for field in TrainingRecipe.model_fields} <= places


def test_presets_say_what_they_change() -> None:
    assert preset_meaning("m1").startswith("Trains all weights for 5 epochs, 16 samples per step, in bf16 on a GPU")
    assert "rank 16" in preset_meaning("lora")
    assert "at most 30 steps, 4 samples per step, in fp32 on the CPU" in preset_meaning("cpu-trial")
    assert "Needs an NVIDIA GPU, with up to 37.2 GB for 1.5B parameters" in preset_meaning("m1")
    assert "8 GPUs that share the 7.6B need 37.3 GB each" in preset_meaning("m1")
    assert "30.9 GB for 7.6B parameters" in preset_meaning("lora")
    assert "all linear layers over weights in four bits (QLoRA) for 3 epochs" in preset_meaning("qlora")
    assert "13.5 GB for 7.6B parameters" in preset_meaning("qlora")
    assert "Needs no GPU: up to 10.3 GB of memory" in preset_meaning("cpu-trial")
    assert preset_values("m1")["lora_rank"] == "all weights"
    assert preset_values("cpu-trial")["block_size"] == "1024"


def test_other_fields_are_read_a_line_each() -> None:
    text = " seed = 3\n\nmax-steps=None\nsample_question=What is a=b? "
    assert read_other(text) == {"seed": "3", "max_steps": None, "sample_question": "What is a=b?"}


def test_losses_are_thinned_to_means_and_keep_their_last_step() -> None:
    events = [{"event": "started", "step": 0, "steps": 2000}, *(log(step, float(step)) for step in range(1, 2001))]
    value = training_value(JOB, events, None)
    assert len(value["train"]) == len(value["rate"]) == MOST_POINTS
    assert value["train"][0] == [5, 3.0]
    assert value["train"][-1] == [2000, 1998.0]


def test_margin_and_accuracy_of_pairs_are_drawn_where_there_are_pairs() -> None:
    assert training_value(JOB, [log(1, 2.0)], None)["preferences"] is None
    measured = {"event": "evaluated", "step": 2, "eval_loss": 0.5, "reward_margin": 0.25, "pair_accuracy": 0.75}
    events = [log(1, 0.7) | {"reward_margin": 0.0, "pair_accuracy": 0.5}, log(2, None), measured]
    assert training_value(JOB, events, None)["preferences"] == {
        "margin": [[1, 0.0], [2, None]],
        "margin_held_out": [[2, 0.25]],
        "accuracy": [[1, 0.5], [2, None]],
        "accuracy_held_out": [[2, 0.75]],
    }
    said = training_said([{"event": "started", "step": 0, "steps": 2}, *events])
    assert "margin +0.250, 75% of pairs right" in said


def test_the_share_of_right_answers_is_drawn_where_there_is_a_reward() -> None:
    assert training_value(JOB, [log(1, 2.0)], None)["rewards"] is None
    events = [log(1, 0.1) | {"reward": 0.25}, log(2, 0.1) | {"reward": 0.5}]
    value = training_value(JOB, [{"event": "started", "step": 0, "steps": 2}, *events], None)
    assert value["rewards"] == {"right": [[1, 0.25], [2, 0.5]], "right_held_out": []}
    assert "right answers 25% → 50%" in value["said"]


def test_a_loss_that_is_no_number_is_a_gap_and_not_a_zero() -> None:
    value = training_value(JOB, [log(1, 2.0), log(2, None)], None)
    assert value["train"] == [[1, 2.0], [2, None]]


def accuracy(step: int, correct: int, n: int = 40) -> dict[str, Any]:
    found = wilson(correct, n)
    return {"event": "accuracy", "step": step, "value": found.value, "low": found.low, "high": found.high, "n": n}


def test_accuracies_are_shown_by_step_with_their_interval_and_a_caution() -> None:
    started = {"event": "started", "step": 0, "steps": 30}
    value = training_value(JOB, [started, accuracy(20, 20), accuracy(0, 10)], None)
    assert [(point[0], point[1], point[4]) for point in value["accuracy"]] == [(0, 0.25, 40), (20, 0.5, 40)]
    assert value["accuracy"][0][2] < 0.25 < value["accuracy"][0][3]
    assert value["said"] == "step 20 of 30 · accuracy 25.0% → 50.0% (35.2% to 64.8%), n = 40."
    few = training_said([started, accuracy(0, 1, 4)])
    assert few.endswith("n = 4. Few questions (n = 4): read the interval, not the percentage.")
    assert training_value(JOB, [started], None)["accuracy"] == []
    failed = {"event": "unmeasured", "step": 0, "message": "It could not be measured."}
    assert training_said([started, failed]) == "step 0 of 30 · 1 checkpoint could not be asked; see the log"


def test_runs_side_by_side_are_a_chart_for_each_metric_that_was_measured() -> None:
    logs = [{"event": "log", "step": step, "loss": float(step), "learning_rate": 1e-3} for step in range(1, 1001)]
    first = ComparedRun(JOB, metrics_of([*logs, accuracy(0, 1, 4)]))
    other = ComparedRun(replace(JOB, id="d" * 32, recipe={**JOB.recipe, "seed": 9}), metrics_of([]))
    value = compared_value([first, other])
    assert [chart["metric"] for chart in value["charts"]] == ["loss", "learning_rate", "accuracy"]
    loss = value["charts"][0]
    assert loss["lines"][0][-1] == [1000, 1000.0, None, None, None] and len(loss["lines"][0]) == 200
    assert loss["lines"][1] == []
    assert loss["said"] == "smollm2-135m on exam:v2 (cccccc): 1000 at step 1,000."
    assert value["charts"][2]["said"].endswith("Few questions (n = 4): read the interval, not the percentage.")
    assert value["differences"] == [["seed", ["0", "9"]]]
    assert value["csv"] == f"/admin/training-runs.csv?runs={'c' * 32},{'d' * 32}"


def test_samples_are_newest_first_and_bounded() -> None:
    events = [{"event": "sample", "step": step, "text": "x" * 9000} for step in range(30)]
    samples = training_value(JOB, events, None)["samples"]
    assert (len(samples), samples[0]["step"], len(samples[0]["text"])) == (20, 29, 4000)


def test_a_line_says_how_the_losses_went() -> None:
    assert "No steps yet" in training_said([])
    started = {"event": "started", "step": 0, "steps": 1200}
    evaluated = {"event": "evaluated", "step": 0, "eval_loss": 2.5}
    assert training_said([started, evaluated]) == "step 0 of 1,200 · held-out loss 2.500"
    said = training_said([started, evaluated, log(1, 2.0), log(2, 1.0), evaluated | {"step": 2, "eval_loss": 2.0}])
    assert said == "step 2 of 1,200 · training loss 2.000 → 1.000 · held-out loss 2.500 → 2.000 · 90 tokens/s"


def test_a_finished_model_leads_to_questions_for_it_and_its_base(tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text("# mine\n")
    served = ("smollm2-135m", "mine")
    tuned = training_value(JOB, [], (RUN, tmp_path), served, lambda _: "plain-chatml")["tuned"]
    assert (tuned["model"], tuned["base"], tuned["ask"]) == ("mine", "smollm2-135m", "mine")
    # Asked alike, and the base by its own profile too.
    assert (tuned["models"], tuned["can_compare"]) == (["smollm2-135m by m1", "mine", "smollm2-135m"], True)
    assert "smollm2-135m by m1 and mine, asked the same way" in tuned["alike"]
    assert tuned["card"] == "# mine\n"
    same = training_value(JOB, [], (RUN, tmp_path), served, lambda _: "m1")["tuned"]
    assert (same["models"], same["alike"]) == (["smollm2-135m", "mine"], "")
    without_model = training_value(JOB, [], (RUN, tmp_path), ("smollm2-135m",))["tuned"]
    assert (without_model["ask"], without_model["models"], without_model["can_compare"]) == ("", [], False)
    assert "M1_MODEL=mine" in without_model["how"]


def test_a_fine_tuning_job_has_its_command_line_and_can_be_cloned() -> None:
    value = detail_value(JOB, log="", artifacts=())
    assert value["command"] == RECIPE.command_line()
    assert (value["can_clone"], value["run"]) == (True, "")


async def test_a_plan_shows_the_sample_the_estimate_and_the_command(
    tab: TrainingTab, services: Services, tmp_path: Path
) -> None:
    recipe = TrainingRecipe.of_preset("cpu-trial", "smollm2-135m", str(write_traces(tmp_path)))
    shown = await last_of(tab._on_plan(*values_of(tab.form, recipe)))
    value = shown[tab._planned]
    assert await tab._on_change(*values_of(tab.form, recipe)) == {tab._command: {"command": recipe.command_line()}}
    facts = dict(value["plan"]["facts"])
    assert facts["Data"] == "traces.json: 18 training samples, 2 held out"
    assert facts["Environment"] == services.fine_tuning.environment_state()
    assert facts["Time"].startswith("unknown until")
    sample = value["plan"]["samples"][0]
    assert [kind for kind, *_ in sample["parts"]] == ["open", "reasoning", "close", "answer", "end"]
    assert "Ward" in sample["prompt"]
    assert sample["tokens"].startswith("about ") and not sample["prompt_tokens"]
    assert not any("1,024 tokens" in step["title"] for step in value["plan"]["steps"])
    assert any("Tokens are estimated" in note for note in value["plan"]["notes"])
    json.dumps(value)  # It goes to the page as JSON.
    assert "interactive" not in shown[tab._plan]


async def test_a_plan_counts_tokens_part_by_part_where_the_base_is_served(
    home_with_model: Path, tmp_path: Path, embedded_endpoint: Endpoint
) -> None:
    engine = {"engine_url": embedded_endpoint.base_url, "engine_api_key": embedded_endpoint.api_key}
    services = build_services(Settings(home=home_with_model, cpu_jobs=0, **engine))
    with gr.Blocks():
        tab = TrainingTab(services)
    recipe = TrainingRecipe.of_preset("cpu-trial", "smollm2-135m", str(write_traces(tmp_path)), block_size=170)
    plan = (await last_of(tab._on_plan(*values_of(tab.form, recipe))))[tab._planned]["plan"]
    await services.aclose()
    sample = plan["samples"][0]
    counts = [text.partition(" ")[0] for text in (sample["prompt_tokens"], *(part[3] for part in sample["parts"]))]
    assert sample["tokens"].endswith(f"{sum(map(int, counts))} of 170 tokens")
    assert any("Counted with the tokenizer of smollm2-135m" in note for note in plan["notes"])
    assert [each["is_left_out"] for each in plan["samples"]].count(True) <= 1


def test_a_sample_that_is_left_out_says_so() -> None:
    rendered = RenderedSample("p" * 30, "cc", (("answer", "c"), ("end", "c")))
    counted = _sample(PreviewedSample(rendered, SampleTokens(1300, (9, 1)), "too long"), 1280)
    assert counted["tokens"] == "will be left out: 1,310 of 1,280 tokens"
    assert (counted["prompt_tokens"], [part[3] for part in counted["parts"]]) == (
        "1,300 tokens",
        ["9 tokens", "1 token"],
    )
    assert _sample(PreviewedSample(rendered, None), 20)["tokens"] == "about 11 of 20 tokens"
    assert _sample(PreviewedSample(rendered, None), 9)["tokens"] == ("may be left out: about 11 of 9 tokens")


def test_a_button_is_enabled_by_the_event_after_its_own(services: Services) -> None:
    with gr.Blocks() as demo:
        tab = TrainingTab(services)
        tab.wire(demo)
    for button in (tab._plan, tab._start):
        (clicked,) = [fn for fn in demo.fns.values() if (button._id, "click") in fn.targets]
        after = [fn for fn in demo.fns.values() if fn.trigger_after == clicked._id and fn.outputs == [button]]
        assert ["interactive: true" in str(fn.js) for fn in after] == [True]


async def test_what_cannot_be_trained_here_is_refused_and_starts_nothing(
    tab: TrainingTab, services: Services, tmp_path: Path
) -> None:
    recipe = TrainingRecipe.of_preset("cpu-trial", "smollm2-135m", str(write_traces(tmp_path)), block_size=999_999)
    shown = await last_of(tab._on_start("local", *values_of(tab.form, recipe)))
    place = next(each for each in tab.form.problems if each.elem_id == "admin-problem-training-sizes")
    assert "does not fit into the context" in shown[place]["value"]
    assert shown[tab.started_job] == ""
    assert shown[tab._start]["interactive"] is False
    missing = TrainingRecipe.of_preset("cpu-trial", "smollm2-135m", "nowhere:v1")
    shown = await last_of(tab._on_plan(*values_of(tab.form, missing)))
    assert "nowhere" in shown[tab._message.component]["text"]
    assert await services.jobs.recent() == ()


async def test_a_start_submits_the_job_that_the_form_says(tab: TrainingTab, services: Services, tmp_path: Path) -> None:
    recipe = TrainingRecipe.of_preset("cpu-trial", "smollm2-135m", str(write_traces(tmp_path)), name="mine")
    shown = await last_of(tab._on_start("local", *values_of(tab.form, recipe)))
    (job,) = await services.jobs.recent()
    assert (shown[tab.started_job], job.name, job.kind) == (job.id, "mine", JobKind.FINE_TUNING)
    assert TrainingRecipe.parse(dict(job.recipe)) == recipe


async def test_the_pace_is_that_of_the_newest_training_that_is_alike(services: Services) -> None:
    recipe = TrainingRecipe.of_preset("cpu-trial", "smollm2-135m", "exam")
    assert await measured_pace(services.jobs, services.fine_tuning, recipe) is None
    other = recipe.model_copy(update={"base": "other"})
    for each, name in ((recipe, "alike"), (other, "of another base"), (recipe, "not begun")):
        job = await services.jobs.submit(
            NewJob(kind=JobKind.FINE_TUNING, name=name, recipe=each.model_dump(mode="json"))
        )
        if name != "not begun":
            write_progress(services.settings.home, job.id, 0, 3)
    pace = await measured_pace(services.jobs, services.fine_tuning, recipe)
    assert pace is not None
    assert (pace.samples_per_second, pace.job_name) == (0.5, "alike")


def test_models_that_were_tuned_meanwhile_can_be_a_base(services: Services) -> None:
    entry = (
        '[[model]]\nid = "mine"\ntitle = "Mine"\nfamily = "x"\nparameters = "1M"\nsource = "file:/x.gguf"\n'
        'licence = "MIT"\nlicence_url = "https://x"\ncontext_length = 64\nprofile = "m1"\nengines = ["embedded"]\n'
        'notes = "n"\n'
    )
    (services.settings.home / "catalog.toml").write_text(entry)
    assert ("mine (1M)", "mine") in base_choices(services)
    (services.settings.home / "catalog.toml").write_text("[[mod")
    assert ("smollm2-135m (135M)", "smollm2-135m") in base_choices(services)
