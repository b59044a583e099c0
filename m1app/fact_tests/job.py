"""Runs fact tests as a job."""

from m1app.engines.service import EngineService
from m1app.errors import AppError
from m1app.fact_tests.queue import FactTestQueue
from m1app.fact_tests.recipe import FactTestsRecipe
from m1app.jobs.engine_start import has_engine
from m1app.jobs.worker import JobContext, JobRunner
from m1app.wording import counted


def fact_tests_runner(queue: FactTestQueue, engines: EngineService) -> JobRunner:
    """Run or resume the job's fact tests; it fails, to be resumed, if a test did not come to its end."""

    async def run(context: JobContext) -> bool:
        if not await has_engine(engines, context.is_stopping):
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
