"""Fine-tuning jobs on the Admin page: losses so far, sample output, and the finished model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from m1app.training.events import Event, summarise
from m1app.training.folder import TrainingRun
from m1app.training.served_model import find_served
from storage.jobs.records import Job

MOST_POINTS = 400
"""Maximum points of the training loss; more cannot be distinguished on screen."""
_SHOWN_SAMPLES = 20
_SHOWN_CHARACTERS = 4000


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
        served: names from `EngineService.models`, as `find_served` takes them.
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
    found = find_served(run, place, str(job.recipe.get("base", "")), served)
    return {
        "model": run.model_id,
        "base": run.base_id,
        "ask": found.model,
        "models": [name for name in (found.base, found.model) if name] if found.model else [],
        "can_compare": bool(found.model and found.base),
        "how": found.how,
    }
