"""A study from its file to its verdicts, on an engine that does as it is told."""

import asyncio
from pathlib import Path

import pytest

from m1app.benchmark.queries import QuestionFilter
from m1app.bootstrap import Services
from m1app.studies.errors import StudyRefused
from m1app.studies.records import Verdict
from m1app.studies.values import outcome_value
from storage.benchmarks.records import RunState
from storage.errors import DiskFull, RecordNotFound
from storage.jobs.records import JobKind, JobProgress, JobState
from storage.studies.records import StoredStudy
from storage.studies.repository import StudyRepository
from tests.m1app.benchmark.test_service import WRONG, keep_set, services_at
from tests.m1app.runs.test_sweeps import RIGHT, answering
from tests.m1app.studies.study_cases import SMALL, request
from tests.models.engine.scripted_server import Script, serving

pytestmark = [pytest.mark.usefixtures("no_settings")]
LEARNING = answering(lambda thought: RIGHT if thought >= 32 else WRONG)
"""Right from 32 tokens of thinking."""


async def test_a_study_is_run_from_its_file_to_its_verdicts(tmp_path: Path) -> None:
    progress: list[JobProgress] = []
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            stored = await services.studies.start(request())
            assert (stored.name, stored.models, stored.sets) == ("small", {"one": "scripted"}, {"five": "five"})
            assert (await services.studies.summary(stored.id)).state is RunState.WAITING
            assert await services.studies.run(stored.id, on_progress=progress.append)
            outcome = await services.study_reading.outcome(stored.id)
            runs = await services.benchmark_reading.runs(tag="study")
    assert outcome.state == "completed"
    assert {each.name for each in runs} == {"small: main", "small: forced"}
    assert (progress[-1].done, progress[-1].total) == (10, 10)
    helps, facts = outcome.claims
    assert (helps.estimate, helps.n, helps.p) == (1.0, 5, pytest.approx(0.5**5))
    assert helps.verdict is Verdict.NOT_DECIDABLE
    assert facts.verdict is Verdict.NOT_MEASURED
    first = outcome.readings[0]
    assert (first.at_one_budget.value, first.budget_tokens, first.best_budget_tokens) == (1.0, 32, 32)
    assert outcome.set_checks[0].problems == ()
    assert not outcome.is_demo
    assert outcome_value(outcome)["progress"]["done"] == 10


async def test_a_study_that_was_stopped_goes_on_without_asking_again(tmp_path: Path) -> None:
    stopping = asyncio.Event()
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            stored = await services.studies.start(request())

            def stop_after_two(progress: JobProgress) -> None:
                if progress.done >= 2:
                    stopping.set()

            assert not await services.studies.run(stored.id, on_progress=stop_after_two, is_stopping=stopping)
            half = await services.studies.summary(stored.id)
            outcome = await services.study_reading.outcome(stored.id)
        async with services_at(tmp_path, script.url) as services:
            assert await services.studies.run(stored.id)
            whole = await services.studies.summary(stored.id)
    assert half.state is RunState.STOPPED
    assert outcome.state == "stopped"
    assert sum(each.items_done for each in half.runs.values()) < 10
    assert (whole.state, sum(each.items_done for each in whole.runs.values())) == (RunState.COMPLETED, 10)


async def test_a_study_is_launched_as_one_job_and_stopped(tmp_path: Path) -> None:
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            stored = await services.studies.start(request())
            job = await services.studies.launch(stored.id)
            assert (job.kind, job.name, job.subject_id) == (JobKind.STUDY, "small", stored.id)
            with pytest.raises(StudyRefused, match="small is already queued"):
                await services.studies.launch(stored.id)
            with pytest.raises(StudyRefused, match="small is running; stop it first"):
                await services.studies.delete(stored.id)
            assert (await services.studies.stop(stored.id)).state is JobState.STOPPED
            assert (await services.studies.summary(stored.id)).state is RunState.STOPPED
            with pytest.raises(StudyRefused, match=r"no running job. There is nothing to stop"):
                await services.studies.stop(stored.id)
            again = await services.studies.launch(stored.id)
            assert (again.id, again.state) == (job.id, JobState.QUEUED)


