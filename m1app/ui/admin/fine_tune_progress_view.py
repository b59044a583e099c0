"""Fine-tuning jobs on the Admin page: losses so far, sample output, and the finished model."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from m1app.benchmark.descriptions import accuracy_words, caution
from m1app.benchmark.intervals import Proportion
from m1app.training.events import Event, summarise
from m1app.training.folder import TrainingRun
from m1app.training.served_model import find_served
from m1app.wording import counted, percent
from storage.jobs.records import Job

MOST_POINTS = 400
"""Maximum points of the training loss; more cannot be distinguished on screen."""
_AVERAGED = ("loss", "reward_margin", "pair_accuracy", "reward")
_SHOWN_SAMPLES = 20
_SHOWN_CHARACTERS = 4000
_CARD_CHARACTERS = 50_000


def training_value(
    job: Job,
    events: Sequence[Event],
    result: tuple[TrainingRun, Path] | None,
    served: Sequence[str] | None = None,
    profile_of: Callable[[str], str] = lambda _: "",
) -> dict[str, Any]:
    """Return the progress of a fine-tuning for display.

    Args:
        job: the job.
        events: events of its training, see `m1app.training.events`.
        result: what was decided, and the new model's folder; None before it is finished.
        served: names from `EngineService.models`, as `find_served` takes them.
        profile_of: the id of a served model's own profile.
    """
    logs = _thinned([each for each in events if each["event"] == "log"])
    evaluated = [each for each in events if each["event"] == "evaluated"]
    return {
        "train": [[each["step"], each["loss"]] for each in logs],
        "rate": [[each["step"], each["learning_rate"]] for each in logs],
        "evaluation": [[each["step"], each.get("eval_loss")] for each in evaluated],
        "accuracy": accuracy_points(events),
        "preferences": _preferences(logs, evaluated),
        "rewards": _rewards(logs, evaluated),
        "said": training_said(events),
        "samples": _samples(events),
        "tuned": _tuned(job, *result, served, profile_of) if result else None,
    }


def _preferences(logs: Sequence[Event], evaluated: Sequence[Event]) -> dict[str, list[list[Any]]] | None:
    """Margin and accuracy of preference pairs by step, trained on and held out; None for other objectives."""
    if not any(each.get("reward_margin") is not None for each in (*logs, *evaluated)):
        return None
    return {
        name + suffix: [[each["step"], each.get(field)] for each in events]
        for name, field in (("margin", "reward_margin"), ("accuracy", "pair_accuracy"))
        for suffix, events in (("", logs), ("_held_out", evaluated))
    }


def _rewards(logs: Sequence[Event], evaluated: Sequence[Event]) -> dict[str, list[list[Any]]] | None:
    """Share of right answers by step, to questions trained on and held out; None for other objectives."""
    if not any(each.get("reward") is not None for each in (*logs, *evaluated)):
        return None
    return {
        name: [[each["step"], each.get("reward")] for each in events]
        for name, events in (("right", logs), ("right_held_out", evaluated))
    }


def training_said(events: Sequence[Event]) -> str:
    """Summary of the losses in one line, for users who cannot see the chart."""
    summary = summarise(events)
    if not summary.steps_planned:
        return "No steps yet. The log shows the preparation."
    parts = [f"step {summary.steps:,} of {summary.steps_planned:,}"]
    if summary.last_loss is not None:
        parts.append(f"training loss {_change(summary.first_loss, summary.last_loss)}")
    if summary.eval_loss_before is not None:
        parts.append(f"held-out loss {_change(summary.eval_loss_before, summary.eval_loss_after)}")
    if summary.reward_margin is not None and summary.pair_accuracy is not None:
        parts.append(f"margin {summary.reward_margin:+.3f}, {percent(summary.pair_accuracy, 0)} of pairs right")
    if summary.first_reward is not None and summary.last_reward is not None:
        parts.append(f"right answers {percent(summary.first_reward, 0)} → {percent(summary.last_reward, 0)}")
    if summary.tokens_per_second:
        parts.append(f"{summary.tokens_per_second:,.0f} tokens/s")
    if asked := accuracy_points(events):
        parts.append(_accuracy_said(asked))
    if unmeasured := sum(each["event"] == "unmeasured" for each in events):
        parts.append(f"{counted(unmeasured, 'checkpoint')} could not be asked; see the log")
    return " · ".join(parts)


def accuracy_points(events: Sequence[Event]) -> list[list[float]]:
    """Step, accuracy, its limits and n of every measured checkpoint, by step; step 0 is the base model."""
    measured = sorted((each for each in events if each["event"] == "accuracy"), key=lambda each: int(each["step"]))
    return [[each["step"], each["value"], each["low"], each["high"], each["n"]] for each in measured]


def _accuracy_said(points: Sequence[Sequence[float]]) -> str:
    """The first and the last accuracy, the latter with its interval."""
    _, value, low, high, n = points[-1]
    before = f"{percent(points[0][1])} → " if len(points) > 1 else ""
    careful = f" {caution(int(n))}" if caution(int(n)) else ""
    return f"accuracy {before}{accuracy_words(Proportion(value, low, high, int(n)))}.{careful}"


def _change(first: float | None, last: float | None) -> str:
    if first is None or last is None:
        return f"{last if first is None else first:.3f}"
    return f"{first:.3f} → {last:.3f}"


def _thinned(logs: Sequence[Event]) -> list[Mapping[str, Any]]:
    """Reduce to at most MOST_POINTS: each group has the last step and rate, and the mean of the rest."""
    size = -(-len(logs) // MOST_POINTS) or 1
    groups = [logs[start : start + size] for start in range(0, len(logs), size)]
    return [
        {"step": group[-1]["step"], "learning_rate": group[-1].get("learning_rate")}
        | {name: _mean(group, name) for name in _AVERAGED}
        for group in groups
    ]


def _mean(group: Sequence[Event], name: str) -> float | None:
    """None if every value in the group is NaN, or none has one."""
    values = [float(each[name]) for each in group if each.get(name) is not None]
    return round(sum(values) / len(values), 5) if values else None


def _samples(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Sample outputs of the model, newest first."""
    found = [each for each in events if each["event"] == "sample"][-_SHOWN_SAMPLES:]
    return [{"step": each["step"], "text": str(each.get("text", ""))[:_SHOWN_CHARACTERS]} for each in found[::-1]]


def _tuned(
    job: Job, run: TrainingRun, place: Path, served: Sequence[str] | None, profile_of: Callable[[str], str]
) -> dict[str, Any]:
    found = find_served(run, place, str(job.recipe.get("base", "")), served)
    models = found.compared(profile_of(found.base) if found.base else "")
    return {
        "model": run.model_id,
        "base": run.base_id,
        "ask": found.model,
        "models": list(models),
        "alike": _alike_words(models),
        "card": _card(place),
        "can_compare": bool(found.model and found.base),
        "how": found.how,
    }


def _card(place: Path) -> str:
    """The model's card in Markdown; empty if it is gone."""
    try:
        return (place / "card.md").read_text(encoding="utf-8", errors="replace")[:_CARD_CHARACTERS]
    except OSError:
        return ""


def _alike_words(models: Sequence[str]) -> str:
    """What a comparison of these models asks; empty if there is nothing to say."""
    if len(models) < 3:
        return ""
    return (
        f"This compares {models[0]} and {models[1]}, asked the same way, so that any difference comes from the "
        f"training; and {models[2]}, asked with its own profile."
    )
