"""Traces from elsewhere become cases with their marks: Label Studio, Argilla and plain lines."""

import io
import json
import tracemalloc
from typing import Any

import pytest

from m1app.annotation.case_import import CasesPreview, CasesReport
from m1app.annotation.errors import ImportRefused
from m1app.annotation.exchange import AnnotationExchange, CasesFormat
from m1app.annotation.foreign_cases import FieldNames, read_tasks
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from storage.annotations.records import Annotation, AnnotationState, Case, CaseFilter, CaseOrder, Part
from storage.database import Database
from tests.m1app.annotation.cases import as_file

THINKING = "The heart 🫀 races. Lithium causes this. So the answer is B."
ANSWER = "The answer is B."
TRACE = {
    "question": "Which drug slows this heart?",
    "options": {"A": "Lithium", "B": "Bisoprolol"},
    "target": "B",
    "thinking": THINKING,
    "answer": ANSWER,
    "model": "elsewhere-8b",
    "seed": 7,
}
START = THINKING.index("Lithium")
END = START + len("Lithium causes this.")


@pytest.fixture
def exchange(database: Database) -> AnnotationExchange:
    return AnnotationExchange(database, load_taxonomy())


def region(**changes: Any) -> dict[str, Any]:
    """A region as Label Studio exports it."""
    value = {"start": START, "end": END, "text": THINKING[START:END], "labels": ["Incorrect fact"]}
    return {"id": "r1", "type": "labels", "from_name": "label", "to_name": "text", "value": value | changes}


def task(*regions: dict[str, Any], **data: Any) -> dict[str, Any]:
    annotation = {"id": 1, "completed_by": {"id": 3, "email": "ada@example.org"}, "was_cancelled": False}
    given = {"text": THINKING, "question": "Which drug slows this heart?", "response": ANSWER} | data
    return {"id": 5, "data": given, "annotations": [annotation | {"result": list(regions)}], "predictions": []}


def record_of(*values: dict[str, Any]) -> dict[str, Any]:
    """A record as Argilla exports it."""
    fields = {"question": "Which drug slows this heart?", "reasoning": THINKING, "answer": ANSWER}
    responses = {"reasoning": [{"value": list(values), "user_id": "u-1"}], "rating": [{"value": 4, "user_id": "u-1"}]}
    metadata = {"model": "elsewhere-8b"}
    return {"id": "x", "fields": fields, "metadata": metadata, "suggestions": {}, "responses": responses, "vectors": {}}


async def imported(
    exchange: AnnotationExchange, given: CasesFormat, content: object, names: FieldNames | None = None
) -> CasesReport:
    lines = given is CasesFormat.TRACES and isinstance(content, list)
    text = "\n".join(map(json.dumps, content)) if lines and isinstance(content, list) else json.dumps(content)
    return await exchange.import_cases(as_file(text), given, names or FieldNames())


async def stored(service: AnnotationService, who: str = "") -> list[tuple[Case, tuple[Annotation, ...]]]:
    page = await service.queue(CaseFilter(order=CaseOrder.RANDOM), who)
    views = [await service.open(group.only.id, who) for group in page.groups if group.only]
    return [(view.case, view.own) for view in views]


async def test_plain_traces_become_cases_that_are_scored_and_say_where_they_are_from(
    exchange: AnnotationExchange, service: AnnotationService, database: Database
) -> None:
    other = TRACE | {"answer": "The answer is A.", "model": ""}
    report = await imported(exchange, CasesFormat.TRACES, [TRACE, other], FieldNames(model="given-7b"))
    assert report == CasesReport(cases=2, present=0, marks=0, marks_present=0)
    cases = sorted((case for case, _ in await stored(service)), key=lambda case: case.model)
    assert [(case.model, case.letter, case.is_correct) for case in cases] == [
        ("elsewhere-8b", "B", True),
        ("given-7b", "A", False),
    ]
    assert (cases[0].thinking_text, cases[0].answer_text) == (THINKING, ANSWER)
    assert cases[0].question.source == "imported"
    again = await imported(exchange, CasesFormat.TRACES, [TRACE, other], FieldNames(model="given-7b"))
    assert again == CasesReport(cases=0, present=2, marks=0, marks_present=0)
    assert len(await stored(service)) == 2


