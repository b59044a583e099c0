"""Runs a study as a job."""

from m1app.engines.service import EngineService
from m1app.jobs.worker import JobContext, JobRunner
from m1app.studies.service import StudyService


def study_runner(studies: StudyService, engines: EngineService) -> JobRunner:
    """Run or resume the job's study."""

    async def run(context: JobContext) -> bool:
        engines.start()
        return await studies.run(context.job.subject_id, on_progress=context.report, is_stopping=context.is_stopping)

    return run
