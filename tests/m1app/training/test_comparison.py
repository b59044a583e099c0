"""Fine-tunings side by side, as values, as CSV, and for other tools."""

import csv
import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from m1app.training.comparison import ComparedRun, comparison_csv, differing_fields, metrics_of
from m1app.training.run_export import EXPORTERS, ExportRefused, export_run, values_by_step
from m1app.ui.admin.compared_runs_view import compared_value
from storage.jobs.records import Job, JobKind, JobProgress, JobState

EVENTS: list[dict[str, Any]] = [
    {"event": "started", "step": 0, "steps": 2},
    {"event": "evaluated", "step": 0, "eval_loss": 3.0},
    {"event": "log", "step": 1, "loss": 2.5, "gradient_norm": 1.5, "learning_rate": 1e-3},
    {"event": "log", "step": 2, "loss": None, "gradient_norm": None, "learning_rate": 5e-4},
    # Measured beside the training, so that they may come late.
    {"event": "accuracy", "step": 2, "value": 0.5, "low": 0.15, "high": 0.85, "n": 4},
    {"event": "accuracy", "step": 0, "value": 0.25, "low": 0.05, "high": 0.7, "n": 4},
]


def a_run(name: str = "mine", events: list[dict[str, Any]] | None = None, **recipe: Any) -> ComparedRun:
    job = Job(
        kind=JobKind.FINE_TUNING,
        name=name,
        recipe={"base": "smollm2-135m", "seed": 0, "lora_rank": None} | recipe,
        id="c" * 32,
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        started_at=None,
        ended_at=None,
        heartbeat_at=None,
        state=JobState.SUCCEEDED,
        handle="",
        attempt=1,
        progress=JobProgress(),
        error="",
    )
    return ComparedRun(job, metrics_of(EVENTS if events is None else events))


def test_metrics_are_in_the_order_of_their_steps_and_a_loss_that_is_no_number_is_left_out() -> None:
    metrics = a_run().metrics
    assert [(point.step, point.value) for point in metrics["loss"]] == [(1, 2.5)]
    assert [(point.step, point.value) for point in metrics["learning_rate"]] == [(1, 1e-3), (2, 5e-4)]
    assert [(point.step, point.value, point.low, point.n) for point in metrics["accuracy"]] == [
        (0, 0.25, 0.05, 4),
        (2, 0.5, 0.15, 4),
    ]
    assert metrics["loss"][0].low is None


def test_preferences_and_rewards_are_compared_too_and_each_has_a_title() -> None:
    figures = {"reward_margin": 0.2, "pair_accuracy": 0.75}
    dpo = metrics_of([{"event": "log", "step": 1, **figures}, {"event": "evaluated", "step": 1, **figures}])
    found = {name: points[0].value for name, points in dpo.items() if points}
    assert found == {"margin": 0.2, "held_out_margin": 0.2, "pairs_right": 0.75, "held_out_pairs_right": 0.75}
    assert metrics_of([{"event": "log", "step": 1, "reward": 0.5}])["right_answers"][0].value == 0.5
    value = compared_value([replace(a_run(), metrics=dpo)])
    assert [chart["title"] for chart in value["charts"]] == [
        "Margin of preference pairs",
        "Margin of held-out pairs",
        "Share of pairs right",
        "Share of held-out pairs right",
    ]


def test_only_fields_that_differ_are_told() -> None:
    runs = [a_run(seed=1), a_run(seed=2, learning_rate=1e-4), a_run(seed=2)]
    assert differing_fields(runs) == [("seed", ["1", "2", "2"]), ("learning_rate", ["-", "0.0001", "-"])]
    assert differing_fields([a_run(), a_run()]) == []


def test_the_csv_has_a_row_for_each_value_and_no_formula() -> None:
    text = comparison_csv([a_run("=HYPERLINK()")]).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["name"] for row in rows} == {"'=HYPERLINK()"}
    assert [row["metric"] for row in rows].count("accuracy") == 2
    assert rows[-1] | {"job": "", "name": ""} == {
        **{"job": "", "name": "", "metric": "accuracy", "step": "2", "value": "0.5"},
        **{"low": "0.15", "high": "0.85", "n": "4"},
    }


