"""What the app costs on top of its engine: `python -m benchmarks.overhead`.

Sends the same thinking requests (same token ids, same parameters) through the whole service (question and trace
stored, saver, controller, parser, a follower) and raw over HTTP, in turns, so that whatever else the machine does
falls on both. Streams start a quarter of a second apart, as people do. Only the thinking is compared; its answer is
capped at one token.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from benchmarks import report
from benchmarks.engine_under_test import engine_under_test
from benchmarks.raw_client import RawClient, Timing
from m1app.bootstrap import Services, build_services
from m1app.question.library import load_library
from m1app.runs.probe_request import ProbeRequest
from models.engine import wire as engine_wire
from models.engine.protocol import CompletionRequest
from models.thinking.prompting import bind_markers
from storage.traces.records import SegmentKind, Trace

TARGET_RATE_RATIO = 0.97
TARGET_FIRST_TOKEN_SECONDS = 0.020
_ANSWER_CAP_TOKENS = 1
_LEAST_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, once for the service and once as the raw request that the service makes of it."""

    request: ProbeRequest
    body: dict[str, Any]
    answer_body: dict[str, Any]
    """The one answer token that follows the thinking, so that the engine has the same work on both sides."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a turn: its streams, and the processor time that this process spent on all of them."""

    timings: Sequence[Timing]
    cpu_seconds: float

    @property
    def cpu_ms_per_token(self) -> float:
        """Hardly touched by what else runs on the machine."""
        return 1000 * self.cpu_seconds / sum(timing.tokens for timing in self.timings)


@dataclass(slots=True)
class Comparison:
    """All turns at one number of streams; ratios are of ours to raw in the same turn."""

    streams: int
    tokens: int
    turns: int = 0
    turns_left_out: int = 0
    """In which the streams of a side stopped so early that they generated less than `_LEAST_SHARE` of the tokens."""
    our_rates: list[float] = field(default_factory=list)
    raw_rates: list[float] = field(default_factory=list)
    rate_ratios: list[float] = field(default_factory=list)
    decode_ratios: list[float] = field(default_factory=list)
    our_first_seconds: list[float] = field(default_factory=list)
    raw_first_seconds: list[float] = field(default_factory=list)
    first_extra_seconds: list[float] = field(default_factory=list)
    """Median over the streams of a turn, ours less raw, to the token's arrival in the live trace."""
    seen_extra_seconds: list[float] = field(default_factory=list)
    """The same to the first snapshot that a follower was given."""
    our_cpu_ms: list[float] = field(default_factory=list)
    """Processor time of this process for each token."""
    raw_cpu_ms: list[float] = field(default_factory=list)

    def add(self, our_side: Side, raw_side: Side) -> None:
        """Take one turn."""
        self.turns += 1
        ours, raw = our_side.timings, raw_side.timings
        least = _LEAST_SHARE * self.tokens * self.streams
        if any(sum(timing.tokens for timing in side) < least for side in (ours, raw)):
            self.turns_left_out += 1
            return
        self.our_cpu_ms.append(our_side.cpu_ms_per_token)
        self.raw_cpu_ms.append(raw_side.cpu_ms_per_token)
        self.our_rates.append(_rate(ours))
        self.raw_rates.append(_rate(raw))
        self.rate_ratios.append(_rate(ours) / _rate(raw))
        self.decode_ratios.append(sum(t.decode_rate for t in ours) / sum(t.decode_rate for t in raw))
        raw_first = report.middle([t.first_token_at - t.started_at for t in raw])
        our_first = report.middle([t.first_token_at - t.started_at for t in ours])
        our_seen = report.middle([t.first_seen_at - t.started_at for t in ours])
        self.our_first_seconds.append(our_first)
        self.raw_first_seconds.append(raw_first)
        self.first_extra_seconds.append(our_first - raw_first)
        self.seen_extra_seconds.append(our_seen - raw_first)

    def row(self) -> report.Row:
        """The line of the table."""
        return {
            "streams": self.streams,
            "turns": f"{self.turns - self.turns_left_out}/{self.turns}",
            "raw tok/s": f"{report.middle(self.raw_rates):.1f}",
            "ours tok/s": f"{report.middle(self.our_rates):.1f}",
            "rate ratio": report.middle(self.rate_ratios),
            "(middle half)": report.spread(self.rate_ratios),
            "decode ratio": report.middle(self.decode_ratios),
            "cpu ms/token": f"{report.middle(self.raw_cpu_ms):.2f} -> {report.middle(self.our_cpu_ms):.2f}",
            "raw first ms": f"{1000 * report.middle(self.raw_first_seconds):.0f}",
            "extra ms": f"{1000 * report.middle(self.first_extra_seconds):+.1f}",
            "followed extra ms": f"{1000 * report.middle(self.seen_extra_seconds):+.1f}",
            "targets": "met" if self.is_met else "MISSED",
        }

    @property
    def is_met(self) -> bool:
        """Whether both targets hold at the median."""
        has_rate = report.middle(self.rate_ratios) >= TARGET_RATE_RATIO
        return has_rate and report.middle(self.seen_extra_seconds) <= TARGET_FIRST_TOKEN_SECONDS


