"""Options in text: written and parsed as lettered lines, quoted, and in prompts.

Chat templates and thinking delimiters belong to the profile and the engine; nothing here deals with tokens.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Self

from m1app.question.errors import InvalidPromptTemplate, InvalidQuestion

_PLACEHOLDER = re.compile(r"\{(question|options|letters)\}")
_OPTION_PLACEHOLDER = re.compile(r"\{(letter|text)\}")

# Only the last few possible starts of options are tried, so that huge pastes stay fast.
_STARTS_TRIED = 4
# Full-width ASCII, ideographic space and full stop: character for character, so that positions are preserved.
_NARROW = {0xFF01 + offset: 0x21 + offset for offset in range(94)} | {0x3000: " ", 0x3002: "."}
_LINE_MARKER = re.compile(
    r"""^(?P<lead>(?:[^\S\n]|[-•·‣▪◦●○☐□>]|\*(?=[^\S\n]))*(?P<bold>\*\*)?)
    (?:\((?P<parens>[A-Za-z])\)
      |(?P<bare>[A-Za-z])(?(bold)\*{0,2})(?P<mark>[.):]|[^\S\n]+[-–—](?=[^\S\n]|$)))
    (?(bold)\*{0,2})""",
    re.VERBOSE | re.MULTILINE,
)
_INLINE_START = re.compile(r"(?<=[?:])(?P<lead>[^\S\n]+)(?:\((?P<parens>[Aa])\)|(?P<bare>[Aa])(?P<mark>[.):]))(?=\s)")
# A letter after one of these words belongs to it: vitamin B., infection with E. coli.
_CLAIMS_LETTER = re.compile(
    r"\b(?:vitamin|hepatitis|type|group|class|grade|stage|factor|figure|panel|protein|influenza|hemophilia|option"
    r"|with|by|of|from|to|for|in|and|or|the|an?|see|due|non)\s$",
    re.IGNORECASE,
)
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


@dataclass(frozen=True, slots=True)
class OptionMarker:
    """The letter in front of an option's text; positions count code points."""

    letter: str
    """As written: upper or lower case."""
    style: str
    """"()", ".", ")", ":" or a dash."""
    start: int
    """Start of its indentation."""
    text_start: int
    """Start of the option's text."""

    @classmethod
    def of(cls, found: re.Match[str]) -> Self:
        """Create a marker from a match of this module's patterns."""
        style = (found["mark"] or "()").strip()
        return cls(found["parens"] or found["bare"], style, found.start(), found.end())


@dataclass(frozen=True, slots=True)
class OptionLayout:
    """How options are written into a prompt."""

    option: str = "{letter}. {text}"
    between: str = "\n"
    keeps_text: bool = False
    """Whether an option's text stays as it is, line breaks and spaces at its ends included."""

    def write(self, options: Mapping[str, str]) -> str:
        """The options as text."""
        return self.between.join(self._one(letter, text) for letter, text in options.items())

    def _one(self, letter: str, text: str) -> str:
        filled = {"letter": letter, "text": text if self.keeps_text else join_lines(text)}
        written = _OPTION_PLACEHOLDER.sub(lambda found: filled[found[1]], self.option)
        return written if self.keeps_text else written.rstrip()


def render_prompt(
    template_with_options: str,
    template_open: str,
    stem: str,
    options: Mapping[str, str],
    layout: OptionLayout | None = None,
) -> str:
    """Fill in the template that matches the question.

    Placeholders are replaced in one pass over the template, so braces in a stem or an option stay as they are.

    Args:
        template_with_options: used if there are options; contains `{question}` and `{options}`, and may contain
            `{letters}`, such as 'A', 'B', or 'C'.
        template_open: used for an open question; contains `{question}`.
        stem: the question without its options, used unchanged.
        options: letter -> text; empty for an open question.
        layout: how the options are written; None for lines of "A. text".

    Raises:
        InvalidPromptTemplate: the template would drop the question or the options.
    """
    template = template_with_options if options else template_open
    _require_placeholders(template, ("question", "options") if options else ("question",))
    filled = {"question": stem, "options": (layout or OptionLayout()).write(options), "letters": _listed(options)}
    return _PLACEHOLDER.sub(lambda found: filled[found[1]], template)


def _require_placeholders(template: str, names: tuple[str, ...]) -> None:
    missing = [f"{{{name}}}" for name in names if f"{{{name}}}" not in template]
    if missing:
        raise InvalidPromptTemplate(
            f"The prompt template {template[:80]!r} has no {' and no '.join(missing)}: add it where it belongs."
        )


def _listed(letters: Iterable[str]) -> str:
    """As 'A', 'B', or 'C'."""
    *others, last = [f"'{letter}'" for letter in letters] or [""]
    return f"{', '.join(others)}{',' if len(others) > 1 else ''} or {last}" if others else last


def format_options(options: Mapping[str, str]) -> str:
    """One line "A. text" per option; line breaks inside an option become spaces."""
    return OptionLayout().write(options)


