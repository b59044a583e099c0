"""Every published layout, on self-written rows in its own columns; and the same rows in other kinds of files."""

import json

import pytest

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.layouts import LAYOUTS
from tests.m1app.question_sets.question_set_samples import (
    FoundSet,
    as_csv,
    as_jsonl,
    as_parquet,
    content_of,
    rows_of,
    sets_of,
)

LAYOUT_FILES = {
    "medqa-gbaker.jsonl": "medqa",
    "medqa-bigbio.jsonl": "medqa",
    "medqa-bigbio-qa.jsonl": "bigbio-qa",
    "medmcqa.jsonl": "medmcqa",
    "medmcqa-original.jsonl": "medmcqa-original",
    "pubmedqa.jsonl": "pubmedqa",
    "pubmedqa-original.json": "pubmedqa-original",
    "mmlu-pro.jsonl": "mmlu-pro",
    "gpqa.csv": "gpqa",
    "medbullets-op4.csv": "medbullets",
    "medbullets-op5.csv": "medbullets",
    "medbullets-mkieffer.jsonl": "plain",
    "medxpertqa.jsonl": "medxpertqa",
    "frenchmedmcqa-several.jsonl": "frenchmedmcqa",
    "plain.csv": "plain",
    "mmlu.jsonl": "mmlu",
    "mmlu-authors.csv": "mmlu-csv",
    "medqa-hf.jsonl": "medqa-hf",
    "careqa.jsonl": "careqa",
    "headqa.jsonl": "headqa",
    "frenchmedmcqa.jsonl": "frenchmedmcqa",
    "frenchmedmcqa-authors.jsonl": "frenchmedmcqa-json",
    "frenchmedmcqa-authors.csv": "frenchmedmcqa-csv",
    "agentclinic-nejm.jsonl": "agentclinic-nejm",
    "bigbench.json": "bigbench",
    "bigbench-hub.jsonl": "bigbench-hub",
    "inspect.jsonl": "inspect",
    "lm-eval.jsonl": "lm-eval",
}
ONE_KIND = ("mmlu-authors.csv", "frenchmedmcqa-authors.csv", "inspect.jsonl")
"""Their rows fit no other kind of file: no header, another delimiter, values of several types."""
EVERY_KIND = [name for name in LAYOUT_FILES if not name.endswith(".json") and name not in ONE_KIND]


def parsed(name: str, layout: str = "") -> FoundSet:
    (only,) = sets_of(content_of(name), name, layout)
    return only


@pytest.mark.parametrize(("name", "layout"), LAYOUT_FILES.items())
def test_a_layout_is_found_by_its_columns(name: str, layout: str) -> None:
    found = parsed(name)
    assert (found.layout, found.name) == (layout, name.rpartition(".")[0])
    assert found.questions == parsed(name, layout).questions


def test_every_layout_has_a_file_here() -> None:
    named_only = {"gpqa-all", "mmlu-pro-all"}
    in_test_open_rows = {"open-verifiable", "open", "open-reference-answer", "open-ground-truth"}
    assert {layout.id for layout in LAYOUTS} == {*LAYOUT_FILES.values(), "m1"} | named_only | in_test_open_rows


@pytest.mark.parametrize("name", EVERY_KIND)
def test_the_same_rows_give_the_same_questions_from_every_kind_of_file(name: str) -> None:
    rows, expected = rows_of(name), parsed(name).questions
    for kind, content in (("parquet", as_parquet(rows)), ("jsonl", as_jsonl(rows)), ("csv", as_csv(rows))):
        (found,) = sets_of(content, f"rows.{kind}")
        assert found.questions == expected, kind
    (found,) = sets_of(json.dumps(rows).encode(), "rows.json")
    assert found.questions == expected


def test_m1_evaluation_data_gives_a_set_for_each_name_in_the_file() -> None:
    lancet, nejm, xpert = sets_of(content_of("m1_eval_data.json"), "m1_eval_data.json")
    assert [(each.name, each.layout, len(each.questions)) for each in (lancet, nejm, xpert)] == [
        ("Lancet", "m1", 2),
        ("NEJM", "m1", 1),
        ("MedXpertQA", "m1", 1),
    ]
    assert lancet.questions[1].stem.startswith("A child limps after a cold;")
    assert (lancet.questions[1].target, lancet.questions[1].options["C"]) == ("C", "Transient synovitis")
    assert list(nejm.questions[0].options) == ["A", "B", "C", "D", "E"]
    assert list(xpert.questions[0].options) == list("ABCDEFGHIJ")


