"""progress.jsonl: events of the training process, one JSON object per line, and their interpretation.

Every event has `event`, `time` (seconds since 1970) and `step` (optimizer steps done). In addition:

    started, resumed   steps (all), samples, evaluation_samples, too_long (samples left out), parameters, trainable
    log                loss, learning_rate, gradient_norm, epoch, tokens (so far), samples_per_second,
                       tokens_per_second, seconds_left; of preference pairs also reward_margin and pair_accuracy; of
                       answers that the model writes (GRPO) reward, completion_tokens, cut_share
    evaluated          eval_loss; step 0 is the base model; the same of pairs and of answers
    sample             prompt, text (what the model wrote), tokens
    checkpoint         folder
    accuracy           set, correct, n, value, low, high (95% Wilson interval), tokens, seconds: of a checkpoint, or of
                       the base model at step 0; written by the app while the training goes on
    unmeasured         message: this checkpoint's accuracy could not be measured, and is not measured again
    stopping_early     message
    trained            message: all steps are done; which checkpoint becomes the model depends on accuracies to come
    stopped            message; it can be resumed
    failed             message, is_final (whether a resume would fail likewise)
    exporting          message
    finished           seconds, peak_memory_bytes, first_loss, last_loss, eval_loss_before, eval_loss_after
    note               message; nothing ends

A NaN loss is null. The reward of a response is beta times the gain of its log-probability over the base model's; the
margin of a pair is the better response's minus the other's, and a pair is accurate if that is above 0. GRPO's reward is
the share of right answers; cut_share that of answers that `completion_tokens` has cut.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]
ENDINGS = frozenset({"stopped", "failed", "finished", "trained"})
_OF_THE_APP = frozenset({"accuracy", "unmeasured"})


class EventWriter:
    """Appends events; each is a single write, so that readers never see two interleaved."""

    def __init__(self, path: Path, *, is_silent: bool = False) -> None:
        """A silent writer writes nothing: of several training processes only the first writes."""
        self._path = path
        self._is_silent = is_silent
        self._has_failed = False
        if not is_silent and path.is_file() and not path.read_bytes().endswith(b"\n"):
            with path.open("a", encoding="utf-8") as file:  # The previous process was killed in the middle of a line.
                file.write("\n")

    def write(self, event: str, step: int, **values: Any) -> None:
        """Append one event with the time; raises OSError if it cannot be written."""
        if self._is_silent:
            return
        line = json.dumps({"event": event, "time": time.time(), "step": step, **values}, ensure_ascii=False)
        # After a failure, half a line may have been written.
        lead, self._has_failed = "\n" if self._has_failed else "", True
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{lead}{line}\n")
        self._has_failed = False


def read_events(path: Path) -> tuple[dict[str, Any], ...]:
    """Return all valid events, in order; empty if there is no file yet.

    A killed training resumes from its last checkpoint: earlier events for later steps are dropped, so that every step
    appears once.
    """
    events: list[dict[str, Any]] = []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")  # texts may contain U+2028 and others
    except FileNotFoundError:
        return ()
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:  # Half a line: its writer was killed, or is still writing.
            continue
        if not isinstance(event, dict) or "event" not in event:
            continue
        if event["event"] == "started":  # Restarted from the base model: killed before the first checkpoint, if at all.
            events = [each for each in events if each["event"] in _OF_THE_APP and each["step"] == 0]
        if event["event"] == "resumed":
            events = [each for each in events if each["step"] <= event["step"] and each["event"] not in ENDINGS]
        events.append(event)
    return tuple(events)


def last_ending(events: Sequence[Event]) -> Event | None:
    """The event that ended the training; None while it runs or if it was killed."""
    return next((each for each in reversed(events) if each["event"] in ENDINGS), None)


def should_stop_early(eval_losses: Sequence[float], patience: int) -> bool:
    """Whether none of the last `patience` evaluations improved on the best one before them; never for 0."""
    if not patience or len(eval_losses) <= patience:
        return False
    return min(eval_losses[-patience:]) >= min(eval_losses[:-patience])


def evaluation_losses(log_history: Iterable[Mapping[str, Any]]) -> list[float]:
    """Evaluation losses in the trainer's log, without the base model's."""
    return [float(log["eval_loss"]) for log in log_history if "eval_loss" in log and log["step"] > 0]


def decided_steps(events: Iterable[Event]) -> frozenset[int]:
    """Steps whose accuracy was measured, or could not be."""
    return frozenset(int(each["step"]) for each in events if each["event"] in _OF_THE_APP)


def best_accuracy(events: Iterable[Event]) -> Event | None:
    """The event of the checkpoint with the highest accuracy, the earliest of several; the base model is none.

    None if no checkpoint was measured.
    """
    measured = [each for each in events if each["event"] == "accuracy" and each["step"] > 0]
    return max(measured, key=lambda each: (each["value"], -each["step"]), default=None)


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """Figures of a training so far; None if not available yet."""

    steps: int
    steps_planned: int
    first_loss: float | None
    last_loss: float | None
    """Mean over the last tenth of the steps, because single steps are noisy."""
    eval_loss_before: float | None
    """Loss of the base model."""
    eval_loss_after: float | None
    tokens_per_second: float | None
    seconds_left: float | None
    reward_margin: float | None = None
    """Of preference pairs, held-out ones if there are any, at the last step that measured it."""
    pair_accuracy: float | None = None
    first_reward: float | None = None
    """Share of right answers in GRPO at the first step, and its mean over the last tenth of the steps."""
    last_reward: float | None = None


def summarise(events: Iterable[Event]) -> TrainingSummary:
    """Summarise these events."""
    events = tuple(events)
    logs = [each for each in events if each["event"] == "log"]
    evaluated = (each.get("eval_loss") for each in events if each["event"] == "evaluated")
    evaluations = [float(loss) for loss in evaluated if loss is not None]
    losses = [float(each["loss"]) for each in logs if each.get("loss") is not None]
    tail = losses[-max(1, len(losses) // 10) :]
    starts = [each for each in events if each["event"] in ("started", "resumed")]
    last = logs[-1] if logs else {}
    return TrainingSummary(
        steps=max((int(each["step"]) for each in events), default=0),
        steps_planned=int(starts[-1]["steps"]) if starts else 0,
        first_loss=losses[0] if losses else None,
        last_loss=sum(tail) / len(tail) if tail else None,
        eval_loss_before=evaluations[0] if evaluations else None,
        eval_loss_after=evaluations[-1] if len(evaluations) > 1 else None,
        tokens_per_second=last.get("tokens_per_second"),
        seconds_left=last.get("seconds_left"),
        **_preferences(events),
        **_rewards(logs),
    )


def _rewards(logs: Sequence[Event]) -> dict[str, float | None]:
    rewards = [float(each["reward"]) for each in logs if each.get("reward") is not None]
    tail = rewards[-max(1, len(rewards) // 10) :]
    return {"first_reward": rewards[0] if rewards else None, "last_reward": sum(tail) / len(tail) if tail else None}


def _preferences(events: Sequence[Event]) -> dict[str, float | None]:
    measured = [each for each in events if each.get("reward_margin") is not None]
    held_out = [each for each in measured if each["event"] == "evaluated"]
    last = (held_out or measured or [{}])[-1]
    return {name: last.get(name) for name in ("reward_margin", "pair_accuracy")}
