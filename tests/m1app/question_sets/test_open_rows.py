"""Open questions from files: a question and a reference answer, in the columns that published sets have."""

import pytest

from m1app.question_sets.errors import InvalidQuestionSet
from tests.m1app.question_sets.question_set_samples import as_csv, as_jsonl, as_parquet, sets_of

ROWS = [("Why do sailors bleed?", "Lack of vitamin C"), ("Which nerve lifts the arm?", "The axillary nerve")]


@pytest.mark.parametrize(
    ("columns", "layout"),
    [
        (("Open-ended Verifiable Question", "Ground-True Answer"), "open-verifiable"),
        (("question", "reference"), "open"),
        (("question", "reference_answer"), "open-reference-answer"),
        (("question", "ground_truth"), "open-ground-truth"),
    ],
)
@pytest.mark.parametrize(("form", "ending"), [(as_jsonl, "jsonl"), (as_csv, "csv"), (as_parquet, "parquet")])
def test_open_questions_are_found_by_their_columns(columns, layout, form, ending):
    (found,) = sets_of(form([dict(zip(columns, row, strict=True)) for row in ROWS]), f"open.{ending}")
    assert found.layout == layout
    assert [(each.stem, each.reference) for each in found.questions] == ROWS
    assert all((each.options, each.target) == ({}, None) for each in found.questions)


def test_question_and_answer_are_open_only_if_the_layout_says_so():
    content = as_jsonl([{"question": stem, "answer": reference, "topic": "sea"} for stem, reference in ROWS])
    with pytest.raises(InvalidQuestionSet):
        sets_of(content, "qa.jsonl")
    (found,) = sets_of(content, "qa.jsonl", "open-answer")
    assert [(each.reference, each.tags) for each in found.questions] == [(reference, ("sea",)) for _, reference in ROWS]


def test_a_table_with_options_keeps_them_whatever_its_reference_is():
    row = {"question": "Which?", "A": "one", "B": "two", "answer": "B", "reference": "Smith 2019"}
    (found,) = sets_of(as_csv([row]), "plain.csv")
    assert (found.layout, found.questions[0].target, found.questions[0].reference) == ("plain", "B", "")


@pytest.mark.parametrize(
    ("reference", "said"),
    [("", "column reference: found nothing"), ("x" * 2_001, "found a reference answer of 2,001 characters")],
)
def test_a_reference_answer_that_is_missing_or_endless_is_named(reference, said):
    with pytest.raises(InvalidQuestionSet, match=said):
        sets_of(as_jsonl([{"question": "Why?", "reference": reference}]), "open.jsonl")
