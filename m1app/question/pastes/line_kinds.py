"""Recognises the lines around a question's text: the answer line, explanations, page footers, headings.

The words are in `line_kinds.toml`. Every pattern is tried on the beginning of a line only, so that a paste takes time
in proportion to its length.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from m1app.question.prompt_text import narrow

_HEAD_CHARACTERS = 400
"""Longest part of a line that is looked at."""
_ENDS_ASKING = re.compile(
    r"[?？؟;՞][\s*_)\]）】\"'”’»」』.。]*(?:[(（\[【][^()（）\[\]【】]{1,60}[)）\]】][.:]?)?[\s*_]*\Z"
)
_ENDS_ASKING_IN_JAPANESE = re.compile(r"か[。.]?\s*\Z")
_BLANK_TO_FILL = re.compile(
    r"(?:_{2,}|[(（]\s*[)）]|\.{3,}|…|[\u3040-\u9fff]\s{0,4}[(（\[【]\s?[A-Za-zＡ-Ｚ]\s?[)）\]】])[\s*_.。:：?？]*\Z"
)
"""A letter in it is the answer that somebody has filled in."""
_SENTENCE_END = re.compile(r"[.?!]\s")
_PAGE = re.compile(
    r"""[\s*_|\-–—]{0,8}(?:
      (?:page|pg|seite|página|pagina|page\s+n°|стр|страница|sayfa|sida|side|strona|صفحة)\.?\s*\d{1,5}
        (?:\s*(?:/|of|von|de|di|sur|van|из|av|af|z)\s*\d{1,5})?
      |p\.\s*\d{1,5} | 第\s*\d{1,5}\s*[页頁ページ]\S{0,12} | (?:-\s*)?\d{1,5}\s*(?:/|of)\s*\d{1,5}
      |\d{1,4}\s*(?:쪽|페이지)
    )[\s*_|\-–—.]{0,8}""",
    re.IGNORECASE | re.VERBOSE,
)
_IMPRINT = re.compile(
    r"\s*(?:©|\(c\)\s|copyright\b|all rights reserved|https?://|www\.|doi:|isbn\b|downloaded from\b)"
    r".*",
    re.IGNORECASE,
)
_PAGE_NUMBER = re.compile(r"[\s\-–—]{0,8}\d{1,4}[\s\-–—]{0,8}")
_REFERENCES = r"\[\s?\d{1,3}(?:\s?[,;–-]\s?\d{1,3}){0,9}\s?\]"
_CITATION = re.compile(_REFERENCES)
_CITED = re.compile(rf"(?<=[^\s:=])[^\S\n]?{_REFERENCES}")
_CITED_AT_END = re.compile(rf"(?<=\S)\s?{_REFERENCES}[\s.。]{{0,4}}\Z")
_CITED_LABEL = re.compile(rf"(?<=\w)[^\S\n]?{_REFERENCES}(?=\s?[:：=])")


@dataclass(frozen=True, slots=True)
class StatedAnswer:
    """What a line says after "Answer:"."""

    value: str
    """Empty if nothing follows."""
    is_firm: bool
    """True if a colon or similar stands between: otherwise the value has to be an option for the line to count."""


def stated_answer(line: str) -> StatedAnswer | None:
    """What an answer line states; None for other lines."""
    line = _CITED_LABEL.sub("", line)
    head = narrow(line[:_HEAD_CHARACTERS])
    if letter_first := _letter_first().fullmatch(head.strip()):
        return StatedAnswer(letter_first["letter"], False)
    if not (found := _answer_line().match(head)):
        return StatedAnswer("", True) if _is_heading(line, "answer") else None
    value = head[found.end() :] + narrow(line[_HEAD_CHARACTERS:])
    return StatedAnswer(value.strip().rstrip("*_| ").rstrip(), bool(found["firm"]) or bool(found["packed"]))


def answer_at_end(text: str) -> tuple[str, str]:
    """`text` without an answer stated in its last words, and these words; the second is empty if there is none."""
    start = max(0, len(text) - 80)
    found = _answer_at_end().search(narrow(text[start:]))
    return (text[: start + found.start()].rstrip(), text[start + found.start() :].strip()) if found else (text, "")


def without_correct_mark(text: str) -> tuple[str, str]:
    """An option's text without "(correct)" or a tick at its end, and the mark; the second is empty if there is none."""
    start = max(0, len(text) - 60)
    found = _correct_mark().search(narrow(text[start:]))
    return (text[: start + found.start()].rstrip(), text[start + found.start() :].strip()) if found else (text, "")


