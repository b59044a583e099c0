"""Reading an answer costs work in proportion to its length, whatever it is made of."""

import sys
from pathlib import Path

import pytest

import m1app.question as room
from benchmarks.answer_reading import SHAPES
from m1app.question.answers.containers import find_containers
from m1app.question.answers.rules import load_rules
from m1app.question.answers.scoring import score

TEXTS = ("Radial nerve", "Ulnar nerve", "Median nerve", "Axillary nerve", "Sciatic nerve")
OPTIONS = dict(zip("ABCDE", TEXTS, strict=True))
ROOM = str(Path(room.__file__).parent)
SMALL, GROWS = 700, 4
"""Characters of the shorter text; the longer one has fewer options than those from which on none is read."""


def filled(piece: str, characters: int) -> str:
    return (piece * (characters // len(piece) + 1))[:characters]


def lines_run(text: str, target: str) -> int:
    """Lines of the room's code that are run to read an answer."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        if not frame.f_code.co_filename.startswith(ROOM):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        score(text, OPTIONS, target)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("target", ["A", "A, C"])
@pytest.mark.parametrize("shape", SHAPES)
def test_four_times_the_answer_is_four_times_the_work(shape, target):
    score("The answer is A.", OPTIONS, target)
    small, large = (lines_run(filled(SHAPES[shape], SMALL * times), target) for times in (1, GROWS))
    assert large <= small * GROWS * 1.4 + 2_000


class Counted(str):
    """A text that counts the characters of its slices."""

    copied = 0

    def __getitem__(self, key):
        found = super().__getitem__(key)
        Counted.copied += len(found)
        return found


@pytest.mark.parametrize("shape", SHAPES)
def test_containers_are_found_without_copying_the_rest_of_the_answer_each_time(shape):
    copied = []
    for times in (1, GROWS):
        Counted.copied = 0
        find_containers(Counted(filled(SHAPES[shape], 4_000 * times)), load_rules())
        copied.append(Counted.copied)
    assert copied[1] <= copied[0] * GROWS * 1.4 + 4_000


@pytest.mark.parametrize("piece", ["A, B, C, D, E, F, G, H, J, K, L, M. ", "The answer is A. ", "Radial nerve, or "])
def test_an_answer_of_very_many_options_chooses_none_and_costs_no_more_than_its_words(monkeypatch, piece):
    monkeypatch.setattr("m1app.question.answers.mention_finding.MOST_MENTIONS", 50)
    some, many, more = (lines_run(filled(piece, times * 2_500), "A") for times in (1, 2, 3))
    assert score(filled(piece, 2_500), OPTIONS, "A").letter is None
    assert more - many <= (many - some) * 1.2
    assert more - many < 2_500 * 25
