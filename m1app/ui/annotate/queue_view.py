"""The queue of the Annotate page: filters and rows."""

from collections.abc import Mapping
from typing import Any

from m1app.wording import verdict_label, verdict_of
from storage.annotations.records import CaseFilter, CasePage, CaseSummary

_VERDICTS = {"right": True, "wrong": False}


def case_filter(values: Mapping[str, Any], annotator: str) -> CaseFilter:
    """Build the filter from the page's fields; empty or invalid ones do not filter.

    Args:
        values: verdict, model, label, severity, by, words, flipped, disputed, todo, run, budget, rounds; all optional.
        annotator: the requesting annotator.
    """

    def text(name: str) -> str:
        return str(values.get(name) or "").strip()

    verdict = text("verdict")
    return CaseFilter(
        is_correct=_VERDICTS.get(verdict),
        is_unscored=verdict == "unscored",
        is_flipped=bool(text("flipped")),
        is_disputed=bool(text("disputed")),
        model=text("model"),
        sweep_id=text("run"),
        label=text("label"),
        severity=text("severity"),
        annotator=text("by"),
        not_assessed_by=annotator if text("todo") else "",
        thinking_budget_tokens=_number(text("budget")),
        force_rounds=_number(text("rounds")),
        text=text("words"),
    )


def queue_value(page: CasePage, is_filtered: bool) -> dict[str, Any]:
    """One page of the queue."""
    nothing = "No case matches. Clear the filters." if is_filtered else "No cases yet."
    return {
        "rows": [_row(item) for item in page.items],
        "total": page.total,
        "submitted": page.submitted,
        "next_cursor": page.next_cursor,
        "empty": "" if page.items else nothing,
    }


def _row(item: CaseSummary) -> dict[str, Any]:
    # Summaries do not include options, but a case with a target has some.
    verdict = verdict_of(item.letter, item.is_correct, item.target is not None)
    return {
        "id": item.id,
        "stem": item.stem or "(no text)",
        "model": item.model,
        "budget": item.thinking_budget_tokens,
        "rounds": item.force_rounds,
        "verdict": verdict,
        "verdict_label": verdict_label(item.letter, item.is_correct, item.target, item.target is not None),
        "mine": {None: "", False: "Started", True: "✓ Done"}[item.is_submitted],
        "assessed_by": item.assessed_by,
    }


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
