"""Selectors hold on any text: emoji, combining marks, CRLF, right-to-left."""

import hashlib
from dataclasses import replace
from itertools import accumulate
from unittest.mock import Mock

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from m1app.annotation import selectors
from m1app.annotation.errors import SelectorError
from m1app.annotation.foreign_spans import _code_points_before
from m1app.annotation.selectors import CONTEXT_CHARACTERS, MOST_SEARCHED, check, find, select, text_hash
from storage.annotations.records import TextSelector

_PIECES = ["\U0001f9ec", "\U0001f468\u200d\u2695\ufe0f", "e\u0301", "\r\n", "\u202b\u05d0", "a", " "]
TEXTS = st.lists(st.one_of(st.characters(), st.sampled_from(_PIECES)), min_size=1, max_size=80).map("".join)


@given(text=TEXTS, data=st.data())
def test_selector_is_true_of_its_own_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    made = select(text, start, end)
    assert check(text, made) == made
    assert text[made.start : made.end] == made.exact
    assert text[: made.start].endswith(made.prefix)
    assert text[made.end :].startswith(made.suffix)
    assert max(len(made.prefix), len(made.suffix)) <= CONTEXT_CHARACTERS


@given(text=TEXTS, before=TEXTS, data=st.data())
def test_quote_is_found_again_in_a_text_that_grew_at_its_front(text: str, before: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    made = select(text, start, end)
    found = find(before + text, made)
    assert found is not None
    assert found.exact == made.exact
    assert find(text, made) == made


@given(text=TEXTS, other=TEXTS)
def test_selector_is_refused_for_another_text(text: str, other: str) -> None:
    assume(text != other)
    with pytest.raises(SelectorError, match="has changed"):
        check(other, select(text, 0, 1))


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 2), (3, 2), (0, 6), (5, 6)])
def test_stretch_outside_the_text_is_refused(start: int, end: int) -> None:
    with pytest.raises(SelectorError, match="Select the words again"):
        select("gland", start, end)


def test_quote_that_does_not_stand_at_its_position_is_refused() -> None:
    made = replace(select("adrenal gland", 0, 7), exact="thyroid")
    with pytest.raises(SelectorError, match="the text is 'adrenal', not 'thyroid'"):
        check("adrenal gland", made)


def test_of_equal_quotes_the_one_with_the_same_surroundings_is_found() -> None:
    made = select("the left lung and the right lung", 28, 32)
    found = find("Note: the left lung and the right lung", made)
    assert found is not None
    assert found.start == 34
    assert find("nothing of it", made) is None


def test_lone_surrogate_does_not_break_the_hash() -> None:
    assert len(text_hash("\ud800")) == 64


def test_a_text_is_hashed_once_for_all_of_its_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = Mock(wraps=hashlib.sha256)
    monkeypatch.setattr(selectors.hashlib, "sha256", hashed)
    text = "It is the ulnar nerve. " * 500
    for start in range(400):
        check(text, select(text, start, start + 5))
    assert hashed.call_count == 1


def test_a_quote_is_looked_for_near_its_place_in_a_long_text() -> None:
    text = f"ulnar{'.' * 2 * MOST_SEARCHED}radial{'.' * 2 * MOST_SEARCHED}ulnar"
    middle = text.index("radial")
    quote = TextSelector(middle + 300, middle + 306, "radial", "", "", "")
    assert find(text, quote) == select(text, middle, middle + 6)
    assert find(text, replace(quote, exact="ulnar", end=middle + 305)) is None
    assert find(text, replace(quote, exact="ulnar", start=len(text), end=len(text))) == select(
        text, len(text) - 5, len(text)
    )
    assert find(text, replace(quote, exact="ulnar", start=0, end=5)) == select(text, 0, 5)


@pytest.mark.parametrize("start", [0, 4, 7, 9, 30])
def test_without_context_the_nearest_quote_is_found_and_of_two_as_near_the_first(start: int) -> None:
    text = "A B A B A"
    places = [0, 4, 8]
    nearest = min(places, key=lambda place: abs(place - start))
    assert find(text, TextSelector(start, start + 1, "A", "", "", "")) == select(text, nearest, nearest + 1)


@given(text=TEXTS)
def test_utf16_units_are_counted_as_encoding_the_text_would(text: str) -> None:
    ends = list(accumulate(len(each.encode("utf-16-le", "surrogatepass")) // 2 for each in text))
    for count in range(ends[-1] + 3):
        assert _code_points_before(text, count) == sum(end <= count for end in ends)
