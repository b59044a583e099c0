"""Runs the requests of a recipe as a job."""

import asyncio

from m1app.engines.own_engine import LOAD_SECONDS
from m1app.engines.service import EngineService
from m1app.jobs.worker import JobContext, JobRunner
from m1app.training.data_jobs.recipe import DataJobRecipe
from m1app.training.data_jobs.service import DataJobService


def data_job_runner(data_jobs: DataJobService, engines: EngineService) -> JobRunner:
    """Run or resume a job that asks about samples; it fails, to be resumed, if the engine does."""

    async def run(context: JobContext) -> bool:
        engines.start()
        loading = asyncio.ensure_future(asyncio.to_thread(engines.wait_ready, LOAD_SECONDS))
        stopping = asyncio.ensure_future(context.is_stopping.wait())
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if context.is_stopping.is_set():
            return False
        await loading
        made = await data_jobs.run(
            DataJobRecipe.parse(context.job.recipe),
            context.artifacts,
            on_progress=context.report,
            is_stopping=context.is_stopping,
        )
        return made is not None

    return run
