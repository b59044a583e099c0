"""What guessing tokens from earlier ones saves, and whether it changes any: `python -m benchmarks.speculation`.

Two engines of one model, one with `M1_SPECULATION=ngram`, get the same questions in turns through the whole service,
greedy, so that whatever else the machine does falls on both. With `M1_ENGINE=vllm M1_MODEL=FOLDER` they are vLLM's.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Literal

from benchmarks import report
from benchmarks.app_process import weights_directory
from m1app.bootstrap import Services, build_services
from m1app.question.library import load_library
from m1app.runs.probe_request import ProbeRequest
from m1app.settings import load_settings
from models.engine.protocol import TokenIds

_START_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One trace."""

    seconds: float
    processor_seconds: float
    """Of the engines' processes; less touched by what else the machine does."""
    token_ids: TokenIds
    """Of thinking and answer."""


@dataclass(slots=True)
class Outcome:
    """All questions, without and with guessing; a list's entries are in the order of the questions."""

    plain_seconds: list[float] = field(default_factory=list)
    guessing_seconds: list[float] = field(default_factory=list)
    plain_processor_seconds: list[float] = field(default_factory=list)
    guessing_processor_seconds: list[float] = field(default_factory=list)
    plain_tokens: list[int] = field(default_factory=list)
    guessing_tokens: list[int] = field(default_factory=list)
    equal_tokens: list[int] = field(default_factory=list)
    """From the beginning of each trace."""

    def add(self, plain: Asked, guessing: Asked) -> None:
        """Take one question."""
        self.plain_seconds.append(plain.seconds)
        self.guessing_seconds.append(guessing.seconds)
        self.plain_processor_seconds.append(plain.processor_seconds)
        self.guessing_processor_seconds.append(guessing.processor_seconds)
        self.plain_tokens.append(len(plain.token_ids))
        self.guessing_tokens.append(len(guessing.token_ids))
        pairs = zip(plain.token_ids, guessing.token_ids, strict=False)
        self.equal_tokens.append(sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)))

    @property
    def equal_traces(self) -> int:
        """Traces of which every token is the same."""
        both = zip(self.plain_tokens, self.guessing_tokens, self.equal_tokens, strict=True)
        return sum(plain == guessing == equal for plain, guessing, equal in both)

    def ratio(self, plain: Sequence[float], guessing: Sequence[float]) -> float:
        """Of what a token takes with guessing to what it takes without: the middle of the questions."""
        tokens = zip(plain, self.plain_tokens, guessing, self.guessing_tokens, strict=True)
        return report.middle([(g / g_tokens) / (p / p_tokens) for p, p_tokens, g, g_tokens in tokens])


def _services(home: Path, speculation: Literal["", "ngram"], options: argparse.Namespace) -> Services:
    """An app with an engine of its own, which is being started."""
    home.mkdir()
    (home / "models").symlink_to(weights_directory())
    changes = {"home": home, "speculation": speculation, "context_length": options.context, "parallel_requests": 1}
    services = build_services(load_settings().model_copy(update=changes))
    services.engines.start()
    return services


def _processor_seconds() -> float:
    """Of all processes below this one."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # It has ended.
            number, fields = int(path.parent.name), path.read_text().rpartition(")")[2].split()
            parents[number], ticks[number] = int(fields[1]), int(fields[11]) + int(fields[12])

    def is_ours(number: int) -> bool:
        parent = parents.get(number, 0)
        return parent == os.getpid() or (parent > 1 and is_ours(parent))

    return sum(spent for number, spent in ticks.items() if is_ours(number)) / os.sysconf("SC_CLK_TCK")


async def _ask(services: Services, request: ProbeRequest) -> Asked:
    began, spent = time.monotonic(), await asyncio.to_thread(_processor_seconds)
    trace = await services.probe.start(request)
    async for snapshot in services.probe.follow(trace.id):
        trace = snapshot
    if trace.error:
        raise RuntimeError(f"a probe failed: {trace.error}")
    seconds, spent = time.monotonic() - began, await asyncio.to_thread(_processor_seconds) - spent
    return Asked(seconds, spent, sum((segment.token_ids for segment in trace.segments), ()))


def _requests(options: argparse.Namespace) -> list[ProbeRequest]:
    return [
        ProbeRequest(
            stem=question.question,
            options=question.options,
            thinking_budget_tokens=options.budget,
            force_rounds=options.force_rounds,
            answer_cap_tokens=options.answer_cap,
        )
        for question in load_library()[: options.questions]
    ]


async def compare(plain: Services, guessing: Services, requests: Sequence[ProbeRequest]) -> Outcome:
    """Ask both; which goes first changes from question to question."""
    outcome = Outcome()
    for services in (plain, guessing):
        await asyncio.to_thread(services.engines.wait_ready, _START_SECONDS)
        await _ask(services, requests[-1])  # The first request of an engine is slow.
    for number, request in enumerate(requests):
        if number % 2:
            second, first = await _ask(guessing, request), await _ask(plain, request)
        else:
            first, second = await _ask(plain, request), await _ask(guessing, request)
        outcome.add(first, second)
        sys.stderr.write(
            f"{number + 1}/{len(requests)}: {len(first.token_ids)} tokens in {first.seconds:.1f} s, guessing "
            f"{second.seconds:.1f} s, {outcome.equal_tokens[-1]} equal; processor {first.processor_seconds:.1f} and "
            f"{second.processor_seconds:.1f} s\n"
        )
    return outcome


async def measure(options: argparse.Namespace) -> Outcome:
    """Both engines in temporary homes."""
    with tempfile.TemporaryDirectory(prefix="m1-speculation-") as folder:
        plain = _services(Path(folder, "plain"), "", options)
        guessing = _services(Path(folder, "guessing"), "" if options.control else "ngram", options)
        try:
            return await compare(plain, guessing, _requests(options))
        finally:
            await plain.aclose()
            await guessing.aclose()


def main() -> int:
    """Measure and print; there is no target, so this returns 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speculation", description=__doc__)
    parser.add_argument("--questions", type=int, default=12)
    parser.add_argument("--budget", type=int, default=512, help="thinking tokens")
    parser.add_argument("--force-rounds", type=int, default=2)
    parser.add_argument("--answer-cap", type=int, default=128)
    parser.add_argument("--context", type=int, default=2048, help="tokens of the embedded engine")
    parser.add_argument("--control", action="store_true", help="neither guesses: how equal are two engines alike?")
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    outcome = asyncio.run(measure(options))
    wall = outcome.ratio(outcome.plain_seconds, outcome.guessing_seconds)
    processor = outcome.ratio(outcome.plain_processor_seconds, outcome.guessing_processor_seconds)
    row: report.Row = {
        "traces": len(outcome.plain_tokens),
        "tokens": f"{sum(outcome.plain_tokens):,}, {sum(outcome.guessing_tokens):,}",
        "seconds": f"{sum(outcome.plain_seconds):.1f}, {sum(outcome.guessing_seconds):.1f}",
        "ratio": f"{wall:.2f}",
        "of processor time": f"{processor:.2f}",
        "equal traces": outcome.equal_traces,
        "equal tokens": f"{sum(outcome.equal_tokens):,}",
    }
    text = "\n".join([report.describe(before), "without and with guessing:", report.table([row])])
    report.emit({"before": before, **asdict(outcome)}, text, as_json=options.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
