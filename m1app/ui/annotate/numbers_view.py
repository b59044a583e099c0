"""The Summary and Agreement views of the Annotate page. Pure: counts and estimates in, dictionaries out."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from m1app.annotation.agreement import AgreementReport, Estimate
from m1app.annotation.labels import Taxonomy
from m1app.wording import counted, percent
from storage.annotations.records import ErrorCount

_TWICE = "A mark with several labels counts once per label."


def summary_value(counts: Sequence[ErrorCount], taxonomy: Taxonomy) -> dict[str, Any]:
    """Bars of annotation counts; each has the filter that shows its cases."""
    total = sum(each.annotations for each in counts)
    if not total:
        nothing = "Nothing has been submitted yet. Marks are counted here once their annotator submits the case."
        return {"kind": "summary", "head": nothing, "charts": []}

    def name(label: str) -> str:
        found = taxonomy.label(label)
        return found.name if found else label

    charts = [
        _chart("By label", counts, lambda e: e.label, name, "label"),
        _before_wrong(counts, name),
        _chart("By severity", counts, lambda e: e.severity, str, "severity", [s.id for s in taxonomy.severities]),
        _chart("By model", counts, lambda e: e.model, str, "model"),
        _chart("By thinking budget", counts, lambda e: e.thinking_budget_tokens, _tokens, "budget", is_sorted=True),
        _chart("By force rounds", counts, lambda e: e.force_rounds, str, "rounds", is_sorted=True),
    ]
    head = f"{total:,} labels on submitted marks; withdrawn and rejected marks are excluded. {_TWICE}"
    return {"kind": "summary", "head": f"{head} Click a bar to see its cases.", "charts": charts}


def agreement_value(report: AgreementReport, taxonomy: Taxonomy) -> dict[str, Any]:
    """The table of agreement: overall first, then a row per label."""
    if not report.cases:
        head = "No case has been submitted by two annotators yet."
    else:
        people = ", ".join(report.annotators)
        cases = counted(report.cases, "case")
        head = f"{cases} submitted by at least two of {people}. {report.method}; 1 is full agreement."
    rows = [
        _estimate("Any error in the case", report.any_error),
        _estimate("Worst severity (quadratic weights)", report.severity),
        _estimate("Marked words (F1 of characters)", report.span_f1),
    ]
    labels = [label for label in taxonomy.labels if label.id in report.by_label]
    rows += [_estimate(label.name, report.by_label[label.id]) for label in labels]
    return {"kind": "agreement", "head": head, "rows": rows}


def _chart(
    title: str,
    counts: Sequence[ErrorCount],
    key: Callable[[ErrorCount], Any],
    name: Callable[[Any], str],
    field: str,
    order: Iterable[Any] = (),
    *,
    is_sorted: bool = False,
) -> dict[str, Any]:
    sums: Counter[Any] = Counter()
    for each in counts:
        sums[key(each)] += each.annotations
    total = sum(sums.values())
    ordered = sorted(sums) if is_sorted else [value for value, _ in sums.most_common()]
    places = {value: place for place, value in enumerate(order)}
    ordered.sort(key=lambda value: places.get(value, len(places)))
    bars = [
        {
            "name": name(value),
            "value": f"{sums[value]:,}",
            "size": sums[value],
            "title": f"{percent(sums[value] / total, 0)} of {total:,}",
            "filter": {field: str(value)},
        }
        for value in ordered
    ]
    return {"title": title, "note": "", "most": max(sums.values()), "bars": bars}


def _before_wrong(counts: Sequence[ErrorCount], name: Callable[[str], str]) -> dict[str, Any]:
    """For each label's marks in scored cases, the share in cases with a wrong answer."""
    scored: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for each in counts:
        if each.is_correct is not None:
            scored[each.label] += each.annotations
            wrong[each.label] += 0 if each.is_correct else each.annotations
    bars = [
        {
            "name": name(label),
            "value": f"{percent(wrong[label] / scored[label], 0)} of {scored[label]:,}",
            "size": wrong[label] / scored[label],
            "title": f"{wrong[label]:,} of {scored[label]:,} marks are in a case with a wrong answer",
            "filter": {"label": label, "verdict": "wrong"},
        }
        for label in sorted(scored, key=lambda label: (-wrong[label] / scored[label], -scored[label], label))
    ]
    note = "The share of a label's marks that are in a case with a wrong answer." if bars else "No cases were scored."
    return {"title": "Labels before a wrong answer", "note": note, "most": 1, "bars": bars}


def _estimate(name: str, each: Estimate) -> dict[str, Any]:
    is_said = each.value is not None
    has_interval = is_said and each.low is not None and each.high is not None
    return {
        "name": name,
        "value": f"{each.value:.2f}" if is_said else "–",
        "interval": f"{each.low:.2f} to {each.high:.2f}" if has_interval else "–",
        "items": f"{each.items:,}",
        "note": each.note,
    }


def _tokens(budget: int) -> str:
    return f"{budget:,} tokens"
