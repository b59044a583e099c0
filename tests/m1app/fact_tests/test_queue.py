"""Several corrected facts tested one after the other, on a scripted engine."""

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from m1app.errors import AppError
from m1app.fact_tests.errors import FactTestOvertaken, FactTestRefused
from m1app.fact_tests.queue import FactTestQueue, FactTestsOutcome, _request
from m1app.fact_tests.recipe import FactTestsRecipe
from m1app.fact_tests.service import FactTestService
from m1app.jobs.service import JobService
from m1app.runs.owners import this_process
from models.errors import EngineError, ModelNotServed, ModelsError
from storage.annotations.cases import CaseRepository
from storage.annotations.records import AnnotationAction, AnnotationState, Origin, Part, TextSelector
from storage.annotations.repository import AnnotationRepository
from storage.database import Database
from storage.jobs.records import JobKind, JobProgress, NewJob
from storage.strategies.records import StrategyRunState
from storage.strategies.repository import StrategyRepository
from storage.traces.records import Trace, TraceState
from tests.m1app.annotation.cases import note
from tests.m1app.fact_tests.test_service import only
from tests.m1app.fact_tests.testing_facts import (
    FACT,
    MARK,
    MARK_END,
    THINKING,
    SeededEngine,
    a_failure,
    end_of,
    service_of,
)
from tests.m1app.strategies.scripted import Script

WHOLE = FactTestsOutcome(is_over=True)


@dataclass
class Jobs:
    """Keeps what is submitted."""

    submitted: list[NewJob] = field(default_factory=list)

    async def submit(self, job: NewJob) -> NewJob:
        self.submitted.append(job)
        return job

    async def recent(self, *, states: Any) -> list[NewJob]:
        return self.submitted


def queue_of(database: Database, tests: FactTestService, jobs: Jobs | None = None) -> FactTestQueue:
    return FactTestQueue(database, tests, cast(JobService, jobs or Jobs()))


def corrected(database: Database, trace: Trace, fact: str = FACT) -> str:
    """A submitted corrected fact at the mark; returns the annotation's id."""
    exact = THINKING[MARK:MARK_END]
    selector = TextSelector(MARK, MARK_END, exact, "", "", hashlib.sha256(THINKING.encode()).hexdigest())
    content = note("knowledge_gap", part=Part.THINKING, selector=selector, corrected_fact=fact)
    with database.session() as session:
        annotations = AnnotationRepository(session)
        made = annotations.add(CaseRepository(session).get(trace.id), "Ada", content, Origin.PERSON, 1)
        annotations.change(made, "Ada", AnnotationAction.SUBMITTED, state=AnnotationState.SUBMITTED)
        return made.id


def change(database: Database, annotation_id: str, action: AnnotationAction, **changes: Any) -> None:
    """What became of an annotation."""
    with database.session() as session:
        annotations = AnnotationRepository(session)
        annotations.change(annotations.get(annotation_id), "Ada", action, **changes)


TAKEN_BACK = [
    ("withdrawn", AnnotationAction.WITHDRAWN, {"state": AnnotationState.WITHDRAWN}),
    ("rejected", AnnotationAction.ADJUDICATED, {"state": AnnotationState.ADJUDICATED, "is_upheld": False}),
]


def recipe_of(*annotations: str, **changes: Any) -> FactTestsRecipe:
    return FactTestsRecipe.parse({"annotations": annotations, **changes})


async def test_all_waiting_facts_are_tested_once(database: Database) -> None:
    engine = SeededEngine(says=only("B"))
    tests = service_of(database, engine)
    queue, reports = queue_of(database, tests), list[JobProgress]()
    ids = [corrected(database, a_failure(database)) for _ in range(2)]
    assert [each.annotation_id for each in await queue.waiting(10)] == ids
    assert await queue.run(recipe_of(*ids), on_progress=reports.append) == WHOLE
    for annotation_id in ids:
        (kept,) = await tests.recent(10, annotation_id=annotation_id)
        assert (kept.state, kept.verdict["kind"]) == (TraceState.COMPLETED, "knowledge_missing")
    assert [(each.done, each.total) for each in reports] == [(0, 2), (1, 2), (2, 2)]
    assert await queue.waiting(10) == []
    asked = len(engine.requests)
    assert await queue.run(recipe_of(*ids)) == WHOLE
    assert len(engine.requests) == asked, "they are tested already"
    await queue.run(recipe_of(ids[0], seeds=6))
    assert len(engine.requests) > asked, "more seeds are asked for"


@pytest.mark.parametrize(("what", "action", "changes"), TAKEN_BACK, ids=("withdrawn", "rejected"))
async def test_the_test_of_a_fact_that_was_taken_back_counts_no_longer(
    database: Database, what: str, action: AnnotationAction, changes: dict[str, Any]
) -> None:
    tests = service_of(database, SeededEngine(says=only("B")))
    queue, ids = queue_of(database, tests), [corrected(database, a_failure(database)) for _ in range(2)]
    await queue.run(recipe_of(*ids))
    assert (await tests.shares()).all.explained.n == 2
    change(database, ids[0], action, **changes)
    found = await tests.shares()
    assert (found.all.explained.n, found.undecided, found.naming) == (1, 0, 0)
    assert [each.explained.n for each in found.by_label] == [1]


