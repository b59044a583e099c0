"""The published scorer of m1, verdict for verdict, quirks included.

Source: github.com/UCSC-VLAA/m1, the evaluation's answer extraction and choice matching (the latter from HuatuoGPT-o1),
read on 2026-11-22 and reimplemented. It never finds "no answer": an answer that names no option is given the option
with the most similar text. Other quirks, kept: the last of several mentions wins; "a patient" counts as option A only
if no space follows the letter; a box with "=" only counts from the last one on; options are read back from the prompt's
lines, so multi-line options keep only their first line.
"""

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from enum import StrEnum

_LETTERS = "ABCDEFGHIJKLMN"
_FINAL_RESPONSE = "## Final Response\n\n"
_ANSWER_IS = re.compile(rf"answer is\s*?([{_LETTERS}])")
_BEFORE = r"(?:[\u4e00-\u9fff]|is |是|项|\*|\W|\ |\(|为|^|'|\"|#)(?![aA] )"
_AFTER = r"(?:\W|[\u4e00-\u9fff]|$)"


class How(StrEnum):
    """What the scorer based a letter on."""

    WHOLE_ANSWER = "whole_answer"
    """The extracted answer is the target: its text, its letter, or both."""
    ANSWER_IS = "answer_is"
    LETTER = "letter"
    """The last standalone letter."""
    OPTION_TEXT = "option_text"
    MOST_SIMILAR = "most_similar"
    """A guess: nothing in the answer names an option."""


def read_choice(text: str, options: Mapping[str, str], target: str) -> tuple[str, How]:
    """Return the letter that the scorer reads in an answer, and its basis; it is correct if it is the target's.

    Args:
        text: the answer, without the thinking.
        options: letter -> text; at least one.
        target: letter of the right option.
    """
    extracted = extract_answer(text)
    said, right = extracted.lower(), options[target].lower()
    if said in (right, f"{target.lower()}. {right}") or (len(extracted) == 1 and said == target.lower()):
        return target, How.WHOLE_ANSWER
    return match_choice(extracted, options)


def extract_answer(text: str) -> str:
    """Content of the answer's last box; the whole text if there is none or it is not closed."""
    return _unwrap(_last_box(_unwrap(_last_box(text), "\\boxed{")), "\\text{")


def match_choice(extracted: str, options: Mapping[str, str]) -> tuple[str, How]:
    """The letter that the extracted answer names or is most similar to; after "answer is" it need not be an
    option's."""
    options = _as_prompted(options)
    text = extracted.rpartition(_FINAL_RESPONSE)[2]
    if said := _ANSWER_IS.findall(text):
        return str(said[-1]), How.ANSWER_IS
    if named := re.findall(f"{_BEFORE}([{_LETTERS[: len(options)]}]){_AFTER}", text):
        return str(named[-1]), How.LETTER
    lowered = text.lower()
    places = {letter: lowered.rfind(option.lower()) for letter, option in options.items()}
    found = max(places, key=lambda letter: places[letter])
    if places[found] >= 0:
        return found, How.OPTION_TEXT
    # The last of equally similar ones.
    similar = {letter: SequenceMatcher(None, option.lower(), lowered).ratio() for letter, option in options.items()}
    return max(reversed(similar), key=lambda letter: similar[letter]), How.MOST_SIMILAR


def _as_prompted(options: Mapping[str, str]) -> dict[str, str]:
    """The options as read back from the prompt's lines; lines without ". " are skipped."""
    lines = "\n".join(f"{letter}. {text}" for letter, text in options.items()).split("\n")
    parted = [line.strip().partition(". ") for line in lines]
    return {letter: text for letter, stop, text in parted if stop} or dict(options)


def _last_box(text: str) -> str:
    start = text.rfind("\\boxed")
    if start < 0:
        start = text.rfind("\\fbox")
    if start < 0:
        return text
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if text[place] == "}" and depth == 0:
            return text[start : place + 1]
    return text


def _unwrap(text: str, opening: str) -> str:
    if not (text.startswith(opening) and text.endswith("}")):
        return text
    held = text[len(opening) : -1]
    return held.rpartition("=")[2].lstrip(" ") if "=" in held else held
