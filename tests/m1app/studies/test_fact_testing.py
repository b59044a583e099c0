"""A study's own facts: tested where a model is wrong, kept apart from what people do, gone on with, and deleted."""

import asyncio
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from m1app.errors import AppError
from m1app.jobs.states import OVER
from m1app.studies.errors import InvalidStudyFile, StudyRefused
from m1app.studies.records import Verdict
from storage.benchmarks.records import RunState
from storage.jobs.records import JobProgress
from tests.m1app.benchmark.test_service import STEMS, WRONG, is_about, keep_set, services_at
from tests.m1app.runs.test_sweeps import RIGHT, answering
from tests.m1app.studies.study_cases import SMALL, request, study
from tests.models.engine.scripted_server import Respond, Script, fail, serving

pytestmark = [pytest.mark.usefixtures("no_settings")]
FACT = "Vines climb towards the light."


def a_fact(question: str, fact: str = FACT) -> str:
    return f'[[fact]]\nquestion_set = "five"\nquestion = "{question}"\nfact = "{fact}"\n'


TESTING = '[fact_tests]\nrun = "main"\nmodels = ["one"]\nbudget = 120\nseed = 7\n'
WIDE = SMALL.replace("[16, 32]", "[16, 120]").replace("budget = 32 }", "budget = 120 }")
WITH_FACTS = WIDE + TESTING + "".join(map(a_fact, STEMS[:3]))
"""Of the questions one, two and three; the model has the first one right."""


def knowing(*, failing: list[bool] | None = None) -> Respond:
    """Right on question one, and wherever the fact stands in the thinking; fails there while told to."""

    def respond(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        has_fact = is_about(body, FACT)
        if has_fact and failing and failing[0]:
            fail(400, {"error": {"message": "no"}})(handler, body)
            return
        answering(lambda _: RIGHT if has_fact or is_about(body, STEMS[0]) else WRONG)(handler, body)

    return respond


async def test_facts_are_tested_where_the_model_is_wrong_and_apart_from_peoples(tmp_path: Path) -> None:
    progress: list[JobProgress] = []
    with serving(Script(knowing())) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            estimate = await services.studies.estimate(request(WITH_FACTS))
            stored = await services.studies.start(request(WITH_FACTS))
            before = await services.study_reading.outcome(stored.id)
            assert await services.studies.run(stored.id, on_progress=progress.append)
            outcome = await services.study_reading.outcome(stored.id)
            tests = await services.fact_tests.recent()
            snapshot = await services.fact_tests.get(tests[0].run_id)
            shares = await services.fact_tests.shares()
            deletion = await services.studies.delete(stored.id)
            gone = await services.fact_tests.recent()
            await services.trash.restore(deletion.id)
            back = await services.fact_tests.recent()
            marks = services.database.read_now(
                lambda s: s.connection().exec_driver_sql("select * from annotation").all()
            )
    assert [(e.role, e.questions, e.tokens_at_most) for e in estimate.parts if e.run_id == "fact tests"] == [
        ("one", 3, 3 * 3 * (5 * (120 + 12) + 1))
    ]
    assert before.claims[1].why == "The study has not tested its facts yet."
    assert outcome.state == "completed"
    assert (progress[-1].done, progress[-1].total, progress[-1].unit) == (13, 13, "questions and facts")
    right, *tested = outcome.facts
    assert right.note == "Its question was answered right: there is nothing to explain."
    assert [(each.verdict, each.right, each.seeds) for each in tested] == [("knowledge_missing", (0, 5, 0), 5)] * 2
    facts = outcome.claims[1]
    assert (facts.estimate, facts.n, facts.verdict) == (1.0, 2, Verdict.NOT_DECIDABLE)
    assert {each.study_id for each in tests} == {stored.id}
    assert (snapshot.run.run.seed, snapshot.test.mark_start, snapshot.test.kept_ids) == (7, 0, ())
    assert (shares.all.explained.n, marks) == (0, [])
    assert (len(tests), len(gone), len(back)) == (2, 0, 2)


async def test_a_study_that_is_stopped_at_its_facts_goes_on_with_them(tmp_path: Path) -> None:
    stopping = asyncio.Event()

    def stop_after_one(progress: JobProgress) -> None:
        if progress.message == "facts" and progress.done >= 12:
            stopping.set()

    with serving(Script(knowing())) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            stored = await services.studies.start(request(WITH_FACTS))
            assert not await services.studies.run(stored.id, on_progress=stop_after_one, is_stopping=stopping)
            half = await services.studies.summary(stored.id)
            job = await services.studies.launch(stored.id)
            await services.studies.stop(stored.id)
            assert job.state not in OVER
            assert await services.studies.run(stored.id)
            whole = await services.studies.summary(stored.id)
            tests = await services.fact_tests.recent()
    assert {each.state for each in half.runs.values()} == {RunState.COMPLETED}
    assert half.state is RunState.STOPPED
    assert whole.state is RunState.COMPLETED
    assert (len(whole.facts.tested), len({each.case_id for each in tests}), len(tests)) == (3, 2, 2)


async def test_a_test_that_the_engine_failed_is_made_again_when_the_study_goes_on(tmp_path: Path) -> None:
    failing = [True]
    with serving(Script(knowing(failing=failing))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            stored = await services.studies.start(request(WITH_FACTS))
            with pytest.raises(AppError, match=r"2 facts could not be tested whole: .* Resume the study to go on"):
                await services.studies.run(stored.id)
            assert (await services.studies.summary(stored.id)).state is RunState.STOPPED
            failing[0] = False
            assert await services.studies.run(stored.id)
            outcome = await services.study_reading.outcome(stored.id)
            tests = await services.fact_tests.recent()
    assert (outcome.claims[1].n, len(tests)) == (2, 2)


async def test_a_fact_without_its_question_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    given = {
        "no question begins with": a_fact("Which of these?"),
        "5 questions begin with": a_fact("Question number"),
        "the study has 2 facts on": a_fact(STEMS[0]) + a_fact(STEMS[0][:-1]),
    }
    with serving(Script(knowing())) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            for problem, facts in given.items():
                with pytest.raises(StudyRefused, match=problem):
                    await services.studies.start(request(WIDE + TESTING + facts))
            assert not await services.benchmark_reading.runs()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (WIDE + a_fact(STEMS[0]), r"add the table \[fact_tests\]"),
        (WIDE + TESTING, r"add facts as \[\[fact\]\]"),
        (
            WITH_FACTS.replace('run = "main"\nmodels = ["one"]\nbudget', 'run = "no"\nmodels = ["one"]\nbudget'),
            "'no' is not",
        ),
        (WITH_FACTS.replace("budget = 120\nseed", "budget = 64\nseed"), "has no budget of 64 tokens"),
        (WITH_FACTS.replace('question_set = "five"', 'question_set = "six"'), "does not ask that set"),
        (WITH_FACTS.replace("seed = 7", "seeds = 4"), "seeds"),
        (
            WITH_FACTS.replace('role = "one"', 'role = "one"\n[[model]]\nrole = "two"', 1).replace(
                'Half of them or fewer."\nmodel = "one"', 'Half of them or fewer."\nmodel = "two"'
            ),
            "does not test 'two'",
        ),
    ],
)
def test_facts_that_cannot_be_tested_are_named_in_the_file(text: str, problem: str) -> None:
    study(WITH_FACTS)
    with pytest.raises(InvalidStudyFile, match=problem):
        study(text)
