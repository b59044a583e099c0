"""What was shown or confirmed to somebody is still there after kill -9: `python -m benchmarks.kills --kills 100`.

The app, its engine and the worker of a benchmark run are killed in turn while pages ask probes, sweep and save
annotations over HTTP. After each kill, the database is checked and compared with what the pages were told: every probe,
sweep and annotation is there, and of each probe all tokens but those of about the last second. At the end the
benchmark run, resumed each time it was lost, must have exactly one result for each question and cell.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx2

from benchmarks import report
from benchmarks.app_process import free_port
from benchmarks.browser_tab import Tab, Watched
from benchmarks.steady_engine import MODEL
from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.bootstrap import Services, build_services
from m1app.question.library import load_library
from m1app.settings import Settings
from storage.annotations.repository import AnnotationRepository
from storage.database import Session
from storage.errors import RecordNotFound
from storage.integrity import all_damage
from storage.jobs.records import Job, JobState
from storage.sweeps.repository import SweepRepository
from storage.traces.listing import TraceFilter
from storage.traces.records import TraceState
from storage.traces.repository import TraceRepository

_ROOT = Path(__file__).resolve().parents[1]
_VICTIMS = ("app", "engine", "worker")
_RESUMABLE = (JobState.LOST, JobState.FAILED, JobState.STOPPED)
_START_SECONDS = 120.0
ALLOWED_SECONDS = 1.5
"""How far back what was shown may be missing: a save each second, and the time it takes."""
_OVER = (RuntimeError, TimeoutError, httpx2.HTTPError, KeyError)
"""How a page's request ends when the app is killed."""


@dataclass(slots=True)
class Shown:
    """What pages were told."""

    tokens: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    """For each trace, when how many tokens were shown."""
    sweeps: set[str] = field(default_factory=set)
    annotations: set[str] = field(default_factory=set)
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Outcome:
    """What was found after the kills."""

    kills: Counter[str] = field(default_factory=Counter)
    probes: int = 0
    sweeps: int = 0
    annotations: int = 0
    damaged: int = 0
    lost: list[str] = field(default_factory=list)
    longest_loss_seconds: float = 0.0
    slowest_start_seconds: float = 0.0
    resumes: int = 0
    results: int = 0
    wanted_results: int = 0
    doubled: int = 0

    @property
    def is_met(self) -> bool:
        """Whether nothing was lost, doubled or damaged."""
        is_whole = self.results == self.wanted_results and not self.doubled
        return is_whole and not self.damaged and not self.lost and self.longest_loss_seconds <= ALLOWED_SECONDS


