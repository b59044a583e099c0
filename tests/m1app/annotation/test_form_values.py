"""What a form says is checked against the case before it is kept."""

from typing import Any

import pytest

from m1app.annotation.errors import AnnotationRefused
from m1app.annotation.form_values import MAX_TEXT_CHARACTERS, check_content, content_from_form
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.selectors import text_hash
from storage.annotations.records import Confidence, Evidence, EvidenceKind, Part
from tests.m1app.annotation.cases import CASE, ECG, THINKING, note


def test_form_becomes_content() -> None:
    values = ECG | {
        "exact": "ECG 🫀",
        "text_sha256": text_hash(THINKING),
        "labels": ["bias", "incorrect_fact", "bias"],
        "comment": "  <script>alert(1)</script> ",
        "confidence": "high",
        "evidence": [
            {"kind": "pmid", "value": "PMID: 29166193"},
            {"kind": "doi", "value": "https://doi.org/10.1056/NEJMoa1707914"},
            {"kind": "url", "value": " "},
        ],
        "changed_answer": False,
        "is_omission": True,
    }
    content = check_content(CASE, content_from_form(CASE, values), load_taxonomy())
    assert content.selector is not None
    assert (content.selector.exact, content.selector.prefix) == ("ECG 🫀", "The ")
    assert content.labels == ("bias", "incorrect_fact")
    assert content.comment == "<script>alert(1)</script>"
    assert content.evidence == (
        Evidence(EvidenceKind.PMID, "29166193"),
        Evidence(EvidenceKind.DOI, "10.1056/NEJMoa1707914"),
    )
    assert (content.confidence, content.changed_answer, content.is_omission) == (Confidence.HIGH, False, True)


def test_note_on_the_whole_case_has_no_span() -> None:
    content = content_from_form(CASE, {"part": "whole", "start": 1, "end": 2, "labels": ["bias"], "severity": "none"})
    assert (content.part, content.selector) == (Part.WHOLE, None)


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"end": 10_000}, "span", "is outside the text of 74 characters"),
        ({"exact": "EKG"}, "span", "is 'ECG 🫀', not 'EKG'"),
        ({"text_sha256": "0" * 64}, "span", "has changed since it was marked"),
        ({"start": "4"}, "span", "whole numbers"),
        ({"part": "title"}, "span", "choose one of: thinking, answer, whole"),
        ({"labels": "bias"}, "labels", "must be a list"),
        ({"confidence": "sure"}, "confidence", "choose one of: low, medium, high"),
        ({"evidence": [{"kind": "pmid", "value": "PMC12"}]}, "evidence", "is not a PMID; enter digits"),
        ({"evidence": [{"kind": "url", "value": "javascript:alert(1)"}]}, "evidence", "begins with https://"),
        ({"evidence": [{"kind": "book", "value": "x"}]}, "evidence", "choose one of: pmid"),
        ({"evidence": [{"kind": "quote", "value": "x"}] * 51}, "evidence", "the limit is 50"),
    ],
)
def test_form_that_cannot_be_read_is_refused(changes: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(AnnotationRefused, match=message.replace("(", r"\(")) as refused:
        content_from_form(CASE, ECG | changes)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"labels": ()}, "labels", "at least one"),
        ({"labels": ("typo",)}, "labels", "Label 'typo' not found"),
        ({"severity": "huge"}, "severity", "none, mild, moderate, severe, critical"),
        ({"comment": "x" * (MAX_TEXT_CHARACTERS + 1)}, "comment", "20,001 characters"),
    ],
)
def test_content_that_cannot_be_kept_is_refused(changes: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(AnnotationRefused, match=message) as refused:
        check_content(CASE, note(**changes), load_taxonomy())
    assert refused.value.field == field
