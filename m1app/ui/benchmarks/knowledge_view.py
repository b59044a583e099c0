"""The section "Knowledge or reasoning?" of the Benchmarks page. Pure: values in, dictionaries out."""

from typing import Any

from m1app.annotation.agreement import Estimate
from m1app.annotation.labels import Taxonomy
from m1app.benchmark.intervals import FEW_QUESTIONS
from m1app.fact_tests.service import MOST_DISAGREEMENTS
from m1app.fact_tests.share_chart import said_of, share_figure, share_groups
from m1app.fact_tests.shares import INFERENCE, KNOWLEDGE, FactShares
from m1app.fact_tests.verdict import VERDICTS
from m1app.wording import counted
from storage.fact_tests.records import FactTestSummary

_COLUMNS = ("knowledge_missing", "did_not_help", "any_text", "right_anyway")


def knowledge_value(shares: FactShares, taxonomy: Taxonomy) -> dict[str, Any]:
    """What the section shows; only that there is nothing if no failure has been tested."""
    tested = shares.all.explained.n + shares.undecided + shares.naming
    if not tested:
        return {"is_empty": True}
    names = {label.id: label.name for label in taxonomy.labels}
    agreement = shares.agreement
    return {
        "is_empty": False,
        "figure": share_figure(share_groups(shares, names)) if shares.all.explained.n else None,
        "said": _said(shares),
        "apart": (
            f"Counted separately: {counted(shares.undecided, 'failure')} not decided, {shares.naming:,} with a fact "
            f"that names the target ({shares.naming_explained:,} of these would count as explained)."
        ),
        "columns": ["Label", *(VERDICTS[kind] for kind in _COLUMNS)],
        "agreement": [
            [names.get(label, label), *(agreement.counts.get((label, kind), 0) for kind in _COLUMNS)]
            for label in (KNOWLEDGE, INFERENCE)
        ],
        "agreed": _agreed(shares),
        "disagreements": [_disagreement(each, names) for each in agreement.disagreements],
        "more": f"The newest {MOST_DISAGREEMENTS}." if len(agreement.disagreements) == MOST_DISAGREEMENTS else "",
    }


def _said(shares: FactShares) -> str:
    if not shares.all.explained.n:
        return "No test has decided anything yet."
    few = "" if shares.all.explained.n >= FEW_QUESTIONS else " There are few failures: read the interval."
    return f"One missing fact explains {said_of(shares.all)}.{few}"


def _agreed(shares: FactShares) -> str:
    agreement = shares.agreement
    if not agreement.total:
        return "No tested mark has exactly one of the two labels yet."
    return (
        f"{agreement.agreed:,} of {counted(agreement.total, 'mark')} agree: a knowledge gap was missing knowledge, or "
        f"a faulty inference was not helped by the fact. {_kappa(agreement.kappa)}"
    )


def _kappa(kappa: Estimate) -> str:
    if kappa.value is None or kappa.low is None or kappa.high is None:
        return f"Cohen's kappa over the first two columns: {kappa.note}."
    caution = f"; {kappa.caution}" if kappa.caution else ""
    return (
        f"Cohen's kappa over the first two columns: {kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f}), "
        f"n = {kappa.items:,}{caution}."
    )


def _disagreement(test: FactTestSummary, names: dict[str, str]) -> dict[str, Any]:
    return {
        "test": f"/facts/?fact={test.run_id}",
        "stem": test.stem,
        "fact": test.fact[:200],
        "model": test.model,
        "labels": ", ".join(names.get(label, label) for label in test.labels),
        "verdict": VERDICTS.get(str(test.verdict.get("kind")), ""),
    }
