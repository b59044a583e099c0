"""Which words of a text tell what it is about, and whether a fact names the target. Pure."""

import re
from collections.abc import Iterator, Mapping

from m1app.targets import letters_of
from storage.search import plainly_spelled

_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
_PLAIN_TEXT = """
a an the and or but nor not no of in on at by to from with for as into than then that this these those which who
whom whose what when where why how is are was were be been being has have had do does did can could may might must
should would will it its he she his her him they their them there here also only most more less least very all any
both each one two several such so if because after before between over under about above below through same other
another first last year years old following we you i us
"""
_PLAIN = frozenset(_PLAIN_TEXT.split())
_DENSE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Characters of Chinese and Japanese, which put no spaces between words."""
_PIECE = re.compile(rf"[0-9]+(?:[.,][0-9]+)*|[{_DENSE}]+|(?:(?![{_DENSE}0-9])[^\W_])+")
"""A number with its decimals, a run of Chinese or Japanese, or a word: "B12" is a letter and a number."""
_LETTER = "|".join(
    (
        r"(?i:answer|option|choice|letter)\W{{0,3}}(?i:is|are|would be|:|=)?\W{{0,3}}"
        r"\b(?:{0}\b|{1}\b(?=[).:,;!?]|\W*$))",
        r"\((?:{0}|{1})\)",
        r"(?i:choose|pick|select|tick|go with|go for)\s+\W?{0}(?![-\w])",
        # Not "hepatitis B is true".
        r"(?:^|[.;:,!?]|\b(?i:so|thus|hence|therefore|that|and|but|because|since|only))\s*\b{0}\s+(?i:is)\s+(?i:correct|right|true)",
        r"(?:答案|选|選|正解|정답)\W?[是为為はは은]?\W?{0}(?![A-Za-z0-9])",
    )
)
_MOST = 0.5
"""Share of an option's telling words above which a text names it."""


def telling_words(text: str) -> frozenset[str]:
    """The words that tell what a text is about, folded and without a plural s."""
    words = (found[0].casefold() for found in _WORD.finditer(text))
    return frozenset(_singular(word) for word in words if word not in _PLAIN and (len(word) > 1 or word.isdigit()))


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def names_target(fact: str, target: str, options: Mapping[str, str]) -> str:
    """How a fact names the right option: "letter", "text" or "words"; empty if it does not.

    Args:
        fact: the text that is inserted.
        target: one letter, or several.
        options: letter -> text.
    """
    if any(_names_letter(fact, letter) for letter in letters_of(target)):
        return "letter"
    texts = [options[letter] for letter in letters_of(target) if letter in options]
    if any(_contains(fact, text) for text in texts):
        return "text"
    said = frozenset(_naming(fact))
    return "words" if any(_has_most(said, frozenset(_naming(text))) for text in texts) else ""


def _names_letter(fact: str, letter: str) -> bool:
    forms = re.escape(letter.upper()), re.escape(letter.lower())
    return re.search(_LETTER.format(*forms), plainly_spelled(fact), re.MULTILINE) is not None


def _contains(fact: str, text: str) -> bool:
    """Whether a text stands in the fact as whole words; in Chinese and Japanese, as the same characters."""
    words, wanted = _pieces(fact), _pieces(text)
    if any(_is_dense(piece) for piece in wanted):
        return "".join(wanted).casefold() in "".join(words).casefold()
    return bool(wanted) and f" {' '.join(wanted)} ".casefold() in f" {' '.join(words)} ".casefold()


def _has_most(said: frozenset[str], named: frozenset[str]) -> bool:
    """Whether a fact has most words of an option, and its numbers and letters: vitamin C is not K, nor 5 mg 0.5 mg."""
    telling = {word for word in named if word[0].isdecimal() or len(word) == 1}
    return bool(named) and telling <= said and len(named & said) / len(named) > _MOST


def _naming(text: str) -> Iterator[str]:
    """What names a thing: telling words, single capital letters, numbers, and pairs of Chinese characters."""
    for place, piece in enumerate(pieces := _pieces(text)):
        word = piece.casefold()
        if _is_dense(piece) and len(piece) > 1:
            yield from (piece[at : at + 2] for at in range(len(piece) - 1))
        elif len(piece) == 1:
            # An article is in lower case, or begins the sentence.
            if word not in _PLAIN or (piece.isupper() and place > 0 and len(pieces) > 1):
                yield word
        elif word not in _PLAIN:
            yield _singular(word)


def _pieces(text: str) -> list[str]:
    return [found[0].replace(",", ".") for found in _PIECE.finditer(plainly_spelled(text))]


def _is_dense(piece: str) -> bool:
    return re.match(f"[{_DENSE}]", piece) is not None
