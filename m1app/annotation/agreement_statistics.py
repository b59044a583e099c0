"""Agreement between annotators: chance-corrected coefficients from statsmodels, with bootstrap intervals over cases.

Two annotators: Cohen's kappa. More: Fleiss' kappa, over the cases with the most common number of annotators (it needs
the same number for each). Severity: Cohen's kappa with quadratic weights (Cohen 1968), for more than two annotators the
mean over pairs (Light 1971). Spans: F1 of the marked characters (Hripcsak and Rothschild 2005).
"""

import itertools
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import DegenerateDataWarning, bootstrap
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from m1app.annotation.agreement import AgreementReport, Estimate
from m1app.annotation.labels import Taxonomy
from storage.annotations.records import Annotation, Part, Rating

MIN_CASES = 10
"""With fewer cases, nothing is reported."""
_RESAMPLES = 499
_SEED = 20_250_400

_Rows = NDArray[Any]
"""One row per case."""
_Marks = Mapping[str, Sequence[Annotation]]
"""One case: annotator to their rating."""


def agreement_of(ratings: Sequence[Rating], taxonomy: Taxonomy) -> AgreementReport:
    """Compute the agreement of submitted assessments.

    Args:
        ratings: ratings of cases that two or more annotators submitted.
        taxonomy: defines the order of severities.
    """
    cases: dict[str, dict[str, Sequence[Annotation]]] = defaultdict(dict)
    for rating in ratings:
        cases[rating.case_id][rating.annotator] = rating.annotations
    marked = [marks for marks in cases.values() if len(marks) > 1]
    names = tuple(sorted({name for marks in marked for name in marks}))
    alike, method = _alike(marked, names)
    labels = [label.id for label in taxonomy.labels]
    ranks = {each.id: rank for rank, each in enumerate(taxonomy.severities)}

    def worst(annotations: Sequence[Annotation]) -> int:
        return max((ranks.get(each.severity, 0) for each in annotations), default=0)

    return AgreementReport(
        annotators=names,
        cases=len(marked),
        method=method,
        by_label={label: _kappa(alike, partial(_carries, label)) for label in labels},
        any_error=_kappa(alike, lambda each: int(bool(each))),
        severity=_weighted(marked, names, worst, len(ranks)),
        span_f1=_span_f1(marked),
    )


def kappa_of_pairs(pairs: Sequence[tuple[int, int]]) -> Estimate:
    """Cohen's kappa of two yes-or-no ratings, 1 and 0, of each case."""
    return _estimate(np.array(pairs, dtype=np.int64).reshape(-1, 2), lambda rows: _cohen(rows, 2, None))


def _carries(label: str, annotations: Sequence[Annotation]) -> int:
    return int(any(label in each.labels for each in annotations))


def _alike(marked: Sequence[_Marks], names: Sequence[str]) -> tuple[list[_Marks], str]:
    """Return the usable cases and the name of the coefficient."""
    if len(names) == 2:
        return list(marked), "Cohen's kappa"
    sizes = Counter(len(marks) for marks in marked)
    if not sizes:
        return [], "Cohen's kappa"
    raters = max(sizes, key=lambda size: (sizes[size], size))
    return [marks for marks in marked if len(marks) == raters], f"Fleiss' kappa, {raters} annotators per case"


def _kappa(marked: Sequence[_Marks], said: Callable[[Sequence[Annotation]], int]) -> Estimate:
    """Cohen's kappa of two annotators, else Fleiss' kappa, of a yes-or-no feature of each assessment."""
    codes = np.array([[said(marks[name]) for name in sorted(marks)] for marks in marked], dtype=np.int64)
    if len({name for marks in marked for name in marks}) == 2:
        return _estimate(codes, lambda rows: _cohen(rows, 2, None))
    return _estimate(codes, _fleiss)


def _cohen(codes: _Rows, categories: int, weights: str | None) -> float:
    table = np.zeros((categories, categories))
    np.add.at(table, (codes[:, 0], codes[:, 1]), 1)
    return float(cohens_kappa(table, wt=weights, return_results=False))


def _fleiss(codes: _Rows) -> float:
    marking = codes.sum(axis=1)
    return float(fleiss_kappa(np.column_stack([codes.shape[1] - marking, marking]), method="fleiss"))


def _weighted(
    marked: Sequence[_Marks], names: Sequence[str], said: Callable[[Sequence[Annotation]], int], categories: int
) -> Estimate:
    """Quadratic-weighted kappa; for more than two annotators, the mean over computable pairs."""
    # -1: this annotator has not submitted this case.
    codes = np.array([[said(marks[n]) if n in marks else -1 for n in names] for marks in marked], dtype=np.int64)

    def mean_over_pairs(rows: _Rows) -> float:
        found = []
        for one, other in itertools.combinations(range(rows.shape[1]), 2):
            both = rows[(rows[:, one] >= 0) & (rows[:, other] >= 0)][:, [one, other]]
            if len(both):
                found.append(_cohen(both, categories, "quadratic"))
        return fmean(value for value in found if not np.isnan(value)) if not np.all(np.isnan(found)) else np.nan

    return _estimate(codes, mean_over_pairs)


def _span_f1(marked: Sequence[_Marks]) -> Estimate:
    """Mean over cases of the mean over their annotator pairs."""
    scores = []
    for marks in marked:
        spans = [_marked_characters(annotations) for annotations in marks.values()]
        pairs = [(a, b) for a, b in itertools.combinations(spans, 2) if a or b]
        if pairs:
            scores.append(fmean(2 * len(a & b) / (len(a) + len(b)) for a, b in pairs))
    return _estimate(np.array(scores), lambda rows: float(np.mean(rows)))


def _marked_characters(annotations: Sequence[Annotation]) -> set[tuple[Part, int]]:
    return {
        (each.part, place)
        for each in annotations
        if each.selector
        for place in range(each.selector.start, each.selector.end)
    }


def _estimate(rows: _Rows, statistic: Callable[[_Rows], float]) -> Estimate:
    """Compute the statistic of the rows, one per case, with its bootstrap interval."""
    if len(rows) < MIN_CASES:
        return Estimate(None, None, None, len(rows), f"too few cases: {len(rows)}, at least {MIN_CASES} needed")
    # Without variation kappa is 0/0, an expected result.
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        value = statistic(rows)
        if np.isnan(value):
            return Estimate(None, None, None, len(rows), "undefined: every case got the same rating from everyone")
        drawn = bootstrap(
            (np.arange(len(rows)),),
            lambda picked: statistic(rows[picked]),
            vectorized=False,
            n_resamples=_RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(_SEED),
        ).bootstrap_distribution
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(value, float(low), float(high), len(rows))
