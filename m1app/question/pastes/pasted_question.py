"""Reads a pasted text as a question: stem, options, target, and what is left out; several questions as several.

What is certain is done. What is not is offered: `Paste.offers` says what each would make of the text. Nothing is lost:
every word is in the stem, the options, the answer line or one of the parts that are named as left out.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from m1app.question.pastes.answer_line import counts_as_answer, letter_of, lone_letter, loose_answer
from m1app.question.pastes.inline_options import inline_options
from m1app.question.pastes.line_breaks import has_soft_breaks, join_soft_breaks
from m1app.question.pastes.line_kinds import (
    StatedAnswer,
    answer_at_end,
    begins_explanation,
    is_footer,
    is_options_heading,
    stated_answer,
)
from m1app.question.pastes.option_blocks import Block, Certainty, find_block, plain_block
from m1app.question.pastes.option_lists import is_rule
from m1app.question.pastes.several_questions import answer_key, split_questions
from m1app.question.several_letters import read_letters
from m1app.targets import is_target

_LINE_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_BOLD = re.compile(r"(?:\*\*|__)([^*_]+)(?:\*\*|__)")
# Question and answer as "Q: ..." and "A: ...".
_QUESTIONS, _ANSWERS = re.compile(r"[\s*]{0,8}Q\s?[:.]"), re.compile(r"[\s*]{0,8}A\s?[:.]")
_ANSWER_IN_BRACKETS = re.compile(r"[(（]\s*([A-Za-z])\s*[)）]\s*[。.?？:：]?\s*\Z")


class OfferKind(StrEnum):
    """What can be done with a paste, if the person says so."""

    SPLIT = "split"
    """Take the lines at the end as options."""
    JOIN = "join"
    """Join the lines of the stem that a PDF has broken."""
    SEVERAL = "several"
    """Ask several questions one by one."""


class Part(StrEnum):
    """What a part that is left out is."""

    EXPLANATION = "explanation"
    FOOTER = "page footer"
    HEADING = "heading"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part of a paste that is neither question nor answer."""

    part: Part
    text: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be done with a paste."""

    kind: OfferKind
    questions: tuple["Paste", ...]
    """What it would give: one question, or several."""


@dataclass(frozen=True, slots=True)
class Paste:
    """What a pasted text is read as."""

    stem: str
    """The question without options and answer; all of the text if these are several questions."""
    options: dict[str, str]
    """Letter -> text, in order; empty for an open question."""
    target: str | None = None
    """Letter of the right option, several as "A, C", or whatever was given instead; None if nothing was given."""
    answer_line: str = ""
    """The line, or lines, that state the answer, as pasted."""
    left_out: tuple[LeftOut, ...] = ()
    offers: tuple[Offer, ...] = ()

    @property
    def questions(self) -> tuple["Paste", ...]:
        """The questions, if these are several; else none."""
        return next((offer.questions for offer in self.offers if offer.kind is OfferKind.SEVERAL), ())


def read_paste(text: str) -> Paste:
    """Read a pasted text; takes time in proportion to its length.

    Raises:
        InvalidQuestion: the options are clearly lettered, but a letter is repeated or missing.
    """
    lines = _unquoted(_LINE_BREAKS.sub("\n", text).strip("\n").split("\n"))
    parts, numbers = split_questions(lines)
    if len(parts) < 2:
        return _read(lines)
    questions = tuple(_read(part, offers=False) for part in parts)
    key = answer_key(parts[-1], numbers)
    found = tuple(_with_key(each, key.get(number)) for each, number in zip(questions, numbers, strict=True))
    return Paste("\n".join(lines).strip(), {}, offers=(Offer(OfferKind.SEVERAL, found),))


def _unquoted(lines: Sequence[str]) -> list[str]:
    """Lines of a mail without the ">" before all of them."""
    if len(lines) > 1 and all(line.startswith(">") for line in lines if line.strip()):
        return [line.removeprefix(">").removeprefix(" ") for line in lines]
    return list(lines)


def _with_key(question: Paste, stated: str | None) -> Paste:
    if stated is None or is_target(question.target, question.options):
        return question
    target = stated if stated in question.options else read_letters(stated, question.options)
    return replace(question, target=target) if target else question


def _read(lines: Sequence[str], *, offers: bool = True) -> Paste:
    block = find_block(lines)
    if block and block.certainty is Certainty.OPTIONS:
        return _with_join(_paste_of(lines, block), offers)
    paste = _without_block(lines, may_be_inline=block is None)
    if not paste.options and offers:
        possible = block or plain_block(lines)
        paste = replace(paste, offers=(Offer(OfferKind.SPLIT, (_paste_of(lines, possible),)),)) if possible else paste
    return _with_join(paste, offers)


def _with_join(paste: Paste, offers: bool) -> Paste:
    """`paste` with the offer to join the stem's lines, if they look broken."""
    if not offers or not has_soft_breaks(paste.stem):
        return paste
    done = replace(paste, stem=join_soft_breaks(paste.stem), offers=())
    return replace(paste, offers=(*paste.offers, Offer(OfferKind.JOIN, (done,))))


