"""Several letters as people write a target: "A, C", "AC", "a c", "(A) and (C)". Answers are read elsewhere."""

import re
from collections.abc import Collection, Mapping

from m1app.question.prompt_text import narrow
from m1app.targets import joined_letters

_MOST_CHARACTERS = 120
_WORD = re.compile(r"[^\s,;/&+、]+")
_IN_BRACKETS = re.compile(r"[(\[]\s?([A-Za-z0-9])\s?[)\]]")
_JOINS = frozenset(("and", "und", "et", "y", "e", "en", "och", "og", "oraz", "ve", "dan", "и", "та"))
"""Words between letters. "Or" is none of them: it does not say which."""
_EAST_ASIAN_JOINS = str.maketrans(dict.fromkeys("和及与與와과", " "))


def read_letters(text: str, options: Collection[str], labels: Mapping[str, str] | None = None) -> str | None:
    """Several letters of options as they are kept ("A, C"); None if `text` is anything else, or names one twice.

    Args:
        text: what was typed, pasted or read from a file.
        options: the letters to choose from.
        labels: other marks of the options, in upper case, such as numbers -> letter.
    """
    if len(text) > _MOST_CHARACTERS:
        return None
    bare = _IN_BRACKETS.sub(r"\1", narrow(text).translate(_EAST_ASIAN_JOINS)).strip("()[]*_. \t\n")
    words = [_of_mark(word, labels or {}) for word in _WORD.findall(bare)]
    letters = [word for word in words if word.lower() not in _JOINS or word.upper() in options]
    if len(words) == 1 and words[0].isupper():
        letters = list(words[0])
    # Of mixed case, one may be a word: "A e C".
    is_same_case = len({letter.isupper() for letter in letters}) == 1
    named = [letter.upper() for letter in letters]
    is_usable = len(named) > 1 and len(set(named)) == len(named) and set(named) <= set(options)
    return joined_letters(named) if is_usable and is_same_case else None


def _of_mark(word: str, labels: Mapping[str, str]) -> str:
    return word if word.isascii() and word.isalpha() else labels.get(word.upper(), word)
