"""A batch of questions as shown beside the form."""

from typing import Any

from m1app.runs.batch_progress import BatchItem, BatchProgress, ItemState
from m1app.wording import counted, state_label, verdict_label, verdict_of
from storage.traces.records import TraceState


def batch_value(batch: BatchProgress, *, is_new: bool = False) -> dict[str, Any]:
    """Progress, and a row for each question; `is_new` brings it into view."""
    done = batch.count(ItemState.ENDED) + batch.count(ItemState.NOT_ASKED)
    return {
        "id": batch.id,
        "summary": _summary(batch),
        "share": done / len(batch.items),
        "rows": [_row(item) for item in batch.items],
        "is_over": batch.is_over,
        "left": batch.left,
        "is_new": is_new,
    }


def _summary(batch: BatchProgress) -> str:
    """As in "3 questions: 1 done, 1 running, 1 waiting"; once it is over, how many were right."""
    cut_off = sum(item.trace_state is TraceState.INTERRUPTED for item in batch.items) if batch.left else 0
    counts = {
        "done": batch.count(ItemState.ENDED) - cut_off,
        "running": batch.count(ItemState.RUNNING),
        "interrupted": cut_off,
        "waiting": batch.count(ItemState.WAITING),
        "not asked": batch.count(ItemState.NOT_ASKED),
    }
    said = [f"{count} {name}" for name, count in counts.items() if count]
    scored = [item.is_correct for item in batch.items if item.is_correct is not None]
    if batch.is_over and scored:
        said.append(f"{sum(scored)} of {len(scored)} scored ones right")
    ended = ". The app stopped before all were asked." if batch.left else ""
    return f"{counted(len(batch.items), 'question')}: {', '.join(said)}{ended}"


def _row(item: BatchItem) -> dict[str, Any]:
    return {
        "question": item.question,
        "label": _label(item),
        "verdict": verdict_of(item.answer_letter, item.is_correct, has_options=item.is_correct is not None).value,
        "trace": item.trace_id,
    }


def _label(item: BatchItem) -> str:
    if item.trace_state is None:
        return f"{item.state.value}: {item.problem}" if item.problem else item.state.value
    if item.trace_state is not TraceState.COMPLETED:
        return state_label(item.trace_state)
    return verdict_label(item.answer_letter, item.is_correct, item.target, has_options=item.has_options)
