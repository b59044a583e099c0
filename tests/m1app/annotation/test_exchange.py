"""Annotations leave as files and come back: the same, or not at all."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from m1app.access.person import Person, acting_as
from m1app.annotation.errors import ImportRefused
from m1app.annotation.exchange import AnnotationExchange, ExportFormat, ImportFormat
from m1app.annotation.importing import ImportReport
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from storage.annotations.records import Part
from storage.database import Database
from storage.people.records import Role
from tests.m1app.annotation.cases import ANSWER, ECG, THINKING, as_file, note, stored_trace
from tests.m1app.annotation.test_service import mark, submitted


@pytest.fixture
def exchange(database: Database) -> AnnotationExchange:
    return AnnotationExchange(database, load_taxonomy())


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


async def exported(exchange: AnnotationExchange, wanted: ExportFormat) -> str:
    return "".join([part async for part in exchange.export(wanted)])


def forget(database: Database) -> None:
    from sqlalchemy import text

    with database.session() as session:
        session.execute(text("DELETE FROM annotation"))
        session.execute(text("DELETE FROM assessment"))


async def test_export_import_export_is_identical(
    database: Database, exchange: AnnotationExchange, service: AnnotationService, case_id: str
) -> None:
    before = await exported(exchange, ExportFormat.JSONL)
    forget(database)
    assert await exported(exchange, ExportFormat.JSONL) == ""
    assert await exchange.restore(as_file(before), ImportFormat.JSONL) == ImportReport(added=4, unchanged=0)
    assert await exported(exchange, ExportFormat.JSONL) == before
    assert await exchange.restore(as_file(before), ImportFormat.JSONL) == ImportReport(added=0, unchanged=4)
    assert len((await service.open(case_id, "Ada")).own) == 3
    assert len(await service.error_counts()) == 2


@pytest.mark.parametrize("wanted", ExportFormat)
async def test_an_export_keeps_to_the_double_blind(
    exchange: AnnotationExchange, service: AnnotationService, case_id: str, wanted: ExportFormat
) -> None:
    """Whoever has not submitted a case gets nothing of what others say of it, except to review."""
    of_all = await exported(exchange, wanted)
    assert "ECG first" in of_all
    for name, role, is_seen in (
        ("Ada", Role.ANNOTATOR, True),  # her own
        ("Eve", Role.ANNOTATOR, True),  # has submitted the case
        ("Zoe", Role.ANNOTATOR, False),
        ("Vera", Role.VIEWER, False),
        ("Chair", Role.REVIEWER, True),
    ):
        with acting_as(Person("1", role, name)):
            assert ("ECG first" in await exported(exchange, wanted)) is is_seen, name


async def test_export_is_a_w3c_annotation(exchange: AnnotationExchange, case_id: str) -> None:
    line = json.loads((await exported(exchange, ExportFormat.JSONL)).split("\n")[0])
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
    lines = (await exported(exchange, ExportFormat.JSONL)).split("\n")
    lines[3] = spoil(lines[3])
    forget(database)
    with pytest.raises(ImportRefused, match=message):
        await exchange.restore(as_file("\n".join(lines)), ImportFormat.JSONL)
    assert await exported(exchange, ExportFormat.JSONL) == ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("null", "the line: input should be an object"),
        ("[]", "the line: input should be an object"),
        ('"text"', "the line: input should be an object"),
        ("7", "the line: input should be an object"),
        ("{}", "m1:annotation is missing"),
        ('{"m1:annotation": null, "m1:history": []}', "m1:annotation: input should be an object"),
        ('{"m1:annotation": {}, "m1:history": []}', "m1:annotation.part is missing"),
        ('{"a":' * 100_000, "it is nested too deeply"),
    ],
)
async def test_line_of_another_kind_is_described_in_words(exchange: AnnotationExchange, line: str, said: str) -> None:
    with pytest.raises(ImportRefused) as caught:
        await exchange.restore(as_file(f"\n{line}\n"), ImportFormat.JSONL)
    assert str(caught.value).startswith(f"Line 2 is not an annotation exported by m1app ({said}). ")


def spoiled_line(line: str, spoil: Callable[[dict[str, Any], list[dict[str, Any]]], object]) -> str:
    document = json.loads(line)
    spoil(document["m1:annotation"], document["m1:history"])
    return json.dumps(document)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda made, _: made.update(labels=7), "m1:annotation.labels: input should be a valid array"),
        (lambda made, _: made.update(created_at=7), "m1:annotation.created_at: input should be a valid datetime"),
        (lambda made, _: made.update(created_at="2026-11-29T10:00:00"), "created_at: input should have timezone info"),
        (lambda made, _: made.update(severity=["mild"]), "m1:annotation.severity: input should be a valid string"),
        (lambda made, _: made.update(comment="secret\0"), "m1:annotation.comment: it contains the character U.0000"),
        (lambda made, _: made.update(comment="x" * 20_001), "comment: string should have at most 20000 characters"),
        (lambda made, _: made.update(annotator="x" * 81), "annotator: string should have at most 80 characters"),
        (lambda made, _: made.update(annotator=""), "annotator: string should have at least 1 character"),
        (lambda made, _: made.update(agreed_by=["x" * 81]), "agreed_by.0: string should have at most 80"),
        (lambda made, _: made.update(id="../x"), "m1:annotation.id: string should match pattern"),
        (lambda made, _: made.update(revision=2**40), "m1:annotation.revision: input should be less than"),
        (lambda made, _: made.update(is_upheld=None), "m1:annotation: is_upheld does not go with the state"),
        (lambda made, _: made.update(more="text"), "m1:annotation.more: extra inputs are not permitted"),
        (lambda made, _: made.update(evidence=[{"kind": "quote", "value": "a"}] * 51), "at most 50 items"),
        (lambda made, _: made.update(evidence=[{"kind": "quote", "value": "a" * 20_001}]), "at most 20000 characters"),
        (lambda made, _: made.update(evidence=[{"kind": "url", "value": "javascript:x"}]), "the value is not a URL"),
        (lambda made, _: made.update(evidence=[{"kind": "pmid", "value": "PMID: 7"}]), "the value is not a PMID"),
        (lambda made, _: made.update(evidence=[{"kind": "rumour", "value": "a"}]), "evidence.0.kind: input should be"),
        (lambda _, history: history[0].update(document=[]), "m1:history.0.document: input should be an object"),
        (lambda _, history: history[0].update(document={}), "m1:history.0.document.part is missing"),
        (lambda _, history: history[0]["document"].update(agreed_by=3), "m1:history.0.document.agreed_by: input"),
        (lambda _, history: history[0]["document"].update(id="0" * 32), "is of another annotation"),
        (lambda _, history: history[0]["document"].update(revision=2), "is of another revision"),
        (lambda _, history: history[0].update(made_by=""), "m1:history.0.made_by: string should have at least"),
        (lambda _, history: history.append(history[0]), "the revisions of m1:history are not in order"),
        (lambda made, history: made.update(revision=1), "or go beyond that of the annotation"),
    ],
)
async def test_a_line_that_no_form_could_make_is_refused_in_words(
    database: Database, exchange: AnnotationExchange, case_id: str, spoil: Any, reason: str
) -> None:
    line = (await exported(exchange, ExportFormat.JSONL)).split("\n")[0]
    forget(database)
    with pytest.raises(ImportRefused, match=rf"^Line 1 is not an .*{reason}.* Nothing was imported\.$") as caught:
        await exchange.restore(as_file(spoiled_line(line, spoil)), ImportFormat.JSONL)
    assert "secret" not in str(caught.value)
    assert await exported(exchange, ExportFormat.JSONL) == ""


def of_another_case(made: dict[str, Any], history: list[dict[str, Any]]) -> None:
    for document in (made, *(each["document"] for each in history)):
        document["trace_id"] = "0" * 32


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (of_another_case, "Line 1: trace_id and checkpoint_id are not those of case"),
        (lambda made, _: made["selector"].update(prefix="no"), "Line 1, span: prefix and suffix are not the text"),
        (lambda made, _: made.update(state="draft", is_upheld=None), "Line 1, state: drafts are private"),
        (lambda made, _: made.update(labels=["unheard_of"]), "Line 1, labels: Label 'unheard_of' not found"),
    ],
)
async def test_an_annotation_that_does_not_fit_its_case_is_refused(
    database: Database, exchange: AnnotationExchange, case_id: str, spoil: Any, reason: str
) -> None:
    line = (await exported(exchange, ExportFormat.JSONL)).split("\n")[0]
    forget(database)
    with pytest.raises(ImportRefused, match=reason):
        await exchange.restore(as_file(spoiled_line(line, spoil)), ImportFormat.JSONL)


async def test_a_case_does_not_get_more_annotations_than_a_form_gives_it(
    exchange: AnnotationExchange, case_id: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = await exported(exchange, ExportFormat.JSONL)
    forget(database)
    monkeypatch.setattr("m1app.annotation.importing.MAX_CASE_ANNOTATIONS", 3)
    with pytest.raises(ImportRefused, match=r"Line 4: case .* would have more than 3 annotations"):
        await exchange.restore(as_file(lines), ImportFormat.JSONL)


async def test_table_with_a_cell_that_csv_does_not_take_is_refused(exchange: AnnotationExchange, case_id: str) -> None:
    table = await exported(exchange, ExportFormat.CSV)
    with pytest.raises(ImportRefused, match=r"Line 1 is not CSV \(field larger"):
        await exchange.restore(as_file("x" * 200_000 + table), ImportFormat.CSV)
    with pytest.raises(ImportRefused, match=r"Line \d+ is not CSV \(field larger"):
        await exchange.restore(as_file(table + "x" * 200_000), ImportFormat.CSV)


async def test_annotation_that_says_something_else_here_is_not_overwritten(
    exchange: AnnotationExchange, case_id: str
) -> None:
    lines = (await exported(exchange, ExportFormat.JSONL)).replace('"severity":"mild"', '"severity":"severe"')
    with pytest.raises(ImportRefused, match=r"Line 1: annotation .* with different content"):
        await exchange.restore(as_file(lines), ImportFormat.JSONL)


async def test_table_quotes_what_a_spreadsheet_would_run(exchange: AnnotationExchange, case_id: str) -> None:
    rows = list(csv.DictReader(io.StringIO(await exported(exchange, ExportFormat.CSV))))
    assert len(rows) == 4
    assert [row["comment"] for row in rows if row["comment"]] == ['\'=1+1, "so"']
    assert (rows[0]["state"], rows[0]["is_upheld"], rows[0]["exact"]) == ("adjudicated", "True", "ECG 🫀")


async def test_table_comes_back_as_it_left(
    database: Database, exchange: AnnotationExchange, service: AnnotationService, case_id: str
) -> None:
    quoted = {"evidence": [{"kind": "quote", "value": "a; b\r\n'c"}], "comment": "'=x", "start": 4, "end": 45}
    made = await mark(service, case_id, "Ada", **quoted)
    before = await exported(exchange, ExportFormat.CSV)
    assert "\r\nWait" in before  # a span across lines
    forget(database)
    assert await exchange.restore(as_file("\ufeff" + before), ImportFormat.CSV) == ImportReport(added=5, unchanged=0)
    assert await exported(exchange, ExportFormat.CSV) == before
    assert [each.action for each in await service.history(made.id, "Ada")] == ["imported"]
    with pytest.raises(ImportRefused, match="no column labels"):
        await exchange.restore(as_file(before.replace("labels", "label", 1)), ImportFormat.CSV)
    with pytest.raises(ImportRefused, match="Line 2 is not a row"):
        await exchange.restore(as_file(before.replace("adjudicated", "decided", 1)), ImportFormat.CSV)


async def test_corrected_examples_have_question_trace_spans_and_facts(
    exchange: AnnotationExchange, case_id: str
) -> None:
    [line] = (await exported(exchange, ExportFormat.CORRECTED)).split("\n")[:-1]
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
    assert await exchange.restore(as_file(exported), ImportFormat.LABEL_STUDIO) == ImportReport(1, 0)
    assert await exchange.restore(as_file(exported), ImportFormat.LABEL_STUDIO) == ImportReport(0, 1)
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
    assert await exchange.restore(as_file(json.dumps([record])), ImportFormat.ARGILLA) == ImportReport(1, 0)
    await service.submit(case_id, "Ada")
    [made] = (await service.open(case_id, "Ada")).others
    assert made.selector is not None
    assert (made.part, made.selector.exact, made.annotator) == (Part.ANSWER, ANSWER[4:10], "Argilla u1")


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("[", ImportFormat.LABEL_STUDIO, "not JSON"),
        ("{}", ImportFormat.ARGILLA, "list of records"),
        ("null", ImportFormat.ARGILLA, "list of records"),
        ("[null]", ImportFormat.ARGILLA, r"Record 1 .*\(the record is nothing, expected an object\)"),
        ("[[]]", ImportFormat.LABEL_STUDIO, r"Task 1 .*\(the task is a list, expected an object\)"),
        ('[{"annotations": 7}]', ImportFormat.LABEL_STUDIO, r"Task 1 .*\(a value is of another kind than expected\)"),
        ('[{"annotations": [{"result": [{}]}]}]', ImportFormat.LABEL_STUDIO, r"Task 1 .*\('type' is missing\)"),
        ('[{"annotations": [{"result": [{"type": "labels"}]}]}]', ImportFormat.LABEL_STUDIO, "Task 1 does not match"),
        ('[{"responses": {"answer": [{"value": [{}], "user_id": 1}]}}]', ImportFormat.ARGILLA, "Record 1 does not"),
    ],
)
async def test_other_tools_bad_files_are_refused(
    exchange: AnnotationExchange, text: str, given: ImportFormat, message: str
) -> None:
    with pytest.raises(ImportRefused, match=message):
        await exchange.restore(as_file(text), given)


async def test_span_that_stands_nowhere_is_refused(database: Database, exchange: AnnotationExchange) -> None:
    exported = task(stored_trace(database), 0, 5, "thyroid")
    with pytest.raises(ImportRefused, match="Task 1: 'thyroid' is not in the thinking"):
        await exchange.restore(as_file(exported), ImportFormat.LABEL_STUDIO)


def test_samples_fit() -> None:
    assert THINKING[4:9] == "ECG 🫀"
    assert ECG["start"] == 4
