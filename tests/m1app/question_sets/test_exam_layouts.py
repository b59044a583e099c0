"""Layouts of medical exams and of evaluation tools: each file holds the same two questions in other columns."""

import json
from typing import Any

import pytest

from m1app.question_sets.errors import InvalidQuestionSet
from tests.m1app.question_sets.question_set_samples import as_csv, as_jsonl, content_of, m1_row, rows_of, sets_of

STEMS = (
    "A sailor's gums bleed and old scars reopen. Which vitamin is missing?",
    "A child wakes at night with a barking cough. What is the likeliest cause?",
)
TAGS: dict[str, tuple[str, ...]] = {
    "mmlu.jsonl": ("clinical_knowledge",),
    "mmlu-authors.csv": (),
    "medqa-hf.jsonl": (),
    "careqa.jsonl": ("Nursing", "2022"),
    "headqa.jsonl": ("medicine", "Own_exam_M"),
    "agentclinic-nejm.jsonl": ("Diagnosis",),
    "bigbench.json": (),
    "bigbench-hub.jsonl": (),
    "inspect.jsonl": ("nutrition",),
    "lm-eval.jsonl": ("clinical_knowledge",),
}


def refused_row(name: str, **changes: Any) -> str:
    with pytest.raises(InvalidQuestionSet) as caught:
        sets_of(as_jsonl([rows_of(name)[0] | changes]), "a.jsonl")
    return str(caught.value).split("\n")[0]


@pytest.mark.parametrize("name", TAGS)
def test_the_same_questions_come_from_every_layout(name: str) -> None:
    (found,) = sets_of(content_of(name), name)
    first, second = found.questions
    assert (first.stem, second.stem) == STEMS
    assert first.options == {"A": "Vitamin A", "B": "Vitamin C", "C": "Vitamin D", "D": "Vitamin K"}
    assert (first.target, second.target) == ("B", "A")
    assert first.tags == TAGS[name]


@pytest.mark.parametrize("name", ["frenchmedmcqa.jsonl", "frenchmedmcqa-authors.jsonl", "frenchmedmcqa-authors.csv"])
def test_frenchmedmcqa_is_read_in_each_of_its_forms(name: str) -> None:
    (found,) = sets_of(content_of(name), name)
    assert [each.target for each in found.questions] == ["B", "A"]
    assert found.questions[1].options["E"] == "Le cœur"


