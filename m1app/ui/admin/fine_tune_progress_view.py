"""Fine-tuning jobs on the Admin page: losses so far, sample output, and the finished model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from m1app.training.events import Event, summarise
from m1app.training.folder import TrainingRun
from m1app.training.tuned_models import VLLM_SUFFIX
from storage.jobs.records import Job

MOST_POINTS = 400
"""Maximum points of the training loss; more cannot be distinguished on screen."""
_SHOWN_SAMPLES = 20
_SHOWN_CHARACTERS = 4000
_AT = " @ "
"""Separates a model's name from the address of its additional server: see `EngineService.models`."""


def training_value(
    job: Job,
    events: Sequence[Event],
    result: tuple[TrainingRun, Path] | None,
    served: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the progress of a fine-tuning for display.

    Args:
        job: the job.
        events: events of its training, see `m1app.training.events`.
        result: what was decided, and the new model's folder; None before it is finished.
        served: names from `EngineService.models`, empty if the engine does not respond; None if not queried: then the
            embedded engine's names are used.
    """
    logs = _thinned([each for each in events if each["event"] == "log"])
    evaluated = [each for each in events if each["event"] == "evaluated"]
    return {
        "train": [[each["step"], each["loss"]] for each in logs],
        "rate": [[each["step"], each["learning_rate"]] for each in logs],
        "evaluation": [[each["step"], each.get("eval_loss")] for each in evaluated],
        "said": training_said(events),
        "samples": _samples(events),
        "tuned": _tuned(job, *result, served) if result else None,
    }


def training_said(events: Sequence[Event]) -> str:
    """Summary of the losses in one line, for users who cannot see the chart."""
    summary = summarise(events)
    if not summary.steps_planned:
        return "No steps yet. The log shows the preparations."
    parts = [f"step {summary.steps:,} of {summary.steps_planned:,}"]
    if summary.last_loss is not None:
        parts.append(f"training loss {_change(summary.first_loss, summary.last_loss)}")
    if summary.eval_loss_before is not None:
        parts.append(f"held-out loss {_change(summary.eval_loss_before, summary.eval_loss_after)}")
    if summary.tokens_per_second:
        parts.append(f"{summary.tokens_per_second:,.0f} tokens/s")
    return " · ".join(parts)


def _change(first: float | None, last: float | None) -> str:
    if first is None or last is None:
        return f"{last if first is None else first:.3f}"
    return f"{first:.3f} → {last:.3f}"


def _thinned(logs: Sequence[Event]) -> list[Mapping[str, Any]]:
    """Reduce to at most MOST_POINTS: each group has the last step and rate, and the mean loss."""
    size = -(-len(logs) // MOST_POINTS) or 1
    groups = [logs[start : start + size] for start in range(0, len(logs), size)]
    return [
        {"step": group[-1]["step"], "loss": _mean(group), "learning_rate": group[-1].get("learning_rate")}
        for group in groups
    ]


def _mean(group: Sequence[Event]) -> float | None:
    """None if every loss in the group is NaN."""
    losses = [float(each["loss"]) for each in group if each.get("loss") is not None]
    return round(sum(losses) / len(losses), 5) if losses else None


def _samples(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Sample outputs of the model, newest first."""
    found = [each for each in events if each["event"] == "sample"][-_SHOWN_SAMPLES:]
    return [{"step": each["step"], "text": str(each.get("text", ""))[:_SHOWN_CHARACTERS]} for each in found[::-1]]


def _tuned(job: Job, run: TrainingRun, place: Path, served: Sequence[str] | None) -> dict[str, Any]:
    has_gguf = (place / f"{run.model_id}.gguf").is_file()
    bases = [run.base_location]
    # A base given by path is not in the catalog, and cannot be asked by name.
    if str(job.recipe.get("base", "")).strip().lower() == run.base_id.lower():
        bases.insert(0, run.base_id)
    if served is None:
        served = (run.base_id, run.model_id)
    model, base = _pair(
        _served_as((run.model_id, run.model_id + VLLM_SUFFIX, str(place / "model")), served), _served_as(bases, served)
    )
    return {
        "model": run.model_id,
        "base": run.base_id,
        "ask": model,
        "models": [name for name in (base, model) if name] if model else [],
        "can_compare": bool(model and base),
        "how": _how(run, model, base, has_gguf=has_gguf),
    }


def _served_as(wanted: Sequence[str], served: Sequence[str]) -> list[str]:
    """Names under which a model is available: its own, or with the address of an additional server appended."""
    return [name for each in wanted for name in served if name == each or name.startswith(each + _AT)]


def _pair(models: Sequence[str], bases: Sequence[str]) -> tuple[str, str]:
    """The tuned model and its base, preferably on the same server; empty if not served."""
    pairs = [(model, base) for model in models or [""] for base in bases or [""]]
    return next((pair for pair in pairs if pair[0].partition(_AT)[2] == pair[1].partition(_AT)[2]), pairs[0])


def _how(run: TrainingRun, model: str, base: str, *, has_gguf: bool) -> str:
    """Instructions for making both available."""
    by_vllm = run.model_id + VLLM_SUFFIX if has_gguf else run.model_id
    start = f"M1_ENGINE=vllm M1_MODEL={by_vllm} sh scripts/run.sh"
    if not model and has_gguf:
        return (
            f"This app does not serve it yet. Start the app with M1_ENGINE=embedded M1_MODEL={run.model_id}, or "
            f"with vLLM: {start}"
        )
    if not model:
        return f"It needs vLLM, and this app does not serve it yet. To serve it: {start}"
    if not base:
        return f"Its base {run.base_id} is not being served, so the two cannot be compared yet. {_how_base(run)}"
    return "A model that is not loaded yet loads when it is first asked."


def _how_base(run: TrainingRun) -> str:
    if run.base_kind == "gguf":
        return (
            "Start the app with M1_ENGINE=embedded; a base model given as a path must be added to "
            "M1_HOME/catalog.toml first."
        )
    return f"Serve it with: vllm serve {run.base_location}, and add that server to M1_MORE_ENGINE_URLS."
