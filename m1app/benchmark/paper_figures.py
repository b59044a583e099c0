"""Results from the paper behind this app's method, as reference lines for our own curves.

Source: Huang et al., "m1: Unleash the Potential of Test-Time Scaling for Medical Reasoning with Large Language Models",
arXiv 2504.00869: the points of Figure 1 (`figure_1.csv`) and Table 1 (`table_1.csv`), converted from percent to shares.
They were measured with the published scorer, our rule m1. None of these numbers are our own measurements.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = "m1, arXiv 2504.00869, Figure 1 and Table 1"
MAXIMUM_NOTE = (
    "Each cell of the paper's Table 1 for an m1 model is the maximum over its thinking budgets (Figure 1), chosen on "
    "the test questions themselves, which is optimistic. The paper scored by the m1 rule."
)

_FOLDER = Path(__file__).with_name("paper_figures")
_NAMES = {"MB4": "MedBullets-op4", "MB5": "MedBullets-op5", "MedX": "MedXpertQA"}
"""Names that are shortened in Figure 1."""
_KEYS = {
    "medmcqa": "MedMCQA",
    "medqa": "MedQA",
    "pubmedqa": "PubMedQA",
    "mmlupro": "MMLU-Pro",
    "gpqa": "GPQA",
    "lancet": "Lancet",
    "medbulletsop4": "MedBullets-op4",
    "medbulletsop5": "MedBullets-op5",
    "medxpertqa": "MedXpertQA",
    "nejm": "NEJM",
}
"""Prefix of our question sets' names (letters and digits only) to the paper's set."""


@dataclass(frozen=True, slots=True)
class PaperCurve:
    """Accuracy of one of the paper's models on one set, against the thinking budget."""

    model: str
    question_set: str
    """The paper's full name; empty for a mean over sets."""
    n: int
    """Number of questions."""
    points: tuple[tuple[int, float], ...]
    """(thinking budget in tokens, accuracy 0-1), by ascending budget."""


@dataclass(frozen=True, slots=True)
class PaperRow:
    """A row of the paper's table."""

    model: str
    accuracies: Mapping[str, float]
    """Accuracy, 0-1, by the paper's set name."""
    average: float
    """Mean over the sets, 0-1."""

    @property
    def is_maximum(self) -> bool:
        """Whether its cells are maxima over budgets; other models were run once."""
        return self.model.startswith("m1-")


def paper_set(question_set: str) -> str:
    """The paper's name for one of our question sets; empty if the paper does not have it."""
    letters = re.sub(r"[^a-z0-9]", "", question_set.lower())
    return next((name for key, name in _KEYS.items() if letters.startswith(key)), "")


@cache
def paper_curves() -> tuple[PaperCurve, ...]:
    """All lines of Figure 1."""
    lines = _rows("figure_1.csv")
    return tuple(
        PaperCurve(
            model=f"m1-{line.pop('model')}",
            question_set=_full_name(line.pop("dataset")),
            n=int(line.pop("n")),
            points=tuple((int(budget), float(percent) / 100) for budget, percent in line.items()),
        )
        for line in lines
    )


@cache
def paper_table() -> tuple[PaperRow, ...]:
    """All rows of Table 1."""
    rows = []
    for line in _rows("table_1.csv"):
        model, average = line.pop("model"), float(line.pop("Avg")) / 100
        accuracies = {paper_set(name.partition("(")[0]): float(percent) / 100 for name, percent in line.items()}
        rows.append(PaperRow(model, accuracies, average))
    return tuple(rows)


def reference_curves(question_sets: Sequence[str]) -> tuple[PaperCurve, ...]:
    """The paper's curves for one of our sets, or their mean over several; empty if the paper lacks one of them.

    Args:
        question_sets: our names; each set has equal weight in the mean, as in the paper.
    """
    wanted = {paper_set(name) for name in question_sets}
    if not wanted or "" in wanted:
        return ()
    chosen = [curve for curve in paper_curves() if curve.question_set in wanted]
    models = dict.fromkeys(curve.model for curve in chosen)
    return tuple(_mean([curve for curve in chosen if curve.model == model]) for model in models)


def _mean(curves: Sequence[PaperCurve]) -> PaperCurve:
    if len(curves) == 1:
        return curves[0]
    budgets = [budget for budget, _ in curves[0].points]
    means = (sum(dict(curve.points)[budget] for curve in curves) / len(curves) for budget in budgets)
    return PaperCurve(curves[0].model, "", sum(curve.n for curve in curves), tuple(zip(budgets, means, strict=True)))


def _full_name(name: str) -> str:
    return _NAMES.get(name, name)


def _rows(file_name: str) -> list[dict[str, str]]:
    with (_FOLDER / file_name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