def join_lines(text: str) -> str:
    """`text` on one line, without the space around its line breaks and its ends."""
    return " ".join(line.strip() for line in normalise_newlines(text).split("\n") if line.strip())


def normalise_newlines(text: str) -> str:
    r"""`text` with
    as its only line break."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def narrow(text: str) -> str:
    """`text` with full-width letters and punctuation as ASCII, character for character."""
    return text.translate(_NARROW)


def match_marker(line: str) -> OptionMarker | None:
    """The option letter at the start of a line, if any."""
    found = _LINE_MARKER.match(narrow(line))
    return OptionMarker.of(found) if found else None


def find_markers(text: str) -> list[OptionMarker]:
    """Markers of the lettered options at the end of `text`, in order; empty if it does not end with options.

    Raises:
        InvalidQuestion: there are clearly options, but a letter is repeated or missing.
    """
    folded = narrow(text)
    lines = [OptionMarker.of(found) for found in _LINE_MARKER.finditer(folded)]
    starts = [marker for marker in lines if marker.letter in "Aa"]
    starts += [OptionMarker.of(found) for found in _INLINE_START.finditer(folded)]
    for first in sorted(starts, key=lambda marker: marker.start)[: -_STARTS_TRIED - 1 : -1]:
        block = _follow(folded, first, lines)
        if len(block) > 1 and _is_trailing(folded, block, is_inline=block[1] not in lines):
            _check_lines(folded, block, lines)
            return block
    return []


def _follow(folded: str, first: OptionMarker, lines: Sequence[OptionMarker]) -> list[OptionMarker]:
    """`first` and the markers of the consecutive letters after it."""
    block = [first]
    for letter in ascii_uppercase[1:]:
        wanted = letter if first.letter == "A" else letter.lower()
        own_line = (m for m in lines if m.letter == wanted and m.start >= block[-1].text_start)
        is_inline = len(block) == 1 or block[1] not in lines
        marker = next(own_line, None) or next(_find_inline(folded, block[-1], wanted, is_inline), None)
        if marker is None:
            break
        block.append(marker)
    return block


def _find_inline(folded: str, last: OptionMarker, wanted: str, is_inline: bool) -> Iterator[OptionMarker]:
    """Markers further along the line; in a list of lines only those followed by a capital."""
    mark = {"()": rf"\({wanted}\)(?=\s*\S)", ")": rf"{wanted}\)(?=\s*\S)"}.get(
        last.style, rf"{wanted}[^\S\n]*{re.escape(last.style)}(?=\s+\S)"
    )
    for found in re.compile(r"(?<=\s)" + mark).finditer(folded, last.text_start):
        has_text = folded[last.text_start : found.start()].strip()
        is_claimed = _CLAIMS_LETTER.search(folded, max(0, found.start() - 20), found.start())
        begins_lower = folded[found.end() : found.end() + 20].strip()[:1].islower()
        if has_text and not is_claimed and (is_inline or not begins_lower):
            yield OptionMarker(wanted, last.style, found.start(), found.end())


def split_texts(text: str, markers: Sequence[OptionMarker]) -> list[str]:
    """The text after each marker, up to the next one, unchanged."""
    ends = [marker.start for marker in markers[1:]] + [len(text)]
    return [text[marker.text_start : end].strip() for marker, end in zip(markers, ends, strict=True)]


def _is_trailing(folded: str, block: Sequence[OptionMarker], *, is_inline: bool) -> bool:
    """False if something other than options follows: a paragraph, or the question itself."""
    *others, last = split_texts(folded, block)
    if any(_BLANK_LINE.search(text) for text in (*others, last)):
        return False
    is_question = last.endswith("?") and not any(text.endswith("?") for text in others)
    return not (is_question and (is_inline or "\n" in last))


def _check_lines(folded: str, block: Sequence[OptionMarker], lines: Sequence[OptionMarker]) -> None:
    """Reject lines within the block that are lettered like options, but with the wrong letter."""
    first = block[0]
    strays = [
        marker
        for marker in lines
        if marker.start > first.start
        and marker not in block
        and marker.style == first.style
        and marker.letter.isupper() == first.letter.isupper()
        and not folded[marker.text_start : marker.text_start + 20].strip()[:1].islower()
    ]
    if strays:
        every = sorted([*block, *strays], key=lambda marker: marker.start)
        check_letters([marker.letter.upper() for marker in every])


def check_letters(letters: Sequence[str]) -> None:
    """Reject letters other than A, B, C, ... in order."""
    check_doubled(letters)
    for expected, letter in zip(ascii_uppercase, letters, strict=False):
        if letter != expected:
            raise InvalidQuestion(
                f"The option letters are {', '.join(letters)}, expected {expected} instead of {letter}: "
                "letter the options A, B, C, ... without a gap.",
                "options",
            )


def check_doubled(letters: Sequence[str]) -> None:
    """Reject repeated letters."""
    if doubled := [letter for letter, count in Counter(letters).items() if count > 1]:
        raise InvalidQuestion(
            f"The option letter {', '.join(doubled)} appears more than once: give each option its own letter.",
            "options",
        )
