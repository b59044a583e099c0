"""Converts form and file values to annotation content, validated against the case and the taxonomy."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from m1app.annotation.errors import AnnotationRefused, SelectorError
from m1app.annotation.labels import Taxonomy
from m1app.annotation.selectors import check, select
from storage.annotations.records import (
    AnnotationContent,
    Case,
    Confidence,
    Evidence,
    EvidenceKind,
    Part,
    TextSelector,
)

MAX_TEXT_CHARACTERS = 20_000
MAX_EVIDENCE = 50
MAX_NAME_CHARACTERS = 80
MAX_CASE_ANNOTATIONS = 10_000

_EVIDENCE_FORMS = {
    EvidenceKind.PMID: (re.compile(r"(?:PMID:?\s*)?(\d{1,9})", re.IGNORECASE), "digits, such as 29166193"),
    EvidenceKind.DOI: (
        re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?(10\.\d{4,9}/\S+)", re.IGNORECASE),
        "10.<number>/<name>, such as 10.1056/NEJMoa1707914",
    ),
    EvidenceKind.URL: (re.compile(r"(https?://[^\s<>\"]+)", re.IGNORECASE), "an address that begins with https://"),
}


def text_of(case: Case, part: Part) -> str:
    """Return the text that annotations of this part refer to."""
    return {Part.THINKING: case.thinking_text, Part.ANSWER: case.answer_text, Part.WHOLE: ""}[part]


def content_from_form(case: Case, values: Mapping[str, Any]) -> AnnotationContent:
    """Parse a form's values.

    Args:
        case: the annotated case.
        values: part, start, end (code points, None without a span), exact, text_sha256, labels, severity, comment,
            corrected_fact, evidence [{kind, value}], confidence ("" if not given), is_omission, changed_answer.

    Raises:
        AnnotationRefused: a value is invalid, or the span is not in the text.
    """
    part = _word(Part, values.get("part"), "span")
    confidence = values.get("confidence")
    changed = values.get("changed_answer")
    return AnnotationContent(
        part=part,
        selector=_selector(case, part, values),
        labels=tuple(dict.fromkeys(map(str, _list(values.get("labels"), "labels")))),
        severity=str(values.get("severity") or ""),
        comment=str(values.get("comment") or "").strip(),
        corrected_fact=str(values.get("corrected_fact") or "").strip(),
        evidence=_evidence(_list(values.get("evidence"), "evidence")),
        confidence=_word(Confidence, confidence, "confidence") if confidence else None,
        is_omission=bool(values.get("is_omission")),
        changed_answer=None if changed is None else bool(changed),
    )


def check_content(
    case: Case, content: AnnotationContent, taxonomy: Taxonomy, kept_labels: Sequence[str] = ()
) -> AnnotationContent:
    """Return `content` if it is valid.

    Args:
        case: the annotated case.
        content: content of the annotation.
        taxonomy: allowed labels and severities.
        kept_labels: labels it already has; they remain allowed even if retired meanwhile.

    Raises:
        AnnotationRefused: the content is invalid; the message says why.
    """
    _check_labels(content, taxonomy, kept_labels)
    for name, text in (("comment", content.comment), ("corrected_fact", content.corrected_fact)):
        if len(text) > MAX_TEXT_CHARACTERS:
            raise AnnotationRefused(
                name, f"This text has {len(text):,} characters; shorten it to at most {MAX_TEXT_CHARACTERS:,}."
            )
    if content.selector is None:
        return content
    try:
        check(text_of(case, content.part), content.selector)
    except SelectorError as exc:
        raise AnnotationRefused("span", str(exc)) from exc
    return content


def _check_labels(content: AnnotationContent, taxonomy: Taxonomy, kept_labels: Sequence[str]) -> None:
    if not content.labels:
        raise AnnotationRefused("labels", "Choose at least one label: what kind of error is it?")
    for label_id in content.labels:
        label = taxonomy.label(label_id)
        if label_id in kept_labels:
            continue
        if label is None:
            raise AnnotationRefused("labels", f"Label {label_id[:40]!r} not found. Choose one from the palette.")
        if label.retired:
            raise AnnotationRefused("labels", f"The label “{label.name}” was retired. Choose another.")
    if taxonomy.rank(content.severity) is None:
        known = ", ".join(each.id for each in taxonomy.severities)
        raise AnnotationRefused("severity", f"Choose a severity: {known}.")


def _selector(case: Case, part: Part, values: Mapping[str, Any]) -> TextSelector | None:
    start, end = values.get("start"), values.get("end")
    if part is Part.WHOLE or start is None or end is None:
        return None
    if not isinstance(start, int) or not isinstance(end, int):
        raise AnnotationRefused("span", "The position of the mark must be in whole numbers. Select the words again.")
    text = text_of(case, part)
    try:
        made = select(text, start, end)
        given = {"exact": values.get("exact", made.exact), "text_sha256": values.get("text_sha256", made.text_sha256)}
        said = TextSelector(start, end, str(given["exact"]), made.prefix, made.suffix, str(given["text_sha256"]))
        return check(text, said)
    except SelectorError as exc:
        raise AnnotationRefused("span", str(exc)) from exc


def _evidence(entries: Sequence[Any]) -> tuple[Evidence, ...]:
    if len(entries) > MAX_EVIDENCE:
        raise AnnotationRefused(
            "evidence", f"There are {len(entries)} sources; the limit is {MAX_EVIDENCE}. Remove some."
        )
    found = []
    for entry in entries:
        if not isinstance(entry, Mapping) or not str(entry.get("value") or "").strip():
            continue
        kind = _word(EvidenceKind, entry.get("kind"), "evidence")
        value = str(entry["value"]).strip()
        if len(value) > MAX_TEXT_CHARACTERS:
            raise AnnotationRefused("evidence", f"Shorten the source to at most {MAX_TEXT_CHARACTERS:,} characters.")
        found.append(Evidence(kind, evidence_value(kind, value)))
    return tuple(found)


def evidence_value(kind: EvidenceKind, value: str) -> str:
    """Return a source as it is stored: a PMID or DOI without what may precede it. Raises AnnotationRefused."""
    if kind not in _EVIDENCE_FORMS:
        return value
    pattern, form = _EVIDENCE_FORMS[kind]
    match = pattern.fullmatch(value)
    if match is None:
        raise AnnotationRefused("evidence", f"{value[:60]!r} is not a {kind.value.upper()}; enter {form}.")
    return match.group(1)


def _word(kind: Any, value: Any, field: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(each.value for each in kind)
        raise AnnotationRefused(field, f"{str(value)[:40]!r} is not valid; choose one of: {known}.") from None


def _list(value: Any, field: str) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise AnnotationRefused(field, f"{field} must be a list, not {type(value).__name__}.")
    return value