def test_medqa_keeps_every_character_and_its_step_as_a_tag() -> None:
    first, second = parsed("medqa-gbaker.jsonl").questions
    assert second.stem == "A 61-year-old man has a pulsating mass above the navel — and back pain. What comes first?"
    assert (first.target, first.tags, second.tags) == ("B", ("step1",), ("step2&3",))
    assert first.options == {
        "A": "Primary polydipsia",
        "B": "Central diabetes insipidus",
        "C": "Nephrogenic diabetes insipidus",
        "D": "Diabetes mellitus",
    }


def test_bigbio_lists_of_key_and_value_become_lettered_options() -> None:
    first, second = parsed("medqa-bigbio.jsonl").questions
    assert (first.target, first.options["E"], len(first.options)) == ("E", "Vitamin C", 5)
    assert (second.target, second.options["A"]) == ("A", "Protamine")


def test_medmcqa_counts_from_zero_at_the_hub_and_from_one_in_the_authors_files() -> None:
    hub, original = parsed("medmcqa.jsonl"), parsed("medmcqa-original.jsonl")
    assert [each.target for each in hub.questions] == ["B", "A", "D"]
    assert hub.questions == original.questions
    assert hub.questions[1].tags == ("Anatomy", "Larynx")
    with pytest.raises(InvalidQuestionSet, match="line 3: column cop: found 4, expected the right option's number, 0"):
        parsed("medmcqa-original.jsonl", "medmcqa")


def test_pubmedqa_is_abstract_blank_line_question_and_three_decisions() -> None:
    questions = parsed("pubmedqa.jsonl").questions
    assert [each.target for each in questions] == ["A", "B", "C"]
    assert questions[1].options == {"A": "yes", "B": "no", "C": "maybe"}
    assert questions[1].stem == (
        "Two wards were painted, one blue, one white.\nThe median stay was 4 days on both.\n\n"
        "Do blue walls shorten the stay on a ward?"
    )
    assert questions[1].title == "PubMed 22222222"
    assert [each.stem for each in parsed("pubmedqa-original.json").questions] == [each.stem for each in questions]


def test_mmlu_pro_takes_health_and_biology_and_counts_what_it_leaves_out() -> None:
    medical, every = parsed("mmlu-pro.jsonl"), parsed("mmlu-pro.jsonl", "mmlu-pro-all")
    assert [each.tags for each in medical.questions] == [("health",), ("biology",)]
    assert (medical.left_out, every.left_out, len(every.questions)) == (1, 0, 3)
    assert (len(medical.questions[0].options), medical.questions[0].target) == (10, "B")
    assert list(medical.questions[1].options) == ["A", "B", "C"]


def test_mmlu_pro_drops_the_padding_of_its_first_release() -> None:
    row = rows_of("mmlu-pro.jsonl")[1]
    padded = row | {"options": [*row["options"], "N/A", "N/A"]}
    (found,) = sets_of(as_jsonl([padded]), "x.jsonl")
    assert found.questions[0].options == {"A": "Protein", "B": "Lipid", "C": "Starch"}


def test_gpqa_takes_biology_and_shuffles_the_same_way_every_time() -> None:
    medical = parsed("gpqa.csv")
    rows = rows_of("gpqa.csv")
    assert (medical.left_out, len(parsed("gpqa.csv", "gpqa-all").questions)) == (1, 4)
    for question, row in zip(medical.questions, rows, strict=False):
        assert question.options[question.target or ""] == row["Correct Answer"]
        assert sorted(question.options.values()) == sorted(
            [row["Correct Answer"], *(row[f"Incorrect Answer {n}"] for n in (1, 2, 3))]
        )
    swapped = [
        row | {"Incorrect Answer 1": row["Incorrect Answer 3"], "Incorrect Answer 3": row["Incorrect Answer 1"]}
        for row in rows
    ]
    (again,) = sets_of(as_csv(swapped), "gpqa.csv")
    assert again.questions == medical.questions
    assert medical.questions[0].tags == ("Biology", "Molecular Biology")


def test_gpqa_puts_the_right_answer_in_every_place_about_equally_often() -> None:
    row = rows_of("gpqa.csv")[0]
    rows = [row | {"Question": f"Question {number}?"} for number in range(400)]
    (found,) = sets_of(as_csv(rows), "gpqa.csv")
    targets = [each.target for each in found.questions]
    assert all(70 <= targets.count(letter) <= 130 for letter in "ABCD")


