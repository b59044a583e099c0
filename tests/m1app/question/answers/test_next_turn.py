"""A model that goes on to invent the next question is read up to there."""

import pytest

from m1app.question.answers.scoring import score

OPTIONS = {"A": "Pulmonary embolism", "B": "Pneumothorax", "C": "Pneumonia", "D": "Myocardial infarction"}
TURNS = [
    "Human: next question", "User: And this one?", "Question: Which is it?", "Question 2: Which is it?",
    "Q: Which is it?",
    "**Question:** Which is it?", "### Human: go on", "<|im_start|>user\nWhich is it?", "用户：下一题",
]  # fmt: skip


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("answer", ["Answer: B", "B", "\\boxed{B}", "It is a pneumothorax, so the answer is B."])
def test_an_answer_counts_up_to_the_next_turn(answer: str, turn: str) -> None:
    for other in ("Answer: D", "\\boxed{D}", '{"answer": "D"}'):
        assert score(f"{answer}\n\n{turn}\n{other}", OPTIONS, "B").letter == "B"


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("before", ["Hm.\n", "I cannot tell.\n"])
def test_nothing_is_read_behind_a_turn_if_no_answer_comes_before_it(before: str, turn: str) -> None:
    assert score(f"{before}{turn}\nAnswer: D", OPTIONS, "D").letter is None


@pytest.mark.parametrize(
    "asked", ["Question: Which is it?", "\n**Question:** Which is it?", "Q: Which?", "问题：哪个？"]
)
def test_an_answer_may_begin_by_repeating_the_question(asked: str) -> None:
    assert score(f"{asked}\nAnswer: B", OPTIONS, "B").letter == "B"
    assert score(f"{asked}\nAnswer: B\nQuestion: And now?\nAnswer: D", OPTIONS, "B").letter == "B"


@pytest.mark.parametrize(
    "text",
    [
        "<think>\nQuestion: what is it?\n</think>\nAnswer: B",
        "<|im_start|>answer\nAnswer: B",
        "The question: is it B? Answer: B",
        '{"question": "x",\n"answer": "B"}',
        "To the question: Answer: B",
        "Asked by the user: a choice.\nAnswer: B",
    ],
)
def test_words_that_begin_no_turn_do_not_end_the_answer(text: str) -> None:
    assert score(text, OPTIONS, "B").letter == "B"
