"""The queue of the Annotate page: filters and rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from m1app.strategies.catalogue import parse
from m1app.strategies.errors import StrategyRefused
from m1app.wording import counted, verdict_label, verdict_of
from storage.annotations.records import CaseFilter, CaseGroup, CaseOrder, CasePage, CaseSummary

_VERDICTS = {"right": True, "wrong": False}


def case_filter(values: Mapping[str, Any], annotator: str) -> CaseFilter:
    """Build the filter from the page's fields; empty or invalid ones do not filter.

    Args:
        values: order, seed, verdict, model, label, severity, by, words, flipped, disputed, todo, run, budget, rounds;
            all optional.
        annotator: the requesting annotator.
    """

    def text(name: str) -> str:
        return str(values.get(name) or "").strip()

    verdict = text("verdict")
    return CaseFilter(
        order=_order(text("order")),
        seed=_number(text("seed")) or 0,
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
        "groups": [_group(group) for group in page.groups],
        "total": page.total,
        "submitted": page.submitted,
        "next_cursor": page.next_cursor,
        "empty": "" if page.groups else nothing,
    }


def cases_value(cases: Sequence[CaseSummary]) -> list[dict[str, Any]]:
    """The rows of an opened group."""
    return [_row(case) for case in cases]


def _group(group: CaseGroup) -> dict[str, Any]:
    """A row that opens, or the row of its only case."""
    return {
        "key": group.key,
        "stem": group.stem or "(no text)",
        "model": group.model if group.models == 1 else counted(group.models, "model"),
        "says": ", ".join(_contents(group)),
        "done": f"{group.submitted:,} of {group.cases:,}",
        "only": _row(group.only) if group.only else None,
    }


def _contents(group: CaseGroup) -> list[str]:
    is_sweep = group.key.startswith("s")
    passes = [counted(group.passes, "pass", "passes")] if is_sweep else []
    flips = [counted(group.flips, "flip")] if is_sweep else []
    return [counted(group.cases, "answer"), *passes, f"{group.wrong:,} wrong", *flips]


def _row(item: CaseSummary) -> dict[str, Any]:
    # Summaries do not include options, but a case with a target has some.
    verdict = verdict_of(item.letter, item.is_correct, item.target is not None)
    return {
        "id": item.id,
        "stem": item.stem or "(no text)",
        "model": item.model,
        "run": "" if item.sweep_id is None else str(item.pass_number + 1),
        "seed": "" if item.seed is None else str(item.seed),
        "budget": item.thinking_budget_tokens,
        "rounds": item.force_rounds,
        "verdict": verdict,
        "verdict_label": verdict_label(item.letter, item.is_correct, item.target, item.target is not None),
        "is_flip": item.is_flip,
        "mine": {None: "", False: "Started", True: "✓ Done"}[item.is_submitted],
        "assessed_by": item.assessed_by,
        "strategy": _title_of(item.strategy),
    }


def _title_of(strategy: str) -> str:
    """As pages call it; as it is written if this version does not know it."""
    try:
        return parse(strategy)[0].title if strategy else ""
    except StrategyRefused:
        return strategy


def _order(text: str) -> CaseOrder:
    return CaseOrder(text) if text in set(CaseOrder) else CaseOrder.NEWEST


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
