"""Runs fact tests as a job."""

import asyncio

from m1app.engines.own_engine import LOAD_SECONDS
from m1app.engines.service import EngineService
from m1app.errors import AppError
from m1app.fact_tests.queue import FactTestQueue
from m1app.fact_tests.recipe import FactTestsRecipe
from m1app.jobs.worker import JobContext, JobRunner
from m1app.wording import counted


def fact_tests_runner(queue: FactTestQueue, engines: EngineService) -> JobRunner:
    """Run or resume the job's fact tests; it fails, to be resumed, if a test did not come to its end."""

    async def run(context: JobContext) -> bool:
        if not await _has_engine(engines, context.is_stopping):
            return False
        outcome = await queue.run(
            FactTestsRecipe.parse(context.job.recipe), on_progress=context.report, is_stopping=context.is_stopping
        )
        if outcome.is_over and outcome.unfinished:
            first = next(iter(outcome.unfinished.values()))
            raise AppError(
                f"{counted(len(outcome.unfinished), 'fact')} could not be fully tested: {first} Resume the job to "
                "continue; its log names each one."
            )
        return outcome.is_over

    return run


async def _has_engine(engines: EngineService, is_stopping: asyncio.Event) -> bool:
    """Wait for the engine; False if the job is stopped before. Raises ModelsError if it cannot start."""
    engines.start()
    loading = asyncio.ensure_future(asyncio.to_thread(engines.wait_ready, LOAD_SECONDS))
    stopping = asyncio.ensure_future(is_stopping.wait())
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if is_stopping.is_set():
        return False
    await loading
    return True