@pytest.mark.parametrize(
    ("given", "entry", "annotator"),
    [
        (CasesFormat.LABEL_STUDIO, task(region()), "Label Studio ada@example.org"),
        (CasesFormat.ARGILLA, record_of({"start": START, "end": END, "label": "incorrect-fact"}), "Argilla u-1"),
    ],
)
async def test_a_foreign_project_brings_its_texts_and_spans(
    exchange: AnnotationExchange,
    service: AnnotationService,
    given: CasesFormat,
    entry: dict[str, Any],
    annotator: str,
) -> None:
    assert await imported(exchange, given, [entry]) == CasesReport(cases=1, present=0, marks=1, marks_present=0)
    assert await imported(exchange, given, [entry]) == CasesReport(cases=0, present=1, marks=0, marks_present=1)
    [(case, [mark])] = await stored(service, annotator)
    assert (case.question.stem, case.thinking_text, case.answer_text) == (TRACE["question"], THINKING, ANSWER)
    assert mark.selector is not None
    assert (mark.part, mark.selector.exact) == (Part.THINKING, "Lithium causes this.")
    assert (mark.labels, mark.state) == (("incorrect_fact",), AnnotationState.SUBMITTED)
    # It can be annotated here.
    await service.submit(case.id, "Eve")
    assert len((await service.open(case.id, "Eve")).others) == 1


async def test_several_right_options_are_a_target_of_imported_cases_too(
    exchange: AnnotationExchange, service: AnnotationService
) -> None:
    both = {"target": "A, B", "answer": "The answers are A and B."}
    await imported(exchange, CasesFormat.TRACES, [TRACE | both])
    given = {"target": "AB", "response": both["answer"], "options": TRACE["options"]}
    await imported(exchange, CasesFormat.LABEL_STUDIO, [task(region(), **given)])
    cases = [case for case, _ in await stored(service)]
    assert [(case.question.target, case.letter, case.is_correct) for case in cases] == [("A, B", "A, B", True)] * 2


async def test_a_question_with_several_right_options_is_scored(
    exchange: AnnotationExchange, service: AnnotationService
) -> None:
    both = TRACE | {"target": "A, B", "answer": "The answers are A and B."}
    await imported(exchange, CasesFormat.TRACES, [both])
    options = [{"letter": "A", "text": "Lithium"}, {"letter": "B", "text": "Bisoprolol"}]
    await imported(exchange, CasesFormat.LABEL_STUDIO, [task(options=options, target="A, B", response=both["answer"])])
    for case, _ in await stored(service):
        assert (case.question.target, case.letter, case.is_correct) == ("A, B", "A, B", True)


async def test_unknown_labels_are_reported_and_their_spans_come_with_a_later_import(
    exchange: AnnotationExchange, service: AnnotationService
) -> None:
    both = region(labels=["Bias", "Typo"])
    entry = task(both, region(labels=["Hallucination"]), region(labels=["Typo"]))
    report = await imported(exchange, CasesFormat.LABEL_STUDIO, [entry])
    assert (report.cases, report.marks, report.spans_left_out) == (1, 1, 2)
    assert report.unknown_labels == {"Typo": 2, "Hallucination": 1}


async def test_other_fields_are_named_and_a_span_in_the_answer_is_found_there(
    exchange: AnnotationExchange, service: AnnotationService
) -> None:
    at = ANSWER.index("B")
    span = region(start=at, end=at + 1, text="B") | {"to_name": "reply"}
    entry = task(span, cot=THINKING, reply=ANSWER, case="Which drug?")
    names = FieldNames(question="case", thinking="cot", answer="reply", model="m")
    await imported(exchange, CasesFormat.LABEL_STUDIO, [entry], names)
    [(case, [mark])] = await stored(service, "Label Studio ada@example.org")
    assert (case.question.stem, mark.part) == ("Which drug?", Part.ANSWER)


