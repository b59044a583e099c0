"""How much of a fast engine's rate a benchmark takes: `python -m benchmarks.throughput --in-flight 256`.

The engine is a process of its own that gives every request the same rate, however many there are. This process is the
job's worker: it plans and runs one benchmark, with question, thinking, answers and results stored as always.
"""

import argparse
import asyncio
import os
import resource
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.steady_engine import MODEL, steady_engine, tokens_sent
from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.bootstrap import Services, build_services
from m1app.settings import EngineChoice, Settings
from storage.jobs.records import JobProgress
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion

TARGET_RATIO, TARGET_MS = 0.9, 0.05
_SET = "made-up"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything measured."""

    questions: int
    in_flight: int
    seconds: float
    tokens: int
    """That the engine sent."""
    cpu_seconds: float
    """Of this process, all threads."""
    mib: tuple[float, ...]
    """Resident memory before, and at each quarter of the questions."""
    engine_rate: float
    """What the engine gives to `in_flight` requests."""

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds

    @property
    def ms_per_token(self) -> float:
        """Processor time."""
        return self.cpu_seconds / self.tokens * 1000


class _MemoryByQuarter:
    """Resident memory at each quarter of the questions, from the progress that a worker reports."""

    def __init__(self) -> None:
        self.mib = [_mib()]

    def __call__(self, progress: JobProgress) -> None:
        if progress.total and progress.done * 4 >= len(self.mib) * progress.total:
            self.mib.append(_mib())


def _mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _questions(number: int) -> list[NewQuestion]:
    stem = "A made-up patient has a made-up complaint for number {} of days. " * 5 + "Which is the likeliest finding?"
    options = {letter: f"finding {letter}" for letter in "ABCD"}
    return [NewQuestion(stem=stem.format(*[n] * 5), options=options, target="A", source=_SET) for n in range(number)]


def _keep(services: Services, questions: list[NewQuestion]) -> None:
    services.database.write_now(lambda s: QuestionSetRepository(s).add(_SET, "made-up", "m1", "", questions))


async def measure(options: argparse.Namespace, engine: str, home: Path) -> Outcome:
    """Plan and run the benchmark."""
    settings = Settings(home=home, engine=EngineChoice.REMOTE, engine_url=engine, model=MODEL)
    services = build_services(settings)
    try:
        await asyncio.to_thread(_keep, services, _questions(options.questions))
        recipe = BenchmarkRecipe(
            question_sets=(_SET,),
            budgets=tuple(options.budgets),
            answer_cap_tokens=options.answer_cap,
            asks_probabilities=options.option_probabilities,
            in_flight=options.in_flight,
        )
        planned = await services.benchmarks.plan(recipe)
        before, sent, memory = time.process_time(), await asyncio.to_thread(tokens_sent, engine), _MemoryByQuarter()
        began = time.monotonic()
        run = await services.benchmarks.run(planned.id, on_progress=memory)
        seconds, cpu = time.monotonic() - began, time.process_time() - before
        if run.items_failed:
            raise RuntimeError(f"{run.items_failed} questions failed")
        tokens = await asyncio.to_thread(tokens_sent, engine) - sent
        rate = options.in_flight * options.tokens_per_second
        return Outcome(options.questions, options.in_flight, seconds, tokens, cpu, tuple(memory.mib), rate)
    finally:
        await services.aclose()


def main() -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--questions", type=int, default=512)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--tokens-per-second", type=float, default=50.0, help="for each request")
    parser.add_argument("--budgets", type=int, nargs="+", default=[128, 256, 512, 1024, 2048])
    parser.add_argument("--answer-cap", type=int, default=64)
    parser.add_argument("--option-probabilities", action="store_true")
    parser.add_argument("--home", type=Path, help="keep the run in the database of this folder, which the app may use")
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    with (
        tempfile.TemporaryDirectory(prefix="m1-throughput-") as home,
        steady_engine(options.tokens_per_second) as engine,
    ):
        outcome = asyncio.run(measure(options, engine, options.home or Path(home)))
    is_met = outcome.rate >= TARGET_RATIO * outcome.engine_rate and outcome.ms_per_token <= TARGET_MS
    row: report.Row = {
        "questions": outcome.questions,
        "in flight": outcome.in_flight,
        "tokens": f"{outcome.tokens:,}",
        "tok/s": f"{outcome.rate:,.0f}",
        "of the engine's": f"{outcome.rate / outcome.engine_rate:.2f}",
        "ms/token": f"{outcome.ms_per_token:.4f}",
        "MiB before, at each quarter": ", ".join(f"{mib:.0f}" for mib in outcome.mib),
        "most MiB": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}",
        "targets": "met" if is_met else "MISSED",
    }
    text = "\n".join([report.describe(before), report.table([row])])
    report.emit({"before": before, **asdict(outcome)}, text, as_json=options.json)
    return 0 if is_met else 1


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
