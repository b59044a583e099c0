"""Runs a benchmark as a job."""

from m1app.benchmark.service import BenchmarkService
from m1app.engines.service import EngineService
from m1app.jobs.worker import JobContext, JobRunner
from storage.benchmarks.records import RunState


def benchmark_runner(benchmarks: BenchmarkService, engines: EngineService) -> JobRunner:
    """Run or resume the job's benchmark run."""

    async def run(context: JobContext) -> bool:
        engines.start()
        ended = await benchmarks.run(
            context.job.subject_id, on_progress=context.report, is_stopping=context.is_stopping
        )
        return ended.state is RunState.COMPLETED

    return run
