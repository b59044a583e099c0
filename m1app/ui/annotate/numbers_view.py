"""The Summary and Agreement views of the Annotate page. Pure: counts and estimates in, dictionaries out."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from m1app.annotation.agreement import AgreementReport, Estimate
from m1app.annotation.labels import Taxonomy
from m1app.wording import counted, percent
from storage.annotations.records import ErrorCount, MarkCount

_T = TypeVar("_T")

_FEW_MARKS = 20
"""Below this, a share of marks is said to be of few."""


def summary_value(labels: Sequence[ErrorCount], marks: Sequence[MarkCount], taxonomy: Taxonomy) -> dict[str, Any]:
    """Bars of annotation counts; each has the filter that shows its cases.

    Args:
        labels: counts by label; a mark with several labels is in several.
        marks: counts of the same marks, each once.
        taxonomy: names of the labels, order of the severities.
    """
    total = sum(each.marks for each in marks)
    if not total:
        nothing = "Nothing has been submitted yet. Marks are counted here once their annotator submits the case."
        return {"kind": "summary", "head": nothing, "charts": []}

    def name(label: str) -> str:
        found = taxonomy.label(label)
        return found.name if found else label

    charts = [
        _by_label(labels, total, name),
        _before_wrong(labels, name),
        _chart("By severity", marks, lambda e: e.severity, str, "severity", [s.id for s in taxonomy.severities]),
        _chart("By model", marks, lambda e: e.model, str, "model"),
        _chart("By thinking budget", marks, lambda e: e.thinking_budget_tokens, _tokens, "budget", is_sorted=True),
        _chart("By force rounds", marks, lambda e: e.force_rounds, str, "rounds", is_sorted=True),
    ]
    few = f" Fewer than {_FEW_MARKS} marks: read them one by one; shares would mislead." if total < _FEW_MARKS else ""
    head = f"{counted(total, 'submitted mark')}, each counted once; withdrawn and rejected ones are left out.{few}"
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


def _by_label(labels: Sequence[ErrorCount], marks: int, name: Callable[[str], str]) -> dict[str, Any]:
    sums = _sums(labels, lambda e: e.label, lambda e: e.annotations)
    bars = [_bar(name(label), count, marks, {"label": label}) for label, count in sums.most_common()]
    note = (
        "Marks that have the label. A mark with several labels is in several bars."
        if sum(sums.values()) > marks
        else ""
    )
    return {"title": "By label", "note": note, "most": max(sums.values(), default=0), "bars": bars}


def _chart(
    title: str,
    marks: Sequence[MarkCount],
    key: Callable[[MarkCount], Any],
    name: Callable[[Any], str],
    field: str,
    order: Iterable[Any] = (),
    *,
    is_sorted: bool = False,
) -> dict[str, Any]:
    sums = _sums(marks, key, lambda e: e.marks)
    total = sum(sums.values())
    ordered = sorted(sums) if is_sorted else [value for value, _ in sums.most_common()]
    places = {value: place for place, value in enumerate(order)}
    ordered.sort(key=lambda value: places.get(value, len(places)))
    bars = [_bar(name(value), sums[value], total, {field: str(value)}) for value in ordered]
    return {"title": title, "note": "", "most": max(sums.values()), "bars": bars}


def _sums(counts: Iterable[_T], key: Callable[[_T], Any], size: Callable[[_T], int]) -> Counter[Any]:
    sums: Counter[Any] = Counter()
    for each in counts:
        sums[key(each)] += size(each)
    return sums


def _bar(name: str, count: int, total: int, wanted: dict[str, str]) -> dict[str, Any]:
    title = f"{percent(count / total, 0)} of {counted(total, 'mark')}"
    return {"name": name, "value": f"{count:,}", "size": count, "title": title, "filter": wanted}


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
            "value": _share(wrong[label], scored[label]),
            "size": wrong[label] / scored[label],
            "title": f"{wrong[label]:,} of {scored[label]:,} marks are in a case with a wrong answer",
            "filter": {"label": label, "verdict": "wrong"},
        }
        for label in sorted(scored, key=lambda label: (-wrong[label] / scored[label], -scored[label], label))
    ]
    few = f" Shares of fewer than {_FEW_MARKS} marks have a ~: one mark more or less would change them a lot."
    has_few = any(count < _FEW_MARKS for count in scored.values())
    said = f"The share of a label's marks that are in a case with a wrong answer.{few if has_few else ''}"
    note = said if bars else "No cases were scored."
    return {"title": "Labels before a wrong answer", "note": note, "most": 1, "bars": bars}


def _share(part: int, whole: int) -> str:
    return f"{'~' if whole < _FEW_MARKS else ''}{percent(part / whole, 0)} of {whole:,}"


def _estimate(name: str, each: Estimate) -> dict[str, Any]:
    is_said = each.value is not None
    has_interval = is_said and each.low is not None and each.high is not None
    return {
        "name": name,
        "value": f"{each.value:.2f}" if is_said else "–",
        "interval": f"{each.low:.2f} to {each.high:.2f}" if has_interval else "–",
        "items": f"{each.items:,}",
        "note": each.note or each.caution,
    }


def _tokens(budget: int) -> str:
    return f"{budget:,} tokens"