async def through_service(services: Services, request: ProbeRequest) -> Timing:
    """Ask through the service, as a page does, and follow the trace until it is over."""
    started_at = time.monotonic()
    trace = await services.probe.start(request)
    # The service counts from here; a snapshot tells how long ago that is.
    origin = time.monotonic() - (trace.seconds or 0.0)
    seen_at = 0.0
    async for snapshot in services.probe.follow(trace.id):
        trace = snapshot
        if not seen_at and trace.tokens_generated:
            seen_at = time.monotonic()
    thinking = trace.segments[0]
    if trace.error or trace.time_to_first_token_seconds is None or thinking.seconds is None:
        raise RuntimeError(f"a probe failed: {trace.error or 'no token'}")
    first_token_at = origin + trace.time_to_first_token_seconds
    return Timing(
        started_at=started_at,
        first_token_at=first_token_at,
        # A segment's seconds count from its first token.
        ended_at=first_token_at + thinking.seconds,
        tokens=thinking.token_count,
        first_seen_at=seen_at,
    )


def _rate(timings: Sequence[Timing]) -> float:
    """Tokens per second of all streams together, from the first request to the end of the last thinking."""
    seconds = max(t.ended_at for t in timings) - min(t.started_at for t in timings)
    return sum(t.tokens for t in timings) / seconds


async def _pairs(services: Services, client: RawClient, wanted: int, tokens: int) -> list[Pair]:
    """Questions of the library over which the model thinks for the whole budget; each is asked once on the way."""
    found: list[Pair] = []
    questions = iter(load_library())
    while len(found) < wanted:
        batch = [question for _, question in zip(range(wanted - len(found)), questions, strict=False)]
        if not batch:
            raise RuntimeError(f"only {len(found)} of {wanted} questions make the model think for {tokens} tokens")
        requests = [
            ProbeRequest(stem=q.question, thinking_budget_tokens=tokens, answer_cap_tokens=_ANSWER_CAP_TOKENS)
            for q in batch
        ]
        traces = await asyncio.gather(*(_traced(services, request) for request in requests))
        pairs = [Pair(r, *await _raw_bodies(services, t)) for r, t in zip(requests, traces, strict=True) if _is_full(t)]
        timings = await asyncio.gather(*(client.run(pair.body) for pair in pairs))
        found += [pair for pair, timing in zip(pairs, timings, strict=True) if timing.tokens == tokens]
    return found


def _is_full(trace: Trace) -> bool:
    first = trace.segments[0]
    return first.kind is SegmentKind.THINK and first.token_count == trace.thinking_budget_tokens


async def _traced(services: Services, request: ProbeRequest) -> Trace:
    trace = await services.probe.start(request)
    async for snapshot in services.probe.follow(trace.id):
        trace = snapshot
    if trace.error:
        raise RuntimeError(f"a probe failed: {trace.error}")
    return trace


