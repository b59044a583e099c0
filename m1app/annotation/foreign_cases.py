"""Traces that were made or annotated elsewhere, read from files: to annotate them here, with the spans they have.

Label Studio and Argilla exports as in `foreign_spans.py`; the fields of a task's `data`, or of a record, are found by
their names. Plain traces are lines of JSON with the fields of `PlainTrace`. What is not a trace, such as regions of
images, is left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, Annotated, Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import AfterValidator, Field, ValidationError

from m1app.annotation.errors import ImportRefused
from m1app.annotation.file_models import StrictModel, Text
from m1app.annotation.file_reading import MALFORMED, expect, lines_of, reason_of
from m1app.annotation.foreign_spans import entries_of
from m1app.question.several_letters import read_letters
from m1app.targets import is_target
from storage.annotations.records import Part
from storage.columns import replace_unstorable

MAX_TEXT_CHARACTERS = 2_000_000
"""Of a thinking or an answer."""
MAX_CASES = 100_000
_MAX_STEM_CHARACTERS = 50_000
_QUESTION = ("question", "stem", "prompt", "instruction", "input")
_THINKING = ("thinking", "reasoning", "text", "content", "trace", "output")
_ANSWER = ("answer", "response", "final_answer", "completion")
_TARGET = ("target", "answer_idx")
_MODEL = ("model", "model_name")


def _check_options(options: Mapping[str, str]) -> Mapping[str, str]:
    letters = [chr(ord("A") + place) for place in range(len(options))]
    if len(options) > 26 or list(options) != letters:
        raise ValueError("options must be named A, B, C and so on, in this order")
    return options


def _check_stem(stem: str) -> str:
    if not stem.strip():
        raise ValueError("it is blank")
    return stem


Options = Annotated[Mapping[str, Text], AfterValidator(_check_options)]


class PlainTrace(StrictModel):
    """A line of a file of traces."""

    question: Annotated[Text, Field(max_length=_MAX_STEM_CHARACTERS), AfterValidator(_check_stem)]
    options: Options = Field(default_factory=dict)
    target: Text | None = None
    """Letter of the right option, or of all right ones, as "A, C"."""
    thinking: Annotated[Text, Field(max_length=MAX_TEXT_CHARACTERS)] = ""
    answer: Annotated[Text, Field(max_length=MAX_TEXT_CHARACTERS)] = ""
    model: Annotated[Text, Field(max_length=200)] = ""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None


@dataclass(frozen=True, slots=True)
class RawSpan:
    """A span before its label and its place are checked."""

    annotator: str
    part: Part
    start: int
    end: int
    exact: str | None
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForeignCase:
    """A trace of a file with its spans."""

    where: str
    trace: PlainTrace
    spans: tuple[RawSpan, ...] = ()

    @property
    def id(self) -> str:
        """Equal for the same content, so that importing twice stores it once."""
        return uuid5(NAMESPACE_URL, f"m1app:imported-trace:{self.trace.model_dump_json()}").hex


@dataclass(frozen=True, slots=True)
class FieldNames:
    """Which fields hold what; empty ones are found by their usual names."""

    question: str = ""
    thinking: str = ""
    answer: str = ""
    model: str = ""
    """The model's name itself, for files that do not say it."""


Refused = Callable[[ImportRefused], object]
"""Takes what is wrong with one trace; the reader goes on with the next."""


def _raise(refused: ImportRefused) -> None:
    raise refused


def read_traces(file: IO[bytes], names: FieldNames, refused: Refused = _raise) -> Iterator[ForeignCase]:
    """Read plain traces, one line of JSON each; raises ImportRefused."""
    for number, line in lines_of(file):
        if line.strip():
            yield from _each(partial(_read_line, number, line, names), refused)


def read_tasks(file: IO[bytes], names: FieldNames, refused: Refused = _raise) -> Iterator[ForeignCase]:
    """Read the tasks of a Label Studio JSON export; raises ImportRefused."""

    def fields(task: Mapping[str, Any]) -> Mapping[str, Any]:
        return _fields(task["data"], "data")

    return _read_all(file, "task", fields, _task_spans, names, refused)


def read_records(file: IO[bytes], names: FieldNames, refused: Refused = _raise) -> Iterator[ForeignCase]:
    """Read the records of an Argilla export; raises ImportRefused."""

    def fields(record: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**_fields(record.get("metadata") or {}, "metadata"), **_fields(record["fields"], "fields")}

    return _read_all(file, "record", fields, _record_spans, names, refused)


def _read_all(
    file: IO[bytes], unit: str, fields_of: Any, spans_of: Any, names: FieldNames, refused: Refused
) -> Iterator[ForeignCase]:
    for where, entry in entries_of(file, unit):
        read = partial(_read, where, entry, unit, fields_of, spans_of, names)
        yield from _each(read, refused)


def _each(read: Callable[[], ForeignCase], refused: Refused) -> Iterator[ForeignCase]:
    """What `read` returns, or nothing if it is refused."""
    try:
        case = read()
    except ImportRefused as exc:
        refused(exc)
    else:
        yield case


def _read_line(number: int, line: bytes, names: FieldNames) -> ForeignCase:
    try:
        trace = PlainTrace.model_validate_json(line)
    except ValidationError as exc:
        known = ", ".join(PlainTrace.model_fields)
        raise ImportRefused(f"Line {number} is not a trace ({reason_of(exc)}). Its fields may be: {known}.") from None
    return _checked(ForeignCase(f"Line {number}", _with_model(trace, names)))