async def test_a_study_that_two_people_launch_at_one_moment_is_one_job(tmp_path: Path) -> None:
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            stored = await services.studies.start(request())
            both = [services.studies.launch(stored.id) for _ in range(3)]
            found = await asyncio.gather(*both, return_exceptions=True)
            assert sorted(type(each).__name__ for each in found) == ["Job", "StudyRefused", "StudyRefused"]
            assert len(await services.jobs.recent()) == 1


async def test_a_completed_study_has_nothing_to_go_on_with_and_can_be_deleted(tmp_path: Path) -> None:
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            stored = await services.studies.start(request())
            await services.studies.run(stored.id)
            with pytest.raises(StudyRefused, match="small is complete"):
                await services.studies.launch(stored.id)
            assert (await services.studies.find("small")).stored == (await services.studies.find(stored.id)).stored
            await services.studies.delete(stored.id)
            assert len(await services.benchmark_reading.runs(tag="study")) == 2
            with pytest.raises(RecordNotFound):
                await services.studies.summary(stored.id)
            with pytest.raises(StudyRefused, match=r"No started study is named 'small'. Started studies: none yet"):
                await services.studies.find("small")


async def refused(services: Services, **changes: object) -> str:
    with pytest.raises(StudyRefused) as caught:
        await services.studies.start(request(**changes))
    assert not await services.studies.all()
    assert not await services.benchmark_reading.runs()
    return str(caught.value)


async def test_what_a_study_lacks_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            assert "The question set 'five' is not here" in await refused(services)
            keep_set(services)
            assert "'m1-70b' for the role 'one' is not served. Served: scripted" in await refused(
                services, models={"one": "m1-70b"}
            )
            larger = SMALL.replace("size = 5", "size = 1273")
            assert "five has 5 questions; officially it has 1,273" in await refused(services, text=larger)
            assert "printable" in await refused(services, name="a\nb")
            unfit = SMALL.replace("budgets = [16]", "budgets = [1000000]", 1)
            with pytest.raises(Exception, match="does not fit into the context"):
                await services.studies.start(request(unfit))
            assert not await services.benchmark_reading.runs()
            allowed = await services.studies.start(request(larger, allows_other_sizes=True))
            outcome = await services.study_reading.outcome(allowed.id)
    assert outcome.set_checks[0].problems == ("5 questions; officially it has 1,273",)
    assert any("officially it has 1,273" in each for each in outcome.protocol_differences)


async def test_two_studies_of_one_name_are_told_apart(tmp_path: Path) -> None:
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            await services.studies.start(request())
            with pytest.raises(
                StudyRefused, match=r"A study named 'small' was already started on .* under another name"
            ):
                await services.studies.start(request())
            assert len(await services.benchmark_reading.runs(tag="study")) == 2
            second = await services.studies.start(request(name="small again", limit=2))
            outcome = await services.study_reading.outcome(second.id)
    assert {each.recipe.limit for each in outcome.parts if each.recipe} == {2}
    assert {each.limit for each in outcome.study.runs} == {2}


async def test_of_two_starts_and_two_extensions_at_one_moment_one_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            both = [services.studies.start(request(EXTENDED)) for _ in range(2)]
            found = await asyncio.gather(*both, return_exceptions=True)
            assert {type(each) for each in found} == {StoredStudy, StudyRefused}
            assert len(await services.benchmark_reading.runs()) == 2
            (summary,) = await services.studies.all()
            await services.studies.run(summary.stored.id)
            again = [services.studies.extend(summary.stored.id) for _ in range(2)]
            found = await asyncio.gather(*again, return_exceptions=True)
            extended = await services.studies.summary(summary.stored.id)
    assert sorted(type(each).__name__ for each in found) == ["BenchmarkRefused", "StoredStudy"]
    assert [run.items for run in extended.runs.values()] == [4, 4]
    assert extended.stored.facts["look"] == 2


async def test_a_study_that_cannot_be_stored_leaves_no_planned_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskFull("The disk is full.")

    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            monkeypatch.setattr(StudyRepository, "add", full)
            with pytest.raises(DiskFull):
                await services.studies.start(request())
            assert not await services.benchmark_reading.runs()


