"""Runs the requests of a recipe as a job."""

from m1app.engines.service import EngineService
from m1app.jobs.engine_start import has_engine
from m1app.jobs.worker import JobContext, JobRunner
from m1app.training.data_jobs.recipe import DataJobRecipe
from m1app.training.data_jobs.service import DataJobService


def data_job_runner(data_jobs: DataJobService, engines: EngineService) -> JobRunner:
    """Run or resume a job that asks about samples; it fails, to be resumed, if the engine does."""

    async def run(context: JobContext) -> bool:
        if not await has_engine(engines, context.is_stopping):
            return False
        made = await data_jobs.run(
            DataJobRecipe.parse(context.job.recipe),
            context.artifacts,
            on_progress=context.report,
            is_stopping=context.is_stopping,
        )
        return made is not None

    return run
