"""What the Admin page shows of a fine-tuning job: its losses so far, what the model wrote, and the finished model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from m1app.training.training_events import Event, summarise
from m1app.training.training_folder import TrainingRun
from storage.job_records import Job

MOST_POINTS = 400
"""Of the training loss; more cannot be told apart on the screen."""
_SHOWN_SAMPLES = 20
_SHOWN_CHARACTERS = 4000


def training_value(job: Job, events: Sequence[Event], result: tuple[TrainingRun, Path] | None) -> dict[str, Any]:
    """A fine-tuning to watch.

    Args:
        job: the job.
        events: of its training, see `m1app.training.training_events`.
        result: what it settled on and where the new model lies; None before it is finished.
    """
    logs = _thinned([each for each in events if each["event"] == "log"])
    evaluated = [each for each in events if each["event"] == "evaluated"]
    return {
        "train": [[each["step"], each["loss"]] for each in logs],
        "rate": [[each["step"], each["learning_rate"]] for each in logs],
        "evaluation": [[each["step"], each.get("eval_loss")] for each in evaluated],
        "said": training_said(events),
        "samples": _samples(events),
        "tuned": _tuned(job, result[0]) if result else None,
    }


def training_said(events: Sequence[Event]) -> str:
    """How the losses went, in a line; the chart is for those who see it."""
    summary = summarise(events)
    if not summary.steps_planned:
        return "No step yet: what is being prepared stands in the log."
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
    """At most MOST_POINTS: of so many steps in a row the last one's step and rate, and the mean of their losses."""
    size = -(-len(logs) // MOST_POINTS) or 1
    groups = [logs[start : start + size] for start in range(0, len(logs), size)]
    return [
        {"step": group[-1]["step"], "loss": _mean(group), "learning_rate": group[-1].get("learning_rate")}
        for group in groups
    ]


def _mean(group: Sequence[Event]) -> float | None:
    """None when no loss of the group was a number."""
    losses = [float(each["loss"]) for each in group if each.get("loss") is not None]
    return round(sum(losses) / len(losses), 5) if losses else None


def _samples(events: Sequence[Event]) -> list[dict[str, Any]]:
    """What the model wrote, newest first."""
    found = [each for each in events if each["event"] == "sample"][-_SHOWN_SAMPLES:]
    return [{"step": each["step"], "text": str(each.get("text", ""))[:_SHOWN_CHARACTERS]} for each in found[::-1]]


def _tuned(job: Job, run: TrainingRun) -> dict[str, Any]:
    # A base that the recipe names by its path is no model of the catalog, and cannot be asked by a name.
    is_base_known = str(job.recipe.get("base", "")).strip().lower() == run.base_id.lower()
    return {
        "model": run.model_id,
        "base": run.base_id,
        "models": [run.base_id, run.model_id] if is_base_known else [run.model_id],
        "can_compare": is_base_known,
    }
