"""The paper's numbers for a study's claims and readings, from its Figure 1 and Table 1."""

from collections.abc import Sequence

from m1app.benchmark.paper_figures import PaperCurve, paper_curves, paper_table
from m1app.studies.study_file import SHARES, Claim, ClaimKind, PaperNumber, Side, Study
from m1app.wording import counted


def number_of_claim(study: Study, claim: Claim) -> PaperNumber | None:
    """The paper's difference between a claim's two settings, every question counting alike; None if it has none."""
    if claim.kind in SHARES:
        return None
    sides = claim.sides[1:] if claim.kind is ClaimKind.SATURATES else claim.sides
    names = claim.question_sets or study.run(sides[0].run or "").question_sets
    found = [_right(study, side, names) for side in sides]
    if any(each is None for each in found):
        return None
    (first, n), (second, _) = (each for each in found if each is not None)
    place = f"m1, Figure 1, {counted(len(names), 'set')}, {n:,} questions counted equally"
    return PaperNumber(value=(second - first) / n, place=place)


def accuracy_at(study: Study, role: str, question_sets: Sequence[str], budget: int) -> float | None:
    """A model's accuracy in Figure 1, the mean over the sets; None where it has no such point."""
    curves = _curves(study, role, question_sets)
    points = [dict(each.points).get(budget) for each in curves]
    shown = [each for each in points if each is not None]
    return sum(shown) / len(shown) if shown and len(shown) == len(points) else None


def best_accuracy(study: Study, role: str, question_sets: Sequence[str]) -> float | None:
    """A model's accuracy in Table 1, the mean over the sets; None where it has no such row."""
    paper = study.model_of(role).paper
    row = next((each for each in paper_table() if each.model == paper), None)
    names = [study.set_of(name).paper for name in question_sets]
    if row is None or not names or any(name not in row.accuracies for name in names):
        return None
    return sum(row.accuracies[name] for name in names) / len(names)


def _right(study: Study, side: Side, names: Sequence[str]) -> tuple[float, int] | None:
    """(right answers, questions) of a setting in Figure 1."""
    if side.force_rounds or side.strategy or side.budget is None:
        return None
    curves = _curves(study, side.model or "", names)
    points = [(dict(each.points).get(side.budget), each.n) for each in curves]
    shown = [(share, n) for share, n in points if share is not None]
    if not shown or len(shown) < len(points):
        return None
    return sum(share * n for share, n in shown), sum(n for _, n in shown)


def _curves(study: Study, role: str, names: Sequence[str]) -> Sequence[PaperCurve]:
    """The curve of each set, in their order; empty if the paper lacks one of them."""
    model = study.model_of(role).paper
    of_model = {each.question_set: each for each in paper_curves() if model and each.model == model}
    wanted = [study.set_of(name).paper for name in names]
    return [of_model[name] for name in wanted] if all(name in of_model for name in wanted) else []
