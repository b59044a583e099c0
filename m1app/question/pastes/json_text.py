"""Questions copied as JSON, JSON lines, Python or a table from a data set, as text with options and an answer line."""

import ast
import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from string import ascii_uppercase
from typing import Any

_MOST_CHARACTERS = 50_000
_MOST_OPTIONS = 26
_MOST_QUESTIONS = 200
_MOST_NESTED = 200
_STEMS = ("question", "stem", "prompt", "text", "query", "input")
_OPTIONS = ("options", "choices", "answers", "endings")
_LETTERED_OPTIONS = ("op", "option_", "option", "choice_", "choice", "")
"""Before the letters that name a field for each option: "opa", "opb" and so on."""
_ANSWERS = (
    "answer_idx",
    "answer_index",
    "answerkey",
    "answer_key",
    "target",
    "correct_answer",
    "correctanswer",
    "correct_option",
    "correct_choice",
    "correct_index",
    "correct_idx",
    "correct",
    "answer",
    "label",
    "gold",
    "cop",
    "solution",
)
_OPTION_TEXTS = ("text", "value", "content", "option", "answer")
_RIGHT_FLAGS = ("correct", "is_correct", "iscorrect", "right", "is_right")
_FENCED = re.compile(r"\s{0,20}```[a-z]{0,12}[ \t]{0,8}\n(?P<content>.*?)\n?\s{0,20}```\s{0,20}", re.DOTALL)


def json_to_texts(text: str) -> list[str]:
    """Each question of a text that is nothing but JSON or Python; none if it is neither, or holds anything else."""
    fenced = _FENCED.fullmatch(text) if len(text) <= _MOST_CHARACTERS else None
    records = _records(fenced["content"] if fenced else text) or _rows(text)
    if not 0 < len(records) <= _MOST_QUESTIONS:
        return []
    parsed = [_Record(record) for record in records]
    first = _first_number([each for each in parsed if isinstance(each.answer, int)])
    texts = [each.text(first) for each in parsed]
    return texts if all(texts) else []


def _records(text: str) -> list[Mapping[str, Any]]:
    """The objects of a text: one, a list of them, or one a line."""
    text = text.strip().removesuffix(",")
    if not text.startswith(("{", "[")) or len(text) > _MOST_CHARACTERS:
        return []
    found = _parsed(text)
    if found is None and text.startswith("{"):
        found = [_parsed(line.strip().rstrip(",")) for line in text.split("\n") if line.strip()]
    every = found if isinstance(found, list) else [found]
    return every if all(isinstance(each, dict) for each in every) else []


def _rows(text: str) -> list[Mapping[str, Any]]:
    """Rows of a table whose head has names of a question's fields."""
    head, _, rest = text.strip().partition("\n")
    separator = next((each for each in "\t;," if each in head), "")
    names = [name.strip(" \"'").casefold() for name in head[:400].split(separator)] if separator else []
    is_table = rest and len(text) <= _MOST_CHARACTERS and set(_STEMS) & set(names) and set(_ANSWERS) & set(names)
    if not is_table:
        return []
    try:
        rows = list(csv.reader(rest.splitlines(), delimiter=separator))
    except csv.Error:
        return []
    return [dict(zip(names, row, strict=False)) for row in rows if row]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    # The parser of Python costs more the deeper its input is nested.
    if sum(map(text.count, "([{")) > _MOST_NESTED:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


class _Record:
    """A question's fields."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        inner = [value for value in found.values() if isinstance(value, dict)]
        fields = _folded(inner[0] if len(found) == 1 and inner else found)
        self.stem = next((fields[name] for name in _STEMS if isinstance(fields.get(name), str)), "").strip()
        self.options = _options(next((fields[name] for name in _OPTIONS if name in fields), None))
        self.options = self.options or next(
            filter(None, (_fields_as_options(fields, p) for p in _LETTERED_OPTIONS)), {}
        )
        self.has_other_options = not self.options and any(name in fields for name in _OPTIONS)
        flagged = _flagged(next((fields[name] for name in _OPTIONS if name in fields), None))
        answers = (_answer(value, self.options) for value in (flagged, *map(fields.get, _ANSWERS)))
        self.answer: str | int = next((said for said in answers if said != ""), "")

    def text(self, first: int | None) -> str:
        """The question with an answer line; empty if it is none.

        Args:
            first: the number of the first option; None if that is not known.
        """
        if not self.stem or self.has_other_options or not (self.options or self.answer):
            return ""
        lines = [self.stem, *(f"{letter}. {option}" for letter, option in self.options.items())]
        said = self.answer
        if isinstance(said, int) and first is not None and 0 <= said - first < len(self.options):
            said = ascii_uppercase[said - first]
        return "\n".join([*lines, f"Answer: {said}"] if said != "" else lines)


def _folded(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name).casefold(): value for name, value in fields.items()}


def _text_of(option: Any) -> Any:
    """The text of an option that is an object; anything else as it is."""
    fields = _folded(option) if isinstance(option, Mapping) else {}
    return next((fields[name] for name in _OPTION_TEXTS if name in fields), option)


def _flagged(options: Any) -> str:
    """The text of the only option that is an object with a flag that says it is right."""
    every = [_folded(option) for option in options if isinstance(option, Mapping)] if isinstance(options, list) else []
    right = [each for each in every if any(each.get(name) is True for name in _RIGHT_FLAGS)]
    text = _text_of(right[0]) if len(right) == 1 else ""
    return text if isinstance(text, str) else ""


def _first_number(records: Sequence[_Record]) -> int | None:
    """What the first option is numbered with, if the answers show it: 0 if one of them is 0, 1 if one is the last."""
    numbers = {int(each.answer) for each in records}
    if 0 in numbers:
        return 0
    return 1 if any(each.answer == len(each.options) for each in records) else None


def _options(value: Any) -> dict[str, str]:
    """Letter -> text, from an object or a list; empty for anything else."""
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        value = value["text"]
    if isinstance(value, Mapping):
        pairs = {str(letter).strip().upper(): option for letter, option in value.items()}
    elif isinstance(value, list):
        pairs = dict(zip(ascii_uppercase, map(_text_of, value), strict=False))
    else:
        return {}
    texts = {letter: " ".join(option.split()) for letter, option in pairs.items() if isinstance(option, str)}
    own = {letter: re.match(rf"\(?{letter}[.):]\s+(?=\S)", text) for letter, text in texts.items()}
    if all(own.values()):
        texts = {
            letter: text[match.end() :]
            for (letter, text), match in zip(texts.items(), own.values(), strict=True)
            if match
        }
    is_whole = len(texts) == len(value) and 1 < len(texts) <= _MOST_OPTIONS
    return texts if is_whole and list(texts) == list(ascii_uppercase[: len(texts)]) else {}


def _fields_as_options(fields: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """Options of a field each: "opa", "option_a", "A"."""

    def given() -> Iterator[str]:
        for letter in ascii_uppercase:
            option = fields.get(f"{prefix}{letter.casefold()}")
            if not isinstance(option, str):
                return
            yield option

    return _options(list(given()))


def _answer(value: Any, options: Mapping[str, str]) -> str | int:
    """What a field states: a letter, an option's number, or, without options, the answer; empty if it is neither."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, int) and not isinstance(value, bool):
        return value if options else str(value)
    if not isinstance(value, str):
        return ""
    said = " ".join(value.split())
    if not options or said.upper() in options:
        return said.upper() if options else said
    if said.isdecimal() and len(said) < 3:
        return int(said)
    same = [letter for letter, option in options.items() if option.casefold() == said.casefold()]
    return same[0] if len(same) == 1 else ""
