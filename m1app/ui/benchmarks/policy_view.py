"""Policies of the Benchmarks page: what is asked for, and what is made as dictionaries. Pure."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from m1app.benchmark.policy_making import DEFAULT_BINS, MadePolicy, PolicyRequest
from m1app.benchmark.policy_table import bins_table, comparison_table, gain_sentence, policy_notes
from m1app.ui.benchmarks.fits_view import pass_choice_of
from m1app.ui.benchmarks.query import BadAddress


def policy_request_of(run_id: str, values: Mapping[str, Any]) -> PolicyRequest:
    """What a policy is to be made from; raises BadAddress."""
    return PolicyRequest(
        passes=pass_choice_of(run_id, values),
        budget_tokens=_whole(values.get("budget"), "tokens"),
        bins=_whole(values.get("bins") or DEFAULT_BINS, "bins"),
    )


def _whole(value: Any, unit: str) -> int:
    try:
        found = int(str(value))
    except ValueError:
        found = 0
    if not 1 <= found <= 1_000_000:
        raise BadAddress(
            f"“{str(value or '')[:40]}” is not a number of {unit}. Enter a whole number from 1 to 1,000,000."
        )
    return found


def policy_value(made: MadePolicy) -> dict[str, Any]:
    """The comparison, the bins, and what a reader must know of them."""
    return {
        "verdict": gain_sentence(made),
        "comparison": asdict(comparison_table(made)),
        "bins": asdict(bins_table(made.policy)),
        "note": " ".join(policy_notes(made)),
    }
