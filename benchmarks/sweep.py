"""One pass against separate runs of every cell: `python -m benchmarks.sweep`.

For each question the whole sweep service runs the grid once, and then every cell is run separately like in the
published code (budget as max_tokens, "Wait" appended at a stop below the budget, closed, answered), on the same engine
with the same settings. Reported are tokens, seconds, the engine's prefix-cache hits, and how many cells agree.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.engine_under_test import engine_under_test
from benchmarks.separate_runs import Cost, CountingEngine, SeparateRun, run_alone
from m1app.bootstrap import Services, build_services
from m1app.question.library import load_library
from m1app.runs.pass_plan import PassPlanner
from m1app.runs.sweep_reading import SweepSnapshot, cell_readings
from m1app.runs.sweep_request import SweepRequest
from m1app.runs.sweeps import SweepService
from models.engine.protocol import TokenIds
from models.thinking.sweep import Cell
from storage.traces.records import SegmentKind

TARGET_TOKENS, TARGET_SECONDS = 1.15, 1.25


class CountingEngines:
    """The app's engines, each counted."""

    def __init__(self, services: Services, cost: Cost) -> None:
        self._engines = services.engines
        self._cost = cost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engines, name)

    def engine(self, model: str = "") -> Any:
        """See `EngineService.engine`."""
        return CountingEngine(self._engines.engine(model), self._cost)


@dataclass(slots=True)
class Comparison:
    """All questions."""

    cells: int = 0
    same_thinking: int = 0
    same_answer: int = 0
    same_letter: int = 0
    differing: list[str] = field(default_factory=list)
    our_tokens: int = 0
    our_seconds: float = 0.0
    separate_tokens: int = 0
    separate_seconds: float = 0.0
    largest_tokens: int = 0
    """Of the largest run's thinking and one answer for each distinct cut."""
    largest_seconds: float = 0.0
    our_cost: Cost = field(default_factory=Cost)
    separate_cost: Cost = field(default_factory=Cost)

    @property
    def token_ratio(self) -> float:
        """Ours to the single largest run plus its answers."""
        return self.our_tokens / self.largest_tokens

    @property
    def seconds_ratio(self) -> float:
        """The same in wall time."""
        return self.our_seconds / self.largest_seconds

    @property
    def is_met(self) -> bool:
        """Whether both cost targets hold."""
        return self.token_ratio <= TARGET_TOKENS and self.seconds_ratio <= TARGET_SECONDS


async def compare(services: Services, requests: Sequence[SweepRequest]) -> Comparison:
    """Run every request both ways; which goes first changes from question to question."""
    found = Comparison()
    planner = PassPlanner(CountingEngines(services, found.our_cost), services.profiles)  # type: ignore[arg-type]
    sweeps = SweepService(planner, services.database)
    for number, request in enumerate(requests):
        if number % 2:
            alone = await _separately(services, request, found)
            swept = await _together(sweeps, request, found)
        else:
            swept = await _together(sweeps, request, found)
            alone = await _separately(services, request, found)
        _agree(found, swept, alone)
        sys.stderr.write(
            f"{number + 1}/{len(requests)}: {swept.sweep.tokens_generated} tokens {swept.sweep.seconds:.1f} s, "
            f"so far {found.same_answer}/{found.cells} cells agree\n"
        )
    return found


async def _together(sweeps: SweepService, request: SweepRequest, found: Comparison) -> SweepSnapshot:
    began = time.monotonic()
    snapshot = await sweeps.start(request)
    async with aclosing(sweeps.follow(snapshot.sweep.id)) as snapshots:
        async for shown in snapshots:
            snapshot = shown
    if snapshot.sweep.error:
        raise RuntimeError(f"a sweep failed: {snapshot.sweep.error}")
    found.our_seconds += time.monotonic() - began
    found.our_tokens += snapshot.sweep.tokens_generated
    return snapshot


async def _separately(services: Services, request: SweepRequest, found: Comparison) -> dict[Cell, SeparateRun]:
    plan = await PassPlanner(services.engines, services.profiles).plan(request.probe(""))
    began = time.monotonic()
    counted = CountingEngine(plan.engine, found.separate_cost)
    runs = {cell: await run_alone(plan, counted, cell) for cell in request.cells}
    found.separate_seconds += time.monotonic() - began
    found.separate_tokens += sum(run.thinking_generated + run.answer_generated for run in runs.values())
    largest = runs[max(request.cells)]
    distinct = {(run.thinking_ids, run.answer): run for run in runs.values()}.values()
    found.largest_tokens += largest.thinking_generated + sum(run.answer_generated for run in distinct)
    found.largest_seconds += largest.thinking_seconds + sum(run.answer_seconds for run in distinct)
    return runs


