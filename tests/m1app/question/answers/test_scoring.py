import pytest

from m1app.question.answers.scoring import RULES, STRICT_VERSION, Score, letter_basis, score
from m1app.question.errors import QuestionError, UnknownScoringRule

OPTIONS = {"A": "Iron deficiency", "B": "Folate deficiency"}


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("The answer is B.", "B", Score("B", True, "stated")),
        ("The answer is B.", "A", Score("B", False, "stated")),
        (r"\boxed{A}", "A", Score("A", True, "boxed")),
        ("The answer is B.", None, Score("B", None, "stated")),
        ("I am not sure.", "A", Score(None, False, "no_answer")),
        ("A or B", "A", Score(None, False, "ambiguous")),
        ("Answer: E", "A", Score(None, False, "not_an_option")),
        ("", "A", Score(None, False, "no_answer")),
        ("", None, Score(None, None, "no_answer")),
    ],
)
def test_answer_is_scored_against_the_target(text, target, expected):
    found = score(text, OPTIONS, target)
    assert Score(found.letter, found.is_correct, found.how) == expected


def test_a_score_says_what_its_letter_rests_on():
    text = "I think the answer is B, since folate is low."
    found = score(text, OPTIONS, "B")
    assert (found.rule, text[slice(*found.span)]) == ("answer is (en)", "answer is B")


def test_what_a_letter_rests_on_is_stored_by_its_place_in_the_answer_alone():
    leading = "Final Answer:"
    basis = letter_basis(score(leading + " B.", OPTIONS, "B"), leading)
    assert basis == {
        "letter_rule": "stated: final answer (en)",
        "letter_start": 0,
        "letter_end": 2,
        "strict_version": STRICT_VERSION,
    }
    nothing = letter_basis(score("No idea.", OPTIONS, "B"), "")
    assert (nothing["letter_rule"], nothing["letter_start"]) == ("no_answer", None)
    assert letter_basis(score("B", {}, None), "") == {}


@pytest.mark.parametrize("target", [None, "A"])
def test_open_question_is_never_scored(target):
    assert score("The answer is A.", {}, target) == Score(None, None, "open_question")


@pytest.mark.parametrize("options", [OPTIONS, {}])
def test_unknown_rule_names_the_known_ones(options):
    with pytest.raises(UnknownScoringRule, match=r"'fuzzy': choose one of .*strict") as caught:
        score("A", options, "A", rule="fuzzy")
    assert isinstance(caught.value, QuestionError)
    assert isinstance(caught.value, ValueError)


def test_added_rule_is_found_by_its_name(monkeypatch):
    monkeypatch.setitem(RULES, "first_letter", lambda text, options, target: Score(text[0], text[0] == target, "x"))
    assert score("Alas", OPTIONS, "A", rule="first_letter") == Score("A", True, "x")
    assert score("Alas", OPTIONS, "A").letter is None
