"""The History list of the Strategies page."""

from collections.abc import Sequence
from typing import Any

from m1app.runs.naming import may_change
from m1app.runs.strategy_export import strategy_title
from m1app.wording import state_label
from storage.strategies.records import StrategyRunSummary
from storage.traces.records import TraceState

_SIGNS = {True: " ✓", False: " ✗", None: ""}


def history_value(
    runs: Sequence[StrategyRunSummary], is_filtered: bool, running: Sequence[StrategyRunSummary] = ()
) -> dict[str, Any]:
    """Runs as shown in the list, below those that go on."""
    nothing = "No run matches. Clear the search." if is_filtered else "No runs yet. Every run is kept here."
    return {
        "running": [_row(each) for each in running],
        "rows": [_row(each) for each in runs],
        "empty": "" if runs or running else nothing,
    }


def _names(choices: Sequence[str]) -> list[str]:
    """Titles of strategies, without options where no other strategy of the run has the same title."""
    whole = [strategy_title(each) for each in choices]
    short = [each.partition(" (")[0] for each in whole]
    return [name if short.count(name) == 1 else each for name, each in zip(short, whole, strict=True)]


def _row(run: StrategyRunSummary) -> dict[str, Any]:
    is_running = run.state is TraceState.RUNNING
    most = run.budget_tokens * max(1, len(run.choices))
    return {
        "id": run.id,
        "name": "",
        "tags": [],
        "begun": run.created_at.isoformat(),
        "stem": run.stem,
        "strategies": ", ".join(_names(run.choices)),
        "answers": "  ".join(
            f"{letter or '–'}{_SIGNS[verdict]}" for letter, verdict in zip(run.letters, run.verdicts, strict=True)
        ),
        "target": run.target or "",
        "model": run.model,
        "budget": run.budget_tokens,
        "tokens": run.generated,
        "state": state_label(run.state),
        "share": min(1.0, run.generated / most) if is_running else None,
        "may_change": may_change(run.asked_by),
    }
