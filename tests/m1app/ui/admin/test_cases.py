"""Traces from elsewhere on the Admin page: a preview of the file, then the import."""

import json
from collections.abc import Iterator

import httpx2
import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.ui.web import build_app
from storage.annotations.queue import QueueRepository
from storage.annotations.records import CaseFilter
from tests.m1app.annotation.test_case_import import region, task
from tests.m1app.ui.admin.test_page import NOBODY, leftovers, serving
from tests.m1app.ui.serving import log_in_by_link


@pytest.fixture
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    """Services of a loopback app without an engine."""
    return build_services(Settings(home=tmp_path_factory.mktemp("home"), engine_url=NOBODY, cpu_jobs=0))


@pytest.fixture
def client(services: Services) -> Iterator[httpx2.Client]:
    with serving(build_app(services)) as client:
        log_in_by_link(client, services)
        yield client


def send(client: httpx2.Client, route: str, content: object, **query: str) -> httpx2.Response:
    params = {"file": "project.json", "format": "label-studio", **query}
    return client.post(f"/admin/{route}", params=params, content=json.dumps(content).encode())


def count(services: Services) -> int:
    with services.database.session(is_read_only=True) as session:
        return QueueRepository(session, CaseFilter()).page("", 50, None).total


def test_a_file_is_previewed_before_it_is_stored(client: httpx2.Client, services: Services) -> None:
    content = [task(region()), task(region(labels=["Novel"]), text="Lithium slows it. " * 60)]
    content[1]["annotations"][0]["result"][0]["value"] |= {"start": 0, "end": 7, "text": "Lithium"}
    found = send(client, "cases-preview", content, model="elsewhere-8b").json()
    assert found["found"] == "2 traces, and 2 marks."
    assert (found["importable"], found["problems"]) == (2, [])
    assert (found["labels"], found["unknown"]) == ([["Incorrect fact", 1]], [["Novel", 1]])
    assert found["left_out"].startswith("1 mark without a label that this installation has would be left out.")
    assert ["Model", "elsewhere-8b"] in found["first"][0]["facts"]
    assert dict(found["first"][1]["facts"])["Thinking"].endswith("…")
    assert count(services) == 0
    done = send(client, "cases", content).json()
    assert done["imported"] == "2 cases and 1 mark imported."
    assert count(services) == 2
    again = send(client, "cases", content).json()
    assert (again["imported"], again["notes"][0]) == (
        "0 cases and 0 marks imported.",
        "Already present: 2 cases and 1 mark.",
    )
    assert leftovers(services) == []


def test_the_boxes_name_fields_of_the_file(client: httpx2.Client) -> None:
    content = [{"data": {"prompt_text": "Why?", "cot": "Because."}, "annotations": []}]
    refused = send(client, "cases-preview", content).json()
    assert (refused["importable"], refused["problem_count"]) == (0, 1)
    assert "it has no text; its fields are prompt_text, cot" in refused["problems"][0]
    found = send(client, "cases-preview", content, question="prompt_text", thinking=" cot ").json()
    assert dict(found["first"][0]["facts"]) | {"Question": "Why?", "Thinking": "Because."} == dict(
        found["first"][0]["facts"]
    )


def test_problems_are_lines_and_only_the_first_labels_are_sent(client: httpx2.Client, services: Services) -> None:
    bad = send(client, "cases", [{"id": 1}, {"id": 2}])
    assert bad.status_code == 422
    assert [line.partition(":")[0] for line in bad.json()["error"].split("\n")] == [
        "Task 1",
        "Task 2",
        "Nothing was imported.",
    ]
    many = [task(region(labels=[f"Novel {number}"])) for number in range(60)]
    found = send(client, "cases-preview", many).json()
    assert (len(found["unknown"]), found["unknown"][-1]) == (51, ["and 10 other labels", None])
    assert send(client, "cases", [], format="excel").status_code == 422
    assert count(services) == 0
