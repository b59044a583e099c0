"""Corrected facts that wait for their test, and their tests, one after the other as a job.

A job that was stopped or lost goes on where it was: what has been tested is skipped, and a test that was under way is
resumed.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from m1app.access.person import Permission, needs
from m1app.fact_tests.completing import complete
from m1app.fact_tests.errors import FactTestOvertaken, FactTestRefused
from m1app.fact_tests.recipe import FactTestsRecipe
from m1app.fact_tests.request import MOST_CHARACTERS, FactTestRequest
from m1app.fact_tests.service import FactTestService, TestableFact
from m1app.jobs.service import JobService
from m1app.privacy.errors import IdentifiersFound
from m1app.wording import counted
from storage.database import Database
from storage.errors import RecordNotFound
from storage.fact_tests.records import WaitingFact
from storage.fact_tests.repository import FactTestRepository
from storage.jobs.records import Job, JobKind, JobProgress, JobState, NewJob

_log = logging.getLogger(__name__)
_NOT_OVER = (JobState.QUEUED, JobState.RUNNING, JobState.STOPPING)


@dataclass(slots=True)
class FactTestsOutcome:
    """What became of a recipe's facts."""

    is_over: bool = False
    """Whether every fact was tried; False if it was stopped."""
    refused: dict[str, str] = field(default_factory=dict)
    """Annotations whose fact cannot be tested, with the reason."""
    unfinished: dict[str, str] = field(default_factory=dict)
    """Annotations whose test has not come to its end, or with failed answers, with the reason."""


class FactTestQueue:
    """Lists waiting facts and tests several. Every method may also raise `storage.errors.StorageError`."""

    def __init__(self, database: Database, tests: FactTestService, jobs: JobService) -> None:
        """Args:
        database: migrated.
        tests: tests each fact.
        jobs: runs `launch`ed recipes.
        """
        self._database = database
        self._tests = tests
        self._jobs = jobs

    @needs(Permission.MANAGE)
    async def waiting(self, limit: int, *, label: str = "", model: str = "") -> Sequence[WaitingFact]:
        """Facts that no test has been completed of and no job will test, in the order they were written.

        See `FactTestRepository.waiting`.
        """
        taken = {
            annotation_id
            for job in await self._jobs.recent(states=_NOT_OVER)
            if job.kind is JobKind.FACT_TESTS
            for annotation_id in job.recipe.get("annotations", ())
        }
        most = limit + len(taken)
        found = await self._database.read(
            lambda session: FactTestRepository(session).waiting(most, MOST_CHARACTERS, label=label, model=model)
        )
        return [each for each in found if each.annotation_id not in taken][:limit]

    @needs(Permission.MANAGE)
    async def launch(self, recipe: FactTestsRecipe, *, priority: int = 0, executor: str = "local") -> Job:
        """Test the recipe's facts as a job; raises JobRefused."""
        return await self._jobs.submit(
            NewJob(
                kind=JobKind.FACT_TESTS,
                name=recipe.name,
                recipe=recipe.model_dump(mode="json"),
                priority=priority,
                executor=executor,
            )
        )

    @needs(Permission.MANAGE)
    async def run(
        self,
        recipe: FactTestsRecipe,
        *,
        on_progress: Callable[[JobProgress], None] = lambda _: None,
        is_stopping: asyncio.Event | None = None,
    ) -> FactTestsOutcome:
        """Test the facts that have no completed test of at least as many seeds yet.

        What cannot be tested, or was not answered whole, is logged with its reason and left out.

        Args:
            recipe: what to test.
            on_progress: called before each test and at the end.
            is_stopping: set it to stop; the test under way is kept, and resumed next time.

        Raises:
            ModelsError: the engine cannot be reached or does not serve a model.
        """
        stopping = is_stopping or asyncio.Event()
        outcome = FactTestsOutcome()
        for done, annotation_id in enumerate(recipe.annotations):
            if stopping.is_set():
                return outcome
            on_progress(_progress(done, recipe, outcome))
            try:
                problem = await self._test(annotation_id, recipe, stopping)
            except (FactTestRefused, IdentifiersFound, RecordNotFound) as exc:
                outcome.refused[annotation_id] = str(exc)
                _log.warning("annotation %s cannot be tested: %s", annotation_id, exc)
                continue
            except FactTestOvertaken as exc:
                problem = str(exc)
            if stopping.is_set() and problem:
                return outcome
            if problem:
                outcome.unfinished[annotation_id] = problem
                _log.warning("annotation %s is not tested: %s", annotation_id, problem)
        outcome.is_over = True
        on_progress(_progress(len(recipe.annotations), recipe, outcome))
        return outcome

    async def _test(self, annotation_id: str, recipe: FactTestsRecipe, stopping: asyncio.Event) -> str:
        """Test one fact; return why it is only partly tested, or nothing. Raises FactTestOvertaken."""
        request = _request(await self._tests.of_annotation(annotation_id), recipe)
        earlier = await self._tests.latest(annotation_id)
        newest = earlier.test.run_id if earlier is not None else ""
        run_id, problem = await complete(self._tests, request, earlier, stopping, newest=newest)
        _log.info("annotation %s: test %s", annotation_id, run_id)
        return problem


def _request(subject: TestableFact, recipe: FactTestsRecipe) -> FactTestRequest:
    return FactTestRequest(
        case_id=subject.case.id,
        mark_start=subject.mark_start,
        mark_end=subject.mark_end,
        fact=subject.fact,
        annotation_id=subject.annotation_id,
        seeds=recipe.seeds,
        has_prompt_arm=recipe.has_prompt_arm,
    )


def _progress(done: int, recipe: FactTestsRecipe, outcome: FactTestsOutcome) -> JobProgress:
    parts = []
    if outcome.refused:
        parts.append(f"{counted(len(outcome.refused), 'fact')} cannot be tested")
    if outcome.unfinished:
        parts.append(f"{counted(len(outcome.unfinished), 'fact')} only partly tested")
    message = f"{' and '.join(parts)}; the log says why." if parts else ""
    return JobProgress(done=done, total=len(recipe.annotations), unit="facts", message=message)
