"""Every request has an id and leaves one line, without its query and whatever its path."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from m1app.log_lines import JsonLines
from m1app.ui.shell.access_log import AccessLog, Answered

answered: list[Answered] = []


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()

    @app.get("/ask")
    async def ask() -> str:
        logging.getLogger("m1app.x").info("asked")
        return "answer"

    @app.get("/fail")
    async def fail() -> str:
        raise ValueError("wrong")

    answered.clear()
    yield TestClient(AccessLog(app, answered.append), base_url="http://localhost", raise_server_exceptions=False)


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    kept: list[dict[str, Any]] = []
    handler, root = logging.Handler(), logging.getLogger("m1app")
    handler.emit = lambda record: kept.append(json.loads(JsonLines().format(record)))  # type: ignore[method-assign]
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield kept
    root.removeHandler(handler)
    root.setLevel(logging.NOTSET)


def test_a_line_says_method_path_status_and_time_but_no_query(client: TestClient, lines: list[dict[str, Any]]) -> None:
    answer = client.get("/ask?question=secret")
    asked, line = lines
    assert line["message"].startswith("GET /ask 200 ") and line["message"].endswith(" ms")
    assert "secret" not in json.dumps(lines)
    assert asked["request_id"] == line["request_id"] == answer.headers["x-request-id"]
    assert [(each.method, each.path, each.status) for each in answered] == [("GET", "/ask", 200)]


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ("a1B2-c3.d4_e5", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ('"},{"level":"ERROR', False),
        ("two words", False),
        ("line\\nbreak", False),
    ],
)
def test_an_id_is_taken_from_a_proxy_if_it_is_short_and_plain(client: TestClient, given: str, is_kept: bool) -> None:
    answer = client.get("/ask", headers={"X-Request-ID": given})
    assert (answer.headers["x-request-id"] == given) is is_kept
    assert answer.headers.get_list("x-request-id") == [answer.headers["x-request-id"]]


def test_no_path_makes_a_line_of_its_own_or_a_long_one(client: TestClient, lines: list[dict[str, Any]]) -> None:
    client.get("/a%0a2026 ERROR m1app: forged%1b[31m" + "x" * 5000)
    (line,) = lines
    assert line["message"].startswith("GET /a%0A2026%20ERROR")
    assert len(line["message"]) < 700
    assert not set(line["message"]) & {"\n", "\x1b"}


def test_an_unexpected_error_is_a_500_in_the_log(client: TestClient, lines: list[dict[str, Any]]) -> None:
    assert client.get("/fail").status_code == 500
    assert lines[-1]["message"].startswith("GET /fail 500 ")


def test_the_id_of_a_tab_is_not_logged(client: TestClient, lines: list[dict[str, Any]]) -> None:
    client.get("/compare/gradio_api/heartbeat/SECRETTAB")
    assert "/compare/gradio_api/heartbeat/" in lines[-1]["message"]
    assert "SECRETTAB" not in lines[-1]["message"]
