"""Decides which list in a text is a question's options, if one is.

Lettered lists at the end are options, as long as no question follows. Numbers and bullets also count facts, so they are
options only after a question. In doubt a list is `POSSIBLE`, which is offered and not done.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from string import ascii_uppercase

from m1app.question.pastes.answer_line import counts_as_answer, lone_letter
from m1app.question.pastes.answer_shares import answer_shares
from m1app.question.pastes.line_breaks import joined
from m1app.question.pastes.line_kinds import (
    asks,
    begins_explanation,
    begins_question,
    begins_reference,
    is_facts_heading,
    is_footer,
    is_options_heading,
    is_species,
    stated_answer,
    without_correct_mark,
)
from m1app.question.pastes.option_lists import OptionList, find_lists, is_rule, only_right
from m1app.question.prompt_text import OptionMarker, find_markers, match_marker, narrow, split_texts
from m1app.targets import joined_letters

MAX_ITEMS = len(ascii_uppercase)
_CLASSIC = frozenset({".", ")", "()", ":", "-", "–", "—"})
_LOOSE = frozenset({"space", "spaces", "alone", "tab"})
_ORGANISM = re.compile(r"[A-Z]\. (?P<species>[a-z]{3,})")
_CLAIMS_ORGANISM = re.compile(r"\w\s+(?:with|by|of|from|to|for|in|and|or|due|e\.g\.|the|an?)\s*\Z", re.IGNORECASE)
_LABORATORY = re.compile(
    r"[^\d\n]{1,40}?[:=]?\s*[<>≤≥~]?\s*\d[\d.,–-]*\s*(?:[×x]\s*10\S*\s*)?"
    r"(?:\S{1,8}/\S{1,8}|fl|pg|mm\s?hg|bpm|°\s?[cf]|kpa|u/l|%)(?!\w).*",
    re.IGNORECASE,
)
_PLAIN_CHARACTERS = 200
_MOST_PLAIN_LINES = 10


class Certainty(Enum):
    """Whether a list is the options."""

    OPTIONS = "options"
    POSSIBLE = "possible"
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Block:
    """Options in a text, and the lines they take."""

    certainty: Certainty
    options: Mapping[str, str]
    """Letter -> text."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Mark as pasted, in upper case -> letter."""
    marked: str | None = None
    """Letter of the option that is marked as right, or letters as they are kept; None if none, or all are."""
    start: int = 0
    """Index of its first line."""
    end: int = 0
    """Index of the first line behind it."""
    left_out: tuple[str, ...] = ()
    """Lines within it that are no options: page footers, rules of a table."""


def find_block(lines: Sequence[str]) -> Block | None:
    """The options at the end of the text, certain or possible; None if there are none.

    Raises:
        InvalidQuestion: there are clearly options, but a letter is repeated or missing.
    """
    found = [each for each in find_lists(lines) if len(each.items) <= MAX_ITEMS]
    limit = _first_tail_line(lines, found)
    candidates = sorted(
        (each for each in found if each.start < limit),
        key=lambda each: (each.end, len(each.items), each.is_lettered, each.scheme == "radio buttons"),
        reverse=True,
    )
    possible = None
    for each in candidates[:8]:
        judged = _Judged(lines, each)
        if judged.certainty is Certainty.OPTIONS:
            return judged.block()
        if judged.certainty is Certainty.POSSIBLE:
            possible = possible or judged.block()
    return possible


def plain_block(lines: Sequence[str]) -> Block | None:
    """Short lines after the question that may be its options, unmarked; None if there are none."""
    end = _tail_start(lines, 0)
    asking = [index for index in range(end) if lines[index].strip() and asks(lines[index])]
    if not asking:
        return None
    choices = [index for index in range(asking[-1] + 1, end) if lines[index].strip()]
    texts = [lines[index].strip() for index in choices]
    if texts and is_options_heading(texts[0]):
        choices, texts = choices[1:], texts[1:]
    if not 2 <= len(texts) <= _MOST_PLAIN_LINES:
        return None
    options = dict(zip(ascii_uppercase, texts, strict=False))
    shares = answer_shares(options)
    if any(map(_is_no_choice, shares.options.values() if shares else texts)):
        return None
    return Block(Certainty.POSSIBLE, options, start=choices[0], end=end)