def is_citation(text: str) -> bool:
    """Whether a text is the number of a reference and nothing else: "[3]", "[1, 2]"."""
    return bool(_CITATION.fullmatch(narrow(text[:_HEAD_CHARACTERS]).strip()))


def begins_reference(line: str) -> bool:
    """Whether a line begins with the number of a reference: "[3] Smith et al., 2019"."""
    found = _CITATION.match(narrow(line[:_HEAD_CHARACTERS]).lstrip())
    return found is not None and not found.string[found.end() : found.end() + 1].isalnum()


def without_citations(text: str) -> str:
    """A text without the numbers of references behind its words: "B [3]"."""
    return _CITED.sub("", text)


def without_last_citation(text: str) -> str:
    """A text without the numbers of references at its end."""
    found = _CITED_AT_END.search(text, max(0, len(text) - _HEAD_CHARACTERS))
    return text[: found.start()] if found else text


def begins_explanation(line: str) -> bool:
    """Whether a line begins an explanation of the answer, or says what somebody has answered."""
    return bool(_explanation().match(narrow(line[:_HEAD_CHARACTERS])))


def begins_explanation_surely(line: str) -> bool:
    """Whether a line begins an explanation with a word that begins nothing else: not "Source:"."""
    return bool(_sure_explanation().match(narrow(line[:_HEAD_CHARACTERS])))


def is_footer(line: str, *, is_last: bool) -> bool:
    """Whether a line is a page's number, address or copyright.

    Args:
        line: the line.
        is_last: nothing but such lines follows; then a number alone is one, too.
    """
    if len(line) > _HEAD_CHARACTERS:
        return False
    folded = narrow(line)
    return bool(_PAGE.fullmatch(folded) or _IMPRINT.fullmatch(folded) or (is_last and _PAGE_NUMBER.fullmatch(folded)))


def is_options_heading(line: str) -> bool:
    """Whether a line is "Options:" or similar, or a table's head of such words, and nothing else."""
    if "|" in line and len(line) < _HEAD_CHARACTERS:
        cells = [cell.strip() for cell in line.split("|") if cell.strip(" #*_\t")]
        return all(_is_heading(cell, "options_heading") or _is_heading(cell, "table_heading") for cell in cells)
    return _is_heading(line, "options_heading")


def is_facts_heading(line: str) -> bool:
    """Whether a line, or its last sentence, heads a list of facts, such as "Labs:"."""
    return _is_heading(_SENTENCE_END.split(line[-80:])[-1], "facts_heading")


def question_number(line: str) -> tuple[int, str] | None:
    """The number of a line like "Question 3: A man ..." or "Q3.", and the rest of the line."""
    found = _question_heading().match(narrow(line[:_HEAD_CHARACTERS]))
    return (int(found["number"] or found["counted"]), line[found.end() :].strip()) if found else None


def asks(text: str) -> bool:
    """Whether a stem ends with something that options may follow: a question, a blank to fill, "...the following:"."""
    line = text.rstrip()[-_HEAD_CHARACTERS:].rpartition("\n")[2].strip()
    if any(end.search(line) for end in (_ENDS_ASKING, _ENDS_ASKING_IN_JAPANESE, _BLANK_TO_FILL)):
        return True
    if _instructs().match(narrow(_SENTENCE_END.split(line)[-1])):
        return True
    folded = narrow(line).rstrip("*_ ")
    return folded.endswith(":") and not is_facts_heading(line) and bool(_asks().search(folded))


def is_question(text: str) -> bool:
    """Whether a text contains a question, or ends with something that options may follow."""
    return any(mark in text for mark in "?？؟") or asks(text)


