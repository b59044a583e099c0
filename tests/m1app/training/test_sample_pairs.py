"""Samples side by side: the same question, or nearly."""

from m1app.question_sets.overlap import Text, find_near_duplicates
from m1app.training.curation_steps import DroppedSample
from m1app.training.sample_index import SampleIndex
from m1app.training.sample_pairs import differences, find_pairs
from tests.m1app.training.training_cases import a_sample, some_samples

CASE = "A woman of forty years has had a fever and a stiff neck for two days and now she avoids the light"


def test_the_same_question_comes_first_and_then_the_closest() -> None:
    first, near, far = (
        a_sample(question=f"{CASE}{end}") for end in ("", " of day", "; her knee is swollen and red and hurts")
    )
    again = a_sample(question=CASE.upper(), source="other")
    left_out = DroppedSample(a_sample(question=f"{CASE} ", source="third"), "deduplicate", "repeats")
    other = DroppedSample(a_sample(question=CASE), "verify", "its answer names another option")
    pairs = find_pairs(SampleIndex([first, *some_samples(5), near, again, far], [left_out, other]))
    assert [(pair.is_same, pair.first.place, pair.second.place, pair.second.is_kept) for pair in pairs] == [
        (True, 0, 7, True),
        (True, 0, 0, False),
        (False, 0, 6, True),
        (False, 0, 8, True),
        (False, 6, 8, True),
    ]
    assert [pair.share for pair in pairs[:3]] == [1.0, 1.0, 1.0]
    assert pairs[3].share > pairs[4].share * 0.99


def test_samples_without_anything_in_common_are_no_pair() -> None:
    assert find_pairs(SampleIndex(some_samples(20), [])) == ()
    assert find_near_duplicates([]) == ()


def test_stock_phrases_make_no_pair() -> None:
    phrase = "which of the following is the most likely diagnosis here"
    assert find_near_duplicates([Text(f"item{n} {phrase}") for n in range(30)]) == ()


def test_differences_are_marked_by_words() -> None:
    left, right = differences("The left Kidney is small.", "The right kidney  is small")
    assert [(piece.text, piece.is_shared) for piece in left] == [
        ("The ", True),
        ("left", False),
        (" Kidney is small", True),
        (".", False),
    ]
    assert [(piece.text, piece.is_shared) for piece in right] == [
        ("The ", True),
        ("right", False),
        (" kidney  is small", True),
    ]


def test_very_long_texts_are_shown_without_their_differences() -> None:
    text = "word " * 10_000
    left, right = differences(text, text + "end")
    assert ([piece.text for piece in left], [piece.is_shared for piece in right]) == ([text], [True])