@pytest.mark.parametrize(("what", "action", "changes"), TAKEN_BACK, ids=("withdrawn", "rejected"))
async def test_a_fact_that_was_taken_back_while_its_job_waited_is_not_tested(
    database: Database, what: str, action: AnnotationAction, changes: dict[str, Any]
) -> None:
    engine = SeededEngine(says=only("B"))
    tests = service_of(database, engine)
    annotation_id = corrected(database, a_failure(database))
    change(database, annotation_id, action, **changes)
    outcome = await queue_of(database, tests).run(recipe_of(annotation_id))
    assert outcome.is_over
    assert f"The annotation was {what}" in outcome.refused[annotation_id]
    assert (engine.generated, await tests.recent(5, annotation_id=annotation_id)) == (0, ())


async def test_the_test_of_a_fact_that_was_withdrawn_is_not_resumed(database: Database) -> None:
    engine = SeededEngine(says=only("B"), script=Script(pause_seconds=0.02))
    tests = service_of(database, engine)
    annotation_id = corrected(database, a_failure(database))
    of = await tests.of_annotation(annotation_id)
    begun = await tests.start(_request(of, recipe_of(annotation_id)))
    await tests.stop(begun.test.run_id)
    await end_of(tests, begun.test.run_id)
    change(database, annotation_id, AnnotationAction.WITHDRAWN, state=AnnotationState.WITHDRAWN)
    with pytest.raises(FactTestRefused, match="was withdrawn"):
        await tests.resume(begun.test.run_id)
    assert (await tests.get(begun.test.run_id)).run.run.state is TraceState.STOPPED, "it can still be read"


async def test_two_jobs_with_the_same_facts_test_each_of_them_once(database: Database) -> None:
    engine = SeededEngine(says=only("B"), script=Script(pause_seconds=0.001))
    ids = [corrected(database, a_failure(database)) for _ in range(3)]
    queues = [queue_of(database, service_of(database, engine)) for _ in range(2)]
    outcomes = await asyncio.gather(*(queue.run(recipe_of(*ids)) for queue in queues))
    tests = service_of(database, engine)
    assert [len(await tests.recent(10, annotation_id=each)) for each in ids] == [1, 1, 1]
    assert all(each.is_over for each in outcomes)
    assert {problem for each in outcomes for problem in each.unfinished.values()} <= {
        "Another process is running this test. Wait until it ends."
    }
    for queue in queues:
        assert await queue.run(recipe_of(*ids)) == WHOLE


async def test_a_test_that_was_begun_between_looking_and_storing_is_not_begun_again(database: Database) -> None:
    tests = service_of(database, SeededEngine(says=only("B")))
    annotation_id = corrected(database, a_failure(database))
    request = _request(await tests.of_annotation(annotation_id), recipe_of(annotation_id))
    begun = await tests.start(request, newest="")
    with pytest.raises(FactTestOvertaken, match="Another process"):
        await tests.start(request, newest="")
    await end_of(tests, begun.test.run_id)
    assert [each.run_id for each in await tests.recent(10, annotation_id=annotation_id)] == [begun.test.run_id]
    again = await tests.start(request, newest=begun.test.run_id)
    await end_of(tests, again.test.run_id)
    await end_of(tests, (await tests.start(request)).test.run_id)  # A person may ask for as many as they like.


