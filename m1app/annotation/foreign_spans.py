"""Span annotations from Label Studio and Argilla exports.

Label Studio: tasks as JSON (https://labelstud.io/guide/task_format), region type "labels". Argilla 2: records as JSON
(`dataset.records.to_json`), responses of span questions. A task or record names its case (`data.case_id`,
`metadata.case_id`); the span's text is named "thinking" or "answer" (`to_name`, the question's name).

Offsets are code points; older Label Studio versions counted UTF-16 units after an emoji, and no version validates them.
If a span's quoted text is not at its position, it is therefore searched for, and rejected if it is not found.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import IO, Any
from uuid import NAMESPACE_URL, uuid5

from m1app.annotation.errors import ImportRefused, SelectorError
from m1app.annotation.file_models import Name, StrictModel, Text
from m1app.annotation.file_reading import MALFORMED, expect, reason_of
from m1app.annotation.form_values import text_of
from m1app.annotation.selectors import find, select
from storage.annotations.records import Case, Part, TextSelector

_MAX_BYTES = 64 * 2**20
_MAX_VALUES = 5_000_000
_BLANKS = re.compile(r"[ \t\n\r]*")


class ForeignSpan(StrictModel):
    """A span from another tool's export."""

    where: str
    """Its location in the file, for messages."""
    case_id: str
    annotator: Name
    part: Part
    start: int
    end: int
    exact: str | None
    """The marked text, if the tool exports it."""
    labels: tuple[Text, ...]

    @property
    def id(self) -> str:
        """Equal for the same span by the same annotator, so that importing twice adds it once."""
        said = (self.case_id, self.annotator, self.part.value, self.start, self.end, *sorted(self.labels))
        return uuid5(NAMESPACE_URL, json.dumps(said)).hex


def read_label_studio(file: IO[bytes]) -> list[ForeignSpan]:
    """Read the spans of a Label Studio JSON export; raises ImportRefused."""
    return _read(file, "task", _task_spans)


def read_argilla(file: IO[bytes]) -> list[ForeignSpan]:
    """Read the spans of an Argilla record export; raises ImportRefused."""
    return _read(file, "record", _record_spans)


def entries_of(file: IO[bytes], unit: str) -> Iterator[tuple[str, Any]]:
    """The entries of a JSON list, each with its location for messages, parsed one after the other.

    Raises:
        ImportRefused: the file is too large, not UTF-8 or no JSON list; entries before the problem were yielded.
    """
    text = _text_of(file, unit)
    try:
        for number, entry in enumerate(_elements(text, unit), start=1):
            yield f"{unit.capitalize()} {number}", entry
    except json.JSONDecodeError as exc:
        raise ImportRefused(f"Line {exc.lineno} is not JSON ({exc.msg} at character {exc.colno}).") from exc
    except (RecursionError, ValueError) as exc:
        raise ImportRefused(f"This JSON cannot be read ({exc}).") from exc


def _text_of(file: IO[bytes], unit: str) -> str:
    content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ImportRefused(f"The file is larger than {_MAX_BYTES // 2**20} MB. Export fewer {unit}s at a time.")
    # Each value takes much more memory than its sign in the file.
    if content.count(b",") + content.count(b"[") + content.count(b"{") > _MAX_VALUES:
        raise ImportRefused(f"The file has more than {_MAX_VALUES:,} values. Export fewer {unit}s at a time.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ImportRefused(f"The file is not UTF-8 text at byte {exc.start}: save it as UTF-8.") from None


def _elements(text: str, unit: str) -> Iterator[Any]:
    """The elements of the list that a text is; raises ImportRefused, ValueError and RecursionError."""
    decoder, position = json.JSONDecoder(), _after_blanks(text, 0)
    if text[position : position + 1] != "[":
        decoder.decode(text)
        raise ImportRefused(f"The file is one JSON value, expected a list of {unit}s.")
    position = _after_blanks(text, position + 1)
    is_over = text[position : position + 1] == "]"
    while not is_over:
        entry, end = decoder.raw_decode(text, position)
        yield entry
        position = _after_blanks(text, end)
        is_over = text[position : position + 1] == "]"
        if not is_over and text[position : position + 1] != ",":
            raise json.JSONDecodeError("Expecting ',' delimiter", text, position)
        position = position if is_over else _after_blanks(text, position + 1)
    if (rest := _after_blanks(text, position + 1)) < len(text):
        raise json.JSONDecodeError("Extra data", text, rest)


def _after_blanks(text: str, position: int) -> int:
    found = _BLANKS.match(text, position)
    return found.end() if found else position


def _read(file: IO[bytes], unit: str, spans_of: Any) -> list[ForeignSpan]:
    found: list[ForeignSpan] = []
    for where, entry in entries_of(file, unit):
        try:
            expect(entry, dict, f"the {unit}")
            found.extend(spans_of(where, entry))
        except MALFORMED as exc:
            raise ImportRefused(
                f"{where} does not match the documented format ({reason_of(exc)}). To import what was annotated "
                "elsewhere, add --as-cases. See docs/annotating.md."
            ) from exc
    return found


def _task_spans(where: str, task: Mapping[str, Any]) -> Iterator[ForeignSpan]:
    for annotation in task["annotations"]:
        if annotation.get("was_cancelled"):
            continue
        by = annotation.get("completed_by")
        name = (by.get("email") or by.get("id")) if isinstance(by, Mapping) else by
        for region in annotation["result"]:
            if region["type"] != "labels":
                continue
            value = region["value"]
            yield ForeignSpan(
                where=where,
                case_id=str(task["data"]["case_id"]),
                annotator=f"Label Studio {name}",
                part=Part(region["to_name"]),
                start=int(value["start"]),
                end=int(value["end"]),
                exact=value.get("text"),
                labels=tuple(value["labels"]),
            )


def _record_spans(where: str, record: Mapping[str, Any]) -> Iterator[ForeignSpan]:
    for question, responses in (record.get("responses") or {}).items():
        for response in responses:
            for value in response["value"] if isinstance(response["value"], list) else ():
                if not isinstance(value, Mapping):
                    continue  # a question of another type
                yield ForeignSpan(
                    where=where,
                    case_id=str(record["metadata"]["case_id"]),
                    annotator=f"Argilla {response['user_id']}",
                    part=Part(question),
                    start=int(value["start"]),
                    end=int(value["end"]),
                    exact=record["fields"][question][int(value["start"]) : int(value["end"])],
                    labels=(str(value["label"]),),
                )


def place(span: ForeignSpan, case: Case) -> TextSelector:
    """Locate the span in the case's text; raises ImportRefused if it is not found."""
    text = text_of(case, span.part)
    for count in (int, partial(_code_points_before, text)):
        start, end = count(span.start), count(span.end)
        try:
            made = select(text, start, end)
        except SelectorError:
            continue
        if span.exact in (None, made.exact):
            return made
    guess = TextSelector(span.start, span.end, span.exact or "", "", "", "")
    found = find(text, guess)
    if found is None:
        raise ImportRefused(
            f"{span.where}: {(span.exact or '')[:60]!r} is not in the {span.part.value} of case {span.case_id}."
        )
    return found


def _code_points_before(text: str, utf16_units: int) -> int:
    return min(utf16_units - bisect_left(_units_of_pairs(text), utf16_units), len(text))


@lru_cache(maxsize=4)
def _units_of_pairs(text: str) -> Sequence[int]:
    """At which UTF-16 unit each character begins that takes two of them; kept, as a text has thousands of spans."""
    wide = (place for place, character in enumerate(text) if character > "\uffff")
    return [place + number for number, place in enumerate(wide)]
