"""What a strategy costs on top of its engine: `python -m benchmarks.strategy_overhead`.

Each strategy runs through the live driver on an engine that gives every stream the same rate. Then the same requests
are sent raw over HTTP, in the same order and as much at once: one that followed another follows it again, the others
start when they started. The two take turns, so that whatever else the machine does falls on both.

Then the embedded engine, with one slot: a thinking is cancelled once its tokens flow, and its slot has to be free soon.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx2

from benchmarks import report
from benchmarks.engine_under_test import engine_under_test
from m1app.bootstrap import build_services
from m1app.strategies.catalogue import Choice, parse
from m1app.strategies.drivers.driver import Driver
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.served_models import ServedModel
from m1app.strategies.protocol import Cancel, Grew, Start, Strategy, Task, Think, Verdict
from models.engine import wire as engine_wire
from models.engine.endpoint import Endpoint
from models.engine.protocol import ChatMessage, CompletionChunk, CompletionRequest, Engine, EngineInfo, TokenIds
from models.profiles import load_profiles
from models.thinking.prompting import bind_markers, build_prompt

TARGET_OVERHEAD = 0.03
TARGET_CANCEL_SECONDS = 0.2
_STRATEGIES = "budget-forcing,vote:k=8,weighted-vote:k=32,first-finish:n=8,dynasor:agree=64"
"""Dynasor's looks never agree, so that it asks for all of them."""
_OPTIONS = {"A": "iron", "B": "zinc", "C": "copper", "D": "iodine"}
_QUESTION = "A made-up patient has a made-up complaint. Which is the likeliest cause?\n" + "\n".join(
    f"{letter}. {text}" for letter, text in _OPTIONS.items()
)
_FREE_SECONDS = 10.0
"""Longest wait for a slot."""


@dataclass(slots=True)
class Sent:
    """A request that a strategy made."""

    request: CompletionRequest
    began: float
    """Seconds after the strategy's beginning."""
    ended: float = 0.0


class RecordingEngine:
    """Implements `Engine` over another engine, and keeps the requests."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._origin = time.monotonic()
        self.sent: list[Sent] = []

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        """See `Engine.stream`."""
        sent = Sent(request, time.monotonic() - self._origin)
        self.sent.append(sent)
        try:
            async with aclosing(self._engine.stream(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            sent.ended = time.monotonic() - self._origin

    async def describe(self) -> EngineInfo:
        """See `Engine.describe`."""
        return await self._engine.describe()

    async def tokenize(self, text: str, *, parse_special: bool) -> TokenIds:
        """See `Engine.tokenize`."""
        return await self._engine.tokenize(text, parse_special=parse_special)

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """See `Engine.detokenize`."""
        return await self._engine.detokenize(token_ids)

    async def apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        """See `Engine.apply_chat_template`."""
        return await self._engine.apply_chat_template(messages)

    async def aclose(self) -> None:
        """Does nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How the engine is asked: everything that is found out before anything is measured."""

    engine: Engine
    endpoint: Endpoint
    info: EngineInfo
    model: ServedModel
    question_ids: TokenIds

    async def served(self, model: str) -> ServedModel:
        """See `served_models.Models`."""
        return self.model


async def prepare(engine: Engine, endpoint: Endpoint) -> Asked:
    """Find out what requests need."""
    info, profile = await engine.describe(), load_profiles().get("m1")
    markers = await bind_markers(engine, profile)
    prompt = await build_prompt(engine, profile, "", _QUESTION)
    model = ServedModel(info.model, engine, info, profile, markers, "")
    return Asked(engine, endpoint, info, model, prompt.token_ids)


@dataclass(slots=True)
class Comparison:
    """All turns of one strategy; ratios are of the driver's seconds to the raw ones of the same turn."""

    strategy: str
    requests: int = 0
    tokens: int = 0
    ours: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    our_cpu_ms: list[float] = field(default_factory=list)
    """Processor time of this process for each token."""
    raw_cpu_ms: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Of the driver's seconds to the raw ones, by turn."""
        return [ours / raw for ours, raw in zip(self.ours, self.raw, strict=True)]

    @property
    def is_met(self) -> bool:
        """Whether the median's overhead is within the target."""
        return report.middle(self.ratios) <= 1 + TARGET_OVERHEAD

    def row(self) -> report.Row:
        """The line of the table."""
        return {
            "strategy": self.strategy,
            "requests": self.requests,
            "tokens": self.tokens,
            "raw s": report.middle(self.raw),
            "ours s": report.middle(self.ours),
            "ratio": report.middle(self.ratios),
            "(middle half)": report.spread(self.ratios),
            "cpu ms/token": f"{report.middle(self.raw_cpu_ms):.2f} -> {report.middle(self.our_cpu_ms):.2f}",
            "target": "met" if self.is_met else "MISSED",
        }


