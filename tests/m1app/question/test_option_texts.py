"""Where a text quotes options."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.question import option_texts
from m1app.question.option_texts import OptionTexts
from m1app.question.prompt_text import narrow


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("IRON   deficiency.", {"A"}),
        ("iron-deficiency", {"A"}),
        ("**Iron\ndeficiency**", set()),
        ("iron deficiencies", set()),
        ("iron deficiency anemia", {"B"}),
        ("5 mg", {"C"}),
        ("-5 mg", {"D"}),
        ("<5 mg", {"E"}),
        ("15 mg", set()),
        ("Ｉｒｏｎ deficiency", {"A"}),
    ],
)
def test_option_text_is_matched_whatever_its_case_spacing_and_punctuation(text: str, letters: set[str]) -> None:
    options = {"A": "Iron deficiency", "B": "Iron deficiency (anemia)", "C": "5 mg", "D": "-5 mg", "E": "<5 mg"}
    found = OptionTexts(narrow(text), options).at(0)
    assert (set(found.letters) if found else set()) == letters


def test_options_with_the_same_text_are_matched_together() -> None:
    found = OptionTexts("rest", {"A": "Rest", "B": "rest."}).at(0)
    assert found is not None
    assert found.letters == {"A", "B"}


def by_patterns(text: str, start: int, options: Mapping[str, str]) -> tuple[int, set[str]]:
    """The same by a regular expression for each option."""
    gap = option_texts._GAP.pattern
    reached: dict[str, int] = {}
    for letter, option in options.items():
        words = [re.escape(word) for word in re.split(gap, narrow(option)) if word]
        if not words or re.fullmatch("[A-Za-z]", "".join(words)):
            continue
        if found := re.compile(gap.join(words) + r"(?!\w)", re.IGNORECASE).match(text, start):
            reached[letter] = found.end()
    end = max(reached.values(), default=0)
    return end, {letter for letter, place in reached.items() if place == end}


PIECES = st.sampled_from(["x", "y", "xy", "5", "-", " ", "  ", ".", "<", "%", "é", "É", "\n", "_", "x y"])
TEXTS = st.lists(PIECES, max_size=12).map("".join)


@pytest.mark.parametrize("long", [40, 0])
@given(data=st.data())
def test_words_are_compared_as_patterns_would(long: int, data: st.DataObject) -> None:
    options = {"A": data.draw(TEXTS), "B": data.draw(TEXTS), "C": data.draw(TEXTS)}
    text = data.draw(TEXTS) + data.draw(st.sampled_from(list(options.values()))) + data.draw(TEXTS)
    start = data.draw(st.integers(0, len(text)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(option_texts, "_LONG_WORDS", long)
        found = OptionTexts(text, options).at(start)
    assert (found.end if found else 0, set(found.letters) if found else set()) == by_patterns(text, start, options)


def test_a_long_option_is_compared_with_a_long_text_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    lengths_of = option_texts._prefix_lengths

    def counted(words: list[str]) -> list[int]:
        compared.append(len(words))
        return lengths_of(words)

    monkeypatch.setattr(option_texts, "_prefix_lengths", counted)
    texts = OptionTexts("x " * 5000, {"A": "x " * 2000, "B": "x " * 1999 + "y"})
    found = [texts.at(start) for start in range(0, 10_000, 2)]
    assert [each.letters if each else None for each in (found[0], found[3000], found[3001])] == [{"A"}, {"A"}, None]
    assert compared == [1998 + 1 + 5000] * 2