def _read(where: str, entry: Any, unit: str, fields_of: Any, spans_of: Any, names: FieldNames) -> ForeignCase:
    try:
        expect(entry, dict, f"the {unit}")
        fields = fields_of(entry)
        keys = {
            Part.THINKING: _key(fields, names.thinking, _THINKING),
            Part.ANSWER: _key(fields, names.answer, _ANSWER),
        }
        return _checked(ForeignCase(where, _trace(fields, keys, names), tuple(spans_of(entry, keys))))
    except MALFORMED as exc:
        raise ImportRefused(f"{where}: {reason_of(exc)}. See docs/annotating.md for the fields.") from None


def _trace(fields: Mapping[str, Any], keys: Mapping[Part, str], names: FieldNames) -> PlainTrace:
    found = [key for key in keys.values() if key]
    if not found:
        raise ValueError(f"it has no text; its fields are {_listed(fields)}. Name one with --text-field")
    question = _key(fields, names.question, _QUESTION)
    stem, options = fields.get(question), _options(fields.get("options"))
    said = {
        "question": stem if isinstance(stem, str) and stem.strip() else "(imported without its question)",
        "options": options,
        "target": _target(fields.get(_key(fields, "", _TARGET)), options),
        **{part.value: fields.get(key) or "" for part, key in keys.items()},
        "model": fields.get(_key(fields, "", _MODEL)) or "",
    }
    return _with_model(PlainTrace.model_validate(said), names)


def _with_model(trace: PlainTrace, names: FieldNames) -> PlainTrace:
    return trace if trace.model else trace.model_copy(update={"model": names.model or "unknown model"})


def _checked(case: ForeignCase) -> ForeignCase:
    if not case.trace.thinking and not case.trace.answer:
        raise ImportRefused(f"{case.where}: it has neither thinking nor an answer, so there is nothing to annotate.")
    if case.trace.target is not None and not is_target(case.trace.target, case.trace.options):
        raise ImportRefused(f"{case.where}: the target {case.trace.target[:20]!r} is none of its options.")
    return case


def _fields(value: Any, name: str) -> Mapping[str, Any]:
    expect(value, dict, name)
    return value  # type: ignore[no-any-return]


def _key(fields: Mapping[str, Any], named: str, usual: Sequence[str]) -> str:
    """The name of a field: the given one, which must be there, or the first usual one; empty if there is none."""
    if named:
        if named not in fields:
            raise ValueError(f"it has no field {named[:60]!r}; its fields are {_listed(fields)}")
        return named
    return next((name for name in usual if isinstance(fields.get(name), str)), "")


def _options(value: Any) -> dict[str, str]:
    """Options as {letter: text}, or as a list of texts or of {letter, text}."""
    if isinstance(value, Mapping):
        return {str(letter): str(text) for letter, text in value.items()}
    if not isinstance(value, list):
        return {}
    texts = [each["text"] if isinstance(each, Mapping) else each for each in value]
    return {chr(ord("A") + place): str(text) for place, text in enumerate(texts[:26])}


def _target(value: Any, options: Mapping[str, str]) -> str | None:
    """Letters of the options; None if it is anything else, such as the text of one."""
    if not isinstance(value, str):
        return None
    return value if value in options else read_letters(value, options)


def _listed(fields: Mapping[str, Any]) -> str:
    return ", ".join(replace_unstorable(str(name)[:40]) for name in list(fields)[:20]) or "none"


def _task_spans(task: Mapping[str, Any], keys: Mapping[Part, str]) -> Iterator[RawSpan]:
    for annotation in task.get("annotations") or ():
        if annotation.get("was_cancelled"):
            continue
        by = annotation.get("completed_by")
        name = (by.get("email") or by.get("id")) if isinstance(by, Mapping) else by
        for region in annotation["result"]:
            if region.get("type") != "labels":
                continue
            value = region["value"]
            expect(value["labels"], list, "labels")
            yield RawSpan(
                annotator=f"Label Studio {name}",
                part=_part(str(region["to_name"]), keys),
                start=int(value["start"]),
                end=int(value["end"]),
                exact=value.get("text"),
                labels=tuple(map(str, value["labels"])),
            )


def _record_spans(record: Mapping[str, Any], keys: Mapping[Part, str]) -> Iterator[RawSpan]:
    for question, responses in (record.get("responses") or {}).items():
        for response in responses:
            for value in response["value"] if isinstance(response["value"], list) else ():
                if not isinstance(value, Mapping) or "start" not in value:
                    continue  # a question of another type
                yield RawSpan(
                    annotator=f"Argilla {response['user_id']}",
                    part=_part(str(question), keys),
                    start=int(value["start"]),
                    end=int(value["end"]),
                    exact=value.get("text"),
                    labels=(str(value["label"]),),
                )


def _part(name: str, keys: Mapping[Part, str]) -> Part:
    """The text that a name stands for: the name of its field or of the part; else the only text, or the thinking."""
    if keys[Part.ANSWER] and (name in (keys[Part.ANSWER], Part.ANSWER.value) or not keys[Part.THINKING]):
        return Part.ANSWER
    return Part.THINKING
