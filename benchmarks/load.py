"""Many people watch traces stream at once: `python -m benchmarks.load --clients 100 --minutes 20`.

Three processes: an engine that gives every stream the same rate, the app with an empty home, and the browsers' requests
(this one). Every client is a person of its own, whom a proxy names. Each opens a page, asks one probe after another,
follows it, and sends the header's ticks. Static files, which a browser keeps, are not loaded.
"""

import argparse
import asyncio
import os
import random
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx2

from benchmarks import report
from benchmarks.app_process import AppProcess, running_app
from benchmarks.browser_tab import Tab, Watched
from benchmarks.steady_engine import MODEL, steady_engine, tokens_sent
from m1app.question.library import load_library

TARGETS = {"frame gap p95": 0.5, "first frame p95": 2.0}
"""Seconds."""
TARGET_STALL_SECONDS = 0.2
TARGET_GROWTH_MIB_PER_HOUR = 30.0
_PATIENCE_SECONDS = 180.0
_HEADER, _TOKEN = "X-Remote-User", "load-test"
_ANSWER_CAP_TOKENS = 16
_SAMPLE_SECONDS = 5.0
_OWN_LAG_SECONDS = 0.05
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_LAG = re.compile(r'm1_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)')


@dataclass(frozen=True, slots=True)
class Sample:
    """The app's process at one moment."""

    seconds: float
    mib: float
    cpu_seconds: float
    waited_seconds: float
    """How long its threads were ready to run and had no processor: what other processes took."""


@dataclass(slots=True)
class Outcome:
    """Everything measured."""

    watched: list[Watched]
    samples: list[Sample] = field(default_factory=list)
    lag: dict[str, int] = field(default_factory=dict)
    """How often the app's loop was at most that many seconds late, of two measurements each second."""
    own_lag: list[float] = field(default_factory=list)
    """How late this process was, in seconds: it delays what it measures."""
    tokens: int = 0
    seconds: float = 0.0


async def measure(options: argparse.Namespace, app: AppProcess, engine: str) -> Outcome:
    """Let all clients ask until the time is over."""
    outcome = Outcome([Watched() for _ in range(options.clients)])
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=options.clients * 2)
    address = f"http://127.0.0.1:{app.port}"
    async with httpx2.AsyncClient(base_url=address, timeout=60.0, limits=limits, trust_env=False) as client:
        before, began, sent = await _lag(client), time.monotonic(), await asyncio.to_thread(tokens_sent, engine)
        watchers = [asyncio.create_task(_sample(app, outcome, began)), asyncio.create_task(_watch_own_loop(outcome))]
        persons = [
            asyncio.create_task(_person(client, number, watched, options, began))
            for number, watched in enumerate(outcome.watched)
        ]
        await asyncio.gather(*persons)
        for task in watchers:
            task.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        after = await _lag(client)
    outcome.seconds = time.monotonic() - began
    outcome.tokens = await asyncio.to_thread(tokens_sent, engine) - sent
    outcome.lag = {bound: after[bound] - before.get(bound, 0) for bound in after}
    return outcome


async def _person(
    client: httpx2.AsyncClient, number: int, watched: Watched, options: argparse.Namespace, began: float
) -> None:
    """Open a page at some moment of the ramp; ask until the time is over."""
    ends, chance, library = began + options.minutes * 60, random.Random(number), load_library()
    await asyncio.sleep(options.ramp_seconds * number / options.clients)
    tab = Tab(client, {_HEADER: f"person{number}"}, watched)
    asked = 0
    try:
        await tab.open()
        while time.monotonic() < ends:
            asked += 1
            # Numbered, so that each is a new question.
            text = f"{library[(number + asked) % len(library)].question} (Person {number}, question {asked}.)"
            try:
                await tab.ask(text, options.budget, _ANSWER_CAP_TOKENS)
            except (RuntimeError, TimeoutError, httpx2.HTTPError) as exc:
                watched.errors.append(f"ask: {exc!r}")
            await asyncio.sleep(chance.uniform(0.5, 2.0))
    except (RuntimeError, TimeoutError, httpx2.HTTPError) as exc:
        watched.errors.append(f"open: {exc!r}")
    finally:
        await tab.close()


async def _lag(client: httpx2.AsyncClient) -> dict[str, int]:
    """Counts by upper bound, each with those of the smaller ones."""
    answer = await client.get("/metrics", headers={"Authorization": f"Bearer {_TOKEN}"})
    return {bound: int(float(count)) for bound, count in _LAG.findall(answer.raise_for_status().text)}


async def _sample(app: AppProcess, outcome: Outcome, began: float) -> None:
    while True:
        cpu, waited = _processor_seconds(app.process.pid)
        sample = Sample(time.monotonic() - began, app.resident_mib(), cpu, waited)
        outcome.samples.append(sample)
        if len(outcome.samples) % 12 == 0:
            done = sum(each.completed for each in outcome.watched)
            errors = sum(len(each.errors) for each in outcome.watched)
            sys.stderr.write(f"{sample.seconds:.0f} s: {sample.mib:.0f} MiB, {done} probes, {errors} errors\n")
        await asyncio.sleep(_SAMPLE_SECONDS)


