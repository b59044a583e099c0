"""Runs fine-tuning as a job."""

from m1app.jobs.worker import JobContext, JobRunner
from m1app.training.service import FineTuningService


def fine_tuning_runner(fine_tuning: FineTuningService) -> JobRunner:
    """Train in the job's artifacts folder, or resume there."""

    async def run(context: JobContext) -> bool:
        return await fine_tuning.run(context.job, context.artifacts, context.report, context.is_stopping)

    return run
