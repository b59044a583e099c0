"""The strategies that can be chosen, for `choices.js`: pure."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from m1app.strategies.catalogue import choose
from m1app.strategies.kinds import KINDS, Kind, Option

_DOCS = Path(__file__).parents[3] / "docs" / "strategies"
PRESELECTED = tuple(
    choose(name, options).text for name, options in (("budget-forcing", {}), ("vote", {"k": 4}), ("adaptive-vote", {}))
)
"""As choices are written: m1's own way, and two others at the same budget."""


def choices_value(models: Sequence[str], policies: Sequence[str], corpora: Sequence[str]) -> dict[str, Any]:
    """Every strategy with its options.

    Args:
        models: served ones, which options may name.
        policies: names of those that are kept, likewise.
        corpora: names of those that can be searched, likewise.
    """
    names = {"models": list(models), "policies": list(policies), "corpora": list(corpora)}
    return {"kinds": [_kind(each) for each in KINDS], **names}


def docs_of(name: str) -> Path | None:
    """The page that describes a strategy; the overview for one without, None where the app has no docs, or no such
    strategy."""
    if all(name != kind.name for kind in KINDS):
        return None
    pages = (_DOCS / f"{name}.md", _DOCS / "README.md")
    return next((page for page in pages if page.is_file()), None)


def _kind(kind: Kind) -> dict[str, Any]:
    needs = {"options": kind.needs_options, "probabilities": kind.needs_probabilities}
    return {
        "name": kind.name,
        "title": kind.title,
        "summary": kind.summary,
        "source": kind.source,
        "needs": [name for name, is_needed in needs.items() if is_needed],
        "docs": f"/strategy-docs/{kind.name}" if docs_of(kind.name) else "",
        "options": [_option(each) for each in kind.options],
    }


def _option(option: Option) -> dict[str, Any]:
    words = list(option.choices)
    types = {int: "whole", float: "number", str: "word" if words else option.names}
    return {
        "name": option.name,
        "label": option.label,
        "help": option.help,
        "default": option.default,
        "low": option.low,
        "high": option.high if math.isfinite(option.high) else None,
        "type": types[type(option.default)],
        "words": words,
    }
