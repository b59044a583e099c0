"""Question sets, engine and health on the Admin page."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest

from m1app.bootstrap import Services, build_services
from m1app.engines.doctor import Finding
from m1app.question_sets.comparison import Overlap
from m1app.question_sets.service import ImportReport
from m1app.settings import Settings
from m1app.ui.admin.engines_tab import engines_value, health_value
from m1app.ui.admin.question_sets_tab import SetsTab
from m1app.ui.admin.question_sets_view import report_value, set_choices
from storage.question_sets.records import QuestionSet
from tests.e2e.admin_page import write_set

KEPT = QuestionSet(
    id="a" * 32,
    name="MedQA",
    source="medqa.json",
    layout="m1",
    sha256="",
    created_at=datetime.now(UTC),
    question_count=1273,
)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = build_services(Settings(home=tmp_path, engine_url="http://127.0.0.1:9"))
    yield made
    made.database.dispose()


@pytest.fixture
def tab(services: Services) -> SetsTab:
    with gr.Blocks():
        return SetsTab(services, gr.Dropdown([], multiselect=True))


def event(**data: Any) -> gr.EventData:
    return cast(gr.EventData, gr.EventData(None, data))


async def ask(tab: SetsTab, action: str, chosen: list[str] | None = None, **values: Any) -> tuple[dict[str, Any], Any]:
    return await tab._on_ask(event(action=action, number=1, **values), chosen)


def test_sets_are_offered_with_their_counts() -> None:
    assert set_choices([KEPT]) == [("MedQA (1,273)", "MedQA")]


def test_a_report_says_what_came_what_was_repeated_and_what_is_shared() -> None:
    overlap = Overlap("MedQA", "train.jsonl", (("a?", "b?", 0.875),), 12)
    value = report_value(ImportReport((KEPT,), {"MedQA": 2, "Lancet": 0, "NEJM": 1}, (overlap,), ("Left out: 3.",)))
    assert value["imported"] == [{"name": "MedQA", "questions": 1273}]
    assert value["notes"] == [
        "MedQA: 2 questions were repeated in the file and imported once.",
        "NEJM: 1 question was repeated in the file and imported once.",
        "Left out: 3.",
    ]
    assert value["overlaps"] == [
        {"text": "MedQA shares 12 questions with train.jsonl (identical or nearly so).", "pairs": [["a?", "b?", "88%"]]}
    ]


async def test_a_set_is_read_in_parts_searched_and_deleted(tab: SetsTab, services: Services, tmp_path: Path) -> None:
    many = [{"question": f"What is number {i} of many?", "options": {"A": "x", "B": "y"}} for i in range(45)]
    report = await services.question_sets.import_file(write_set(tmp_path, "many", many))
    set_id = report.sets[0].id
    value, offered = await ask(tab, "list", ["many", "gone"])
    assert [row["name"] for row in value["rows"]] == ["many"]
    assert offered["value"] == ["many"]
    value, _ = await ask(tab, "preview", id=set_id)
    first = value["reply"]["preview"]
    assert (len(first["questions"]), first["has_more"]) == (20, True)
    assert first["questions"][0]["targets"] == ["A"]
    value, _ = await ask(tab, "preview", id=set_id, offset=40)
    last = value["reply"]["preview"]
    assert (len(last["questions"]), last["has_more"]) == (5, False)
    value, _ = await ask(tab, "preview", id=set_id, text="unheard")
    assert value["reply"]["preview"]["empty"] == "No question contains these words."
    value, offered = await ask(tab, "delete", ["many"], id=set_id)
    assert (value["rows"], value["reply"], offered["value"]) == ([], {"deleted": set_id}, [])
    value, _ = await ask(tab, "preview", id=set_id)
    assert "not found" in value["reply"]["error"]


async def test_what_goes_wrong_is_said_with_the_number_of_the_question(tab: SetsTab) -> None:
    value, _ = await ask(tab, "hub", repo="no repository")
    assert value["number"] == 1
    assert value["reply"]["error"]
    value, _ = await ask(tab, "hub-columns", repo="no repository")
    assert "expected a hub repository" in value["reply"]["error"]
    value, _ = await ask(tab, "hub", repo="some/sets", ids="1" * 500_001)
    assert "questions import --hub --ids FILE" in value["reply"]["error"]
    value, _ = await ask(tab, "unheard of")
    assert "unexpected" in value["reply"]["error"]


async def test_sets_that_share_questions_are_found(tab: SetsTab, services: Services, tmp_path: Path) -> None:
    long = "A 30-year-old man comes with fatigue, pale skin and a haemoglobin of 82 g/L; what does he have?"
    one = [{"question": long, "options": {"A": "Anaemia", "B": "Gout"}}]
    other = [{"question": long + " Choose.", "options": {"A": "Anaemia", "B": "Gout"}}]
    for name, rows in (("first", one), ("second", other)):
        await services.question_sets.import_file(write_set(tmp_path, name, rows))
    value, _ = await ask(tab, "overlaps")
    (overlap,) = value["reply"]["overlaps"]
    assert "shares 1 question with" in overlap["text"]


async def test_an_engine_that_does_not_answer_is_said_not_to(services: Services) -> None:
    value = await engines_value(services)
    assert value["state"] == "failed"
    assert "M1_ENGINE_URL" in value["message"]
    # It is not the app's to restart.
    assert (value["can_restart"], value["can_stop"], value["served"]) == (False, False, [])
    models = {model["id"]: model for model in value["models"]}
    assert models["smollm2-135m"]["place"] == "not downloaded"
    assert models["smollm2-135m"]["size"] == "98.4 MB"


async def test_weights_on_the_disk_are_listed_with_their_size(home_with_model: Path) -> None:
    services = build_services(Settings(home=home_with_model, engine_url="http://127.0.0.1:9"))
    value = await engines_value(services)
    (model,) = [model for model in value["models"] if model["place"] == "on disk"]
    assert (model["id"], model["size"]) == ("smollm2-135m", "98.4 MB")
    services.database.dispose()


def test_findings_keep_their_verdict() -> None:
    assert health_value([Finding("disk", False, "full")]) == {"findings": [["disk", False, "full"]]}
