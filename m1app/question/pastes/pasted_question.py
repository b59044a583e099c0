"""Reads a pasted text as a question: stem, options, target, and what is left out; several questions as several.

What is certain is done. What is not is offered: `Paste.offers` says what each would make of the text. Nothing is lost:
every word is in the stem, the options, the answer line or one of the parts that are named as left out.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.answer_line import counts_as_answer, lone_letter, loose_answer
from m1app.question.pastes.answer_shares import answer_shares
from m1app.question.pastes.answers_within import with_answers_apart
from m1app.question.pastes.exam_formats import exam_to_text, says_answer
from m1app.question.pastes.html_text import has_answer_in_source, has_html, html_to_text
from m1app.question.pastes.inline_options import inline_options
from m1app.question.pastes.json_text import json_to_texts
from m1app.question.pastes.judged_options import has_verdict, judged_options
from m1app.question.pastes.letter_in_stem import letter_behind, letter_in_stem
from m1app.question.pastes.line_breaks import has_soft_breaks, join_soft_breaks
from m1app.question.pastes.line_kinds import (
    StatedAnswer,
    begins_explanation,
    begins_explanation_surely,
    is_footer,
    is_options_heading,
    stated_answer,
    without_correct_mark,
)
from m1app.question.pastes.open_questions import end_of_open
from m1app.question.pastes.option_blocks import Block, Certainty, find_block, plain_block
from m1app.question.pastes.option_lists import is_rule
from m1app.question.pastes.several_questions import answer_key, split_questions
from m1app.question.pastes.stated_answers import (
    firm_answer,
    plain,
    stem_without_answer,
    target_of,
    without_answer_line,
    without_answers,
)
from m1app.question.several_letters import read_letters
from m1app.targets import is_target, joined_letters

_LINE_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPOILER = re.compile(r"(?P<gap>\n?)[^\S\n]{0,4}>![^\S\n]{0,4}(?P<hidden>[^!<>\n]{1,1000}?)[^\S\n]{0,4}!<")
"""Hidden until it is clicked, as on Reddit."""
_HTML_UNASKED = "The HTML says which option is right, or may say so. Choose Remove HTML below the question."

_FORMAT_UNASKED = (
    "A field, tag or command of this text may say which option is right. Paste the question and its options as text."
)
_VERDICT_UNASKED = (
    "Text after the options may say which one is right. Keep only the options' texts, or paste the options into their "
    "box."
)
_SPLIT_UNASKED = "The lines below the question say which option is right. Choose Split as options below the question."


class OfferKind(StrEnum):
    """What can be done with a paste, if the person says so."""

    SPLIT = "split"
    """Take the lines at the end as options."""
    JOIN = "join"
    """Join the lines of the stem that a PDF has broken."""
    SHARES = "shares"
    """Take off percentages behind the options, which may say how many people chose each."""
    KEEP_SHARES = "keep shares"
    """Leave such percentages, which are taken off otherwise."""
    HTML = "html"
    """Turn HTML into the text that it shows."""
    TAKE_LETTER = "take letter"
    """Take a letter in the question as the answer."""
    KEEP_LETTER = "keep letter"
    """Leave such a letter in the question."""
    SEVERAL = "several"
    """Ask several questions one by one."""


class Part(StrEnum):
    """What a part that is left out is."""

    EXPLANATION = "explanation"
    FOOTER = "page footer"
    HEADING = "heading"
    SHARES = "percentages of answers"


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
    unasked: str = ""
    """Why it must not be asked before one of the offers is taken: it may hold its own answer. Empty if it may."""

    @property
    def questions(self) -> tuple["Paste", ...]:
        """The questions, if these are several; else none."""
        return next((offer.questions for offer in self.offers if offer.kind is OfferKind.SEVERAL), ())


def read_paste(text: str) -> Paste:
    """Read a pasted text; takes time in proportion to its length.

    Raises:
        InvalidQuestion: the options are clearly lettered, but a letter is repeated or missing.
    """
    if shown := json_to_texts(text) or [each for each in [exam_to_text(text)] if each]:
        found = tuple(_read_text(each) for each in shown)
        return found[0] if len(found) == 1 else Paste(text.strip(), {}, offers=(Offer(OfferKind.SEVERAL, found),))
    paste = _with_html(text) if has_html(text) else _read_text(text)
    is_held = not paste.options and not paste.unasked and not paste.questions and says_answer(paste.stem)
    return replace(paste, unasked=_FORMAT_UNASKED) if is_held else paste


def _with_html(text: str) -> Paste:
    """`text` as it is, with the offer to take its HTML for what it shows."""
    plain = html_to_text(text)
    try:
        shown = _read_text(plain)
    except InvalidQuestion:
        shown = Paste(plain, {})
    if shown.questions:
        shown = Paste(plain, {})
    paste = _read_text(text)
    others = tuple(each for each in paste.offers if each.kind is OfferKind.SEVERAL)
    says_answer = shown.answer_line or shown.target or shown.unasked or has_answer_in_source(text)
    unasked = _HTML_UNASKED if says_answer else ""
    return replace(paste, offers=(Offer(OfferKind.HTML, (shown,)), *others), unasked=unasked)


def _read_text(text: str) -> Paste:
    divided = with_answers_apart(text)
    if divided != text:
        with suppress(InvalidQuestion):
            paste = _read_lines_of(divided)
            if all(map(_is_answered, paste.questions or (paste,))):
                return replace(paste, stem=text.strip()) if paste.questions else paste
    return _read_lines_of(text)


def _is_answered(paste: Paste) -> bool:
    """Whether an answer or its explanation was told from the question."""
    return bool(paste.answer_line) or any(each.part is Part.EXPLANATION for each in paste.left_out)


def _read_lines_of(text: str) -> Paste:
    lines = _unquoted(_SPOILER.sub(_unhidden, _LINE_BREAKS.sub("\n", text)).strip("\n").split("\n"))
    parts, numbers = split_questions(lines)
    if len(parts) < 2:
        return _read(lines)
    questions = tuple(_read(part, offers=False) for part in parts)
    key = answer_key(parts[-1], numbers)
    found = tuple(_with_key(each, key.get(number)) for each, number in zip(questions, numbers, strict=True))
    return Paste("\n".join(lines).strip(), {}, offers=(Offer(OfferKind.SEVERAL, found),))


def _unhidden(found: re.Match[str]) -> str:
    """A hidden answer as text: a letter in brackets, anything else on a line of its own."""
    hidden = found["hidden"]
    return f" [{hidden}]" if len(hidden) == 1 and not found["gap"] else f"\n{hidden}"


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
        return _with_join(_with_letter(_with_shares(_paste_of(lines, block), offers), offers), offers)
    paste = _with_letter(_with_shares(_without_block(lines, may_be_inline=block is None), offers), offers)
    if not paste.options and offers:
        possible = block or plain_block(lines)
        if possible:
            split = _with_letter(_with_shares(_paste_of(lines, possible), offers=False), offers=False)
            is_said = bool(split.target or split.answer_line) and not paste.answer_line
            unasked = _SPLIT_UNASKED if is_said else ""
            paste = replace(paste, offers=(Offer(OfferKind.SPLIT, (split,)),), unasked=unasked)
    return _with_join(paste, offers)


def _with_shares(paste: Paste, offers: bool) -> Paste:
    """`paste` without the percentages of people who chose each option, if that is certain; else with the offer."""
    shares = answer_shares(paste.options)
    if shares is None:
        return paste
    pairs = {letter: without_correct_mark(text) for letter, text in shares.options.items()}
    marked = [letter for letter, (_, mark) in pairs.items() if mark]
    if not 0 < len(marked) < len(pairs):
        marked, pairs = [], {letter: (text, "") for letter, text in shares.options.items()}
    # A mark of the right option that stood before its share.
    unmarked = {letter: text.replace(pairs[letter][1], "") for letter, text in paste.options.items()}
    kept = replace(paste, options=unmarked, target=paste.target or (joined_letters(marked) or None))
    left_out = (*paste.left_out, LeftOut(Part.SHARES, shares.shown))
    done = replace(kept, options={letter: text for letter, (text, _) in pairs.items()}, left_out=left_out)
    if shares.is_certain:
        return replace(done, offers=(Offer(OfferKind.KEEP_SHARES, (kept,)),) if offers else ())
    return replace(kept, offers=(Offer(OfferKind.SHARES, (done,)),)) if offers else kept


def _with_letter(paste: Paste, offers: bool) -> Paste:
    """`paste` without a letter that is filled in as its answer, if that is certain; else unasked.

    It stands in the stem or behind the last option. A letter other than the stated answer belongs to the question.
    """
    if not paste.options:
        return paste
    if found := letter_in_stem(paste.stem, paste.options):
        without = replace(paste, stem=found.stem)
        done = _with_filled_in(paste, without, found.letter, found.words, offers, is_certain=found.is_certain)
        if done is not paste:
            return done
    if behind := letter_behind(paste.options):
        without = replace(paste, options=paste.options | {list(paste.options)[-1]: behind.option})
        is_certain = behind.is_certain or paste.target == behind.letter
        return _with_filled_in(paste, without, behind.letter, behind.words, offers, is_certain=is_certain)
    return paste


def _with_filled_in(paste: Paste, without: Paste, letter: str, words: str, offers: bool, *, is_certain: bool) -> Paste:
    """A question in which a letter is filled in, or may be.

    Args:
        paste: the question.
        without: the question without the letter.
        letter: the letter.
        words: the letter as pasted.
        offers: whether to offer what is not certain.
        is_certain: whether it is the answer.
    """
    if is_target(paste.target, paste.options) and not is_certain and paste.target != letter:
        return paste
    answers = "\n".join(filter(None, (paste.answer_line, words)))
    taken = replace(without, target=paste.target or letter, answer_line=answers)
    if is_certain:
        return taken
    choices = (
        Offer(OfferKind.TAKE_LETTER, (replace(taken, offers=()),)),
        Offer(OfferKind.KEEP_LETTER, (replace(paste, offers=()),)),
    )
    unasked = f"{words} may be the answer, which the model must not see. Choose what it is below the question."
    return replace(paste, offers=(*choices, *paste.offers) if offers else (), unasked=unasked)


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
    options, within = without_answers(block.options)
    judged = judged_options(options, block.marked)
    if judged is not None:
        options = dict(judged.options)
        block = replace(block, marked=block.marked or judged.right)
    stem_lines, explained = _without_explanation(stem_lines, block)
    text, stated = without_answer_line(stem_lines, block)
    stem, ended = stem_without_answer(text)
    answers = [*tail.answers, *stated, *within, *ended]
    reasons = [*explained, *(judged.reasons if judged else ())]
    left_out = [LeftOut(Part.HEADING, text) for text in headings] + tail.left_out
    return Paste(
        stem,
        options,
        target_of(answers, replace(block, options=options)),
        "\n".join(text for text, _ in answers),
        (*left_out, *(LeftOut(Part.EXPLANATION, text) for text in reasons)),
        unasked="" if judged or not has_verdict(options) else _VERDICT_UNASKED,
    )


def _without_explanation(lines: Sequence[str], block: Block) -> tuple[Sequence[str], list[str]]:
    """Lines of a stem without the explanation below an answer line in it, and that."""
    answered = next((i for i, line in enumerate(lines) if firm_answer(line, block)), len(lines))
    begin = next((i for i in range(answered + 1, len(lines)) if begins_explanation_surely(lines[i])), len(lines))
    return lines[:begin], [line.strip() for line in lines[begin:] if line.strip()]


def _without_block(lines: Sequence[str], *, may_be_inline: bool) -> Paste:
    """The question if no lines are options: they may follow each other on one line, or there are none."""
    end = end_of_open(lines)
    explained = next((i for i, line in enumerate(lines[:end]) if i and begins_explanation(line)), end)
    if may_be_inline and explained < end and inline_options("\n".join(lines[:explained])):
        end = explained
    tail = _Tail.of(lines[end:])
    if may_be_inline and (found := inline_options("\n".join(lines[:end]))):
        stem, headings = _without_heading(found.stem.split("\n"))
        return _finished(stem, found.block, tail, headings)
    letter = next((loose_answer(answer.value) for _, answer in tail.answers if loose_answer(answer.value)), None)
    open_stem = plain("\n".join(lines[:end]).strip())
    return Paste(open_stem, {}, letter, "\n".join(text for text, _ in tail.answers), tuple(tail.left_out))


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
