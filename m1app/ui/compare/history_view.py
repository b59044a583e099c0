"""The History list of the Compare page."""

from collections.abc import Sequence
from typing import Any

from m1app.wording import state_label
from storage.sweeps.repository import SweepSummary


def history_value(sweeps: Sequence[SweepSummary], is_filtered: bool) -> dict[str, Any]:
    """Sweeps as shown in the list."""
    nothing = (
        "No sweep matches. Clear the search." if is_filtered else "No sweeps yet. Every sweep you run is kept here."
    )
    return {"rows": [_history_row(item) for item in sweeps], "empty": "" if sweeps else nothing}


def _history_row(item: SweepSummary) -> dict[str, Any]:
    return {
        "id": item.id,
        "begun": item.created_at.isoformat(),
        "stem": item.stem,
        "models": ", ".join(item.models),
        "budgets": " ".join(f"{budget:,}" for budget in item.budgets),
        "rounds": " ".join(map(str, item.force_rounds)),
        "passes": item.passes,
        "tokens": item.tokens_generated,
        "state": state_label(item.state),
    }