async def test_a_deleted_benchmark_run_is_named_and_its_claims_are_not_measured(tmp_path: Path) -> None:
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            stored = await services.studies.start(request())
            await services.benchmarks.delete(stored.runs["main"])
            assert await services.studies.run(stored.id)
            outcome = await services.study_reading.outcome(stored.id)
    assert "benchmark run was deleted" in outcome.parts[0].note
    assert (outcome.claims[0].verdict, outcome.state) == (Verdict.NOT_MEASURED, "completed")
    assert "Run 'main' was skipped." in outcome.protocol_differences


async def test_the_cost_is_estimated_by_run_set_and_model_before_anything_is_there(tmp_path: Path) -> None:
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            before = await services.studies.estimate(request())
            keep_set(services)
            after = await services.studies.estimate(request())
            limited = await services.studies.estimate(request(limit=1))
    assert [each.field for each in before.problems] == ["sets"]
    assert (before.tokens_at_most, after.problems) == (after.tokens_at_most, ())
    assert [(each.run_id, each.question_set, each.model, each.questions) for each in after.parts] == [
        ("main", "five", "scripted", 5),
        ("forced", "five", "scripted", 5),
    ]
    assert after.tokens_at_most is not None and limited.tokens_at_most is not None
    assert limited.tokens_at_most * 5 == after.tokens_at_most
    assert after.money_at_most == pytest.approx(after.tokens_at_most * 2 / 1_000_000)


async def test_missing_sets_are_imported_from_where_the_file_says(tmp_path: Path) -> None:
    of_library = SMALL.replace("size = 5", "is_library = true")
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            with pytest.raises(StudyRefused, match="does not say where to get five"):
                await services.studies.import_sets(request())
            assert any("library: " in each for each in await services.studies.import_sets(request(of_library)))
            assert await services.studies.import_sets(request(of_library)) == [
                "All sets of the study are already imported."
            ]
            stored = await services.studies.start(request(of_library, limit=2))
    assert stored.sets == {"five": "library"}


EXTENDED = SMALL.replace("[[set]]", "[extension]\nquestions = 2\nwidth = 0.1\n[[set]]", 1).replace(
    "budgets = [16", "limit = 2\nbudgets = [16"
)


async def test_a_study_is_extended_with_questions_and_tested_more_strictly(tmp_path: Path) -> None:
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            stored = await services.studies.start(request(EXTENDED))
            with pytest.raises(StudyRefused, match="small is waiting; complete it before you extend it"):
                await services.studies.extend(stored.id)
            await services.studies.run(stored.id)
            first = await services.study_reading.outcome(stored.id)
            await services.studies.extend(stored.id)
            assert (await services.studies.summary(stored.id)).state is RunState.WAITING
            await services.studies.run(stored.id)
            second = await services.study_reading.outcome(stored.id)
            await services.studies.extend(stored.id)
            await services.studies.run(stored.id)
            third = await services.study_reading.outcome(stored.id)
            asked = await services.benchmark_reading.questions(stored.runs["main"], QuestionFilter())
            with pytest.raises(StudyRefused, match="All questions in the sets of small have been asked"):
                await services.studies.extend(stored.id)
            last = await services.study_reading.outcome(stored.id)
    assert [each.claims[0].n for each in (first, second, third, last)] == [2, 4, 5, 5]
    assert [each.look for each in (first, second, third, last)] == [1, 2, 3, 3]
    assert first.level == pytest.approx(0.975)
    assert second.level == pytest.approx(1 - 0.05 / 6)
    assert len({each.question_id for each in asked.questions}) == asked.total == 5
    assert {each.limit for each in third.study.runs} == {6}


async def test_a_study_that_is_looked_at_once_is_not_extended(tmp_path: Path) -> None:
    with serving(Script(LEARNING)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            stored = await services.studies.start(request(limit=2))
            await services.studies.run(stored.id)
            with pytest.raises(StudyRefused, match=r"its file has no \[extension\]"):
                await services.studies.extend(stored.id)
            outcome = await services.study_reading.outcome(stored.id)
    assert outcome.level == 0.95
