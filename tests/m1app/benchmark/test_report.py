"""The static report of a stored run: complete, offline, and inert whatever names and questions hold."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from m1app.benchmark.report import report_of
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from storage.benchmarks.records import RunState
from storage.errors import RecordNotFound
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run
from tests.m1app.runs.trace_samples import HOSTILE

pytestmark = pytest.mark.usefixtures("no_settings")
HOSTILE_NAME = "</title></script><script>window.__hit=1</script>"
QUESTIONS = {"MedQA": questions_of("MedQA", 60, HOSTILE), "NEJM": questions_of("NEJM", 40)}


class _Page(HTMLParser):
    """What a browser would find in the report."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.figures: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = str(dict(attrs).get("type", tag))

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "application/json":
            self.figures.append(json.loads(data))
        elif self._within != "script":
            self.texts.append(data)


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    services = build_services(Settings(home=tmp_path, engine_url="http://127.0.0.1:9", model=""))
    yield services
    await services.aclose()


async def report(services: Services, run_id: str) -> _Page:
    page = _Page()
    page.feed(await report_of(run_id, services.benchmark_reading, services.sweeps))
    return page


async def test_report_says_what_was_asked_of_which_engine_and_what_came_of_it(services: Services) -> None:
    run = store_run(services.database, a_run(models=("m1-7b",)), QUESTIONS, failed=2, with_sweeps=3, tags=("night",))
    page = await report(services, run.id)
    text = "\n".join(page.texts)
    assert "Done: 98 of 100 questions, 2 failed." in text
    command = "python -m m1app bench --questions MedQA --questions NEJM --budgets 128,512,2048 --force-rounds 0,1"
    assert f"{command} --model m1-7b --name Base" in text
    assert "m1-7b on llama.cpp b11549 (embedded engine), profile m1" in text
    assert run.id in text
    assert "at most 256 tokens" in text
    cells = await services.benchmark_reading.cells([run.id])
    (macro,) = [c for c in cells if (c.question_set, c.budget_tokens, c.force_rounds) == ("", 2048, 1)]
    assert f"{macro.accuracy.value:.1%} ({macro.accuracy.low:.1%} to {macro.accuracy.high:.1%})" in text
    assert "Exact McNemar test" in text and "arXiv 2504.00869" in text


async def test_report_draws_every_set_by_both_rules_with_the_papers_curves_switched_off(services: Services) -> None:
    run = store_run(services.database, a_run(), QUESTIONS)
    page = await report(services, run.id)
    # Three panels by each rule, rounds, cost, thinking, answered, and the flow.
    assert len(page.figures) == 11
    paper = [t for f in page.figures for t in f["data"] if "(paper)" in t.get("name", "")]
    assert len(paper) == 18
    assert {trace["visible"] for trace in paper} == {"legendonly"}


async def test_hostile_names_and_questions_are_text_and_nothing_is_loaded(services: Services) -> None:
    run = store_run(
        services.database,
        a_run(name=HOSTILE_NAME, models=(HOSTILE_NAME,), system_prompt=HOSTILE),
        QUESTIONS,
        tags=(HOSTILE_NAME,),
    )
    page = await report(services, run.id)
    counts = {tag: sum(name == tag for name, _ in page.tags) for tag in ("script", "img", "a", "iframe", "link")}
    # One program, one that draws, and the data of each chart.
    assert counts == {"script": 2 + len(page.figures), "img": 0, "a": 0, "iframe": 0, "link": 0}
    assert not [attributes for _, attributes in page.tags if {"src", "href", "onerror", "onload"} & set(attributes)]
    assert page.texts.count(HOSTILE_NAME) >= 2
    policies = [a["content"] for tag, a in page.tags if tag == "meta" and "content" in a and "http-equiv" in a]
    assert len(policies) == 1 and str(policies[0]).startswith("default-src 'none'")


async def test_charts_program_is_inlined_once(services: Services) -> None:
    run = store_run(services.database, a_run(), QUESTIONS)
    text = await report_of(run.id, services.benchmark_reading, services.sweeps)
    assert text.count("* plotly.js v") == 1


async def test_a_run_without_an_answer_has_a_report_that_says_so(services: Services) -> None:
    run = store_run(services.database, a_run(), QUESTIONS, done=0, state=RunState.WAITING)
    page = await report(services, run.id)
    assert "No answers yet." in page.texts
    assert page.figures == []
    assert "m1-7b: no trace for its first questions" in page.texts


async def test_an_unknown_run_has_no_report(services: Services) -> None:
    with pytest.raises(RecordNotFound, match=r"Benchmark run .* not found"):
        await report_of("0" * 32, services.benchmark_reading, services.sweeps)


async def test_report_has_accuracy_by_tag_where_questions_have_tags(services: Services) -> None:
    tagged = [replace(each, tags=("Cardiology", "<b>")) for each in questions_of("tagged", 20)]
    run = store_run(services.database, a_run(question_sets=("MedQA",)), {"MedQA": tagged})
    text = "\n".join((await report(services, run.id)).texts)
    assert "By tag: m1-7b, 0 rounds, strict" in text
    (cell,) = [
        c for c in await services.benchmark_reading.cells([run.id]) if (c.budget_tokens, c.force_rounds) == (128, 0)
    ]
    assert f"Cardiology\n20\n{cell.accuracy.value:.1%} ({cell.accuracy.low:.1%} to {cell.accuracy.high:.1%})" in text
    untagged = store_run(services.database, a_run(), QUESTIONS)
    assert "By tag" not in "\n".join((await report(services, untagged.id)).texts)
