"""Where the answer of a pass changed, and the sentence that is shown about it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.runs.flips import Flip, FlipKind, SentenceBasis, flips
from storage.traces.records import Checkpoint, SegmentKind
from tests.m1app.runs.sweep_samples import PASS, RIGHT, TEXT, a_checkpoint
from tests.m1app.runs.trace_samples import segment


def flips_in(text: str, checkpoints: Sequence[Checkpoint]) -> tuple[Flip, ...]:
    trace = replace(PASS.trace, segments=(segment(SegmentKind.THINK, text, 32),))
    return flips(replace(PASS, trace=trace, checkpoints=tuple(checkpoints)))


def shares(a: float, b: float) -> dict[str, float]:
    return {"A": a, "B": b}


@pytest.mark.parametrize(
    ("thought", "sentence"),
    [
        ("The thyroid is in the neck. So the answer is A. Cortisol is a steroid.", "So the answer is A."),
        ("The answer is A. Let me check it. Yes, the answer is A. Good.", "The answer is A."),
        ("The answer is A. But perhaps not: the answer is B. No, the answer is A. Good.", "No, the answer is A."),
        (
            "I thought of the thyroid. The most likely source is the ADRENAL.",
            "The most likely source is the ADRENAL.",
        ),
        ("Option A is correct\nThe thyroid is in the neck", "Option A is correct"),
    ],
)
def test_the_sentence_is_the_one_that_states_the_new_answer_for_good(thought: str, sentence: str) -> None:
    text = f"It may be the thyroid. {thought}"
    (flip,) = flips_in(text, [a_checkpoint(((8, 0),), 8, 22), a_checkpoint(((32, 0),), 32, len(text), **RIGHT)])
    assert (flip.sentence, flip.basis) == (sentence, SentenceBasis.STATED)
    assert text[flip.start : flip.end] == flip.sentence
    assert flip.why == "It states A."


def test_a_sentence_that_never_ends_is_shown_from_a_thousand_characters_before_its_end() -> None:
    text = "perhaps the thyroid, " * 500 + "so the answer is A"
    (flip,) = flips_in(text, [a_checkpoint(((8, 0),), 8, 22), a_checkpoint(((32, 0),), 32, len(text), **RIGHT)])
    assert (flip.start, flip.end, flip.basis) == (len(text) - 1000, len(text), SentenceBasis.STATED)


def test_where_nothing_states_the_answer_it_is_where_its_probability_moved_most() -> None:
    text = "It may be the thyroid. The adrenal cortex makes steroids. Steroids are lipids. The thyroid makes others."
    first, second, third = (text.index(word) for word in ("The adrenal", "Steroids", "The thyroid makes"))
    points = [
        a_checkpoint(((8, 0),), 8, first, option_probabilities=shares(0.1, 0.8)),
        a_checkpoint(((16, 0),), 16, second, option_probabilities=shares(0.4, 0.5)),
        a_checkpoint(((24, 0),), 24, third, option_probabilities=shares(0.45, 0.46)),
        a_checkpoint(((32, 0),), 32, len(text), **RIGHT | {"option_probabilities": shares(0.5, 0.4)}),
    ]
    (flip,) = flips_in(text, points)
    assert (flip.before.cut_tokens, flip.after.cut_tokens) == (24, 32)
    assert (flip.sentence, flip.basis) == ("The adrenal cortex makes steroids.", SentenceBasis.PROBABILITY)
    assert (
        flip.why
        == "No sentence states it. Here the probability of A moved most: from 10.0% to 40.0% between 8 and 16 tokens."
    )


def test_where_no_sentence_names_the_option_all_that_stands_between_the_checkpoints_is_shown() -> None:
    text = "It may be the thyroid. 1. Glands are many.\n2. Some are small. They are old."
    points = [
        a_checkpoint(((8, 0),), 8, 22),
        a_checkpoint(((16, 0),), 16, text.index(" They"), **RIGHT),
        a_checkpoint(((24, 0),), 24, len(text), **RIGHT),
    ]
    (flip,) = flips_in(text, points)
    assert (flip.sentence, flip.basis) == ("1. Glands are many.\n2. Some are small.", SentenceBasis.PROBABILITY)


def test_a_long_stretch_is_shown_from_its_end() -> None:
    text = "It may be the thyroid. " + "Glands are many and most of them are small. " * 20
    (flip,) = flips_in(text, [a_checkpoint(((8, 0),), 8, 22), a_checkpoint(((16, 0),), 16, len(text), **RIGHT)])
    assert flip.end == len(text.rstrip()) and 200 < len(flip.sentence) <= 300
    assert flip.sentence.startswith("Glands")


def test_an_answer_that_chooses_no_option_any_more_is_about_the_option_it_left() -> None:
    text = "It is the thyroid. Is it? I do not know."
    points = [
        a_checkpoint(((8, 0),), 8, 18, option_probabilities=shares(0.1, 0.8)),
        a_checkpoint(((16, 0),), 16, len(text), letter=None, option_probabilities=shares(0.2, 0.3)),
    ]
    (flip,) = flips_in(text, points)
    assert flip.kind is FlipKind.NONE_CHOSEN
    assert "probability of B moved most: from 80.0% to 30.0%" in flip.why


@pytest.mark.parametrize("probabilities", [None, shares(0.3, 0.3)])
def test_without_a_statement_and_a_move_it_says_that_the_sentence_is_only_the_last(
    probabilities: dict[str, float] | None,
) -> None:
    text = "It may be the thyroid. Glands are many. Some are small."
    points = [
        a_checkpoint(((8, 0),), 8, 22, option_probabilities=probabilities),
        a_checkpoint(((16, 0),), 16, len(text), **RIGHT | {"option_probabilities": probabilities}),
    ]
    (flip,) = flips_in(text, points)
    assert (flip.sentence, flip.basis) == ("Some are small.", SentenceBasis.LAST)


def test_flips_say_what_they_did() -> None:
    first, second = flips(PASS)
    assert (first.kind, second.kind) == (FlipKind.WRONG_TO_RIGHT, FlipKind.RIGHT_TO_WRONG)
    assert [TEXT[flip.start : flip.end] for flip in (first, second)] == [first.sentence, second.sentence]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ({"letter": None}, {"letter": "B"}, FlipKind.CHOSEN),
        ({"letter": "B"}, {"letter": None}, FlipKind.NONE_CHOSEN),
        ({"letter": "B"}, {"letter": "C"}, FlipKind.CHANGED),
        ({"letter": "B", "is_correct": None}, {"letter": "A", "is_correct": None}, FlipKind.CHANGED),
        ({"letter": None}, RIGHT, FlipKind.WRONG_TO_RIGHT),
        (RIGHT, {"letter": None}, FlipKind.RIGHT_TO_WRONG),
    ],
)
def test_each_change_has_its_kind(before: dict[str, object], after: dict[str, object], kind: FlipKind) -> None:
    checkpoints = (a_checkpoint(((8, 0),), 8, 22, **before), a_checkpoint(((16, 0),), 16, 50, **after))
    (flip,) = flips(replace(PASS, checkpoints=checkpoints))
    assert flip.kind is kind


def test_a_change_that_is_not_to_the_right_answer_has_a_neutral_name() -> None:
    judging = ("found", "lost", "solved", "gained", "fixed", "better", "worse")
    assert not [kind for kind in FlipKind if any(word in kind.value for word in judging)]


@given(st.text(alphabet="aA .\n!", max_size=40), st.data())
def test_every_sentence_is_inside_the_thinking_however_it_is_cut(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=4)))
    points = [
        a_checkpoint(((8 * at, 0),), 8 * at, cut, letter="AB"[at % 2], option_probabilities=None)
        for at, cut in enumerate(cuts, 1)
    ]
    for flip in flips_in(text, points):
        assert 0 <= flip.start <= flip.end <= flip.after.cut_characters
        assert text[flip.start : flip.end] == flip.sentence
