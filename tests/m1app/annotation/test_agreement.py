"""Coefficients on cases whose agreement is known by hand."""

import subprocess
import sys
from dataclasses import replace

import pytest

from m1app.annotation.agreement_statistics import MIN_CASES, agreement_of
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.selectors import select
from storage.annotations.records import Annotation, Part, Rating
from tests.m1app.annotation.cases import THINKING, said


def rating(case: int, who: str, *annotations: Annotation) -> Rating:
    return Rating(case_id=str(case), annotator=who, annotations=annotations)


def two(*pairs: tuple[bool, bool]) -> list[Rating]:
    """Ratings of two people: whether each marked bias in each case."""
    mark = said("bias")
    return [
        rating(number, who, *([mark] if is_marked else []))
        for number, pair in enumerate(pairs)
        for who, is_marked in zip(("Ada", "Eve"), pair, strict=True)
    ]


def test_cohens_kappa_of_two() -> None:
    # The worked example of Cohen 1960 in its usual numbers: 20 both, 5 + 10 apart, 15 neither: kappa 0.4.
    ratings = two(*[(True, True)] * 20, *[(True, False)] * 5, *[(False, True)] * 10, *[(False, False)] * 15)
    report = agreement_of(ratings, load_taxonomy())
    bias = report.by_label["bias"]
    assert bias.value == pytest.approx(0.4)
    assert bias.low is not None
    assert bias.high is not None
    assert bias.low < 0.4 < bias.high
    assert (bias.items, report.cases, report.method) == (50, 50, "Cohen's kappa")
    assert report.any_error.value == pytest.approx(0.4)
    assert "every case got the same rating" in report.by_label["misread_case"].note


def test_too_few_cases_say_nothing() -> None:
    report = agreement_of(two(*[(True, False)] * (MIN_CASES - 1)), load_taxonomy())
    assert report.by_label["bias"].value is None
    assert "too few cases: 9, at least 10" in report.by_label["bias"].note
    assert agreement_of([], load_taxonomy()).cases == 0


def test_more_than_two_annotators_have_fleiss_kappa_of_the_commonest_number() -> None:
    marks = {"Ada": said("bias"), "Eve": said("bias"), "Zoe": said("bias")}
    ratings = [rating(case, who, *([marks[who]] if case % 2 else [])) for case in range(12) for who in marks]
    ratings += [rating(100, "Ada"), rating(100, "Eve", said("bias"))]
    report = agreement_of(ratings, load_taxonomy())
    assert report.method == "Fleiss' kappa, 3 annotators per case"
    assert report.by_label["bias"].value == pytest.approx(1.0)
    assert report.by_label["bias"].items == 12
    assert report.cases == 13


def test_severity_counts_far_apart_more_than_near() -> None:
    def report(other: str) -> float:
        steps = ["mild", "moderate", "severe", "critical"] * 3
        ratings = []
        for case, severity in enumerate(steps):
            seen = severity if case % 3 else other
            ratings += [rating(case, "Ada", said("bias", severity=severity))]
            ratings += [rating(case, "Eve", said("bias", severity=seen))]
        value = agreement_of(ratings, load_taxonomy()).severity.value
        assert value is not None
        return value

    assert 0 < report("critical") < report("severe") < 1


def test_span_f1_is_the_share_of_characters_marked_by_both() -> None:
    def mark(start: int, end: int) -> Annotation:
        return replace(said("bias"), part=Part.THINKING, selector=select(THINKING, start, end))

    ratings = [
        each for case in range(10) for each in (rating(case, "Ada", mark(0, 10)), rating(case, "Eve", mark(5, 15)))
    ]
    ratings += [rating(99, "Ada"), rating(99, "Eve")]
    f1 = agreement_of(ratings, load_taxonomy()).span_f1
    assert (f1.value, f1.items) == (pytest.approx(0.5), 10)


def test_app_starts_without_the_statistics_libraries() -> None:
    # They take seconds and 60 MB; only a person who asks for agreement waits for them.
    code = "import sys, m1app.ui.web, m1app.cli.main; print([n for n in ('scipy', 'statsmodels') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
