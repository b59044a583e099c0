"""The History list of the Compare page."""

from collections.abc import Sequence
from typing import Any

from m1app.runs.naming import may_change
from m1app.runs.sweeps import RunningSweep
from m1app.wording import state_label
from storage.sweeps.repository import SweepSummary


def history_value(
    sweeps: Sequence[SweepSummary], is_filtered: bool, running: Sequence[RunningSweep] = ()
) -> dict[str, Any]:
    """Sweeps as shown in the list, below those that run."""
    nothing = (
        "No sweep matches. Clear the search." if is_filtered else "No sweeps yet. Every sweep you run is kept here."
    )
    return {
        "running": [_running_row(each) for each in running],
        "rows": [_history_row(item) for item in sweeps],
        "empty": "" if sweeps or running else nothing,
    }


def _running_row(item: RunningSweep) -> dict[str, Any]:
    share = item.cells_answered / item.sweep.cells if item.sweep.cells else 0.0
    state = f"{state_label(item.sweep.state)}, {item.cells_answered:,} of {item.sweep.cells:,} cells"
    return _history_row(item.sweep) | {"share": share, "state": state}


def _history_row(item: SweepSummary) -> dict[str, Any]:
    return {
        "id": item.id,
        "begun": item.created_at.isoformat(),
        "stem": item.stem,
        "name": item.name,
        "tags": list(item.tags),
        "models": ", ".join(item.models),
        "budgets": " ".join(f"{budget:,}" for budget in item.budgets),
        "rounds": " ".join(map(str, item.force_rounds)),
        "passes": item.passes,
        "tokens": item.tokens_generated,
        "state": state_label(item.state),
        "share": None,
        "may_change": may_change(item.asked_by),
    }
