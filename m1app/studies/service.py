"""Studies: estimated, started, run, stopped, resumed and deleted as one thing, and what they have come to."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from m1app.access.audit import record
from m1app.access.discarding import discard
from m1app.access.person import Permission, current_person, needs
from m1app.benchmark.service import BenchmarkService
from m1app.jobs.service import JobService
from m1app.jobs.states import OVER, may_resume
from m1app.studies.errors import StudyRefused
from m1app.studies.estimate import StudyEstimate
from m1app.studies.fact_testing import StudyFactTests
from m1app.studies.file_reading import parse_study
from m1app.studies.outcome import state_of
from m1app.studies.planning import StudyPlanner, StudyRequest
from m1app.studies.start_facts import StartFacts
from m1app.studies.study_file import Study
from storage.benchmarks.records import BenchmarkRun, RunState
from storage.benchmarks.repository import BenchmarkRepository
from storage.database import Database, Session
from storage.errors import InvalidRecord, RecordNotFound
from storage.fact_tests.repository import FactTestRepository
from storage.jobs.records import Job, JobKind, JobProgress, NewJob
from storage.jobs.repository import JobRepository
from storage.studies.records import NewStudy, StoredStudy
from storage.studies.repository import StudyRepository
from storage.trash.records import Deletion, TrashKind


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A started study as shown in lists."""

    stored: StoredStudy
    state: RunState
    runs: Mapping[str, BenchmarkRun]
    """By run id of the file; runs whose benchmark run was deleted are not in it."""
    job: Job | None
    """The newest."""
    facts: StartFacts


