"""References in an answer, "B [3]", name no option and do not hide one."""

import pytest

from m1app.question.answers.scoring import score

OPTIONS = {"A": "Zinc", "B": "Iron", "C": "Copper", "D": "Iodine"}


@pytest.mark.parametrize(
    "text",
    [
        "The answer is B [3].",
        "The answer [3] is B.",
        "B [3]",
        "B [3]; C is excluded [4].",
        "According to [3], the answer is B.",
        "[3] The answer is B.",
        "Answer: B [1, 2]",
        "Answer [3]: B",
        "**B** [2]",
        "B. Iron (see [3])",
        "Iron [3] is correct.",
        "The best choice is iron [3].",
        "Reference [2] supports C. The answer is B.",
        "[1] A is wrong. [2] C is wrong. The answer is B.",
        "\\boxed{B} [3]",
        "答案是B[3]。",
        "根据文献[3]，答案是B。",
        "选B[1]。",
        "La respuesta es B [3].",
        "Según [3], la respuesta correcta es B.",
        "La réponse est B [3].",
        "D'après [3], la bonne réponse est B.",
        "Die Antwort ist B [3].",
        "정답은 B입니다 [3].",
    ],
)
def test_an_answer_with_references_is_read_as_without(text):
    assert score(text, OPTIONS, "B").letter == "B"


@pytest.mark.parametrize(
    "text",
    [
        "[3]",
        "See [3].",
        "Answer: [3]",
        "Option [3] says so.",
        "The guideline [3] recommends it [4].",
        "参见[3]。",
        "Véase [3].",
        "Voir [3].",
        "Siehe [3].",
        "[3] 참조.",
    ],
)
def test_the_number_of_a_reference_names_no_option(text):
    assert score(text, OPTIONS, "B").letter is None
    doses = {"A": "3 mg", "B": "5 mg", "C": "8 mg"}
    assert score(text, doses, "B").letter is None


def test_a_number_in_brackets_is_read_where_options_are_numbers():
    assert score("The answer is [3].", {"A": "1", "B": "2", "C": "3"}, "C").letter == "C"
