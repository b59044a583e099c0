"""One trace of each model of a run, which shows how it was asked and by what engine."""

from collections.abc import Iterable, Mapping

from m1app.benchmark.queries import BenchmarkReading, QuestionFilter
from m1app.runs.asked_prompts import AskedPrompt, asked_prompts
from m1app.runs.sweeps import SweepService
from storage.benchmarks.records import BenchmarkRun
from storage.errors import RecordNotFound
from storage.traces.records import Trace

_QUESTIONS_READ = 25


async def first_trace(run: BenchmarkRun, model: str, reading: BenchmarkReading, sweeps: SweepService) -> Trace | None:
    """The trace of one of the first questions; None before one is answered, and where it was erased."""
    page = await reading.questions(run.id, QuestionFilter(model=model), limit=_QUESTIONS_READ)
    answered = [each for each in page.questions if each.checkpoint_id]
    try:
        passes = (await sweeps.get(answered[0].item_id)).passes if answered else ()
    except RecordNotFound:
        return None
    return passes[0].trace if passes else None


async def prompts_of(
    runs: Iterable[BenchmarkRun], reading: BenchmarkReading, sweeps: SweepService, openings: Mapping[str, str]
) -> tuple[AskedPrompt, ...]:
    """The distinct ways in which the models of these runs were asked; see `asked_prompts`."""
    traces = [await first_trace(run, model, reading, sweeps) for run in runs for model in run.models]
    return asked_prompts([trace for trace in traces if trace], openings)