def _paste_of(lines: Sequence[str], block: Block) -> Paste:
    """The question whose options are `block`."""
    stem, headings = _without_heading(lines[: block.start])
    tail = _Tail.of([*block.left_out, *lines[block.end :]])
    return _finished(stem, block, tail, headings)


def _finished(stem_lines: Sequence[str], block: Block, tail: "_Tail", headings: Sequence[str]) -> Paste:
    options, within = _without_answers(block.options)
    text, stated = _without_answer_line(stem_lines, block)
    stem, ended = _stem_without_answer(text, block)
    answers = [*tail.answers, *stated, *within, *ended]
    left_out = [LeftOut(Part.HEADING, text) for text in headings] + tail.left_out
    return Paste(
        stem,
        options,
        _target(answers, replace(block, options=options)),
        "\n".join(text for text, _ in answers),
        tuple(left_out),
    )


def _without_block(lines: Sequence[str], *, may_be_inline: bool) -> Paste:
    """The question if no lines are options: they may follow each other on one line, or there are none."""
    end = _end_of_open(lines)
    tail = _Tail.of(lines[end:])
    if may_be_inline and (found := inline_options("\n".join(lines[:end]))):
        stem, headings = _without_heading(found.stem.split("\n"))
        return _finished(stem, found.block, tail, headings)
    letter = next((loose_answer(answer.value) for _, answer in tail.answers if loose_answer(answer.value)), None)
    open_stem = _plain("\n".join(lines[:end]).strip())
    return Paste(open_stem, {}, letter, "\n".join(text for text, _ in tail.answers), tuple(tail.left_out))


def _end_of_open(lines: Sequence[str]) -> int:
    """Index of the answer line or footer that ends a question without a list of options, else the number of lines."""
    end = next((i for i, line in enumerate(lines) if i and _ANSWERS.match(line)), len(lines))
    end = end if _QUESTIONS.match(lines[0]) else len(lines)
    while end > 1 and (not lines[end - 1].strip() or is_footer(lines[end - 1], is_last=False)):
        end -= 1
    return min(end, _answer_line_of_open(lines))


def _answer_line_of_open(lines: Sequence[str]) -> int:
    last = next((i for i in range(len(lines) - 1, -1, -1) if lines[i].strip()), 0)
    first_after_question = next((i for i in range(last, -1, -1) if "?" in lines[i] or "？" in lines[i]), -1)
    for index in range(max(1, first_after_question + 1), last + 1):
        answer = stated_answer(lines[index])
        if answer and answer.value and (answer.is_firm or loose_answer(answer.value)):
            is_end = first_after_question >= 0 or not any(map(str.strip, lines[index + 1 :]))
            return index if is_end else len(lines)
    return len(lines)