def _agree(found: Comparison, swept: SweepSnapshot, alone: dict[Cell, SeparateRun]) -> None:
    (run,) = swept.passes
    parts = [s.token_ids for s in run.trace.segments if s.kind in (SegmentKind.THINK, SegmentKind.WAIT)]
    thinking: TokenIds = sum(parts, ())
    for reading in cell_readings(swept, run):
        one, kept = alone[reading.cell], reading.checkpoint
        is_same = thinking[: reading.cut_tokens] == one.thinking_ids
        found.cells += 1
        found.same_thinking += is_same
        found.same_answer += is_same and kept is not None and kept.text == one.answer
        found.same_letter += kept is not None and kept.letter == one.letter
        if not (is_same and kept and kept.text == one.answer):
            pairs = zip(thinking, one.thinking_ids, strict=False)
            at = next((n for n, (a, b) in enumerate(pairs) if a != b), len(one.thinking_ids))
            where = "answer" if is_same else f"thinking from token {at}"
            found.differing.append(f"{swept.sweep.question.title}, {reading.cell}: {where}")


def _questions(options: argparse.Namespace) -> list[dict[str, Any]]:
    if options.questions:
        return [json.loads(line) for line in Path(options.questions).read_text(encoding="utf-8").splitlines() if line]
    return [
        {"question": q.question, "options": dict(q.options), "answer_idx": q.target, "title": q.title}
        for q in load_library()
        if q.options
    ]


async def measure(options: argparse.Namespace) -> Comparison:
    """Both ways on one engine."""
    requests = [
        SweepRequest(
            stem=content["question"],
            options=content.get("options") or {},
            target=content.get("answer_idx"),
            title=content.get("title", ""),
            budgets=tuple(options.budgets),
            force_rounds=tuple(options.force_rounds),
            answer_cap_tokens=options.answer_cap,
        )
        for content in _questions(options)[: options.limit]
    ]
    with engine_under_test(2, options.context, options.threads) as engine:
        services = build_services(engine.settings)
        try:
            return await compare(services, requests)
        finally:
            await services.aclose()


def main() -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("--questions", help="JSONL {question, options, answer_idx}; the library when left out")
    parser.add_argument("--limit", type=int, default=8, help="questions")
    parser.add_argument("--budgets", type=int, nargs="+", default=[16, 32, 64, 128, 256])
    parser.add_argument("--force-rounds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--answer-cap", type=int, default=24)
    parser.add_argument("--threads", type=int, default=0, help="of the embedded engine; 0 uses every core")
    parser.add_argument("--context", type=int, default=2048, help="tokens for each request of the embedded engine")
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    found = asyncio.run(measure(options))
    rows: list[report.Row] = [
        {
            "what": "tokens",
            "one pass": found.our_tokens,
            "separate runs": found.separate_tokens,
            "largest run + its answers": found.largest_tokens,
            "ratio to that": found.token_ratio,
        },
        {
            "what": "seconds",
            "one pass": f"{found.our_seconds:.1f}",
            "separate runs": f"{found.separate_seconds:.1f}",
            "largest run + its answers": f"{found.largest_seconds:.1f}",
            "ratio to that": found.seconds_ratio,
        },
        {
            "what": "prefix-cache hits",
            "one pass": f"{found.our_cost.hit_rate:.0%}",
            "separate runs": f"{found.separate_cost.hit_rate:.0%}",
            "largest run + its answers": "",
            "ratio to that": "",
        },
    ]
    text = "\n".join(
        [
            report.describe(before),
            report.table(rows),
            f"cells: {found.cells}; thinking and answer agree in {found.same_answer}, thinking in "
            f"{found.same_thinking}, the letter in {found.same_letter}",
            *(f"differs: {where}" for where in found.differing),
            f"targets: tokens <= {TARGET_TOKENS}, seconds <= {TARGET_SECONDS}: {'met' if found.is_met else 'MISSED'}",
        ]
    )
    report.emit({"before": before, **asdict(found)}, text, as_json=options.json)
    return 0 if found.is_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
