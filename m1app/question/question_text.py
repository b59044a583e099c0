"""Questions as text: stem, options and target, from a paste, a box, a prompt or JSON, and their validation.

Pastes are read by `pasted_question`. The lettered format is defined in `prompt_text`.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.answer_line import letter_of
from m1app.question.pastes.line_kinds import stated_answer
from m1app.question.pastes.option_blocks import Block, Certainty
from m1app.question.pastes.option_lists import find_lists
from m1app.question.pastes.pasted_question import read_paste
from m1app.question.prompt_text import (
    OptionMarker,
    check_doubled,
    check_letters,
    find_markers,
    format_options,
    join_lines,
    match_marker,
    narrow,
    normalise_newlines,
    split_texts,
)
from m1app.question.several_letters import read_letters
from m1app.targets import is_target

__all__ = [
    "MAX_OPTIONS",
    "QuestionText",
    "as_target",
    "format_options",
    "parse_lettered",
    "parse_options",
    "parse_options_and_answer",
    "parse_question",
    "read_question_json",
    "validate_question",
]

MAX_OPTIONS = len(ascii_uppercase)

_TARGET_LINE = re.compile(
    r"[\s*_#>-]*(?:the\s+)?(?:(?:correct|right|best)\s+)?(?:answer(?:\s+key)?|target)"
    r"[\s*_]*(?::|=|\bis\b)[\s*_:]*(?P<target>[^\s*_:].*)",
    re.IGNORECASE,
)
_TARGET_LETTER = re.compile(r"[(\[]?([A-Za-z])[)\]]?(?:\s*[.):(,;].*|\s+[-–—]\s.*)?", re.DOTALL)
_OPTIONS_HEADING = re.compile(r"(?:^|\n)[*_#]*(?:answer )?(?:options|choices)[*_]*:?[*_]*$", re.IGNORECASE)
_ABBREVIATED_GENUS = re.compile(r"[A-Z]\. [a-z]{2}")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class QuestionText:
    """A question as text."""

    stem: str
    """The question without its options."""
    options: dict[str, str]
    """Letter -> text, in order; empty for an open question."""
    target: str | None
    """Letter of the right option, several as "A, C", or whatever was given instead; None if nothing was given."""


def parse_question(text: str) -> QuestionText:
    """Parse what was pasted; `read_paste` says more about it.

    Returns:
        The parts; without recognisable options, or with several questions, all text is the stem. `validate_question`
        checks them.

    Raises:
        InvalidQuestion: the options are clearly lettered, but a letter is repeated or missing.
    """
    paste = read_paste(text)
    return QuestionText(paste.stem, paste.options, paste.target)


def parse_lettered(text: str) -> QuestionText:
    """Parse a prompt as training data have them: a stem, lettered options A, B, ..., and maybe an "Answer: C" line.

    Raises:
        InvalidQuestion: the options are clearly lettered, but a letter is repeated or missing.
    """
    text = normalise_newlines(text).strip()
    before, _, last_line = text.rpartition("\n")
    stated = _TARGET_LINE.fullmatch(narrow(last_line))
    body = before if stated else text
    if markers := find_markers(body):
        options = _option_texts(body, markers)
        stem = _OPTIONS_HEADING.sub("", body[: markers[0].start].strip()).strip()
        return QuestionText(stem, options, _read_target(stated["target"], options) if stated else None)
    if stated and (letter := _TARGET_LETTER.fullmatch(stated["target"].strip("*_ "))):
        return QuestionText(body.strip(), {}, letter[1].upper())
    return QuestionText(text, {}, None)


def _read_target(stated: str, options: Mapping[str, str]) -> str:
    """The text after "Answer:"; a letter before it is text, because options may be letters themselves."""
    stated = stated.strip("*_ ")
    is_letter = stated.strip("()[].").upper() in options
    return stated.strip("()[].").upper() if is_letter else _find_target(stated, options)


def _find_target(stated: str, options: Mapping[str, str]) -> str:
    """The letter of the option with this text, else several letters, else the one it starts with, else the input."""
    for letter, text in options.items():
        if _same_text(narrow(text), stated):
            return letter
    if several := read_letters(stated, options):
        return several
    found = _TARGET_LETTER.fullmatch(stated)
    return found[1].upper() if found else stated


def _same_text(one: str, other: str) -> bool:
    return one.casefold().split() == other.casefold().split()


def _option_texts(body: str, markers: Sequence[OptionMarker]) -> dict[str, str]:
    texts = {}
    for marker, text in zip(markers, split_texts(body, markers), strict=True):
        is_bold = body[marker.start : marker.text_start].count("**") == 1
        texts[marker.letter.upper()] = join_lines(text.removesuffix("**") if is_bold else text)
    return texts


def parse_options(text: str) -> dict[str, str]:
    """Parse options from a text box: one per line, all lettered or none; unlettered ones become A, B, ...

    Raises:
        InvalidQuestion: only some lines have a letter, a letter is repeated or missing, or there are more than 26
            lines.
    """
    lines = [line.strip() for line in normalise_newlines(text).split("\n") if line.strip()]
    markers = [match_marker(line) for line in lines]
    if not _are_lettered(lines, markers):
        _check_count(len(lines))
        return dict(zip(ascii_uppercase, _without_marks(lines), strict=False))
    if None in markers:
        raise InvalidQuestion(
            f"Some options have a letter, but {lines[markers.index(None)][:60]!r} has none: "
            "write one option per line, and give all of them a letter or none.",
            "options",
        )
    return _parse_lettered(lines, [marker for marker in markers if marker])


def parse_options_and_answer(text: str) -> tuple[dict[str, str], str]:
    """As `parse_options`, and the target from an answer line at the end; "" if there is none."""
    options, _, last = text.rstrip().rpartition("\n")
    answer = stated_answer(last)
    if not options.strip() or answer is None or not answer.is_firm or not answer.value or match_marker(last):
        return parse_options(text), ""
    parsed = parse_options(options)
    return parsed, letter_of(answer.value, Block(Certainty.OPTIONS, parsed))


def _without_marks(lines: Sequence[str]) -> list[str]:
    """Lines without the numbers, bullets or foreign letters before all of them."""
    for each in find_lists(lines):
        if len(each.items) == len(lines) and each.style not in ("space", "spaces", "alone"):
            return [item.text for item in each.items]
    return list(lines)


def _are_lettered(lines: Sequence[str], markers: Sequence[OptionMarker | None]) -> bool:
    """True unless the letters belong to organisms ("E. coli")."""
    if markers and markers[0] and markers[0].letter in "Aa":
        return True
    marked = [line for line, marker in zip(lines, markers, strict=True) if marker]
    return any(not _ABBREVIATED_GENUS.match(narrow(line)) for line in marked)


def _parse_lettered(lines: Sequence[str], markers: Sequence[OptionMarker]) -> dict[str, str]:
    letters = [marker.letter.upper() for marker in markers]
    body = "\n".join(lines)
    has_several_on_a_line = letters != list(ascii_uppercase[: len(lines)]) or len(lines) == 1
    is_ordered = letters[0] == "A" and letters == sorted(set(letters))
    if has_several_on_a_line and is_ordered and (found := find_markers(body)):
        return _option_texts(body, found)
    check_letters(letters)
    return {
        letter: text
        for line, marker in zip(lines, markers, strict=True)
        for letter, text in _option_texts(line, [marker]).items()
    }


def as_target(typed: str, options: Mapping[str, str]) -> str:
    """What was typed as a target as it is kept: "c" as "C", "a c" as "A, C"; anything else in upper case."""
    return read_letters(typed, options) or typed.strip().upper()


def validate_question(
    stem: str, options: Mapping[str, str], target: str | None, *, max_characters: int = 100_000
) -> tuple[str, ...]:
    """Reject questions that no engine should be asked.

    Returns:
        Warnings for the user about things that are odd but allowed.

    Raises:
        InvalidQuestion: the first problem found, and what to do about it.
    """
    if not stem.strip():
        raise InvalidQuestion("The question is empty: enter or paste one.")
    length = len(stem) + sum(map(len, options.values()))
    if length > max_characters:
        raise InvalidQuestion(
            f"The question and its options have {length:,} characters; the limit is {max_characters:,}. Shorten them."
        )
    _check_characters("The question", stem)
    _check_options(options)
    _check_target(target, options)
    counts = Counter(" ".join(text.casefold().split()) for text in options.values())
    return tuple(f"{count} options have the same text: {text[:80]}" for text, count in counts.items() if count > 1)


def _check_characters(where: str, text: str) -> None:
    if found := _FORBIDDEN.search(text):
        code = ord(found[0])
        kind = "a NUL" if code == 0 else "half of a surrogate pair" if code >= 0xD800 else "a control character"
        raise InvalidQuestion(
            f"{where} has {kind} (U+{code:04X}) at character {found.start() + 1:,}: remove it, or paste it as "
            "plain text.",
            "options" if where.startswith("Option") else "question",
        )


def _check_options(options: Mapping[str, str]) -> None:
    if len(options) == 1:
        raise InvalidQuestion("There is only one option. Enter at least two, or none for an open question.", "options")
    _check_count(len(options))
    for letter, text in options.items():
        if letter.upper() not in list(ascii_uppercase):
            raise InvalidQuestion(f"The option {text[:60]!r} has the letter {letter!r}: use one of A to Z.", "options")
        if not text.strip():
            raise InvalidQuestion(f"Option {letter} is empty: write its text or remove it.", "options")
        _check_characters(f"Option {letter}", text)
    check_doubled([letter.upper() for letter in options])


def _check_target(target: str | None, options: Mapping[str, str]) -> None:
    if target is None or is_target(target, options):
        return
    if not options:
        raise InvalidQuestion(
            f"The target is {target[:60]!r}, but the question has no options: add them, or remove the target.", "target"
        )
    raise InvalidQuestion(
        f"The target {target[:60]!r} is not one of the options: choose one of {', '.join(options)}, or "
        "several that are all right, as A, C.",
        "target",
    )


def _check_count(count: int) -> None:
    if count > MAX_OPTIONS:
        raise InvalidQuestion(f"There are {count:,} options, but only {MAX_OPTIONS} letters: remove some.", "options")


def read_question_json(text: str) -> QuestionText:
    """Read a question from JSON: `question`, and optionally `options`, `answer_idx` and `answer`.

    `options` is an object (letter -> text) or a list of texts; `answer`, the right option's text, gives the target if
    `answer_idx` is missing. Of several right options, `answer_idx` has the letters ("A, C", or a list). Other keys are
    ignored. `validate_question` checks the result.

    Raises:
        InvalidQuestion: not JSON, a key of the wrong type or given twice, or an answer that matches no option.
    """
    try:
        record = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_refuse_doubled_keys)
    except RecursionError as exc:
        raise InvalidQuestion("The JSON is nested too deeply. Enter one flat object.") from exc
    except ValueError as exc:
        raise InvalidQuestion(f"This is not valid JSON ({exc}): correct it.") from exc
    if not isinstance(record, dict):
        raise _wrong_type("The JSON", "an object with a question", record)
    stem = _text_at(record, "question")
    if stem is None:
        raise InvalidQuestion(f"The JSON has the keys {sorted(record)}, but no 'question': add it.")
    options = _options_at(record)
    return QuestionText(normalise_newlines(stem), options, _target_at(record, options))


def _refuse_doubled_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    counts = Counter(key for key, _ in pairs)
    if doubled := [key for key, count in counts.items() if count > 1]:
        raise InvalidQuestion(f"The JSON has the key {doubled[0]!r} twice in one object: keep one of them.")
    return dict(pairs)


def _wrong_type(where: str, expected: str, found: object) -> InvalidQuestion:
    return InvalidQuestion(f"{where} is {json.dumps(found)[:60]}, but should be {expected}: correct it.")


def _text_at(record: Mapping[str, object], key: str) -> str | None:
    value = record.get(key)
    if value is None or isinstance(value, str):
        return value
    raise _wrong_type(f"The key {key!r}", "text", value)


def _options_at(record: Mapping[str, object]) -> dict[str, str]:
    options = record.get("options")
    if options is None:
        return {}
    if isinstance(options, list):
        _check_count(len(options))
        options = dict(zip(ascii_uppercase, options, strict=False))
    if not isinstance(options, dict):
        raise _wrong_type("The key 'options'", "an object (letter: text) or a list of strings", options)
    for letter, text in options.items():
        if not isinstance(text, str):
            raise _wrong_type(f"Option {letter!r}", "text", text)
    return {letter: normalise_newlines(text) for letter, text in options.items()}


def _letters_at(record: Mapping[str, object], options: Mapping[str, str]) -> str | None:
    value = record.get("answer_idx")
    if isinstance(value, list) and all(isinstance(letter, str) for letter in value):
        value = ", ".join(value)
    letters = _text_at({"answer_idx": value}, "answer_idx")
    return letters and (read_letters(letters, options) or letters)


def _target_at(record: Mapping[str, object], options: Mapping[str, str]) -> str | None:
    """The given letter, or that of the option with the text `answer`; an open question's `answer` is not a target."""
    letter, answer = _letters_at(record, options), _text_at(record, "answer")
    found = _find_target(answer, options) if answer is not None and options else None
    if letter is None:
        if found is None or is_target(found, options):
            return found
        raise InvalidQuestion(f"The key 'answer' is {found[:60]!r}, which is not one of the options: correct it.")
    letter = letter.strip() if letter.strip() in options else letter.strip().upper()
    if found is not None and is_target(found, options) and found != letter:
        raise InvalidQuestion(
            f"The keys disagree: 'answer_idx' is {letter[:60]!r}, but 'answer' is option {found}: correct one."
        )
    return letter
