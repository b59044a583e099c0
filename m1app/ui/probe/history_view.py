"""The History list: search, filters, rows that open a trace."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from m1app.runs.naming import may_change
from m1app.ui.shell.run_history import ORDER_CHOICES as ORDERS_OF_RUNS
from m1app.wording import state_label, verdict_label, verdict_of
from storage.traces.listing import Page, RunOrder, TraceFilter, TraceSummary
from storage.traces.records import TraceState

ORDER_CHOICES = [*ORDERS_OF_RUNS, ("Verdict", RunOrder.VERDICT.value)]
STATE_CHOICES = [("Any state", ""), *((state_label(state), state.value) for state in TraceState)]
VERDICT_CHOICES = [("Any verdict", ""), ("Right", "right"), ("Wrong", "wrong"), ("Not scored", "unscored")]


def trace_filter(text: str, state: str, verdict: str, model: str) -> TraceFilter:
    """Build the filter from the controls; empty strings do not filter. What runs is listed on its own, on top."""
    return TraceFilter(
        is_running=False,
        text=text or "",
        state=TraceState(state) if state else None,
        model=model or None,
        is_correct={"right": True, "wrong": False}.get(verdict),
        is_scored=False if verdict == "unscored" else None,
    )


def running_filter(wanted: TraceFilter) -> TraceFilter | None:
    """The filter for what runs now; None if nothing that runs can match."""
    can_match = wanted.state in (None, TraceState.RUNNING) and wanted.is_correct is None and wanted.is_scored is None
    return replace(wanted, is_running=True) if can_match else None


def history_value(page: Page, is_filtered: bool, running: Sequence[TraceSummary] = ()) -> dict[str, Any]:
    """One page of traces as shown in the list, below those that run."""
    nothing = (
        "No trace matches. Clear the search or the filters."
        if is_filtered
        else ("No traces yet. Every question you run is kept here, even after you close the page.")
    )
    return {
        "running": [_row(item) for item in running],
        "rows": [_row(item) for item in page.items],
        "empty": "" if page.items or running else nothing,
    }


def _row(item: TraceSummary) -> dict[str, Any]:
    is_running = item.state is TraceState.RUNNING
    return {
        "id": item.id,
        "begun": item.created_at.isoformat(),
        "stem": item.stem,
        "name": item.name,
        "tags": list(item.tags),
        "model": item.model,
        "budget": item.thinking_budget_tokens,
        "rounds": item.force_rounds,
        "thinking_tokens": item.thinking_tokens,
        "verdict": verdict_of(item.answer_letter, item.is_correct, has_options=item.is_correct is not None),
        "verdict_label": _verdict_label(item),
        "state_label": f"{state_label(item.state)}, branch" if item.is_branch else state_label(item.state),
        "share": min(1.0, item.thinking_tokens / item.thinking_budget_tokens) if is_running else None,
        "may_change": may_change(item.asked_by),
    }


def _verdict_label(item: TraceSummary) -> str:
    if item.is_correct is None and item.answer_letter is None:
        return "–"  # It may still be running.
    return verdict_label(item.answer_letter, item.is_correct, item.target)
