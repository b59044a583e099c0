"""Annotations leave as files and come back: the same, or not at all."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from m1app.annotation.errors import ImportRefused
from m1app.annotation.exchange import AnnotationExchange, ExportFormat, ImportFormat, ImportReport
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from storage.annotations.records import Part
from storage.database import Database
from tests.m1app.annotation.cases import ANSWER, ECG, THINKING, note, stored_trace
from tests.m1app.annotation.test_service import mark, submitted


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path}/m1.db")
    database.migrate()
    return database


@pytest.fixture
def exchange(database: Database) -> AnnotationExchange:
    return AnnotationExchange(database, load_taxonomy())


@pytest.fixture
def service(database: Database) -> AnnotationService:
    return AnnotationService(database, load_taxonomy())


@pytest.fixture
async def case_id(database: Database, service: AnnotationService) -> str:
    """A case with marks of every kind."""
    case_id = stored_trace(database)
    first = await submitted(service, case_id, "Ada")
    await mark(service, case_id, "Ada", corrected_fact="ECG first,\u2028always.", comment='=1+1, "so"')
    await service.save(case_id, "Ada", note("bias"))
    withdrawn = await mark(service, case_id, "Ada")
    await service.withdraw(withdrawn.id, "Ada", withdrawn.revision)
    await service.submit(case_id, "Eve")
    await service.dispute(first.id, "Eve", "No.")
    await service.adjudicate(first.id, "Chair", is_upheld=True, reason="Yes.")
    await mark(service, case_id, "Zoe")  # a draft, which stays hers
    return case_id


def forget(database: Database) -> None:
    from sqlalchemy import text

    with database.session() as session:
        session.execute(text("DELETE FROM annotation"))
        session.execute(text("DELETE FROM assessment"))


async def test_export_import_export_is_identical(
    database: Database, exchange: AnnotationExchange, service: AnnotationService, case_id: str
) -> None:
    before = await exchange.export(ExportFormat.JSONL)
    forget(database)
    assert await exchange.export(ExportFormat.JSONL) == ""
    assert await exchange.restore(before, ImportFormat.JSONL) == ImportReport(added=4, unchanged=0)
    assert await exchange.export(ExportFormat.JSONL) == before
    assert await exchange.restore(before, ImportFormat.JSONL) == ImportReport(added=0, unchanged=4)
    assert len((await service.open(case_id, "Ada")).own) == 3
    assert len(await service.error_counts()) == 2


async def test_export_is_a_w3c_annotation(exchange: AnnotationExchange, case_id: str) -> None:
    line = json.loads((await exchange.export(ExportFormat.JSONL)).split("\n")[0])
    assert line["@context"][0] == "http://www.w3.org/ns/anno.jsonld"
    assert (line["type"], line["motivation"], line["creator"]["name"]) == ("Annotation", "assessing", "Ada")
    position, quote = line["target"]["selector"]
    assert position == {"type": "TextPositionSelector", "start": 4, "end": 9}
    assert THINKING[position["start"] : position["end"]] == quote["exact"] == "ECG 🫀"
    assert line["body"][0] == {"type": "TextualBody", "purpose": "tagging", "value": "incorrect_fact"}
    assert [each["action"] for each in line["m1:history"]] == ["created", "submitted", "disputed", "adjudicated"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda line: "{", "Line 4 is not JSON"),
        (lambda line: "{}", "Line 4 is not an annotation exported by m1app"),
        (lambda line: line.replace('"exact":"ECG', '"exact":"EKG'), "Line 4, span: From 4 to 9 the text is 'ECG 🫀'"),
        (lambda line: line.replace('"severity":"mild"', '"severity":"huge"'), "Line 4, severity"),
        (lambda line: line.replace('"case_id":"', '"case_id":"0'), "Line 4: Case .* not found"),
    ],
)
async def test_one_bad_line_and_nothing_is_imported(
    database: Database, exchange: AnnotationExchange, case_id: str, spoil: Any, message: str
) -> None:
    lines = (await exchange.export(ExportFormat.JSONL)).split("\n")
    lines[3] = spoil(lines[3])
    forget(database)
    with pytest.raises(ImportRefused, match=message):
        await exchange.restore("\n".join(lines), ImportFormat.JSONL)
    assert await exchange.export(ExportFormat.JSONL) == ""


async def test_annotation_that_says_something_else_here_is_not_overwritten(
    exchange: AnnotationExchange, case_id: str
) -> None:
    lines = (await exchange.export(ExportFormat.JSONL)).replace('"severity":"mild"', '"severity":"severe"')
    with pytest.raises(ImportRefused, match=r"Line 1: annotation .* with different content"):
        await exchange.restore(lines, ImportFormat.JSONL)


async def test_table_quotes_what_a_spreadsheet_would_run(exchange: AnnotationExchange, case_id: str) -> None:
    rows = list(csv.DictReader(io.StringIO(await exchange.export(ExportFormat.CSV))))
    assert len(rows) == 4
    assert [row["comment"] for row in rows if row["comment"]] == ['\'=1+1, "so"']
    assert (rows[0]["state"], rows[0]["is_upheld"], rows[0]["exact"]) == ("adjudicated", "True", "ECG 🫀")


async def test_table_comes_back_as_it_left(
    database: Database, exchange: AnnotationExchange, service: AnnotationService, case_id: str
) -> None:
    quoted = {"evidence": [{"kind": "quote", "value": "a; b\r\n'c"}], "comment": "'=x", "start": 4, "end": 45}
    made = await mark(service, case_id, "Ada", **quoted)
    before = await exchange.export(ExportFormat.CSV)
    assert "\r\nWait" in before  # a span across lines
    forget(database)
    assert await exchange.restore("\ufeff" + before, ImportFormat.CSV) == ImportReport(added=5, unchanged=0)
    assert await exchange.export(ExportFormat.CSV) == before
    assert [each.action for each in await service.history(made.id, "Ada")] == ["imported"]
    with pytest.raises(ImportRefused, match="no column labels"):
        await exchange.restore(before.replace("labels", "label", 1), ImportFormat.CSV)
    with pytest.raises(ImportRefused, match="Line 2 is not a row"):
        await exchange.restore(before.replace("adjudicated", "decided", 1), ImportFormat.CSV)


async def test_corrected_examples_have_question_trace_spans_and_facts(
    exchange: AnnotationExchange, case_id: str
) -> None:
    [line] = (await exchange.export(ExportFormat.CORRECTED)).split("\n")[:-1]
    example = json.loads(line)
    assert (example["case_id"], example["answer_idx"], example["answer"]) == (case_id, "B", "Electrocardiogram")
    assert (example["reasoning"], example["response"]) == (THINKING, ANSWER)
    assert example["corrected_facts"] == ["ECG first,\u2028always."]
    assert [(span["start"], span["exact"], span["labels"]) for span in example["spans"]] == [
        (4, "ECG 🫀", ["incorrect_fact"])
    ]


def task(case_id: str, start: int, end: int, text: str) -> str:
    value = {"start": start, "end": end, "text": text, "labels": ["bias"]}
    region = {"type": "labels", "from_name": "label", "to_name": "thinking", "value": value}
    other = {"type": "choices", "from_name": "c", "to_name": "thinking", "value": {"choices": ["x"]}}
    done = {"completed_by": 7, "was_cancelled": False, "result": [region, other]}
    return json.dumps([{"id": 1, "data": {"case_id": case_id}, "annotations": [done]}])


# The heart is two UTF-16 units: Label Studio counts one more behind it.
@pytest.mark.parametrize("shift", [0, 1])
async def test_label_studio_spans_are_imported_once(
    database: Database, exchange: AnnotationExchange, service: AnnotationService, shift: int
) -> None:
    case_id = stored_trace(database)
    start = THINKING.index("comes first")
    exported = task(case_id, start + shift, start + shift + 11, "comes first")
    assert await exchange.restore(exported, ImportFormat.LABEL_STUDIO) == ImportReport(1, 0)
    assert await exchange.restore(exported, ImportFormat.LABEL_STUDIO) == ImportReport(0, 1)
    await service.submit(case_id, "Ada")
    [made] = (await service.open(case_id, "Ada")).others
    assert made.selector is not None
    assert (made.selector.exact, made.annotator, made.labels) == ("comes first", "Label Studio 7", ("bias",))


async def test_argilla_spans_are_imported(
    database: Database, exchange: AnnotationExchange, service: AnnotationService
) -> None:
    case_id = stored_trace(database)
    value = [{"start": 4, "end": 10, "label": "bias"}]
    record = {
        "id": "r1",
        "fields": {"answer": ANSWER},
        "metadata": {"case_id": case_id},
        "responses": {"answer": [{"value": value, "user_id": "u1"}], "rating": [{"value": 3, "user_id": "u1"}]},
    }
    assert await exchange.restore(json.dumps([record]), ImportFormat.ARGILLA) == ImportReport(1, 0)
    await service.submit(case_id, "Ada")
    [made] = (await service.open(case_id, "Ada")).others
    assert made.selector is not None
    assert (made.part, made.selector.exact, made.annotator) == (Part.ANSWER, ANSWER[4:10], "Argilla u1")


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("[", ImportFormat.LABEL_STUDIO, "not JSON"),
        ("{}", ImportFormat.ARGILLA, "list of records"),
        ('[{"annotations": [{"result": [{"type": "labels"}]}]}]', ImportFormat.LABEL_STUDIO, "Task 1 does not match"),
        ('[{"responses": {"answer": [{"value": [{}], "user_id": 1}]}}]', ImportFormat.ARGILLA, "Record 1 does not"),
    ],
)
async def test_other_tools_bad_files_are_refused(
    exchange: AnnotationExchange, text: str, given: ImportFormat, message: str
) -> None:
    with pytest.raises(ImportRefused, match=message):
        await exchange.restore(text, given)


async def test_span_that_stands_nowhere_is_refused(database: Database, exchange: AnnotationExchange) -> None:
    exported = task(stored_trace(database), 0, 5, "thyroid")
    with pytest.raises(ImportRefused, match="Task 1: 'thyroid' is not in the thinking"):
        await exchange.restore(exported, ImportFormat.LABEL_STUDIO)


def test_samples_fit() -> None:
    assert THINKING[4:9] == "ECG 🫀"
    assert ECG["start"] == 4
