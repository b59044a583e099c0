"""A fine-tuning as a job."""

from m1app.services.fine_tuning import FineTuningService
from m1app.services.job_worker import JobContext, JobRunner


def fine_tuning_runner(fine_tuning: FineTuningService) -> JobRunner:
    """Trains in the job's folder of artifacts, or goes on there."""

    async def run(context: JobContext) -> bool:
        return await fine_tuning.run(context.job, context.artifacts, context.report, context.is_stopping)

    return run
