"""What each sentence changed, by the letter's probability at the cuts of a sweep."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.runs.anchors import Reading, deciding, readings_of, sentence_changes
from storage.traces.records import Checkpoint
from tests.m1app.ui.annotate.test_case_view import CASE
from tests.storage.samples import a_checkpoint

TEXT = "It is gout. The knee is hot. So the answer is B. Yes."
FIRST, SECOND, THIRD = TEXT.index("The"), TEXT.index("So"), TEXT.index("Yes")


def at(characters: int, probability: float) -> Reading:
    return Reading(characters, characters // 4, probability)


def test_a_sentence_changed_what_the_letter_moved_between_its_ends():
    readings = [at(0, 0.2), at(FIRST, 0.2), at(SECOND, 0.3), at(THIRD, 0.9), at(len(TEXT), 0.9)]
    changes = sentence_changes(TEXT, readings)
    assert [TEXT[each.start : each.end] for each in changes] == TEXT.replace(". ", ".|").split("|")
    assert [round(each.change, 2) for each in changes] == pytest.approx([0, 0.1, 0.6, 0], abs=0.05)
    decided = deciding(changes)
    assert decided is not None and decided.start == SECOND
    assert (decided.before, decided.after) == (readings[2], readings[3])


def test_a_fall_is_negative_and_decides_nothing():
    changes = sentence_changes(TEXT, [at(0, 0.9), at(len(TEXT), 0.1)])
    assert sum(each.change for each in changes) == pytest.approx(-0.8, abs=0.06)
    assert deciding(changes) is None


def test_what_no_two_cuts_enclose_is_not_known():
    changes = sentence_changes(TEXT, [at(FIRST, 0.2), at(SECOND, 0.6)])
    assert [each.change is None for each in changes] == [True, False, True, True]
    assert all(each.change is None for each in sentence_changes(TEXT, [at(20, 0.5)]))
    assert sentence_changes("", []) == ()


@given(
    st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1)), min_size=2, max_size=12, unique_by=lambda each: each[0])
)
def test_the_sentences_changes_never_exceed_the_whole_movement_between_cuts(points):
    readings = [at(*each) for each in sorted(points)]
    changes = sentence_changes("A word. Another one. " * 19, readings)
    moved = sum(abs(b.probability - a.probability) for a, b in pairwise(readings))
    assert sum(abs(each.change) for each in changes if each.change is not None) <= moved + 1e-9


def test_readings_are_of_the_letter_that_was_answered_among_the_options_and_up_to_the_case():
    def kept(characters: int, tokens: int, **changes) -> Checkpoint:
        new = a_checkpoint("0" * 32, cut_characters=characters, cut_tokens=tokens, **changes)
        fields = {name: getattr(new, name) for name in new.__dataclass_fields__}
        return Checkpoint(**fields, id="1" * 32, created_at=None)

    checkpoints = [
        kept(10, 3, option_probabilities={"A": 0.1, "B": 0.3}),
        kept(20, 6, option_probabilities=None),
        kept(30, 9, option_probabilities={"A": 0.4, "B": 0.1}),
        kept(99, 30),
    ]
    case = replace(CASE, letter="B", thinking_text=TEXT)
    found = readings_of(case, None, checkpoints)
    assert found == (Reading(10, 3, pytest.approx(0.75)), Reading(30, 9, pytest.approx(0.2)))
    assert readings_of(replace(case, letter=None), None, checkpoints) == ()
    several = replace(case, question=replace(case.question, target="A, B"))
    assert readings_of(several, None, checkpoints) == ()