def _are_laboratory(texts: Sequence[str]) -> bool:
    """Whether most texts are results with units; the share of people who chose an option is none."""
    shares = answer_shares(dict(zip(ascii_uppercase, texts, strict=False)))
    given = list(shares.options.values()) if shares else texts
    return sum(bool(_LABORATORY.match(text)) for text in given) > len(texts) // 2


def _is_no_choice(text: str) -> bool:
    return (
        len(text) > _PLAIN_CHARACTERS
        or text.endswith((":", "："))
        or begins_question(text)
        or bool(_LABORATORY.match(text))
    )


def _first_tail_line(lines: Sequence[str], found: Sequence[OptionList]) -> int:
    """Index from which lists belong to an answer's explanation, not to the question."""
    lettered = [each for each in found if each.is_lettered or each.scheme in ("boxes", "radio buttons")] or found
    starts = [_tail_start(lines, each.end + 1) for each in lettered[:1]]
    return min(starts, default=len(lines)) if starts else len(lines)


def _tail_start(lines: Sequence[str], begin: int) -> int:
    """Index of the first line that states or explains the answer, from `begin` on; the number of lines if none does.

    Behind options, a list of references begins the tail, too.
    """
    for index in range(begin, len(lines)):
        if begins_explanation(lines[index]) or counts_as_answer(stated_answer(lines[index])):
            return index
        if begin and begins_reference(lines[index]):
            return index
    last = next((i for i in range(len(lines) - 1, begin - 1, -1) if lines[i].strip()), begin)
    return last if last < len(lines) and last >= begin and lone_letter(lines[last]) else len(lines)


def _without_bold(texts: Sequence[str]) -> list[str]:
    """Texts without the asterisks that make all of each bold."""
    if all(len(text) > 4 and text.startswith("**") and text.endswith("**") for text in texts):
        return [text[2:-2].strip() for text in texts]
    return list(texts)


def _is_answer(line: str) -> bool:
    """Whether a line above the options states which is right."""
    answer = stated_answer(line)
    return answer is not None and bool(lone_letter(answer.value) or answer.value.isdigit())