async def through_driver(asked: Asked, choice: Choice, options: argparse.Namespace) -> tuple[list[Sent], int]:
    """Run a strategy; return its requests and the tokens that it generated."""
    recording = RecordingEngine(asked.engine)
    model = ServedModel("m", recording, asked.info, asked.model.profile, asked.model.markers, "")
    task = Task(
        stem=_QUESTION,
        options=_OPTIONS,
        prompt=_QUESTION,
        budget_tokens=1_000_000,
        answer_cap_tokens=options.answer_cap,
        thinking_tokens=options.tokens,
    )
    ledger = Ledger(task.budget_tokens)
    served = Asked(recording, asked.endpoint, asked.info, model, asked.question_ids)
    driver = Driver(choice.start(task), served, ledger, asked.question_ids, options=_OPTIONS, temperature=0.6)
    await driver.run()
    return recording.sent, ledger.costs.generated


async def raw(client: httpx2.AsyncClient, asked: Asked, sent: Sequence[Sent]) -> None:
    """Send the same requests."""
    over = [asyncio.Event() for _ in sent]
    began = time.monotonic()

    async def send(number: int) -> None:
        own = sent[number]
        before = _followed(sent, number)
        if before is None:
            await asyncio.sleep(max(0.0, own.began - (time.monotonic() - began)))
        else:
            await over[before].wait()
        body = engine_wire.request_body(own.request, asked.info.kind, asked.info.model)
        async with client.stream("POST", asked.endpoint.base_url + "/v1/completions", json=body) as response:
            response.raise_for_status()
            async for _ in response.aiter_raw():
                pass
        over[number].set()

    await asyncio.gather(*map(send, range(len(sent))))


def _followed(sent: Sequence[Sent], number: int) -> int | None:
    """The request that a request goes on from: the latest to have ended before it, with its prompt."""
    own = sent[number]
    found = [
        (each.ended, place)
        for place, each in enumerate(sent[:number])
        if each.ended <= own.began
        and each.request.seed == (own.request.seed if own.request.seed is not None else each.request.seed)
        and own.request.prompt_ids[: len(each.request.prompt_ids)] == each.request.prompt_ids
    ]
    return max(found)[1] if found else None


async def compare(asked: Asked, options: argparse.Namespace) -> list[Comparison]:
    """Run every strategy and its raw requests in turns."""
    found = []
    async with httpx2.AsyncClient(
        headers={"Connection": "close"}, limits=httpx2.Limits(max_connections=None), timeout=600, trust_env=False
    ) as client:
        for choice in parse(options.strategies):
            comparison = Comparison(choice.text)
            await through_driver(asked, choice, options)  # Does not count: modules load, and connections are made.
            for _ in range(options.turns):
                cpu, wall = time.process_time(), time.monotonic()
                sent, tokens = await through_driver(asked, choice, options)
                comparison.ours.append(time.monotonic() - wall)
                comparison.our_cpu_ms.append(1000 * (time.process_time() - cpu) / tokens)
                cpu, wall = time.process_time(), time.monotonic()
                await raw(client, asked, sent)
                comparison.raw.append(time.monotonic() - wall)
                comparison.raw_cpu_ms.append(1000 * (time.process_time() - cpu) / tokens)
                comparison.requests, comparison.tokens = len(sent), tokens
            found.append(comparison)
            sys.stderr.write("  ".join(f"{name}: {value}" for name, value in comparison.row().items()) + "\n")
    return found


