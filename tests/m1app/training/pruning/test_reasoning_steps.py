"""How a reasoning is split into steps, and which words make a step functional."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.training.pruning.reasoning_steps import StepLabel, label_of, split_steps, without_steps

CORRECTION, ALTERNATIVE = StepLabel.CORRECTION, StepLabel.ALTERNATIVE
VERIFICATION, PROGRESSIVE = StepLabel.VERIFICATION, StepLabel.PROGRESSIVE


@pytest.mark.parametrize(
    ("text", "label"),
    [
        # English
        ("Wait, no, cortisol is a steroid.", CORRECTION),
        ("Wait, that's not what the question asks.", CORRECTION),
        ("I think I made a mistake with the dose.", CORRECTION),
        ("That can’t be right: the heart rate is normal.", CORRECTION),
        ("Alternatively, the adrenal gland is infarcted.", ALTERNATIVE),
        ("But what about option B? It fits as well.", ALTERNATIVE),
        ("Hmm, maybe the thyroid is to blame.", ALTERNATIVE),
        ("On the other hand, ACTH is low.", ALTERNATIVE),
        ("Let me check the units again.", VERIFICATION),
        ("Okay, so let me double-check that.", VERIFICATION),
        ("Wait. Let me make sure of the lab values.", VERIFICATION),
        ("Wait, the patient is pregnant.", VERIFICATION),
        ("I want to double check the potassium.", VERIFICATION),
        ("**Wait**, the patient is pregnant.", VERIFICATION),
        ("The adrenal cortex makes cortisol.", PROGRESSIVE),
        ("To confirm the diagnosis, a biopsy is taken.", PROGRESSIVE),
        ("No fever, no rash.", PROGRESSIVE),
        ("But the potassium is low, so loop diuretics are likely.", PROGRESSIVE),
        ("Option B is wrong: that is incorrect in pregnancy.", PROGRESSIVE),
        ("Waiting for cultures delays treatment.", PROGRESSIVE),
        ("Otherwise healthy, he takes no drugs.", PROGRESSIVE),
        # Chinese
        ("等等，不是肾上腺。", CORRECTION),
        ("不对，皮质醇是类固醇。", CORRECTION),
        ("或者，可能是甲状腺的问题。", ALTERNATIVE),
        ("另一种可能是垂体瘤。", ALTERNATIVE),
        ("让我再检查一下剂量。", VERIFICATION),
        ("等等，患者怀孕了。", VERIFICATION),
        ("肾上腺皮质产生皮质醇。", PROGRESSIVE),
        # Others
        ("Warte, nein, das ist die Nebenniere.", CORRECTION),
        ("Vérifions la dose.", VERIFICATION),
        ("Espera, tal vez sea la tiroides.", ALTERNATIVE),
        ("잠깐, 다시 확인해 보자.", VERIFICATION),
        # Nothing to read
        ("...", PROGRESSIVE),
        ("", PROGRESSIVE),
    ],
)
def test_a_step_is_labelled_by_how_it_begins(text: str, label: StepLabel) -> None:
    assert label_of(text) is label


def test_words_late_in_a_step_do_not_label_it() -> None:
    assert label_of("The cortex makes cortisol. Let me double-check that.") is PROGRESSIVE
    assert label_of("The cortex makes cortisol" + " and more" * 100 + " let me double-check") is PROGRESSIVE


def test_paragraphs_are_steps_and_the_last_one_concludes() -> None:
    steps = split_steps("\n\nCortisol is a steroid. It rises.\n\nWait, is it?\n \nWait, it is A.\n")
    assert [(step.text, step.label) for step in steps] == [
        ("Cortisol is a steroid. It rises.", PROGRESSIVE),
        ("Wait, is it?", VERIFICATION),
        ("Wait, it is A.", PROGRESSIVE),
    ]


def test_a_long_paragraph_is_split_into_sentences() -> None:
    five = "One. Two. Three. Four. Five."
    assert [step.text for step in split_steps(five)] == [five]
    steps = split_steps(f"{five} Wait, six? Seven.")
    assert [step.text for step in steps] == ["One.", "Two.", "Three.", "Four.", "Five.", "Wait, six?", "Seven."]
    assert [place for place, step in enumerate(steps) if step.is_functional] == [5]


def test_what_is_left_out_leaves_paragraphs_apart() -> None:
    steps = split_steps("A b. B c. C d. D e. E f. Wait, g.\n\nH i.")
    assert steps[5].label is VERIFICATION
    assert without_steps(steps, (5,)) == "A b. B c. C d. D e. E f.\n\nH i."
    assert without_steps(steps, (0,)) == "B c. C d. D e. E f. Wait, g.\n\nH i."
    assert without_steps(steps, range(7)) == ""


@pytest.mark.parametrize("text", ["", "   ", "\n\n\n", "."])
def test_next_to_nothing_has_no_functional_step(text: str) -> None:
    steps = split_steps(text)
    assert not any(step.is_functional for step in steps)
    assert without_steps(steps, ()) == text.strip()


@given(
    st.lists(st.sampled_from(["Wait, no. ", "So it is. ", "\n\n", "\n", " ", "等等，", "或者。", "x", "1. ", "e.g. "]))
)
def test_all_steps_together_are_the_text_and_none_is_empty(pieces: list[str]) -> None:
    text = "".join(pieces)
    steps = split_steps(text)
    assert without_steps(steps, ()) == text.strip()
    assert all(step.text == step.text.strip() != "" for step in steps)
    assert not steps or steps[-1].label is PROGRESSIVE