BAD = [
    (CasesFormat.LABEL_STUDIO, [task(region(start=5000, end=5010, text=None))], "Task 1.*outside the thinking of"),
    (CasesFormat.LABEL_STUDIO, [task(region(text="Not in it at all."))], "'Not in it at all.' is not in the thinking"),
    (CasesFormat.LABEL_STUDIO, [task(region(start=9, end=9))], "marks nothing"),
    (CasesFormat.LABEL_STUDIO, [task(region(start="x"))], "Task 1: .*docs/annotating.md"),
    (
        CasesFormat.LABEL_STUDIO,
        [{"data": {"image": "a.jpg"}}],
        "no text; its fields are image. Name one with --text-field",
    ),
    (CasesFormat.LABEL_STUDIO, [{"data": {"\ud800": 1}}], "its fields are \ufffd. Name one"),
    (CasesFormat.LABEL_STUDIO, [{"id": 1}], "'data' is missing"),
    (CasesFormat.LABEL_STUDIO, {"data": {}}, "expected a list of tasks"),
    (CasesFormat.ARGILLA, ["text"], "Record 1: the record is text, expected an object"),
    (CasesFormat.TRACES, [TRACE, TRACE | {"answr": "x"}], "Line 2 is not a trace .*answr.*Its fields may be: question"),
    (CasesFormat.TRACES, [TRACE | {"thinking": "", "answer": ""}], "neither thinking nor an answer"),
    (CasesFormat.TRACES, [TRACE | {"target": "C"}], "the target 'C' is none of its options"),
    (CasesFormat.TRACES, [TRACE | {"options": {"B": "x"}}], "options must be named A, B, C"),
    (CasesFormat.TRACES, ["no object"], "Line 1 is not a trace"),
    (CasesFormat.TRACES, [*[TRACE] * 30, TRACE | {"question": " \n"}], "Line 31 is not a trace .question: it is blank"),
    (CasesFormat.TRACES, [*[TRACE] * 30, TRACE | {"options": {"A": "x\0"}}], "Line 31 .*contains the character U.0000"),
    (CasesFormat.TRACES, [*[TRACE] * 30, TRACE | {"seed": 2**63}], "Line 31 is not a trace .seed"),
    (CasesFormat.LABEL_STUDIO, [task(region(text=5))], "Task 1: a span cannot be used .exact: input should be"),
    (CasesFormat.LABEL_STUDIO, [task(region(labels="Typo"))], "Task 1: labels is text, expected a list"),
    (
        CasesFormat.ARGILLA,
        [record_of({"start": 1, "end": 2, "label": "x\0"})],
        "Record 1: a span cannot be used .labels",
    ),
]


@pytest.mark.parametrize(("given", "content", "message"), BAD)
async def test_what_cannot_be_a_case_is_refused_by_its_place_and_nothing_is_stored(
    exchange: AnnotationExchange, database: Database, given: CasesFormat, content: object, message: str
) -> None:
    with pytest.raises(ImportRefused, match=f"(?s){message}.*Nothing was imported"):
        await imported(exchange, given, content)
    assert database.row_counts()["trace"] == 0


async def test_a_field_that_is_not_there_is_named_with_those_that_are(exchange: AnnotationExchange) -> None:
    with pytest.raises(ImportRefused, match="no field 'cot'; its fields are text, question, response"):
        await imported(exchange, CasesFormat.LABEL_STUDIO, [task(region())], FieldNames(thinking="cot"))


async def test_a_file_that_is_too_large_is_refused_without_reading_all_of_it(exchange: AnnotationExchange) -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def seek(self, *_: int) -> int:
            return 0

        def read(self, size: int = -1) -> bytes:
            self.taken += size
            return b" " * size

        def readline(self, size: int | None = -1) -> bytes:
            return self.read(size or 0)

    for given, message in ((CasesFormat.LABEL_STUDIO, "larger than 64 MB"), (CasesFormat.TRACES, "longer than 16 MB")):
        file = Endless()
        with pytest.raises(ImportRefused, match=message):
            await exchange.import_cases(file, given, FieldNames())  # type: ignore[arg-type]
        assert file.taken < 70 * 2**20