def test_medbullets_has_four_or_five_options_by_its_columns() -> None:
    four, five = parsed("medbullets-op4.csv").questions, parsed("medbullets-op5.csv").questions
    assert [len(each.options) for each in (four[0], five[0])] == [4, 5]
    assert [each.stem for each in four] == [each.stem for each in five]
    assert (five[0].target, five[0].options["E"]) == ("B", "Oxygen alone")
    from_hub = parsed("medbullets-mkieffer.jsonl").questions
    assert [(each.options, each.target) for each in from_hub] == [(each.options, each.target) for each in four]


def test_medxpertqa_loses_the_options_that_its_questions_repeat() -> None:
    first, second = parsed("medxpertqa.jsonl").questions
    assert first.stem == (
        "A 45-year-old runner has pain at the heel on the first steps of the day. Which structure is inflamed?"
    )
    assert (first.target, first.options["B"], first.title) == ("B", "Plantar fascia", "Text-0")
    assert second.tags == ("Basic Science", "Cardiovascular", "Understanding")


def test_medxpertqa_questions_with_an_image_are_refused() -> None:
    rows = [row | {"images": ["MM-1.jpeg"]} for row in rows_of("medxpertqa.jsonl")]
    with pytest.raises(InvalidQuestionSet, match=r"line 1: column images: .*only the text part"):
        sets_of(as_jsonl(rows), "mm.jsonl")


def test_a_table_of_ones_own_has_options_in_columns_and_the_answer_as_letter_or_text() -> None:
    first, second = parsed("plain.csv").questions
    assert (first.options, first.target) == ({"A": "Thyroid", "B": "Adrenal"}, "B")
    assert second.stem == 'Which of these, "strictly", is a virus?'
    (by_text,) = sets_of(as_jsonl([{"question": "Q?", "options": ["x", "y"], "answer": "y"}]), "own.jsonl")
    assert by_text.questions[0].target == "B"


def test_a_table_as_pandas_writes_it_by_columns_is_read_too() -> None:
    rows = rows_of("medbullets-op4.csv")
    columns = {name: {str(index): row[name] for index, row in enumerate(rows)} for name in rows[0]}
    (found,) = sets_of(json.dumps(columns).encode(), "medbullets_op4.json")
    assert found.questions == parsed("medbullets-op4.csv").questions


def test_an_unknown_layout_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidQuestionSet, match=r"Unknown layout 'medq'\. Choose one of .*medqa"):
        parsed("medqa-gbaker.jsonl", "medq")


def test_frenchmedmcqa_has_one_right_option_or_several() -> None:
    several, single = parsed("frenchmedmcqa-several.jsonl").questions
    assert (several.target, several.options["C"], several.title) == ("A, C", "Une allergie est possible", "own-1")
    assert (single.target, single.options["B"], single.tags) == ("B", "Vitamine C", ("pharmacie",))


@pytest.mark.parametrize(
    ("answers", "number", "target"),
    [([0, 2], 1, "A, C"), ([2, 0], None, "A, C"), ([1], 0, "B"), (1, 0, "B"), ("A, C", 2, "A, C"), ("b", 1, "B")],
)
def test_frenchmedmcqa_from_the_hub_has_the_letters_as_classes(answers: object, number: object, target: str) -> None:
    row = rows_of("frenchmedmcqa-several.jsonl")[0] | {"correct_answers": answers, "number_correct_answers": number}
    (found,) = sets_of(as_jsonl([row]), "hub.jsonl")
    assert found.questions[0].target == target


@pytest.mark.parametrize(
    ("answers", "number", "problem"),
    [
        ([], 0, "expected the right options"),
        (["a", "f"], 2, "expected the right option's letter"),
        ([0, 7], 2, "expected the right option's number, 0 to 4"),
        ([0, 0], 1, "expected each of the right options once"),
        (["a", "c"], 4, "column number_correct_answers: found 4, expected 2"),
    ],
)
def test_a_row_without_usable_right_options_is_refused(answers: object, number: object, problem: str) -> None:
    row = rows_of("frenchmedmcqa-several.jsonl")[0] | {"correct_answers": answers, "number_correct_answers": number}
    with pytest.raises(InvalidQuestionSet, match=problem):
        sets_of(as_jsonl([row]), "bad.jsonl")


@pytest.mark.parametrize("answer", ["A, C", "AC", ["A", "C"]])
def test_several_letters_are_a_target_in_other_layouts_too(answer: object) -> None:
    row = {"question": "Q?", "options": ["x", "y", "z"], "answer_idx": answer, "answer": "x and z"}
    (found,) = sets_of(as_jsonl([row]), "own.jsonl")
    assert (found.layout, found.questions[0].target) == ("m1", "A, C")
