"""Log lines as JSON: what they say, to whom they belong, and that no question's text is in them."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.bootstrap import Services, build_services
from m1app.errors import FOR_PEOPLE
from m1app.log_lines import JsonLines, TextLines, about_run, in_request
from m1app.runs.probe_request import ProbeRequest
from m1app.settings import Settings
from storage.traces.records import TraceState
from tests.m1app.runs.test_sweeps import RIGHT, answering
from tests.models.engine.scripted_server import Respond, Script, fail, reply_json, serving

MARKER = "Zyxxy-hostile-\U0001f480"
STEM = f'{MARKER}\n{{"level": "ERROR"}}\r\n\x1b[31m %s %d {{}} which gland makes cortisol?'


class Lines(logging.Handler):
    """Keeps every line."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonLines())
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))

    @property
    def read(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Everything that any logger says."""
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_line_has_its_fields_and_is_one_line_whatever_the_text(lines: Lines) -> None:
    with in_request("r1"), about_run("t1"):
        logging.getLogger("m1app.x").warning("%s", "two\nlines \ud800")
    try:
        raise ValueError("wrong")
    except ValueError:
        logging.getLogger("m1app.x").exception("failed")
    first, second = lines.read
    assert {name: first[name] for name in ("level", "logger", "message", "request_id", "run_id")} == {
        "level": "WARNING",
        "logger": "m1app.x",
        "message": "two\nlines \ud800",
        "request_id": "r1",
        "run_id": "t1",
    }
    assert first["time"].endswith("+00:00")
    assert (second["request_id"], second["run_id"]) == (None, None)
    assert second["error"].splitlines()[-1] == "ValueError"
    assert all("\n" not in text for text in lines.texts)


async def test_a_task_that_outlives_its_request_does_not_keep_its_id(lines: Lines) -> None:
    is_answered = asyncio.Event()

    async def work() -> None:
        logging.getLogger("m1app.x").info("during")
        await is_answered.wait()
        logging.getLogger("m1app.x").info("after")

    with in_request("r1"):
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
    is_answered.set()
    await task
    said = [each for each in lines.read if each["logger"] == "m1app.x"]
    assert [(each["message"], each["request_id"]) for each in said] == [("during", "r1"), ("after", None)]


def echoing(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """An engine that refuses and repeats what it was asked."""
    asked = "".join(map(chr, body["prompt"])) if isinstance(body.get("prompt"), list) else str(body)
    reply_json(handler, 400, {"error": {"message": f"cannot run {asked} {MARKER}"}})


def dropping(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    handler.close_connection = True


@pytest.mark.parametrize(
    "respond", [answering(lambda _: RIGHT), echoing, dropping, fail(500, b"<html>" + MARKER.encode())]
)
async def test_no_text_of_a_question_is_logged_by_a_probe_and_a_benchmark(
    tmp_path: Path, lines: Lines, respond: Respond, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.benchmark.runner._RETRY_SECONDS", 0.01)
    with serving(Script(respond)) as script:
        services = build_services(Settings(home=tmp_path, engine_url=script.url))
        trace_ids = await probed(services)
        await benchmarked(services, tmp_path)
        await services.aclose()
    for text in lines.texts:
        for written in (MARKER, json.dumps(MARKER)[1:-1], "which gland makes"):
            assert written not in text
    if respond is echoing:
        of_run = [each for each in lines.read if each["run_id"] in trace_ids]
        assert [each["level"] for each in of_run if each["logger"] == "m1app.background"] == ["WARNING"]


async def probed(services: Services) -> set[str]:
    request = ProbeRequest(
        stem=STEM.replace("\x1b", ""), options={"A": MARKER, "B": "Thyroid"}, target="A", profile="plain-chatml",
        thinking_budget_tokens=16, answer_cap_tokens=12, title=MARKER, system_prompt=MARKER,
    )  # fmt: skip
    begun = await services.probe.start(request)
    shown = [each async for each in services.probe.follow(begun.id)]
    assert shown[-1].state in (TraceState.COMPLETED, TraceState.FAILED)
    return {begun.id}


async def benchmarked(services: Services, folder: Path) -> None:
    questions = [{"question": STEM.replace("\x1b", ""), "options": {"A": MARKER, "B": "b"}, "answer_idx": "A"}]
    file = folder / "questions.json"
    file.write_text(json.dumps({"hostile": questions}), encoding="utf-8")
    await services.question_sets.import_file(file)
    recipe = BenchmarkRecipe(
        question_sets=("hostile",), budgets=(8,), answer_cap_tokens=12, profile="plain-chatml", system_prompt=MARKER
    )
    run = await services.benchmarks.plan(recipe.checked())
    with contextlib.suppress(FOR_PEOPLE):
        await services.benchmarks.run(run.id, on_progress=lambda _: None, is_stopping=asyncio.Event())


@pytest.mark.parametrize("lines", [TextLines(), JsonLines()])
def test_a_traceback_has_places_and_types_and_no_messages(lines: logging.Formatter) -> None:
    try:
        try:
            raise KeyError(MARKER)
        except KeyError as exc:
            raise ValueError(f"not {MARKER}") from exc
    except ValueError as exc:
        record = logging.LogRecord("m1app", logging.ERROR, __file__, 1, "failed", (), (type(exc), exc, None))
    text = lines.format(record)
    assert MARKER not in text
    assert text.index("KeyError") < text.index("ValueError")
    assert "test_log_lines.py" in text