def _processor_seconds(pid: int) -> tuple[float, float]:
    """Processor time of the process, and the time its threads waited for a processor."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    waited = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            waited += int(task.read_text(encoding="ascii").split()[1])
        except OSError:
            continue  # The thread has ended.
    return (int(after_name[11]) + int(after_name[12])) / _TICKS_PER_SECOND, waited / 1e9


async def _watch_own_loop(outcome: Outcome) -> None:
    while True:
        planned = time.monotonic() + _OWN_LAG_SECONDS
        await asyncio.sleep(_OWN_LAG_SECONDS)
        outcome.own_lag.append(time.monotonic() - planned)


def summary(outcome: Outcome) -> dict[str, Any]:
    """The numbers that matter."""
    watched = outcome.watched
    gaps = [gap for each in watched for gap in each.frame_gaps]
    firsts = [first for each in watched for first in each.first_frames]
    of_clients = [_percentile(each.frame_gaps, 95) for each in watched if len(each.frame_gaps) > 20]
    lag = outcome.lag
    errors = [error for each in watched for error in each.errors]
    first, last = outcome.samples[0], outcome.samples[-1]
    return {
        "probes completed": sum(each.completed for each in watched),
        "errors": len(errors),
        "kinds of errors": sorted(set(errors))[:5],
        "frame gap p50": _percentile(gaps, 50),
        "frame gap p95": _percentile(gaps, 95),
        "frame gap p95 of the worst client": max(of_clients, default=float("nan")),
        "first frame p50": _percentile(firsts, 50),
        "first frame p95": _percentile(firsts, 95),
        "tick p95": _percentile([tick for each in watched for tick in each.ticks], 95),
        "page load p95": _percentile([load for each in watched for load in each.page_loads], 95),
        "frames/s": len(gaps) / outcome.seconds,
        "bytes/frame": sum(each.frame_bytes for each in watched) / max(1, len(gaps)),
        "engine tokens/s": outcome.tokens / outcome.seconds,
        "loop late by over 0.2 s": lag["+Inf"] - lag["0.2"],
        "loop late by over 0.5 s": lag["+Inf"] - lag["0.5"],
        "loop measured": lag["+Inf"],
        "app cores": (last.cpu_seconds - first.cpu_seconds) / (last.seconds - first.seconds),
        "app waited for a core, of its time": (last.waited_seconds - first.waited_seconds) / outcome.seconds,
        "this process late p95": _percentile(outcome.own_lag, 95),
        "RSS MiB": f"{first.mib:.0f} -> {last.mib:.0f}",
        "growth MiB/h": growth_per_hour(outcome.samples),
    }


def growth_per_hour(samples: Sequence[Sample]) -> float:
    """Slope of the memory over the second half, by least squares; nan for less than two minutes."""
    half = samples[len(samples) // 2 :]
    if half[-1].seconds - half[0].seconds < 60:
        return float("nan")
    times, sizes = [each.seconds / 3600 for each in half], [each.mib for each in half]
    middle, mean = sum(times) / len(half), sum(sizes) / len(half)
    above = sum((at - middle) * (size - mean) for at, size in zip(times, sizes, strict=True))
    return above / sum((at - middle) ** 2 for at in times)


def _percentile(values: Sequence[float], percent: int) -> float:
    if len(values) < 2:
        return values[0] if values else float("nan")
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def missed(found: Mapping[str, Any]) -> list[str]:
    """Targets that were not met."""
    late = [f"{name} {found[name]:.2f} s (at most {most})" for name, most in TARGETS.items() if not found[name] <= most]
    if found["loop late by over 0.2 s"]:
        late.append(f"{found['loop late by over 0.2 s']} stalls over {TARGET_STALL_SECONDS} s (none)")
    if found["growth MiB/h"] > TARGET_GROWTH_MIB_PER_HOUR:
        late.append(f"memory grows {found['growth MiB/h']:.0f} MiB/h (at most {TARGET_GROWTH_MIB_PER_HOUR:.0f})")
    return late + ([f"{found['errors']} errors (none)"] if found["errors"] else [])


def main() -> int:
    """Measure and print; return 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=20.0, help="tokens a second of every stream")
    parser.add_argument("--budget", type=int, default=600, help="thinking budget in tokens")
    parser.add_argument("--ramp-seconds", type=float, default=30.0, help="time over which the clients arrive")
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    given = {
        "M1_MODEL": MODEL,
        "M1_METRICS_TOKEN": _TOKEN,
        "M1_TRUSTED_HEADER": _HEADER,
        "M1_TRUSTED_PROXIES": "127.0.0.1",
        "M1_NEW_ACCOUNT_ROLE": "annotator",
        "M1_LOG_LEVEL": "WARNING",
    }
    with ExitStack() as stack:
        engine = stack.enter_context(steady_engine(options.rate))
        app = stack.enter_context(running_app(M1_ENGINE_URL=engine, **given))
        app.wait_for_engine(_PATIENCE_SECONDS)
        sys.stderr.write(f"the app is process {app.process.pid}\n")
        outcome = asyncio.run(measure(options, app, engine))
    found, after = summary(outcome), report.machine()
    rows = [{"": name, "found": value} for name, value in found.items()]
    verdict = "; ".join(missed(found)) or "every target met"
    text = "\n".join(
        [report.describe(before), report.table(rows), f"load average after {after['load_average']}", verdict]
    )
    samples = [asdict(each) for each in outcome.samples]
    result = {"before": before, "after": after, **found, "samples": samples, "lag": outcome.lag}
    report.emit(result, text, as_json=options.json)
    return 1 if missed(found) else 0


if __name__ == "__main__":
    sys.exit(main())