class StudyService:
    """Plans, runs and deletes studies. Methods that take a study id may raise RecordNotFound."""

    def __init__(
        self,
        database: Database,
        planner: StudyPlanner,
        benchmarks: BenchmarkService,
        fact_tests: StudyFactTests,
        jobs: JobService,
    ) -> None:
        """Args:
        database: stores studies.
        planner: plans their benchmark runs.
        benchmarks: runs these.
        fact_tests: tests their own facts.
        jobs: accepts launched studies.
        """
        self._database = database
        self._planner = planner
        self._benchmarks = benchmarks
        self._fact_tests = fact_tests
        self._jobs = jobs

    @needs(Permission.READ)
    async def estimate(self, request: StudyRequest) -> StudyEstimate:
        """What a study may cost, by run, set and model, whether or not it can be started yet."""
        return await self._planner.estimate(request)

    @needs(Permission.MANAGE)
    async def import_sets(self, request: StudyRequest) -> Sequence[str]:
        """Import the missing sets of a study; see `StudyPlanner.import_sets`."""
        return await self._planner.import_sets(request)

    @needs(Permission.MANAGE)
    async def start(self, request: StudyRequest) -> StoredStudy:
        """Store a study with its planned benchmark runs, without asking anything yet.

        Raises:
            StudyRefused: its name is taken, a set or model is missing, or a set is of another size.
            BenchmarkRefused: a budget exceeds a model's context.
            ModelsError: an engine cannot be reached.
            StorageError: it could not be stored.
        """
        name = request.name.strip() or request.study.name
        await self._check_name(name)
        planned = await self._planner.plan(request, name)
        started_by = current_person().id

        def store(session: Session) -> StoredStudy:
            runs = {run_id: keep(session).id for run_id, keep in planned.runs.items()}
            new = NewStudy(
                name=name,
                text=request.file.text,
                models=planned.models,
                sets=planned.sets,
                runs=runs,
                facts=planned.facts.model_dump(mode="json"),
                started_by=started_by,
            )
            kept = StudyRepository(session).add(new)
            record(session, "study.start", kept.id, runs=len(runs))
            return kept

        try:
            return await self._database.write(store)
        except InvalidRecord as exc:
            raise StudyRefused("name", str(exc)) from exc

    @needs(Permission.MANAGE)
    async def launch(self, study_id: str, *, priority: int = 0, executor: str = "local") -> Job:
        """Run a study as a job, or go on with it; raises StudyRefused, JobRefused."""
        summary = await self.summary(study_id)
        _check_idle(summary)
        if summary.state is RunState.RUNNING:
            raise StudyRefused("runs", f"{summary.stored.name} is running in another process; stop it there first.")
        if summary.state is RunState.COMPLETED and not any(each.items_failed for each in summary.runs.values()):
            raise StudyRefused("runs", f"{summary.stored.name} is complete; there is nothing to resume.")
        if summary.job is not None and may_resume(summary.job):
            return await self._jobs.resume(summary.job.id)
        return await self._jobs.submit(
            NewJob(
                kind=JobKind.STUDY,
                name=summary.stored.name,
                recipe={"study": study_id},
                subject_id=study_id,
                priority=priority,
                executor=executor,
            ),
            # Somebody else may have launched it meanwhile.
            check=lambda session: _check_idle(_summary(session, StudyRepository(session).get(study_id))),
        )

    @needs(Permission.MANAGE)
    async def extend(self, study_id: str) -> StoredStudy:
        """Let a completed study ask more questions of each set, as its file says; `launch` or `run` asks them.

        Raises:
            StudyRefused: its file has no extension, it is not complete, or all questions were asked.
            BenchmarkRefused: a set was deleted.
        """
        summary = await self.summary(study_id)
        stored = summary.stored
        study, facts = study_of(stored)
        if study.extension is None:
            raise StudyRefused(
                "questions",
                f"{stored.name} cannot be extended: its file has no [extension], so its tests may look at the answers "
                "only once. Start another study with more questions.",
            )
        if summary.state is not RunState.COMPLETED:
            raise StudyRefused(
                "questions", f"{stored.name} is {summary.state.value}; complete it before you extend it."
            )
        limit = max(each.limit or 0 for each in study.runs) + study.extension.questions
        asked = sum(run.items for run in summary.runs.values())
        extensions = [
            await self._benchmarks.checked_extension(run.id, limit)
            for run in summary.runs.values()
            if (run.limit or 0) < limit
        ]

        def store(session: Session) -> StoredStudy:
            for extend in extensions:
                extend(session)
            now = _summary(session, StudyRepository(session).get(study_id))
            if StartFacts.of(now.stored.facts).look != facts.look:
                raise StudyRefused("questions", f"{stored.name} was extended by somebody else in the meantime.")
            if sum(run.items for run in now.runs.values()) == asked:
                raise StudyRefused("questions", f"All questions in the sets of {stored.name} have been asked.")
            record(session, "study.extend", study_id, look=facts.look + 1)
            return StudyRepository(session).touch(study_id, {"limit": limit, "look": facts.look + 1})

        return await self._database.write(store)

    @needs(Permission.MANAGE)
    async def stop(self, study_id: str) -> Job:
        """Stop a study's job; what is measured is kept. Raises StudyRefused if it has none, JobRefused if it ended."""
        summary = await self.summary(study_id)
        if summary.job is None or summary.job.state in OVER:
            elsewhere = summary.state is RunState.RUNNING
            why = "It runs in a terminal: stop it there with Ctrl+C." if elsewhere else "There is nothing to stop."
            raise StudyRefused("runs", f"{summary.stored.name} has no running job. {why}")
        return await self._jobs.stop(summary.job.id)

    @needs(Permission.MANAGE)
    async def run(
        self,
        study_id: str,
        *,
        on_progress: Callable[[JobProgress], None] = lambda _: None,
        is_stopping: asyncio.Event | None = None,
    ) -> bool:
        """Ask everything that the study's runs have no results of yet, one run after the other; then test its facts.

        Returns:
            Whether all of it is complete; False if it was stopped.

        Raises:
            AppError: another process runs one of them, or a fact could not be tested whole.
            ModelsError, StorageError: as `BenchmarkService.run`; the study can be resumed.
        """
        stopping = is_stopping or asyncio.Event()
        await self._database.write(lambda s: StudyRepository(s).touch(study_id))
        summary = await self.summary(study_id)
        runs, facts = summary.runs, summary.facts
        done = 0
        total = sum(each.items for each in runs.values()) + facts.fact_tests
        unit = "questions and facts" if facts.fact_tests else "questions"
        failed = 0
        for run_id, run in runs.items():
            if run.state is not RunState.COMPLETED or run.items_failed:
                report = _reporting(on_progress, run_id, done, total, unit)
                run = await self._benchmarks.run(run.id, on_progress=report, is_stopping=stopping)
                if run.state is not RunState.COMPLETED:
                    return False
            done += run.items
            failed += run.items_failed

        def report_facts(tested: int) -> None:
            message = "facts" if tested < facts.fact_tests else ""
            figures = {"failed": failed}
            on_progress(JobProgress(done=done + tested, total=total, unit=unit, message=message, figures=figures))

        study, _ = study_of(summary.stored)
        return await self._fact_tests.run(study, summary.stored, report_facts, stopping)

    @needs(Permission.READ)
    async def all(self) -> Sequence[StudySummary]:
        """All started studies, newest first."""
        return await self._database.read(
            lambda session: [_summary(session, each) for each in StudyRepository(session).all()]
        )

    @needs(Permission.READ)
    async def summary(self, study_id: str) -> StudySummary:
        """A started study, by its id."""
        return await self._database.read(lambda session: _summary(session, StudyRepository(session).get(study_id)))

    @needs(Permission.READ)
    async def find(self, name_or_id: str) -> StudySummary:
        """A started study, by its name or id; raises StudyRefused if there is none."""

        def read(session: Session) -> StudySummary | None:
            studies = StudyRepository(session)
            stored = studies.find(name_or_id)
            if stored is None:
                stored = next((each for each in studies.all() if each.id == name_or_id), None)
            return None if stored is None else _summary(session, stored)

        found = await self._database.read(read)
        if found is None:
            there = ", ".join(each.stored.name for each in await self.all()) or "none yet"
            raise StudyRefused("name", f"No started study is named {name_or_id[:80]!r}. Started studies: {there}.")
        return found

    @needs(Permission.MANAGE)
    async def delete(self, study_id: str) -> Deletion:
        """Move a study to the trash, with the tests of its own facts; its benchmark runs stay.

        Raises StudyRefused while it runs.
        """
        summary = await self.summary(study_id)
        if summary.state is RunState.RUNNING or (summary.job is not None and summary.job.state not in OVER):
            raise StudyRefused("runs", f"{summary.stored.name} is running; stop it first.")
        return await self._database.write(lambda s: discard(s, TrashKind.STUDY, study_id))

    async def _check_name(self, name: str) -> None:
        if not name.isprintable() or len(name) > 200:
            raise StudyRefused("name", "The name must be one line of at most 200 printable characters.")
        taken = await self._database.read(lambda s: StudyRepository(s).find(name))
        if taken is not None:
            raise StudyRefused(
                "name",
                f"A study named {name!r} was already started on {taken.created_at:%Y-%m-%d}. Open it, or start this "
                "one under another name.",
            )


