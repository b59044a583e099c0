"""A letter that somebody has filled into a question, as printed examinations have it: "Which is lacking? [B]", "（B）".

It may also stand behind the last option: "D. Iodine (B)".

A letter in brackets may also be a name, as in "hepatitis (B)", or one of two that are spoken of. So only some places
are certain; of the others a person says what the letter is.
"""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from m1app.question.pastes.line_kinds import any_of, is_packed, without_last_citation, words_for
from m1app.question.prompt_text import narrow

_END_CHARACTERS = 400
_BRACKETS = re.compile(r"[(\[【]\s{0,4}(?P<letter>[A-Za-z])\s{0,4}[)\]】]")
_FILLED = re.compile(r"_{3,40}\s?(?P<letter>[A-Za-z])\s?_{3,40}")
_BOLD = re.compile(r"(?<!_)__(?P<letter>[A-Z])__(?=[\s.:?]{0,8}\Z)")
_BEHIND_QUESTION = re.compile(r"[?؟_][\s*_\"”)\]]{0,8}\Z")
_ENDS = re.compile(r"[\s.:?]{0,8}\Z")
_FORMULA = re.compile(r"[=+*/^−-]")
_BEHIND_OPTION = re.compile(
    r"(?:[(\[【]\s{0,4}(?P<letter>[A-Za-z])\s{0,4}[)\]】]"
    r"|(?:\t[^\S\n]{0,8}|\.{3,60}[^\S\n]{0,8}|…[^\S\n]{0,8}|[^\S\n]{3,40}|\s[Aa]\s?:\s?|\s[#|]{1,2}\s?)(?P<apart>[A-Z])\|{0,2})"
    r"[\s.。]{0,4}\Z"
)
"""In brackets, or apart from the text: behind a tab, dots, many blanks, "A:", "#"."""
_NUMBER = re.compile(r"\s{0,4}\d{1,3}\s?[.、)](?!\d)")


@dataclass(frozen=True, slots=True)
class LetterInStem:
    """A letter that is, or may be, the answer to the question around it."""

    letter: str
    """In upper case."""
    words: str
    """The letter as pasted, with its brackets."""
    stem: str
    """The question without it."""
    is_certain: bool
    """False if it may belong to the question."""


def letter_in_stem(stem: str, options: Container[str]) -> LetterInStem | None:
    """The letter of an option that is filled into a stem; None if there is none, or if it names something."""
    begin = max(0, len(stem) - _END_CHARACTERS)
    found = next((each for each in _places(narrow(stem), begin) if each[0]["letter"].upper() in options), None)
    if found is None:
        return None
    match, left, is_certain = found
    before = stem[: match.start()]
    is_behind = not left and before.rstrip().endswith(("?", "？", "؟"))
    after = stem[match.end() :].lstrip(" .:。：") if is_behind else stem[match.end() :]
    kept = f"{before if left else before.rstrip()}{left}{after}"
    words = stem[match.start() : match.end()].strip()
    return LetterInStem(match["letter"].upper(), words, kept.strip(), is_certain)


@dataclass(frozen=True, slots=True)
class LetterBehindOptions:
    """A letter behind the last option that is, or may be, the answer."""

    letter: str
    """In upper case."""
    words: str
    """The letter as pasted, with its brackets."""
    option: str
    """The last option without it."""
    is_certain: bool
    """False if it may belong to the option."""


def letter_behind(options: Mapping[str, str]) -> LetterBehindOptions | None:
    """The letter of an option behind the text of the last one; None if there is none, or if it names something."""
    texts = list(options.values())
    last = texts[-1]
    start = max(0, len(last) - _END_CHARACTERS)
    folded = narrow(without_last_citation(last))
    found = _BEHIND_OPTION.search(folded, start) or _behind_answer_word().search(folded, start)
    letter = next(filter(None, found.groupdict().values())).upper() if found else ""
    if found is None or letter not in options:
        return None
    before = texts[-1][: found.start()].rstrip()
    if not before or _is_name(before) or _refers(before) or _BRACKETS.search(narrow(before)):
        return None
    if any(_BEHIND_OPTION.search(narrow(text)) for text in texts[:-1]):
        return None  # Every option has a name of its own.
    words = texts[-1][found.start() : found.end()].strip()
    # "k[A]" and "rate = k [A]" are concentrations, and "Cytochrome [C]" may be a name.
    is_apart = texts[-1][len(before) : len(before) + 1].isspace() and not _FORMULA.search(before)
    is_key = words[0] in "[【［" and texts[-1][found.start() :].strip(" [【［")[0].isupper() and is_apart
    is_certain = bool(found.groupdict().get("letter")) and (is_key or _is_packed(before[-40:]))
    return LetterBehindOptions(letter, words, before, is_certain)


@cache
def _behind_answer_word() -> re.Pattern[str]:
    """As in "- answer A" or "{Ans: A}"."""
    words = any_of(word for word in words_for("answer") if len(word) > 2 and not is_packed(word))
    return re.compile(
        rf"(?:[^\w\s]\s?|\s[{{<#|]{{0,3}})(?:{words})(?:\W{{1,4}}|is\s)(?P<said>[A-Za-z])\W{{0,4}}\Z", re.IGNORECASE
    )


def _refers(before: str) -> bool:
    """Whether a word follows that names another option: "the same as (B)"."""
    return before.split()[-1].casefold() in words_for("refers_to_letter")


def _places(folded: str, begin: int) -> Iterator[tuple[re.Match[str], str, bool]]:
    """Every letter that may be filled in, what is left in its place, and whether it is certain."""
    filled = list(_FILLED.finditer(folded, begin))
    if len(filled) == 1:
        yield filled[0], "____", True
    every = list(_BRACKETS.finditer(folded, begin))
    if every and _ENDS.match(folded, every[-1].end()) and _BEHIND_QUESTION.search(folded[: every[-1].start()][-20:]):
        yield every[-1], "", True
    for match in every[:1] if len(every) == 1 else []:
        yield from _in_sentence(folded, match)
    for match in _BOLD.finditer(folded, begin):
        if not _is_name(folded[: match.start()]):
            yield match, "____", False
    first = _BRACKETS.match(folded)
    if first and first["letter"].isupper() and not any(each.start() > first.start() for each in every):
        is_numbered = bool(_NUMBER.match(folded, first.end()))
        yield first, "", is_numbered or _is_packed(folded[first.end() : first.end() + 40])


def _in_sentence(folded: str, match: re.Match[str]) -> Iterator[tuple[re.Match[str], str, bool]]:
    before, is_end = folded[: match.start()], bool(_ENDS.match(folded, match.end()))
    is_last_line = "\n" not in folded[match.end() :].strip()
    if not before.strip() or _is_name(before) or not is_last_line:
        return
    if _is_packed(before[-40:]):
        yield match, "（ ）", is_end
    elif is_end and match["letter"].isupper():
        yield match, "", False


def _is_name(before: str) -> bool:
    last = before.rstrip()[-40:]
    word = re.split(r"[\s(\[,]", last)[-1].casefold()
    return word in words_for("names_letter") or last.endswith(tuple(words_for("names_letter_packed")))


def _is_packed(text: str) -> bool:
    return any("\u3040" <= letter <= "\u9fff" for letter in text)