def begins_question(line: str) -> bool:
    """Whether a line asks or instructs: "Which ...", "Choose ..."."""
    return bool(_begins_question().match(narrow(line[:_HEAD_CHARACTERS]))) or bool(_ENDS_ASKING.search(line[-80:]))


def is_species(word: str) -> bool:
    """Whether a word is a species, as in "E. coli"."""
    return word in _words()["species"]


def keeps_hyphen(word: str) -> bool:
    """Whether a hyphen after `word` at the end of a line is rather the word's own than a broken word's."""
    return word.casefold() in _words()["keeps_hyphen"] or word.isupper() or any(map(str.isdigit, word))


@cache
def share_words() -> frozenset[str]:
    """Words beside a percentage that says how many people chose an option."""
    return frozenset(_words()["share"])


@cache
def words_before_own_percentage() -> frozenset[str]:
    """Words after which a percentage belongs to its option."""
    return frozenset(_words()["own_percentage"])


def words_for(kind: str) -> list[str]:
    """The words of a kind, a key of `line_kinds.toml`."""
    return _words()[kind]


@cache
def _words() -> dict[str, list[str]]:
    text = resources.files(__package__).joinpath("line_kinds.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def any_of(words: Iterable[str]) -> str:
    """A pattern for one of `words`, the longest first."""
    found = sorted(set(words), key=len, reverse=True)
    return "|".join(r"\s+".join(re.escape(part) for part in word.split()) for word in found)


def is_packed(word: str) -> bool:
    """Whether the language writes without spaces between words."""
    return any("\u3040" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7a3" for letter in word)


# Bounded, because unbounded neighbours that accept the same characters would try every way to share them.
_BEFORE = r"[\s*_#>|•·✓✔✅→–-]{0,20}[(\[【《「<]?[\s*_]{0,4}"
_AFTER = r"[)\]】》」>]?[\s*_]{0,8}"


@cache
def _answer_line() -> re.Pattern[str]:
    packed = [word for word in _words()["answer"] if is_packed(word)]
    spaced = [word for word in _words()["answer"] if not is_packed(word)]
    return re.compile(
        rf"""{_BEFORE}(?:(?:the|la|le|die|a|el|o|correct)\s+)?(?:
          (?:{any_of(spaced)})(?!\w)(?:\s*\([^()]{{1,20}}\))?{_AFTER}
            (?:(?:(?:is|was|es|est|ist|è|é|är|er)\s{{0,3}}(?=:))?(?P<firm>[:=|\t>]|[.]?[-–—]+>?(?:\s|(?=[(\[]?[A-Za-z0-9][)\]]?\W*$))|→)|(?:is|was|es|est|ist|è|é|är|er|on|to)\b|\.(?=\s*[(\[]?[A-Za-z0-9]\b)|(?=\s*[(\[])|\s(?=[A-Za-z0-9]\W*$))
          |(?P<packed>{any_of(packed)}){_AFTER}(?:[:=|、\s-]|是|为|為|は|が|은|는|(?=[(\[A-Za-z0-9①-⑳㉠-㉭])|$)
        )[\s*_:|]{{0,20}}""",
        re.IGNORECASE | re.VERBOSE,
    )


@cache
def _letter_first() -> re.Pattern[str]:
    """As in "B is the correct answer."."""
    words = any_of([word for kind in ("answer", "correct_mark") for word in _words()[kind]])
    return re.compile(
        rf"[(\[*_]{{0,3}}(?:(?:option|choice)\s+)?(?P<letter>[A-Za-z])[)\].*_]{{0,3}}\s+(?:is|es|est|ist|è|é)\s+"
        rf"(?:(?:the|la|el|le|die|a)\s+)?(?:{words})(?:\s+one)?[.!*_]{{0,3}}"
        rf"(?:[,;:]?\s+(?:because|since|as|while|others?|(?:all\s+)?the\s+(?:others?|rest))\b.{{0,2000}})?",
        re.IGNORECASE,
    )


@cache
def _answer_at_end() -> re.Pattern[str]:
    packed = [word for word in _words()["answer"] if is_packed(word) and len(word) > 1]
    spaced = [word for word in _words()["answer"] if not is_packed(word)]
    value = r"[(\[]?(?:\w{1,4}|[①-⑳])[)\]]?"
    letter = r"[(\[]?(?:[A-Za-z]|\d{1,2})[)\]]?"
    return re.compile(
        rf"(?:(?:^|\s|(?<=[.;,]))[\s(\[【*_]*(?:{any_of(spaced)})[\s*_]*"
        rf"(?:[:=][\s*_]*{value}|(?:[-–—]+>?|>|→)[\s*_]*{letter})"
        rf"|[\s(\[【*_]*(?:{any_of(packed)})[\s*_]*(?:[:=]|是|为)[\s*_]*{value})[\s)\]】*_.]*\Z",
        re.IGNORECASE,
    )


@cache
def _correct_mark() -> re.Pattern[str]:
    words = any_of(_words()["correct_mark"])
    return re.compile(
        rf"\s*(?:[(\[](?:{words})[)\]]|(?:<-+|←|-->|[-–—])\s*(?:{words})|<-+|←|[✓✔✅☑√])[\s*_.]*\Z|(?<=[^\W_])[^\S\n]?\*\Z",
        re.IGNORECASE,
    )


@cache
def _explanation() -> re.Pattern[str]:
    packed = [word for word in _words()["explanation"] if is_packed(word)]
    spaced = [word for word in _words()["explanation"] if not is_packed(word)]
    return re.compile(
        rf"{_BEFORE}(?:(?:{any_of(spaced)})(?!\w){_AFTER}(?:[:|]|[-–—]\s|\s*$)"
        rf"|(?:{any_of(packed)}){_AFTER}(?:[:|】\]]|\s|$)"
        rf"|(?:{any_of(_words()['explanation_abbreviated'])})\.\s|(?:{any_of(_words()['answered'])})(?!\w))",
        re.IGNORECASE,
    )


@cache
def _sure_explanation() -> re.Pattern[str]:
    return re.compile(rf"{_BEFORE}(?:{any_of(_words()['explanation_within'])}){_AFTER}(?:[:|】\]]|\s|$)", re.IGNORECASE)


@cache
def _headings(kind: str) -> re.Pattern[str]:
    return re.compile(
        rf"[\s*_#>|]{{0,8}}(?:the\s+|his\s+|her\s+)?(?:{any_of(_words()[kind])})[\s*_]{{0,8}}:?[\s*_|]{{0,8}}",
        re.IGNORECASE,
    )


def _is_heading(line: str, kind: str) -> bool:
    return len(line) < 80 and bool(_headings(kind).fullmatch(narrow(line)))


@cache
def _question_heading() -> re.Pattern[str]:
    words = any_of(_words()["question_heading"])
    return re.compile(
        rf"[\s*_#>|]{{0,20}}(?:(?:{words})[\s*_]{{0,4}}(?:no\.?|n[°º]|nr\.?|#|№)?\s{{0,4}}\.?\s{{0,4}}(?P<number>\d{{1,4}})"
        r"(?:\s{0,4}(?:/|of|von|de)\s{0,4}\d{1,4})?(?!\w)|第\s{0,4}(?P<counted>\d{1,4})\s{0,4}[题題問问道]\w?)"
        r"[\s*_]{0,8}[.:)\-–—]?[\s*_]{0,8}",
        re.IGNORECASE,
    )


@cache
def _asks() -> re.Pattern[str]:
    packed = [word for word in _words()["asks"] if is_packed(word)]
    spaced = [word for word in _words()["asks"] if not is_packed(word)]
    return re.compile(rf"\b(?:{any_of(spaced)})\b|(?:{any_of(packed)})", re.IGNORECASE)


@cache
def _instructs() -> re.Pattern[str]:
    return re.compile(rf"{_BEFORE}(?:{any_of(_words()['instructs'])})(?=\W|[\u3040-\u9fff])", re.IGNORECASE)


@cache
def _begins_question() -> re.Pattern[str]:
    packed = [word for word in _words()["begins_question"] if is_packed(word)]
    spaced = [word for word in _words()["begins_question"] if not is_packed(word)]
    return re.compile(rf"{_BEFORE}(?:(?:{any_of(spaced)})\b|(?:{any_of(packed)}))", re.IGNORECASE)