def study_of(stored: StoredStudy) -> tuple[Study, StartFacts]:
    """The study as it is asked now, and what was so when it was started."""
    facts = StartFacts.of(stored.facts)
    return parse_study(stored.text, stored.name).limited(facts.limit), facts


def missing_run_note(summary: StudySummary, run_id: str) -> str:
    """Why a run of a study's file has no benchmark run."""
    if run_id in summary.stored.runs:
        return "Its benchmark run was deleted; the trash on the Admin page may still have it."
    return "Skipped: no model was chosen for its roles."


def _check_idle(summary: StudySummary) -> None:
    if summary.job is not None and summary.job.state not in OVER:
        raise StudyRefused("runs", f"{summary.stored.name} is already {summary.job.state.value}.")


def _summary(session: Session, stored: StoredStudy) -> StudySummary:
    benchmarks = BenchmarkRepository(session)
    runs = {}
    for run_id, benchmark_id in stored.runs.items():
        with suppress(RecordNotFound):
            runs[run_id] = benchmarks.get(benchmark_id)
    job = JobRepository(session).latest_of(stored.id)
    facts = StartFacts.of(stored.facts)
    is_testing = facts.fact_tests > 0 and FactTestRepository(session).is_study_testing(stored.id)
    left = facts.fact_tests - len(facts.tested)
    state = state_of(list(runs.values()), job.state if job else None, left, is_testing=is_testing)
    return StudySummary(stored, state, runs, job, facts)


def _reporting(
    on_progress: Callable[[JobProgress], None], run_id: str, done: int, total: int, unit: str
) -> Callable[[JobProgress], None]:
    """Reports a run's progress as a part of its study's."""

    def report(progress: JobProgress) -> None:
        message = f"{run_id}: {progress.message}" if progress.message else run_id
        left = None
        if progress.per_second:
            left = (total - done - progress.done) / progress.per_second
        so_far = done + progress.done
        on_progress(replace(progress, done=so_far, total=total, unit=unit, seconds_left=left, message=message))

    return report