async def previewed(
    exchange: AnnotationExchange, given: CasesFormat, content: object, names: FieldNames | None = None
) -> CasesPreview:
    return await exchange.preview_cases(as_file(json.dumps(content)), given, names or FieldNames())


async def test_a_preview_counts_and_stores_nothing(exchange: AnnotationExchange, service: AnnotationService) -> None:
    known, unknown = task(region()), task(region(labels=["Novel"]), text=f"{THINKING} Twice.")
    content = [known, unknown, task(text="Another one.")]
    found = await previewed(exchange, CasesFormat.LABEL_STUDIO, content)
    assert (found.traces, found.present, found.spans, found.spans_left_out) == (3, 0, 2, 1)
    assert (found.labels, found.unknown_labels) == ({"Incorrect fact": 1}, {"Novel": 1})
    assert [case.trace.thinking for case in found.first] == [THINKING, f"{THINKING} Twice.", "Another one."]
    assert (found.problems, found.problem_count) == ((), 0)
    assert await stored(service) == []
    await imported(exchange, CasesFormat.LABEL_STUDIO, [known])
    assert (await previewed(exchange, CasesFormat.LABEL_STUDIO, content)).present == 1


BAD_TASKS = [
    *({"id": number} for number in range(12)),
    task(region(start=9, end=4)),
    *({"id": number} for number in range(12)),
]


async def test_every_problem_of_a_file_is_a_line_of_the_message(
    exchange: AnnotationExchange, service: AnnotationService
) -> None:
    content = [task(region()), *BAD_TASKS]
    found = await previewed(exchange, CasesFormat.LABEL_STUDIO, content)
    assert (found.traces, found.problem_count, len(found.problems)) == (1, 25, 20)
    assert found.problems[0] == "Task 2: 'data' is missing. See docs/annotating.md for the fields."
    assert found.problems[12] == "Task 14: a span from 9 to 4 marks nothing."
    with pytest.raises(ImportRefused) as caught:
        await imported(exchange, CasesFormat.LABEL_STUDIO, content)
    lines = str(caught.value).split("\n")
    assert tuple(lines[:20]) == found.problems
    assert lines[20:] == ["and 5 more problems", "Nothing was imported."]
    assert await stored(service) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[1], 2", "Line 1 is not JSON (Expecting ',' delimiter at character 8)."),
        ("[{}] []", "Line 1 is not JSON (Extra data at character 6)."),
        ("[1 2]", "Line 1 is not JSON (Expecting ',' delimiter at character 4)."),
        ("[1,]", "Line 1 is not JSON (Expecting value at character 4)."),
        ("{}", "The file is one JSON value, expected a list of tasks."),
        ("[" + "[" * 6_000_000, "The file has more than 5,000,000 values. Export fewer tasks at a time."),
        ("[" + "[" * 200_000, "This JSON cannot be read (maximum recursion depth exceeded"),
    ],
    ids=["cut off", "more than one", "no comma", "comma at the end", "object", "many values", "deep"],
)
async def test_a_file_that_is_no_list_of_tasks_is_refused_with_what_is_wrong(
    exchange: AnnotationExchange, text: str, expected: str
) -> None:
    found = await exchange.preview_cases(as_file(text), CasesFormat.LABEL_STUDIO, FieldNames())
    assert found.problems[-1].startswith(expected)
    with pytest.raises(ImportRefused):
        await exchange.import_cases(as_file(text), CasesFormat.LABEL_STUDIO, FieldNames())


def test_only_one_task_of_a_file_is_in_memory_at_a_time() -> None:
    file = as_file(json.dumps([task(region(), text=f"{number} " * 20_000) for number in range(40)]))
    size = file.seek(0, 2)
    file.seek(0)
    tracemalloc.start()
    try:
        tasks = read_tasks(file, FieldNames())
        next(tasks)
        tracemalloc.reset_peak()
        assert len([each.where for each in tasks]) == 39
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The file's text and a task or two, not all of them.
    assert most < 1.4 * size