def _cancelling(tokens: int, cancelled_at: list[float]) -> Strategy:
    """Cancel a thinking once it has `tokens` tokens."""
    # Rounds are forced so that a small model goes on.
    event = yield [Start(Think(key="pass/0", budget_tokens=900, seed=0, force_rounds=64))]
    while not (isinstance(event, Grew) and event.tokens >= tokens):
        event = yield []
    cancelled_at.append(time.monotonic())
    yield [Cancel("pass/0")]
    return Verdict(None, "", "")


async def cancel_seconds(asked: Asked, tries: int) -> list[float]:
    """How long a slot of the embedded engine stays busy after its thinking is cancelled, by try."""
    headers = {"Authorization": f"Bearer {asked.endpoint.api_key}"}
    found = []
    async with httpx2.AsyncClient(headers=headers, trust_env=False) as client:
        for number in range(tries):
            cancelled_at: list[float] = []
            driver = Driver(
                _cancelling(8 + number, cancelled_at),
                asked,
                Ledger(2_000),
                asked.question_ids,
                options=_OPTIONS,
                temperature=0.6,
            )
            running = asyncio.create_task(driver.run())
            while not cancelled_at:
                await asyncio.sleep(0.001)
                if running.done() and not cancelled_at:
                    raise RuntimeError("the model ended its thinking before it could be cancelled")
            await _until_free(client, asked.endpoint.base_url)
            found.append(time.monotonic() - cancelled_at[0])
            # Nothing is left to wait for, which the driver calls an error.
            await asyncio.gather(running, return_exceptions=True)
    return found


async def _until_free(client: httpx2.AsyncClient, url: str) -> None:
    async with asyncio.timeout(_FREE_SECONDS):
        while True:
            reply = await client.get(f"{url}/slots")
            slots: list[dict[str, Any]] = reply.raise_for_status().json()
            if not any(slot["is_processing"] for slot in slots):
                return
            await asyncio.sleep(0.005)


async def measure(options: argparse.Namespace) -> tuple[list[Comparison], list[float]]:
    """Both measurements."""
    with engine_under_test(64, 4096, 0, options.tokens_per_second) as steady:
        services = build_services(steady.settings)
        try:
            comparisons = await compare(await prepare(services.engines.engine(), steady.endpoint), options)
        finally:
            await services.aclose()
    if not options.cancels:
        return comparisons, []
    with engine_under_test(1, 2048, options.threads) as embedded:
        services = build_services(embedded.settings)
        try:
            seconds = await cancel_seconds(await prepare(services.engines.engine(), embedded.endpoint), options.cancels)
        finally:
            await services.aclose()
    return comparisons, seconds


def main() -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strategy_overhead", description=__doc__)
    parser.add_argument("--strategies", default=_STRATEGIES)
    parser.add_argument("--tokens", type=int, default=256, help="thinking budget of each pass")
    parser.add_argument("--answer-cap", type=int, default=16)
    parser.add_argument("--tokens-per-second", type=float, default=50.0, help="for each stream")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--cancels", type=int, default=10, help="tries on the embedded engine; 0 leaves it out")
    parser.add_argument("--threads", type=int, default=1, help="of the embedded engine")
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    comparisons, cancels = asyncio.run(measure(options))
    is_free = not cancels or report.middle(cancels) <= TARGET_CANCEL_SECONDS
    lines = [report.describe(before), report.table([each.row() for each in comparisons])]
    lines.append(f"target: at most {TARGET_OVERHEAD:.0%} more seconds than the raw requests")
    if cancels:
        lines.append(
            f"slot free after a cancellation: median {report.middle(cancels):.3f} s, longest {max(cancels):.3f} s of "
            f"{len(cancels)}; target {TARGET_CANCEL_SECONDS} s, {'met' if is_free else 'MISSED'}"
        )
    result = {"machine": before, "comparisons": [asdict(each) for each in comparisons], "cancel_seconds": cancels}
    report.emit(result, "\n".join(lines), as_json=options.json)
    return 0 if is_free and all(each.is_met for each in comparisons) else 1


if __name__ == "__main__":
    raise SystemExit(main())