def test_several_right_answers_are_refused_where_the_layout_has_one() -> None:
    answers = [{"text": "x", "correct": True}, {"text": "y", "correct": True}]
    assert "found 2 answers marked as correct" in refused_row("agentclinic-nejm.jsonl", answers=answers)
    scores = {"x": 1, "y": 1, "z": 0}
    with pytest.raises(InvalidQuestionSet, match="expected one option with the highest score"):
        sets_of(json.dumps({"examples": [{"input": "Q?", "target_scores": scores}]}).encode(), "a.json")


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("mmlu.jsonl", {"answer": 4}, "column answer: found 4, expected the right option's number, 0 to 3"),
        ("careqa.jsonl", {"cop": 0}, "column cop: found 0, expected the right option's number, 1 to 4"),
        ("medqa-hf.jsonl", {"label": None}, "column label: found nothing"),
        ("headqa.jsonl", {"ra": 9}, "column ra: found 9, expected the aid of one of the answers: 1, 2, 3, 4"),
        ("headqa.jsonl", {"image": {"path": "1.png"}}, "column image: found"),
        ("headqa.jsonl", {"answers": "none"}, 'column answers: found "none", expected a list of objects'),
        ("inspect.jsonl", {"target": ["A", "Z"]}, "column target: found"),
        ("inspect.jsonl", {"input": [{"role": "user", "content": [{"image": "x"}]}]}, "column input: found"),
        ("lm-eval.jsonl", {"doc": {"text": "x"}}, "column doc: no layout has the columns 'text'"),
        ("lm-eval.jsonl", {"doc": {"doc": {}, "doc_id": 1}}, "column doc: no layout has the columns 'doc', 'doc_id'"),
        ("bigbench-hub.jsonl", {"multiple_choice_scores": [1]}, "a score for each of multiple_choice_targets"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(name: str, changes: dict[str, Any], expected: str) -> None:
    assert expected in refused_row(name, **changes)


def test_lm_eval_samples_are_read_by_the_layout_of_their_own_data_set() -> None:
    medmcqa = {"question": "Q?", "opa": "a", "opb": "b", "opc": "c", "opd": "d", "cop": 3}
    processed = {"query": "Q?", "choices": ["a", "b", "c"], "gold": 2}
    for doc, target in ((medmcqa, "D"), (processed, "C"), (m1_row(), "A")):
        (found,) = sets_of(as_jsonl([{"doc_id": 0, "doc": doc, "target": "x"}]), "samples_x.jsonl")
        assert found.questions[0].target == target


def test_mmlu_and_bigbio_have_the_same_columns_and_their_answers_tell_them_apart() -> None:
    numbered = rows_of("mmlu.jsonl")
    for content, name in ((as_jsonl(numbered), "a.jsonl"), (as_csv(numbered), "a.csv")):
        assert sets_of(content, name)[0].layout == "mmlu"
    without = [*numbered, numbered[0] | {"answer": None}]
    assert sets_of(as_jsonl(without), "a.jsonl", skips_bad_rows=True)[0].layout == "mmlu"
    named = [row | {"answer": [row["choices"][row["answer"]]]} for row in numbered]
    assert sets_of(as_jsonl(named), "a.jsonl")[0].layout == "bigbio-qa"


@pytest.mark.parametrize(
    "options",
    [
        ["A. Iron", "B. Salt", "C. Zinc"],
        ["A) Iron", "B) Salt", "C) Zinc"],
        ["(A) Iron", "(B)  Salt", "(C) Zinc"],
        {"A": "A: Iron", "B": "B: Salt", "C": "C: Zinc"},
    ],
)
def test_options_lose_letters_that_they_carry_themselves(options: Any) -> None:
    for answer in ("B", "b", "(B)", "B.", "B. Salt", "Salt"):
        (found,) = sets_of(as_jsonl([{"question": "Q?", "options": options, "answer": answer}]), "a.jsonl")
        assert found.questions[0].options == {"A": "Iron", "B": "Salt", "C": "Zinc"}
        assert found.questions[0].target == "B"


@pytest.mark.parametrize(
    "options", [["A. baumannii", "B. cereus"], ["A. Iron", "Salt"], ["B. Iron", "A. Salt"], ["A. Iron", "B."]]
)
def test_options_that_only_look_like_it_are_kept(options: list[str]) -> None:
    (found,) = sets_of(as_jsonl([{"question": "Q?", "options": options, "answer": "B"}]), "a.jsonl")
    assert list(found.questions[0].options.values()) == options


def test_an_answer_whose_letter_and_text_differ_is_refused() -> None:
    with pytest.raises(InvalidQuestionSet, match=r'column answer: found "B\. Iron", expected the right option'):
        sets_of(as_jsonl([{"question": "Q?", "options": ["Iron", "Salt"], "answer": "B. Iron"}]), "a.jsonl")


def test_options_within_the_question_are_found() -> None:
    text = "Which metal is liquid?\nA. Iron\nB. Mercury\nC. Zinc"
    several = {"question": f"{text}\nAnswers: A and C"}
    for row, target in (
        ({"question": text, "answer": "B"}, "B"),
        ({"question": f"{text}\nAnswer: C"}, "C"),
        (several, "A, C"),
    ):
        (found,) = sets_of(as_jsonl([row]), "a.jsonl")
        assert found.questions[0].stem == "Which metal is liquid?"
        assert (found.questions[0].options["B"], found.questions[0].target) == ("Mercury", target)


def test_a_file_without_a_header_says_so() -> None:
    lines = b"Which metal is liquid at room temperature?;Iron;Mercury;2\nWhich one rusts?;Iron;Gold;1\n"
    with pytest.raises(InvalidQuestionSet) as caught:
        sets_of(lines, "a.csv")
    assert str(caught.value).startswith("a.csv: no header row: the first line looks like a question ('2', 'Iron',")


def test_names_of_columns_are_shown_short_and_escaped() -> None:
    with pytest.raises(InvalidQuestionSet) as caught:
        sets_of(as_jsonl([{"x" * 500: 1, "a\nb\u202e": 2}]), "a.jsonl")
    assert len(str(caught.value)) < 500
    assert "'a\\nb\\u202e'" in str(caught.value)
    assert "x" * 61 not in str(caught.value)


def test_samples_of_inspect_may_have_several_right_options() -> None:
    (found,) = sets_of(as_jsonl([rows_of("inspect.jsonl")[0] | {"target": ["A", "B"]}]), "a.jsonl")
    assert found.questions[0].target == "A, B"