async def _raw_bodies(services: Services, trace: Trace) -> tuple[dict[str, Any], dict[str, Any]]:
    engine = services.engines.engine()
    info = await engine.describe()
    markers = await bind_markers(engine, services.profiles.get(trace.profile))
    prompt = trace.prompt_token_ids + markers.opening.token_ids
    thinking = CompletionRequest(
        prompt, trace.thinking_budget_tokens, stop_token_ids=markers.stop_token_ids, is_fresh=True
    )
    so_far = prompt + trace.segments[0].token_ids + markers.overrun_close.token_ids
    answer = CompletionRequest(so_far, _ANSWER_CAP_TOKENS, stop_token_ids=markers.answer_stop_token_ids)
    body = partial(engine_wire.request_body, kind=info.kind, model=info.model)
    return body(thinking), body(answer)


async def _raw(client: RawClient, pair: Pair) -> Timing:
    thinking = await client.run(pair.body)
    await client.run(pair.answer_body)
    return thinking


async def compare(
    services: Services, client: RawClient, pairs: Sequence[Pair], comparison: Comparison, turns: int, gap_seconds: float
) -> None:
    """Run both sides `turns` times; which goes first changes from turn to turn."""
    chosen = pairs[: comparison.streams]

    async def apart(streams: Iterable[Awaitable[Timing]]) -> list[Timing]:
        async def delayed(number: int, stream: Awaitable[Timing]) -> Timing:
            await asyncio.sleep(number * gap_seconds)
            return await stream

        return await asyncio.gather(*(delayed(number, stream) for number, stream in enumerate(streams)))

    async def ours() -> Side:
        began = time.process_time()
        timings = await apart(through_service(services, pair.request) for pair in chosen)
        while services.probe.running:  # noqa: ASYNC110 - the runs end with a write, no part of what is measured
            await asyncio.sleep(0.01)
        return Side(timings, time.process_time() - began)

    async def raw() -> Side:
        began = time.process_time()
        timings = await apart(_raw(client, pair) for pair in chosen)
        return Side(timings, time.process_time() - began)

    for turn in range(turns):
        if turn % 2:
            raw_side, our_side = await raw(), await ours()
        else:
            our_side, raw_side = await ours(), await raw()
        comparison.add(our_side, raw_side)


async def measure(options: argparse.Namespace) -> list[Comparison]:
    """All comparisons, one per number of streams."""
    comparisons = [Comparison(streams, options.tokens) for streams in options.streams]
    parallel, rate = max(options.streams), options.tokens_per_second
    with engine_under_test(parallel, options.context, options.threads, rate) as engine:
        services, client = build_services(engine.settings), RawClient(engine.endpoint)
        try:
            pairs = await _pairs(services, client, max(options.streams), options.tokens)
            for comparison in comparisons:
                turns = options.turns if comparison.streams > 1 else 2 * options.turns
                await compare(services, client, pairs, comparison, turns, options.gap_ms / 1000)
                sys.stderr.write("  ".join(f"{name}: {value}" for name, value in comparison.row().items()) + "\n")
        finally:
            await client.aclose()
            await services.aclose()
    return comparisons


def main() -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--tokens", type=int, default=192, help="thinking budget of each request")
    parser.add_argument("--turns", type=int, default=5, help="pairs of runs; twice as many at one stream")
    parser.add_argument("--gap-ms", type=float, default=250, help="between two streams' starts; 0 starts all at once")
    spare = max(1, (os.cpu_count() or 2) - 1)
    parser.add_argument("--threads", type=int, default=spare, help="of the embedded engine; all cores but one")
    parser.add_argument("--context", type=int, default=1024, help="tokens for each request of the embedded engine")
    parser.add_argument(
        "--tokens-per-second", type=float, default=0.0, help="instead, an engine that gives each stream this rate"
    )
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    comparisons = asyncio.run(measure(options))
    after = report.machine()
    text = "\n".join(
        [
            report.describe(before),
            report.table([comparison.row() for comparison in comparisons]),
            f"targets: rate ratio >= {TARGET_RATE_RATIO}, first token followed at most "
            f"{1000 * TARGET_FIRST_TOKEN_SECONDS:.0f} ms later; load average at the end "
            + " ".join(f"{load:.2f}" for load in after["load_average"]),
        ]
    )
    result = {"before": before, "after": after, "comparisons": [asdict(comparison) for comparison in comparisons]}
    report.emit(result, text, as_json=options.json)
    return 0 if all(comparison.is_met for comparison in comparisons) else 1


if __name__ == "__main__":
    raise SystemExit(main())
