"""Answers of a run to open questions: who sees which verdicts, and persons' own beside the models'."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from m1app.access.errors import AccessRefused
from m1app.access.person import Person, acting_as
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.ui.benchmarks.page import BenchmarksPage
from storage.people.records import Role
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run
from tests.m1app.benchmark.stored_open_run import (
    CELL,
    QUESTIONS,
    REASON,
    store_open_run,
    store_run_with_open_set,
)

pytestmark = [pytest.mark.usefixtures("no_settings")]

EVE = Person("e" * 32, Role.ANNOTATOR, "Eve")
BEN = Person("b" * 32, Role.ANNOTATOR, "Ben")
RITA = Person("c" * 32, Role.REVIEWER, "Rita")
VIC = Person("f" * 32, Role.VIEWER, "Vic")


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    made = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9"))
    yield made
    await made.aclose()


@pytest.fixture
def page(services: Services) -> BenchmarksPage:
    with gr.Blocks() as demo:
        return BenchmarksPage(demo, services)


async def asked(page: BenchmarksPage, person: Person, run_id: str, **values: Any) -> dict[str, Any]:
    with acting_as(person):
        reply = await page._open_answers({"run": run_id, "cell": f"{CELL[0]}-{CELL[1]}", **values})
    read: dict[str, Any] = json.loads(json.dumps(reply, allow_nan=False))
    return read


async def say(page: BenchmarksPage, person: Person, answer: str, judgement: str) -> None:
    with acting_as(person):
        assert await page._say({"answer": answer, "judgement": judgement}) == {}


async def test_an_answer_stands_beside_its_reference_and_what_a_model_says_of_it(
    services: Services, page: BenchmarksPage
) -> None:
    run, answers = store_open_run(services.database)
    value = await asked(page, EVE, run.id)
    assert [(each["id"], each["stem"], each["reference"]) for each in value["rows"]] == [
        (answer, *question) for answer, question in zip(answers, QUESTIONS, strict=True)
    ]
    first, second, third = value["rows"]
    assert first["text"] == "The answer is A."
    assert first["models"] == [
        {"said": "Judged right by the model m1-32b, not by a person.", "judgement": "right", "reason": REASON}
    ]
    assert second["models"][0]["judgement"] == "wrong"
    assert (third["models"], third["own"], third["others"]) == ([], "", "")
    assert (value["total"], value["may_say"], value["has_open"]) == (3, True, True)
    assert value["agreement"] == "No person has confirmed any of these verdicts yet."


async def test_a_persons_verdict_changes_the_agreement_and_what_is_left(
    services: Services, page: BenchmarksPage
) -> None:
    run, answers = store_open_run(services.database)
    await say(page, EVE, answers[0], "right")
    await say(page, EVE, answers[1], "right")
    value = await asked(page, EVE, run.id)
    assert [each["own"] for each in value["rows"]] == ["right", "right", ""]
    assert value["agreement"] == "Persons have judged 2 answers too, and agree with the model on 1 (50%)."
    left = await asked(page, EVE, run.id, left=True)
    assert ([each["id"] for each in left["rows"]], left["total"]) == ([answers[2]], 1)
    await say(page, EVE, answers[1], "wrong")
    changed = await asked(page, EVE, run.id)
    assert changed["agreement"] == "Persons have judged 2 answers too, and agree with the model on 2 (100%)."


async def test_what_others_say_is_shown_once_one_has_judged_and_to_reviewers(
    services: Services, page: BenchmarksPage
) -> None:
    run, answers = store_open_run(services.database)
    await say(page, EVE, answers[0], "wrong")
    assert (await asked(page, BEN, run.id))["rows"][0]["others"] == ""
    assert (await asked(page, VIC, run.id))["rows"][0]["others"] == ""
    assert (await asked(page, RITA, run.id))["rows"][0]["others"] == "Others: A person judged it wrong."
    await say(page, BEN, answers[0], "right")
    row = (await asked(page, BEN, run.id))["rows"][0]
    assert (row["own"], row["others"]) == ("right", "Others: A person judged it wrong.")


async def test_a_viewer_gives_no_verdict(services: Services, page: BenchmarksPage) -> None:
    run, answers = store_open_run(services.database)
    assert not (await asked(page, VIC, run.id))["may_say"]
    with acting_as(VIC), pytest.raises(AccessRefused, match="requires the annotator role"):
        await page._say({"answer": answers[0], "judgement": "right"})


async def test_filters_narrow_the_list_and_a_run_without_open_questions_says_so(
    services: Services, page: BenchmarksPage
) -> None:
    run, _ = store_open_run(services.database)
    assert (await asked(page, EVE, run.id, model="m1-7b", set="Open"))["total"] == 3
    assert (await asked(page, EVE, run.id, model="another"))["total"] == 0
    second = await asked(page, EVE, run.id, offset=2)
    assert (len(second["rows"]), second["total"], second["offset"]) == (1, 3, 2)
    other = store_run(services.database, a_run(question_sets=("NEJM",)), {"NEJM": questions_of("NEJM", 2)})
    value = await asked(page, EVE, other.id)
    assert (value["rows"], value["has_open"]) == ([], False)


@pytest.mark.parametrize(("sets", "shown"), [(("MedQA",), ["MedQA"]), (("MedQA", "NEJM"), [""])])
async def test_the_first_curves_of_a_run_with_an_open_set_are_of_what_has_an_accuracy(
    services: Services, page: BenchmarksPage, sets: tuple[str, ...], shown: list[str]
) -> None:
    run = store_run_with_open_set(services.database, *sets)
    value = await page._curves({"runs": [run.id], "sets": [""]})
    assert [each["question_set"] for each in value["panels"]] == shown
    assert value["unscored"] == "Open questions have no accuracy, so Open is not here: see Open answers."
    assert (await page._points({"runs": [run.id], "sets": [""]}))["table"]["rows"]


async def test_curves_of_an_open_set_say_why_there_are_none(services: Services, page: BenchmarksPage) -> None:
    run = store_run_with_open_set(services.database, "MedQA")
    value = await page._curves({"runs": [run.id], "sets": ["Open"]})
    assert (value["panels"], "see Open answers" in value["unscored"]) == ([], True)


async def test_sets_without_open_answers_are_told_from_those_that_have_some(
    services: Services, page: BenchmarksPage
) -> None:
    run = store_run_with_open_set(services.database, "MedQA")
    value = await page._open_answers({"run": run.id, "cell": "128-0", "set": "MedQA"})
    assert (value["rows"], value["open_sets"]) == ([], ["Open"])
