"""How much of the engine's rate a benchmark run gets: `python -m benchmarks.runner`.

Runs questions of the shipped library through the whole service, then sends the same requests (same token ids, same
lengths: thinking, answers, option probabilities) raw over HTTP, as many questions at once, in turns. The raw side gets
the most out of the engine: it waits for nothing, stores nothing and reads no tokens.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from benchmarks import report
from benchmarks.engine_under_test import engine_under_test
from benchmarks.raw_client import RawClient
from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.bootstrap import Services, build_services
from m1app.question.library import load_library
from m1app.runs.sweep_reading import SweepSnapshot
from models.engine import wire as engine_wire
from models.engine.protocol import CompletionRequest
from models.thinking.budget_forcing import ThinkingFinish, closing
from models.thinking.option_probabilities import TOP_LOGPROBS
from models.thinking.prompting import bind_markers
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion

TARGET_RATIO = 0.95
_SET = "library"


@dataclass(slots=True)
class Outcome:
    """All turns; tokens per second of the whole, ours and raw."""

    questions: int
    in_flight: int
    our_rates: list[float] = field(default_factory=list)
    raw_rates: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Of ours to raw, the middle of the turns."""
        return report.middle([ours / raw for ours, raw in zip(self.our_rates, self.raw_rates, strict=True)])


async def _ours(services: Services, recipe: BenchmarkRecipe) -> tuple[float, str]:
    run = await services.benchmarks.plan(recipe)
    began = time.monotonic()
    run = await services.benchmarks.run(run.id)
    seconds = time.monotonic() - began
    if run.items_failed:
        raise RuntimeError(f"{run.items_failed} questions failed")
    return run.tokens_generated / seconds, run.id


async def _bodies(services: Services, snapshot: SweepSnapshot) -> list[dict[str, Any]]:
    """The requests that a question made, in their order."""
    engine = services.engines.engine()
    info = await engine.describe()
    (only,) = snapshot.passes
    markers = await bind_markers(engine, services.profiles.get(only.trace.profile))
    base = only.trace.prompt_token_ids + markers.opening.token_ids
    thinking = sum((part.token_ids for part in only.trace.segments), ())
    requests = [CompletionRequest(base, len(thinking), stop_token_ids=markers.stop_token_ids, is_fresh=True)]
    for kept in only.checkpoints:
        before, finish = thinking[: kept.cut_tokens], ThinkingFinish(kept.thinking_finish_reason.value)
        ends_line = (await engine.detokenize(before[-1:])).endswith("\n")
        so_far = base + before + closing(markers, finish, ends_line=ends_line).token_ids
        answer = CompletionRequest(so_far, kept.token_count, stop_token_ids=markers.answer_stop_token_ids)
        option = CompletionRequest(so_far + markers.option_prefix.token_ids, 1, top_logprobs=TOP_LOGPROBS)
        requests += [answer, option]
    body = partial(engine_wire.request_body, kind=info.kind, model=info.model)
    return [body(each) for each in requests]


async def _raw(client: RawClient, questions: Sequence[Sequence[dict[str, Any]]], in_flight: int) -> float:
    room = asyncio.Semaphore(in_flight)

    async def ask(bodies: Sequence[dict[str, Any]]) -> int:
        async with room:
            return sum([(await client.run(body)).tokens for body in bodies])

    began = time.monotonic()
    tokens = sum(await asyncio.gather(*map(ask, questions)))
    return tokens / (time.monotonic() - began)


async def measure(options: argparse.Namespace) -> Outcome:
    """All turns."""
    with engine_under_test(options.in_flight, options.context, options.threads) as engine:
        services, client = build_services(engine.settings), RawClient(engine.endpoint)
        try:
            asked = [
                NewQuestion(stem=each.question, options=each.options, target=each.target, source=_SET)
                for each in load_library()
                if each.options
            ][: options.questions]
            with services.database.session() as session:
                QuestionSetRepository(session).add(_SET, "library.toml", "m1", "", asked)
            recipe = BenchmarkRecipe(
                question_sets=(_SET,),
                budgets=(options.budget,),
                answer_cap_tokens=options.answer_cap,
                in_flight=options.in_flight,
            )
            outcome = Outcome(len(asked), options.in_flight)
            _, run_id = await _ours(services, recipe)  # also warms the engine up
            page = await services.benchmark_reading.table(run_id)
            snapshots = [await services.sweeps.get(item_id) for item_id in dict.fromkeys(page["sweep_id"])]
            bodies = [await _bodies(services, each) for each in snapshots]
            for _ in range(options.turns):
                outcome.raw_rates.append(await _raw(client, bodies, options.in_flight))
                outcome.our_rates.append((await _ours(services, recipe))[0])
                sys.stderr.write(f"raw {outcome.raw_rates[-1]:.1f}, ours {outcome.our_rates[-1]:.1f} tokens/s\n")
            return outcome
        finally:
            await client.aclose()
            await services.aclose()


def main() -> int:
    """Measure and print; return 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runner", description=__doc__)
    parser.add_argument("--questions", type=int, default=16)
    parser.add_argument("--in-flight", type=int, default=4, help="questions at once; also the embedded engine's slots")
    parser.add_argument("--budget", type=int, default=96)
    parser.add_argument("--answer-cap", type=int, default=16)
    parser.add_argument("--turns", type=int, default=3)
    spare = max(1, (os.cpu_count() or 2) - 1)
    parser.add_argument("--threads", type=int, default=spare, help="of the embedded engine; all cores but one")
    parser.add_argument("--context", type=int, default=1024, help="tokens for each request of the embedded engine")
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    outcome = asyncio.run(measure(options))
    row: report.Row = {
        "questions": outcome.questions,
        "in flight": outcome.in_flight,
        "raw tok/s": f"{report.middle(outcome.raw_rates):.1f}",
        "ours tok/s": f"{report.middle(outcome.our_rates):.1f}",
        "ratio": outcome.ratio,
        "target": "met" if outcome.ratio >= TARGET_RATIO else "MISSED",
    }
    text = "\n".join([report.describe(before), report.table([row]), f"target: ratio >= {TARGET_RATIO}"])
    report.emit({"before": before, **asdict(outcome), "ratio": outcome.ratio}, text, as_json=options.json)
    return 0 if outcome.ratio >= TARGET_RATIO else 1


if __name__ == "__main__":
    raise SystemExit(main())
