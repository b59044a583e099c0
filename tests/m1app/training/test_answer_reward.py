"""GRPO's reward: what counts as a right answer in what a model wrote."""

import pytest

from m1app.training.answer_reward import is_right
from models.profiles import load_profiles

OPTIONS = {"A": "Adrenal gland", "B": "Thyroid gland", "C": "Pancreas"}


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("\nCortisol.\n<|im_start|>answer\nThe answer is \\boxed{A}<|im_end|>", True),
        ("\nCortisol.\n<|im_start|>answer\nThe answer is \\boxed{B}<|im_end|>", False),
        ("\nCortisol.\n<|im_start|>answer\nThat depends.<|im_end|>", False),
        # Still thinking: a letter in the thinking is no answer.
        ("\nThe answer is A, I think. The answer is A.", False),
        # What follows the end of the turn does not count.
        ("\nSo.\n<|im_start|>answer\n\\boxed{B}<|im_end|>\n\\boxed{A}", False),
        ("", False),
    ],
)
def test_only_the_answer_counts(text: str, right: bool) -> None:
    closes = load_profiles().get("m1").thinking.natural_close
    assert is_right(text, closes, OPTIONS, "A", ("<|im_end|>",)) is right


def test_a_closing_sentence_is_read_with_the_answer_that_continues_it() -> None:
    closes = "\n\nTherefore, the answer is"
    assert is_right(f"Cortisol.{closes} A.", closes, OPTIONS, "A", ())
    assert not is_right(f"Cortisol.{closes} B.", closes, OPTIONS, "A", ())


def test_several_right_options_have_to_be_named_all() -> None:
    assert is_right("x<|im_start|>answer\n\\boxed{A, C}", "<|im_start|>answer", OPTIONS, "A, C", ())
    assert not is_right("x<|im_start|>answer\n\\boxed{A}", "<|im_start|>answer", OPTIONS, "A, C", ())