def test_values_are_put_together_by_step() -> None:
    assert values_by_step(a_run()) == [
        (0, {"held_out_loss": 3.0, "accuracy": 0.25, "accuracy_low": 0.05, "accuracy_high": 0.7, "accuracy_n": 4.0}),
        (1, {"loss": 2.5, "gradient_norm": 1.5, "learning_rate": 1e-3}),
        (2, {"learning_rate": 5e-4, "accuracy": 0.5, "accuracy_low": 0.15, "accuracy_high": 0.85, "accuracy_n": 4.0}),
    ]


def recorded(calls: list[Any]) -> Callable[..., Any]:
    return lambda *given, **named: calls.append([*given, named])


class _Writer:
    """TensorBoard's writer, as far as it is used."""

    calls: ClassVar[list[Any]] = []

    def __init__(self, folder: str) -> None:
        self.calls.append(folder)

    def add_scalar(self, *given: Any) -> None:
        self.calls.append(given)

    def close(self) -> None:
        self.calls.append("closed")


def test_tensorboard_gets_a_folder_for_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("tensorboard.summary")
    monkeypatch.setattr(module, "Writer", _Writer, raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", ModuleType("tensorboard"))
    monkeypatch.setitem(sys.modules, "tensorboard.summary", module)
    monkeypatch.setattr(_Writer, "calls", [])
    said = export_run(a_run("../my run"), "tensorboard", tmp_path / "curves")
    assert _Writer.calls[0] == str(tmp_path / "curves" / "my-run-cccccccc")
    assert ("loss", 2.5, 1) in _Writer.calls and ("accuracy", 0.5, 2) in _Writer.calls
    assert _Writer.calls[-1] == "closed"
    assert f"tensorboard --logdir {tmp_path / 'curves'}" in said


@pytest.mark.parametrize("tool", ["trackio", "wandb"])
def test_trackers_are_kept_from_the_network(tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []
    logged: list[Any] = []
    module = ModuleType(tool)
    run = SimpleNamespace(log=recorded(logged), finish=lambda: logged.append("finished"))

    def begin(**options: Any) -> Any:
        import os

        begun.append(options | {"environment": dict(os.environ)})
        return run

    for name, value in {"init": begin, "log": run.log, "finish": run.finish}.items():
        monkeypatch.setattr(module, name, value, raising=False)
    monkeypatch.setitem(sys.modules, tool, module)
    monkeypatch.setattr("os.environ", {})
    export_run(a_run(seed=7), tool, tmp_path)
    (options,) = begun
    assert options["config"]["seed"] == 7
    if tool == "wandb":
        assert (options["mode"], options["environment"]["WANDB_MODE"]) == ("offline", "offline")
    else:
        assert options["environment"]["TRACKIO_DIR"] == str(tmp_path)
        assert options["environment"]["HF_HUB_OFFLINE"] == "1"
    assert [each[1]["step"] for each in logged[:-1]] == [0, 1, 2] and logged[-1] == "finished"


@pytest.mark.parametrize("tool", [name for name in EXPORTERS if name != "csv"])
def test_a_missing_package_is_named_with_what_to_do(tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (tool, f"{tool}.summary"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExportRefused, match=f"pip install {tool}"):
        export_run(a_run(), tool, tmp_path)


def test_csv_needs_no_package_and_an_empty_run_or_a_bad_folder_is_refused(tmp_path: Path) -> None:
    said = export_run(a_run(), "csv", tmp_path / "new")
    assert (tmp_path / "new" / "mine-cccccccc.csv").read_bytes() == comparison_csv([a_run()])
    assert "mine-cccccccc.csv" in said
    with pytest.raises(ExportRefused, match="nothing to export"):
        export_run(a_run(events=[]), "csv", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ExportRefused, match="cannot be written"):
        export_run(a_run(), "csv", tmp_path / "file")


def test_a_run_has_its_job_in_its_name() -> None:
    assert a_run().name == "mine (cccccc)"
    assert replace(a_run(""), metrics={}).name == "unnamed (cccccc)"
    assert json.dumps([point.step for point in a_run().metrics["held_out_loss"]]) == "[0]"
