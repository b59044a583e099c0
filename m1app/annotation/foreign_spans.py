"""Span annotations from Label Studio and Argilla exports.

Label Studio: tasks as JSON (https://labelstud.io/guide/task_format), region type "labels". Argilla 2: records as JSON
(`dataset.records.to_json`), responses of span questions. A task or record names its case (`data.case_id`,
`metadata.case_id`); the span's text is named "thinking" or "answer" (`to_name`, the question's name).

Offsets are code points; older Label Studio versions counted UTF-16 units after an emoji, and no version validates them.
If a span's quoted text is not at its position, it is therefore searched for, and rejected if it is not found.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import IO, Any
from uuid import NAMESPACE_URL, uuid5

from m1app.annotation.errors import ImportRefused, SelectorError
from m1app.annotation.file_models import Name, StrictModel, Text
from m1app.annotation.file_reading import MALFORMED, expect, reason_of
from m1app.annotation.form_values import text_of
from m1app.annotation.selectors import find, select
from storage.annotations.records import Case, Part, TextSelector

_MAX_BYTES = 64 * 2**20


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


def entries_of(file: IO[bytes], unit: str) -> list[tuple[str, Any]]:
    """The entries of a JSON list, each with its location for messages; raises ImportRefused."""
    content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ImportRefused(f"The file is larger than {_MAX_BYTES // 2**20} MB. Export fewer {unit}s at a time.")
    try:
        entries = json.loads(content.decode())
    except UnicodeDecodeError as exc:
        raise ImportRefused(f"The file is not UTF-8 text at byte {exc.start}: save it as UTF-8.") from None
    except json.JSONDecodeError as exc:
        raise ImportRefused(f"Line {exc.lineno} is not JSON ({exc.msg} at character {exc.colno}).") from exc
    except (RecursionError, ValueError) as exc:
        raise ImportRefused(f"This JSON cannot be read ({exc}).") from exc
    if not isinstance(entries, list):
        raise ImportRefused(f"The file is one JSON value, expected a list of {unit}s.")
    return [(f"{unit.capitalize()} {number}", entry) for number, entry in enumerate(entries, start=1)]


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
    return len(text.encode("utf-16-le", "surrogatepass")[: 2 * utf16_units].decode("utf-16-le", "ignore"))