class Machine:
    """The app and its engine, as processes that are started again after a kill."""

    def __init__(self, home: Path, tokens_per_second: float) -> None:
        self._rate = tokens_per_second
        self._engine_port, self._port = free_port(), free_port()
        self.settings = Settings(home=home, engine_url=f"http://127.0.0.1:{self._engine_port}", model=MODEL)
        self.address = f"http://127.0.0.1:{self._port}"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> float:
        """Start what does not run; return the seconds until the app was ready."""
        began = time.monotonic()
        python = sys.executable
        self._ensure("engine", [python, "-m", "benchmarks.steady_engine", str(self._engine_port), str(self._rate)])
        self._ensure("app", [python, "app.py"])
        while time.monotonic() - began < _START_SECONDS:
            with suppress(httpx2.HTTPError):
                if httpx2.get(f"{self.address}/healthz", trust_env=False, timeout=10).status_code == 200:
                    return time.monotonic() - began
            time.sleep(0.1)
        raise RuntimeError(f"the app did not start within {_START_SECONDS:.0f} s; see {self.settings.home}/app.log")

    def kill(self, name: str) -> None:
        """Send SIGKILL."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """Kill all."""
        for name in list(self._running):
            self.kill(name)

    def _ensure(self, name: str, command: Sequence[str]) -> None:
        running = self._running.get(name)
        if running is not None and running.poll() is None:
            return
        home = self.settings.home
        own = {
            "M1_HOME": str(home),
            "M1_PORT": str(self._port),
            "M1_HOST": "127.0.0.1",
            "M1_ENGINE_URL": self.settings.engine_url,
            "M1_MODEL": MODEL,
        }
        with (home / f"{name}.log").open("ab") as output:
            self._running[name] = subprocess.Popen(
                command, cwd=_ROOT, env=os.environ | own, stdout=output, stderr=subprocess.STDOUT
            )


class Pages:
    """Pages that work until the app goes away."""

    def __init__(self, address: str, shown: Shown, number: int) -> None:
        self._address = address
        self._shown = shown
        self._number = number
        self._asked = 0

    async def work(self, cases: Sequence[str]) -> None:
        """Ask probes, sweep, and annotate `cases` all at once, until cancelled."""
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(base_url=self._address, timeout=30, limits=limits, trust_env=False) as client:
            works = [self._probe(client), self._probe(client), self._sweep(client), self._annotate(client, cases)]
            await asyncio.gather(*works)

    async def _repeat(self, kind: str, tab: Tab, once: Callable[[Tab], Any]) -> None:
        try:
            await tab.open()
            while True:
                await once(tab)
        except _OVER as exc:
            self._shown.errors[f"{kind}: {type(exc).__name__}"] += 1
        finally:
            await tab.close()

    async def _probe(self, client: httpx2.AsyncClient) -> None:
        tab = Tab(client, {}, Watched())
        seen: list[str] = []

        def frame(outputs: Any) -> None:
            for trace, tokens in _tokens_in(outputs, seen):
                self._shown.tokens.setdefault(trace, []).append((time.monotonic(), tokens))

        tab.on_frame = frame
        await self._repeat("probe", tab, lambda tab: tab.ask(self._question(), 60, 4))

    async def _sweep(self, client: httpx2.AsyncClient) -> None:
        tab = Tab(client, {}, Watched(), "/compare")

        def frame(outputs: Any) -> None:
            self._shown.sweeps |= {each["id"] for each in outputs if isinstance(each, dict) and each.get("bands")}

        tab.on_frame = frame
        typed = {"compare-question": self._question(), "compare-budgets": [64, 128], "compare-rounds": [0]}
        await self._repeat("sweep", tab, lambda tab: tab.run("compare-run", typed))

    async def _annotate(self, client: httpx2.AsyncClient, cases: Sequence[str]) -> None:
        async def once(tab: Tab) -> None:
            for case in cases:
                form = {"part": "whole", "labels": ["knowledge_gap"], "severity": "mild", "comment": "seen"}
                values = {"case": case, "values": form}
                asked = {"number": 1, "action": "save", "annotator": "Anna", "values": values}
                [answer] = await tab.send("annotate-page", "ask", {}, asked)
                reply = json.loads(answer["reply"])
                if "saved" in reply:
                    self._shown.annotations.add(reply["saved"])
                else:
                    self._shown.errors[f"annotation: {reply.get('error')}"] += 1
                await asyncio.sleep(0.2)
            await asyncio.sleep(0.2)

        await self._repeat("annotation", Tab(client, {}, Watched(), "/annotate"), once)

    def _question(self) -> str:
        self._asked += 1
        library = load_library()
        text = library[(self._number + self._asked) % len(library)].question
        return f"{text} (Round {self._number}, question {self._asked}.)"


def _tokens_in(outputs: Any, seen: list[str]) -> list[tuple[str, int]]:
    """Trace and tokens in a frame of the pane: its whole value, or its changes."""
    pane = outputs[0] if outputs else None
    if isinstance(pane, dict) and pane.get("id"):
        seen[:] = [pane["id"]]
        return [(pane["id"], pane["generated"])]
    changes = pane if isinstance(pane, list) else []
    return [(seen[0], value) for kind, path, value in changes if path == ["generated"] and kind == "replace" and seen]


def check(services: Services, shown: Shown, outcome: Outcome, killed_at: float) -> None:
    """Compare what is stored with what was shown before the kill; blocks."""

    def read(session: Session) -> None:
        damage = all_damage(session.connection(), is_current=True)
        outcome.damaged += bool(damage)
        for trace_id, moments in shown.tokens.items():
            try:
                stored = TraceRepository(session).get(trace_id).tokens_generated
            except RecordNotFound:
                outcome.lost.append(f"trace {trace_id}")
                continue
            missing = [at for at, tokens in moments if tokens > stored and at <= killed_at]
            if missing:
                outcome.longest_loss_seconds = max(outcome.longest_loss_seconds, killed_at - missing[0])
            # From now on, only the trace itself may not be lost.
            moments.clear()
        for sweep_id in shown.sweeps:
            _note_lost(outcome, f"sweep {sweep_id}", lambda found=sweep_id: SweepRepository(session).get(found))  # type: ignore[misc]
        for annotation in shown.annotations:
            _note_lost(
                outcome,
                f"annotation {annotation}",
                lambda found=annotation: AnnotationRepository(session).get(found),  # type: ignore[misc]
            )

    services.database.read_now(read)
    outcome.probes, outcome.sweeps = len(shown.tokens), len(shown.sweeps)
    outcome.annotations = len(shown.annotations)


def _note_lost(outcome: Outcome, what: str, find: Callable[[], object]) -> None:
    try:
        find()
    except RecordNotFound:
        outcome.lost.append(what)


async def measure(options: argparse.Namespace, home: Path) -> Outcome:
    """Kill, start again, compare; then let the benchmark run end."""
    machine, outcome = Machine(home, options.rate), Outcome()
    services = build_services(machine.settings)
    try:
        await asyncio.to_thread(machine.start)
        run_id, job = await _launch(services, options, outcome)
        try:
            await _kill_and_compare(services, machine, outcome, job, options)
        finally:
            # After an error, the worker would go on without the app.
            _kill_worker(await services.jobs.get(job.id))
        table = await services.benchmark_reading.table(run_id)
        outcome.results = len(table)
        outcome.doubled = int(table.duplicated(["question_id", "budget_tokens", "force_rounds"]).sum())
        return outcome
    finally:
        machine.stop()
        await services.aclose()


async def _kill_and_compare(
    services: Services, machine: Machine, outcome: Outcome, job: Job, options: argparse.Namespace
) -> None:
    shown = Shown()
    for number in range(options.kills):
        job = await _kept_running(services, job, outcome)
        await _round(services, machine, shown, outcome, number, job, options)
        found = outcome.kills, len(outcome.lost), outcome.damaged
        sys.stderr.write(f"{number + 1}: {found}, {dict(shown.errors)}\n")
    while (job := await _kept_running(services, job, outcome)).state is not JobState.SUCCEEDED:  # noqa: ASYNC110
        await asyncio.sleep(0.5)


async def _launch(services: Services, options: argparse.Namespace, outcome: Outcome) -> tuple[str, Job]:
    path = services.settings.home / "questions.jsonl"
    asked = [each for each in load_library() if each.options]
    lines = (
        {"question": f"{each.question} (Number {number}.)", "options": dict(each.options), "answer_idx": each.target}
        for number, each in zip(range(options.questions), cycle(asked), strict=False)
    )
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    imported = await services.question_sets.import_file(path, name="killed")
    sets = tuple(each.name for each in imported.sets)
    recipe = BenchmarkRecipe(
        question_sets=sets, budgets=(16, 64), force_rounds=(0, 1), answer_cap_tokens=4, in_flight=2
    )
    estimate = await services.benchmarks.estimate(recipe)
    outcome.wanted_results = estimate.items * estimate.cells
    run, job = await services.benchmarks.launch(recipe)
    return run.id, job


async def _kept_running(services: Services, job: Job, outcome: Outcome) -> Job:
    job = await services.jobs.get(job.id)
    if job.state in _RESUMABLE:
        await services.jobs.resume(job.id)
        outcome.resumes += 1
        job = await services.jobs.get(job.id)
    return job


async def _round(
    services: Services,
    machine: Machine,
    shown: Shown,
    outcome: Outcome,
    number: int,
    job: Job,
    options: argparse.Namespace,
) -> None:
    ended = await services.probe.history(_completed(), 20)
    pages = asyncio.create_task(Pages(machine.address, shown, number).work([each.id for each in ended.items]))
    await asyncio.sleep(options.seconds)
    job, victim = await services.jobs.get(job.id), _VICTIMS[number % len(_VICTIMS)]
    killed_at = time.monotonic()
    if victim != "worker":
        machine.kill(victim)
        outcome.kills[victim] += 1
    elif _kill_worker(job):
        outcome.kills[victim] += 1
    await asyncio.sleep(1.0)
    pages.cancel()
    await asyncio.gather(pages, return_exceptions=True)
    if victim == "app":
        await asyncio.to_thread(check, services, shown, outcome, killed_at)
    started = await asyncio.to_thread(machine.start)
    outcome.slowest_start_seconds = max(outcome.slowest_start_seconds, started)
    if victim != "app":
        # The app goes on and saves what was under way.
        await asyncio.sleep(2.0)
        await asyncio.to_thread(check, services, shown, outcome, time.monotonic())


def _completed() -> TraceFilter:
    return TraceFilter(state=TraceState.COMPLETED)


def _kill_worker(job: Job) -> bool:
    """Kill the job's process; False if it has none at the moment."""
    parts = job.handle.split(":")
    if len(parts) < 2 or not parts[1].isdigit():
        return False
    with suppress(ProcessLookupError):
        os.kill(int(parts[1]), signal.SIGKILL)
        return True
    return False


def main() -> int:
    """Measure and print; return 1 if anything was lost, doubled or damaged."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=4.0, help="work between a start and the next kill")
    parser.add_argument("--rate", type=float, default=20.0, help="tokens a second of every stream")
    parser.add_argument("--questions", type=int, default=60, help="of the benchmark run")
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    with tempfile.TemporaryDirectory(prefix="m1-benchmark-") as folder:
        outcome = asyncio.run(measure(options, Path(folder)))
    found = asdict(outcome) | {"kills": dict(outcome.kills)}
    rows = [{"": name, "found": value} for name, value in found.items()]
    text = "\n".join([report.describe(before), report.table(rows), "met" if outcome.is_met else "MISSED"])
    report.emit({"before": before, **found}, text, as_json=options.json)
    return 0 if outcome.is_met else 1


if __name__ == "__main__":
    sys.exit(main())
