"""Fine-tuning: planned with an estimate, launched as a job, run there, and monitored."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from m1app.access.person import Permission, needs
from m1app.errors import AppError
from m1app.jobs.files import JobFiles
from m1app.jobs.queue import JobQueue
from m1app.settings import Settings
from m1app.training.accuracy.measuring import AccuracyMeasuring
from m1app.training.accuracy.questions import AccuracyQuestions
from m1app.training.data_building import TrainingDataService
from m1app.training.environment import environment_state, install
from m1app.training.errors import RecipeRefused, TrainingError
from m1app.training.events import last_ending, read_events
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.plan import FineTuningPlan
from m1app.training.planning import FineTuningPlanner
from m1app.training.preparation import Preparation
from m1app.training.process import run_training
from m1app.training.recipe import TrainingRecipe
from m1app.training.tuned_models import TunedModels
from models.profiles import Profiles
from storage.errors import not_found
from storage.jobs.records import Job, JobKind, JobProgress, NewJob, Resource


class FineTuningService:
    """Fine-tunes models."""

    def __init__(
        self,
        settings: Settings,
        profiles: Profiles,
        jobs: JobQueue,
        data: TrainingDataService,
        questions: AccuracyQuestions,
    ) -> None:
        self._settings = settings
        self._profiles = profiles
        self._jobs = jobs
        self._files = JobFiles(settings.jobs_directory)
        self._tuned = TunedModels(settings)
        self._planner = FineTuningPlanner(settings, profiles, data, questions)
        self._preparation = Preparation(settings, profiles, self._planner, data, self._tuned)

    @needs(Permission.MANAGE)
    async def plan(self, recipe: TrainingRecipe) -> FineTuningPlan:
        """Check a recipe against data, base and machine, and estimate its cost; downloads no weights.

        Raises:
            RecipeRefused: a field cannot be satisfied here; `field` names it.
            TrainingError: the data cannot be used.
            UnknownProfile: the recipe names a profile that does not exist.
        """
        return await self._planner.plan(recipe)

    @needs(Permission.MANAGE)
    async def launch(self, recipe: TrainingRecipe, priority: int = 0, executor: str = "local") -> Job:
        """Run the recipe as a job if it passes `plan`; raises like `plan`, and JobRefused."""
        if recipe.gpus_per_node and executor != "ray":
            raise RecipeRefused(
                "gpus_per_node",
                "Cluster GPUs are reserved through Ray: choose the executor ray (M1_RAY_ADDRESS is the cluster's "
                "address), or "
                "leave out nodes and gpus_per_node to train on all GPUs of this machine.",
            )
        # Another machine is checked where the job runs.
        plan = await self._planner.plan(recipe, is_here=executor == "local")
        return await self._jobs.submit(
            NewJob(
                kind=JobKind.FINE_TUNING,
                name=recipe.name or f"{plan.base.id} on {plan.data}",
                recipe=(await asyncio.to_thread(self._planner.in_full, recipe, plan)).model_dump(mode="json"),
                # A job spread over a cluster reserves its GPUs itself.
                resource=Resource.GPU if recipe.precision == "bf16" and not recipe.gpus_per_node else Resource.CPU,
                priority=priority,
                executor=executor,
            )
        )

    @needs(Permission.MANAGE)
    async def run(
        self,
        job: Job,
        artifacts: Path,
        report: Callable[[JobProgress], None],
        is_stopping: asyncio.Event,
    ) -> bool:
        """Run or resume a job: install, prepare, train, publish. Completed steps are not repeated.

        Returns:
            True if the new model is in the catalog; False if it was stopped.

        Raises:
            AppError: it failed; the message says why and what to do.
            ModelsError: the base model's weights could not be downloaded.
        """
        try:
            async with AsyncExitStack() as after_failure:
                after_failure.push_async_callback(asyncio.to_thread, self._tuned.release, job.id)
                is_finished = await self._advance(job, TrainingFolder(artifacts), report, is_stopping)
                # A stopped job keeps its model's name.
                after_failure.pop_all()
        except TrainingError as exc:
            raise AppError(str(exc)) from exc
        return is_finished

    async def _advance(
        self, job: Job, folder: TrainingFolder, report: Callable[[JobProgress], None], is_stopping: asyncio.Event
    ) -> bool:
        report(JobProgress(message=await asyncio.to_thread(self.environment_state)))
        if not await install(self._settings, is_stopping):
            return False
        if folder.run_file.is_file():
            await asyncio.to_thread(self._tuned.settle, folder, job.id)
        else:
            report(JobProgress(message="Preparing the data."))
            await self._preparation.write(TrainingRecipe.parse(dict(job.recipe)), folder, job.id)
        if not await self._train(folder, report, is_stopping):
            return False
        await asyncio.to_thread(self._publish, folder, job.id)
        return True

    async def _train(
        self, folder: TrainingFolder, report: Callable[[JobProgress], None], is_stopping: asyncio.Event
    ) -> bool:
        """Train, with the accuracy of checkpoints measured beside it; False if it was stopped."""
        accuracy = AccuracyMeasuring(folder, self._settings, self._profiles)
        async with accuracy.beside(is_stopping):
            # Twice if the accuracies decide which checkpoint is exported.
            while not await asyncio.to_thread(_is_trained, folder):
                if not await run_training(folder, self._settings, report, is_stopping):
                    return False
                if not await accuracy.settle(report, is_stopping):
                    return False
            return await accuracy.settle(report, is_stopping)

    @needs(Permission.MANAGE)
    def environment_state(self) -> str:
        """Whether the training environment is installed; if not, what the first fine-tuning will install."""
        return environment_state(self._settings)

    @needs(Permission.MANAGE)
    def read_progress(self, job_id: str) -> list[dict[str, Any]]:
        """Return the events of a job's training so far, every step once; see `m1app.training.events`.

        Raises:
            RecordNotFound: the job id is invalid.
        """
        return list(read_events(self._folder(job_id).progress_file))

    @needs(Permission.MANAGE)
    def result(self, job_id: str) -> tuple[TrainingRun, Path] | None:
        """Return what was decided for a finished job, and the new model's folder; None before it is finished."""
        folder = self._folder(job_id)
        if not folder.run_file.is_file():
            return None
        run = folder.run()
        place = self._tuned.find(run.model_id, job_id)
        return (run, place) if place else None

    def _folder(self, job_id: str) -> TrainingFolder:
        try:
            return TrainingFolder(self._files.artifacts_folder(job_id))
        except ValueError as exc:
            raise not_found("job", job_id) from exc

    def _publish(self, folder: TrainingFolder, job_id: str) -> None:
        base = self._planner.base(folder.recipe())
        place = self._tuned.publish(folder, base, job_id)
        folder.remove_checkpoints()
        if not (place / "model").is_dir():
            raise AppError(f"The finished model is missing in {place}; start the fine-tuning again.")


def _is_trained(folder: TrainingFolder) -> bool:
    """Whether only publishing remains, or even that was done before the worker was killed."""
    ending = last_ending(read_events(folder.progress_file))
    return ending is not None and ending["event"] == "finished"