async def test_a_test_that_cannot_be_resumed_keeps_no_other_fact_from_its_test(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = service_of(database, SeededEngine(says=only("B"), script=Script(pause_seconds=0.02)))
    stopped, other = (corrected(database, a_failure(database)) for _ in range(2))
    begun = await tests.start(_request(await tests.of_annotation(stopped), recipe_of(stopped)))
    await tests.stop(begun.test.run_id)
    await end_of(tests, begun.test.run_id)

    async def elsewhere(*_: Any, **__: Any) -> None:
        raise AppError("This run is in progress in another process.")

    monkeypatch.setattr(tests._strategies, "resume", elsewhere)
    outcome = await queue_of(database, tests).run(recipe_of(stopped, other))
    assert (outcome.is_over, outcome.unfinished) == (True, {stopped: "This run is in progress in another process."})
    (kept,) = await tests.recent(5, annotation_id=other)
    assert kept.state is TraceState.COMPLETED


async def test_a_stopped_queue_goes_on_with_the_test_that_was_under_way(database: Database) -> None:
    engine = SeededEngine(says=only("B"), script=Script(pause_seconds=0.02))
    tests = service_of(database, engine)
    queue, stopping = queue_of(database, tests), asyncio.Event()
    ids = [corrected(database, a_failure(database)) for _ in range(2)]
    running = asyncio.create_task(queue.run(recipe_of(*ids), is_stopping=stopping))
    while not engine.requests:
        await asyncio.sleep(0.005)
    stopping.set()
    assert not (await running).is_over
    (stopped,) = await tests.recent(10, annotation_id=ids[0])
    assert stopped.state is TraceState.STOPPED
    assert await tests.recent(10, annotation_id=ids[1]) == ()
    assert await queue.run(recipe_of(*ids)) == WHOLE
    (resumed,) = await tests.recent(10, annotation_id=ids[0])
    assert (resumed.run_id, resumed.state) == (stopped.run_id, TraceState.COMPLETED)


async def test_what_cannot_be_tested_is_left_out_and_counted(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    tests = service_of(database, SeededEngine(says=only("B")))
    queue, reports = queue_of(database, tests), list[JobProgress]()
    too_long = corrected(database, a_failure(database), fact="A long fact. " * 60)
    good = corrected(database, a_failure(database))
    outcome = await queue.run(recipe_of(too_long, "0" * 32, good), on_progress=reports.append)
    assert (outcome.is_over, list(outcome.refused), outcome.unfinished) == (True, [too_long, "0" * 32], {})
    assert reports[-1].message == "2 facts cannot be tested; the log says why."
    assert f"annotation {too_long} cannot be tested: The longest fact is" in caplog.text
    (kept,) = await tests.recent(10, annotation_id=good)
    assert kept.state is TraceState.COMPLETED


async def test_a_test_whose_process_was_killed_is_resumed_and_not_begun_anew(database: Database) -> None:
    engine = SeededEngine(says=only("B"))
    annotation_id = corrected(database, a_failure(database))
    killed = service_of(database, engine)
    await queue_of(database, killed).run(recipe_of(annotation_id))
    kept = await killed.latest(annotation_id)
    with database.session() as session:
        strategies = StrategyRepository(session)
        owner = this_process().rpartition(":")[0] + ":999999"
        strategies.save(kept.test.run_id, StrategyRunState(state=TraceState.RUNNING), owner)
        result = kept.run.strategies[0].result
        strategies.save_results(kept.test.run_id, {0: replace(result, state=TraceState.RUNNING)})
    tests = service_of(database, engine)
    assert await queue_of(database, tests).run(recipe_of(annotation_id)) == WHOLE
    (resumed,) = await tests.recent(10, annotation_id=annotation_id)
    assert (resumed.run_id, resumed.state) == (kept.test.run_id, TraceState.COMPLETED)


async def test_a_test_with_answers_that_the_engine_failed_is_unfinished_and_asked_again(database: Database) -> None:
    def says(arm: str, number: int) -> str:
        if is_failing and arm == "B":
            raise EngineError("The engine is gone.")
        return only("B")(arm, number)

    is_failing = True
    tests = service_of(database, SeededEngine(says=says))
    queue, annotation_id = queue_of(database, tests), corrected(database, a_failure(database))
    outcome = await queue.run(recipe_of(annotation_id))
    assert outcome.is_over
    assert outcome.unfinished == {annotation_id: "The engine failed 5 answers; resume the job to ask again."}
    is_failing = False
    assert await queue.run(recipe_of(annotation_id)) == WHOLE
    (kept,) = await tests.recent(10, annotation_id=annotation_id)
    assert kept.verdict["kind"] == "knowledge_missing"


async def test_facts_of_a_job_that_is_not_over_do_not_wait(database: Database) -> None:
    queue = queue_of(database, service_of(database, SeededEngine()))
    first, second = (corrected(database, a_failure(database)) for _ in range(2))
    await queue.launch(recipe_of(first))
    assert [each.annotation_id for each in await queue.waiting(1)] == [second]


async def test_an_engine_that_is_gone_fails_the_queue_so_that_it_can_be_resumed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = service_of(database, SeededEngine())

    async def gone(*_: Any) -> None:
        raise ModelNotServed("toy", [])

    monkeypatch.setattr(tests._planner, "plan", gone)
    with pytest.raises(ModelsError):
        await queue_of(database, tests).run(recipe_of(corrected(database, a_failure(database))))


async def test_a_launched_job_has_the_recipe_and_its_command(database: Database) -> None:
    jobs = Jobs()
    recipe = recipe_of("a" * 32, "b" * 32, seeds=7, has_prompt_arm=False)
    await queue_of(database, service_of(database, SeededEngine()), jobs).launch(recipe)
    (job,) = jobs.submitted
    assert (job.kind, job.name) == (JobKind.FACT_TESTS, "Fact tests of 2 annotations")
    assert FactTestsRecipe.parse(job.recipe) == recipe
    assert recipe.command_line() == f"python -m m1app fact-test {'a' * 32} {'b' * 32} --seeds 7 --no-prompt-arm"


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        ({"annotations": []}, "case", "1 to 1,000 facts"),
        ({"annotations": ["../x"]}, "case", "1 to 1,000 facts"),
        ({"annotations": ["a"], "seeds": 4}, "seeds", "from 5 to 20"),
        ({"annotations": ["a"], "seeds": "5"}, "seeds", "from 5 to 20"),
        ({}, "case", "1 to 1,000 facts"),
    ],
)
def test_a_recipe_of_another_form_is_refused(value: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(FactTestRefused, match=message) as refused:
        FactTestsRecipe.parse(value)
    assert refused.value.field == field