class _Judged:
    """A list with what surrounds it."""

    def __init__(self, lines: Sequence[str], found: OptionList) -> None:
        self._lines = lines
        self._list = found
        self._tail = self._before_lone_number(_tail_start(lines, self._second_line_of_last()))
        self._texts, self._footers, self._has_paragraphs = self._items()
        self.certainty = self._judge()

    def block(self) -> Block:
        """The list as options."""
        if self._is_classic() and (markers := self._markers()):
            return self._classic(markers)
        pairs = [without_correct_mark(text) for text in _without_bold(self._texts)]
        options = dict(zip(ascii_uppercase, (text for text, _ in pairs), strict=False))
        return self._made(options, [mark for _, mark in pairs])

    def _made(self, options: dict[str, str], marks: Sequence[str]) -> Block:
        letters = list(options)
        noted = [index for index, mark in enumerate(marks) if mark]
        right = only_right(self._list.items)
        places = noted if right is None else [right]
        if not 0 < len(noted) < len(marks):
            # A mark on every option means something else.
            options = {k: f"{v} {m}".strip() if m else v for (k, v), m in zip(options.items(), marks, strict=True)}
        labels = {
            item.label.upper(): letter for item, letter in zip(self._list.items, letters, strict=False) if item.label
        }
        is_marked = 0 < len(places) < len(letters) and max(places) < len(letters)
        marked = joined_letters(letters[place] for place in places) if is_marked else None
        return Block(self.certainty, options, labels, marked, self._list.start, self._own_end(), tuple(self._footers))

    def _before_lone_number(self, tail: int) -> int:
        """Before a last line that is only a number: a page's, or the place of the right one of a numbered list."""
        last = next((i for i in range(tail - 1, self._list.end, -1) if self._lines[i].strip()), tail)
        is_number = self._list.scheme == "numbers" and bool(self._list.items[-1].text) and last < tail
        return last if is_number and is_footer(self._lines[last], is_last=True) else tail

    def _second_line_of_last(self) -> int:
        """Index of the first line that cannot be the last option's first words."""
        index = self._list.end + 1
        if self._list.items[-1].text:
            return index
        return next((i + 1 for i in range(index, len(self._lines)) if self._lines[i].strip()), index)

    def _is_classic(self) -> bool:
        is_plain = self._list.scheme == "latin" and self._list.style in _CLASSIC
        return is_plain and only_right(self._list.items) is None and not any(item.is_right for item in self._list.items)

    def _markers(self) -> list[OptionMarker]:
        return find_markers(self._body())

    def _body(self) -> str:
        return "\n".join(self._body_lines().values())

    def _body_lines(self) -> dict[int, str]:
        """Lines up to the end of the list by index, without footers; one that only abbreviates a name is no option."""
        kept: dict[int, str] = {}
        footers = set(self._footers)
        for index, line in enumerate(self._lines[: self._own_end()]):
            if index > self._list.start and line.strip() and line.strip() in footers:
                continue
            last = next(reversed(kept), index)
            if index > self._list.start and self._is_organism(index, kept[last]):
                kept[last] = f"{kept[last]} {line.strip()}"
            else:
                kept[index] = line
        return kept

    def _is_organism(self, index: int, before: str) -> bool:
        """Whether a line goes on with an abbreviated name: "E. coli" below "D. Infection with"."""
        line = self._lines[index]
        is_followed = any(item.line == index for item in self._list.items[:-1])
        organism = _ORGANISM.match(narrow(line.strip()[:40]))
        if is_followed or not organism:
            return False
        return bool(_CLAIMS_ORGANISM.search(before[-20:])) or is_species(organism["species"])

    def _has_organism_line(self) -> bool:
        """Whether an abbreviated name follows an option that does not ask for it: "E. coli" below "D. Proteus"."""
        return any(
            self._is_organism(index, before) and not _CLAIMS_ORGANISM.search(before[-20:])
            for index in range(self._list.start + 1, self._own_end())
            if (before := self._lines[index - 1]).strip()
        )

    def _classic(self, markers: Sequence[OptionMarker]) -> Block:
        body = self._body()
        options: dict[str, str] = {}
        marks = []
        for marker, text in zip(markers, split_texts(body, markers), strict=True):
            is_bold = body[marker.start : marker.text_start].count("**") == 1
            line = joined((text.removesuffix("**") if is_bold else text).split("\n"))
            options[marker.letter.upper()], mark = without_correct_mark(line)
            marks.append(mark)
        start = list(self._body_lines())[body[: markers[0].start].count("\n")]
        made = self._made(options, marks)
        # Options may begin within a line: then the lines of the stem end there.
        return Block(self.certainty, made.options, {}, made.marked, start, made.end, made.left_out)

    def _own_end(self) -> int:
        """Index of the first line behind the last option."""
        end = self._tail
        rest = self._after_blank()
        return min(end, rest) if rest is not None else end

    def _after_blank(self) -> int | None:
        """Index of the blank line behind the last option, if something follows it before the tail."""
        end = self._list.end
        is_empty = not self._list.items[-1].text
        for index in range(end + 1, self._tail):
            if self._lines[index].strip():
                is_empty = False
            elif not is_empty:
                return index
        return None

    def _items(self) -> tuple[list[str], list[str], bool]:
        """Every item's text, the footers between them, and whether some item has a second paragraph."""
        texts, footers, has_paragraphs = [], [], False
        items = self._list.items
        ends = [item.line for item in items[1:]] + [self._own_end()]
        for item, end in zip(items, ends, strict=True):
            own, is_over = [item.text], False
            for line in self._lines[item.line + 1 : end]:
                if line.strip() and (is_footer(line, is_last=False) or is_rule(line)):
                    footers.append(line.strip())
                elif line.strip():
                    has_paragraphs |= is_over
                    own.append(line)
                else:
                    is_over = any(map(str.strip, own))
            texts.append(joined(own))
        return texts, footers, has_paragraphs

    def _judge(self) -> Certainty:
        stem = self._stem()
        if self._is_followed_by_question() or not any(self._texts):
            return Certainty.NOT
        if self._has_stray_letter():
            return Certainty.OPTIONS
        by_kind = self._by_kind(stem)
        if by_kind is Certainty.OPTIONS and (self._has_paragraphs or self._has_loose_end()):
            return Certainty.POSSIBLE
        return by_kind

    def _stem(self) -> str:
        """The text before the list, without "Options:"; a table's head and rule are passed over."""
        lines = list(self._lines[: self._list.start])
        while lines and (not lines[-1].strip() or is_rule(lines[-1]) or _is_answer(lines[-1])):
            lines.pop()
        if lines and is_options_heading(lines[-1]):
            return "\n".join(lines[:-1]).rstrip() + "\n?"
        if lines and {"|": "|", "tab": "\t"}.get(self._list.style, "\n") in lines[-1]:
            lines.pop()
        return "\n".join(lines[-40:]).strip()

    def _by_kind(self, stem: str) -> Certainty:
        last = stem.rpartition("\n")[2]
        has_question = asks(stem)
        if self._list.scheme == "boxes" or (self._list.scheme == "radio buttons" and has_question):
            return Certainty.OPTIONS
        is_laboratory = _are_laboratory(self._texts)
        if self._list.is_lettered and self._list.style not in _LOOSE:
            is_doubtful = is_facts_heading(last) or (is_laboratory and not has_question) or self._has_organism_line()
            return Certainty.POSSIBLE if is_doubtful else Certainty.OPTIONS
        if self._list.is_lettered and (len(self._list.items) < 3 or (self._list.style == "space" and not has_question)):
            return Certainty.POSSIBLE if has_question else Certainty.NOT
        if is_facts_heading(last) or not stem:
            return Certainty.NOT
        return Certainty.OPTIONS if has_question and not is_laboratory else Certainty.POSSIBLE

    def _is_followed_by_question(self) -> bool:
        """Whether a question comes after the list, which then belongs to its facts."""
        own = [text for text in self._texts if text.rstrip().endswith(("?", "？", "؟"))]
        lines = self._lines[self._list.end + 1 : self._tail]
        if len(own) == 1 and own[0] == self._texts[-1] and any(map(str.strip, lines)):
            return True
        behind = [line for line in self._lines[self._own_end() : self._tail] if line.strip()]
        return any(begins_question(line) for line in [*behind, *self._sentences_behind()])

    def _sentences_behind(self) -> list[str]:
        """Lines below the last item that begin like a sentence of their own."""
        if not self._list.items[-1].text:
            return []
        lines = self._lines[self._list.end + 1 : self._own_end()]
        others = any(b.line - a.line > 1 for a, b in pairwise(self._list.items))
        return [] if others else [line for line in lines if line.strip()[:1].isupper() and not self._is_footer(line)]

    def _is_footer(self, line: str) -> bool:
        return line.strip() in self._footers

    def _has_loose_end(self) -> bool:
        """Whether text follows that is neither answer, explanation nor footer."""
        behind = [line for line in self._lines[self._own_end() : self._tail] if line.strip()]
        rest = [line for i, line in enumerate(behind) if not is_footer(line, is_last=i == len(behind) - 1)]
        has_answer = self._tail < len(self._lines) and stated_answer(self._lines[self._tail]) is not None
        sentences = [line for line in self._sentences_behind() if len(line.split()) > 3]
        return bool(rest and not has_answer) or bool(sentences)

    def _has_stray_letter(self) -> bool:
        """Whether the list goes on with a wrong letter."""
        if not self._is_classic():
            return False
        first = self._lines[self._list.start]
        behind = next((line for line in self._lines[self._list.end + 1 : self._tail] if line.strip()), "")
        stray, own = match_marker(behind[:80]), match_marker(first[:80])
        if not stray or not own or stray.style != own.style or stray.letter.isupper() != own.letter.isupper():
            return False
        return not behind[stray.text_start :].strip()[:1].islower()
