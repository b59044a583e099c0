"""Outputs as thinking and answer, by the marks of the known model families."""

import pytest

from m1app.benchmark.answer_files.own_verdicts import metric_verdict, score_verdict, verdict_of, whole_number
from m1app.benchmark.answer_files.thinking_marks import marks_of, output_parts
from models.profiles import load_profiles

MARKS = marks_of(load_profiles())


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("<think>\nMaybe A.\n</think>\n\nB", "Maybe A.", "B"),
        ("Maybe A.\n</think>\n\nB", "Maybe A.", "B"),
        ("<|im_start|>think\nMaybe A.\n<|im_start|>answer\nB", "Maybe A.", "B"),
        ("## Thinking\n\nMaybe A.\n\n## Final Response\n\nB", "Maybe A.", "B"),
        ("[THINK]Maybe A.[/THINK]B", "Maybe A.", "B"),
        ("<unused94>thought\nMaybe A.<unused95>B", "Maybe A.", "B"),
        ("<think>\nMaybe A. Or", "Maybe A. Or", ""),
        ("Maybe </think> B </think> C", "Maybe", " B </think> C"),
        ("Therefore, the final answer is B", None, "Therefore, the final answer is B"),
        ("", None, ""),
    ],
)
def test_an_output_is_split_at_the_first_closing_and_only_at_marks(
    text: str, thinking: str | None, answer: str
) -> None:
    found = output_parts(text, MARKS)
    assert (found.thinking, found.answer) == (thinking, answer)


def test_phrases_that_profiles_close_with_are_no_marks() -> None:
    assert all(close[0] in "<[#" for _, close in MARKS)
    assert ("<think>", "</think>") in MARKS


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        *((each, True) for each in (True, 1, 1.0, "C")),
        *((each, False) for each in (False, 0, 0.0, "I", "N")),
        *((each, None) for each in ("P", "", 0.5, 2, -1, 10**400, float("nan"), float("inf"), None, [], {"a": 1})),
    ],
)
def test_a_verdict_is_right_or_wrong_or_none(value: object, verdict: bool | None) -> None:
    assert verdict_of(value) is verdict


def test_the_usual_metric_comes_first_and_any_other_after_it() -> None:
    row = {"metrics": ["bleu", "f1", "exact_match"], "bleu": 0.3, "f1": 0.0, "exact_match": 1.0}
    assert metric_verdict(row) == (True, "exact_match")
    assert metric_verdict(row | {"exact_match": 0.4}) == (False, "f1")
    assert metric_verdict({"metrics": "exact_match"}) == (None, "")
    assert metric_verdict({}) == (None, "")


def test_the_usual_scorer_comes_first_and_its_answer_is_kept() -> None:
    scores = {"model_graded": {"value": "I"}, "choice": {"value": "C", "answer": "B"}}
    assert score_verdict({"scores": scores}) == (True, "B", "choice")
    assert score_verdict({"scores": {"own": {"value": "I", "answer": None}}}) == (False, None, "own")
    assert score_verdict({"scores": None}) == (None, None, "")


def test_numbers_that_no_database_holds_are_none() -> None:
    assert [whole_number(each) for each in (0, 7, -1, 2**31, True, 1.0, "7", None)] == [0, 7, *[None] * 6]