@dataclass(slots=True)
class _Tail:
    """What follows the options."""

    answers: list[tuple[str, StatedAnswer]]
    """Answer lines as pasted, and what they state."""
    left_out: list[LeftOut]

    @classmethod
    def of(cls, lines: Sequence[str]) -> "_Tail":
        tail, rest = cls([], []), [line.strip() for line in lines if line.strip()]
        waits = False
        for index, line in enumerate(rest):
            is_last = index == len(rest) - 1
            answer = stated_answer(line)
            if counts_as_answer(answer) and answer and not begins_explanation(line):
                tail.answers.append((line, answer))
                waits = not answer.value
            elif waits or (is_last and not tail.answers and lone_letter(line)):
                tail.answers.append((line, StatedAnswer(line, True)))
                waits = False
            else:
                is_page = is_footer(line, is_last=is_last)
                tail.left_out.append(LeftOut(Part.FOOTER if is_page else Part.EXPLANATION, line))
        return tail


def _without_heading(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Lines of a stem without "Options:" or such a head of a table at their end, and that."""
    kept = list(lines)
    while kept and (not kept[-1].strip() or is_rule(kept[-1])):
        kept.pop()
    if kept and is_options_heading(kept[-1]):
        return kept[:-1], [kept[-1].strip()]
    return kept, []


def _without_answer_line(lines: Sequence[str], block: Block) -> tuple[str, list[tuple[str, StatedAnswer]]]:
    """A stem without lines that state one of the options as the answer, and these."""
    found = [(line.strip(), answer) for line in lines if (answer := _firm_answer(line, block))]
    kept = [line for line in lines if not _firm_answer(line, block)] if found else lines
    return _plain("\n".join(kept).strip()), found


def _firm_answer(line: str, block: Block) -> StatedAnswer | None:
    answer = stated_answer(line) if len(line) < 200 else None
    return answer if answer and answer.is_firm and is_target(letter_of(answer.value, block), block.options) else None


def _stem_without_answer(stem: str, block: Block) -> tuple[str, list[tuple[str, StatedAnswer]]]:
    """A stem without the answer at its end: "(Answer: C)", or the letter in brackets of Chinese examinations."""
    kept, words = answer_at_end(stem)
    if words and (answer := stated_answer(words)):
        return kept, [(words, answer)]
    found = _ANSWER_IN_BRACKETS.search(stem[-20:])
    if found and found[1].upper() in block.options and any("\u3040" <= letter <= "\u9fff" for letter in stem[-40:]):
        return stem[: len(stem[:-20]) + found.start()].rstrip() + "（ ）", [
            (found[0].strip(), StatedAnswer(found[1], True))
        ]
    return stem, []


def _without_answers(options: Mapping[str, str]) -> tuple[dict[str, str], list[tuple[str, StatedAnswer]]]:
    """Options without an answer stated behind the last one, and that."""
    kept, answers = dict(options), []
    for letter in list(options)[-1:]:
        text, words = answer_at_end(options[letter])
        if words and text and (answer := stated_answer(words)):
            kept[letter] = text
            answers.append((words, answer))
    return kept, answers


def _target(answers: Sequence[tuple[str, StatedAnswer]], block: Block) -> str | None:
    """The letters that the answers state, else the one that is marked, else what they state."""
    stated = [letter_of(answer.value, block) for _, answer in answers if answer.value]
    known = next((text for text in stated if is_target(text, block.options)), None)
    return known or block.marked or next((text for text in stated if text), None)


def _plain(stem: str) -> str:
    """A stem without the asterisks that make all of it, or its last line, bold."""
    head, gap, last = stem.rpartition("\n")
    if len(last) < 2000 and (bold := _BOLD.fullmatch(last.strip())):
        return f"{head}{gap}{bold[1].strip()}"
    return stem
