"""How much of a vLLM server's rate a benchmark run takes: `python -m benchmarks.vllm_rate --in-flight 256`.

For a real server, with a GPU or without (`benchmarks.throughput` has an engine that is made for it). In every turn, a
run of its own questions goes through the whole service. Then plain clients, in processes of their own, send what the
run sent: the same prompts with as many tokens of thinking, and an answer of as many tokens forked at each of the same
cuts as soon as the stream has passed it, for as many questions at once. They stream, store nothing, and stop at
nothing. Both sides are counted by the server itself, and neither finds the other's prompts in the prefix cache.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context

import aiohttp
import httpx2

from benchmarks import report
from benchmarks.engine_under_test import EngineUnderTest, engine_under_test
from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.bootstrap import Services, build_services
from m1app.runs.sweep_reading import SweepSnapshot
from models.engine import wire as engine_wire
from models.engine.endpoint import Endpoint
from models.engine.protocol import CompletionRequest, EngineKind
from models.thinking.budget_forcing import ThinkingFinish, closing
from models.thinking.prompting import bind_markers
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion

TARGET_RATIO = 0.97
_SILENCE_SECONDS = 600.0
_EVENT = b"data: {"
_COUNTERS = ("vllm:generation_tokens_total", "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total")


@dataclass(frozen=True, slots=True)
class Counts:
    """What the server has counted."""

    generated: float
    """Tokens."""
    looked_up: float
    """Prompt tokens looked up in the prefix cache."""
    found: float
    """Of these, found."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a turn."""

    seconds: float
    tokens: float
    cpu_seconds: float
    """Of the run's process, all threads; 0 for the plain clients, which have others."""
    hit_rate: float
    """Prompt tokens found in the prefix cache, of all that were looked up; 0-1."""

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds

    @property
    def ms_per_token(self) -> float:
        """Processor time."""
        return self.cpu_seconds / self.tokens * 1000


@dataclass(slots=True)
class Outcome:
    """All turns."""

    questions: int
    in_flight: int
    ours: list[Side] = field(default_factory=list)
    raw: list[Side] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Of ours to raw, the middle of the turns."""
        return report.middle([ours.rate / raw.rate for ours, raw in zip(self.ours, self.raw, strict=True)])


@dataclass(frozen=True, slots=True)
class Fork:
    """An answer: where the thinking is cut, what closes it, and the answer's length."""

    cut_tokens: int
    closing_ids: tuple[int, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Pass:
    """What the run sent for one question."""

    prompt_ids: tuple[int, ...]
    tokens: int
    """Of the thinking."""
    forks: tuple[Fork, ...]
    """In the order of their cuts."""


def _counts(endpoint: Endpoint) -> Counts:
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    text = httpx2.get(f"{endpoint.base_url}/metrics", headers=headers, trust_env=False).raise_for_status().text
    # One line for each model and engine of the server.
    found = {name: re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE) for name in _COUNTERS}
    if not found[_COUNTERS[0]]:
        raise RuntimeError(f"{endpoint.base_url}/metrics does not count tokens; is it a vLLM server?")
    return Counts(*(sum(map(float, found[name])) for name in _COUNTERS))


class _Watch:
    """Measures what happens from its beginning to its end."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._before = _counts(endpoint)
        self._cpu, self._began = time.process_time(), time.monotonic()

    def read(self, *, has_cpu: bool) -> Side:
        """Everything since the beginning."""
        seconds, cpu = time.monotonic() - self._began, time.process_time() - self._cpu
        after = _counts(self._endpoint)
        looked_up = after.looked_up - self._before.looked_up
        return Side(
            seconds=seconds,
            tokens=after.generated - self._before.generated,
            cpu_seconds=cpu if has_cpu else 0.0,
            hit_rate=(after.found - self._before.found) / looked_up if looked_up else 0.0,
        )


def _questions(turn: int, number: int) -> list[NewQuestion]:
    """Questions whose prompts begin differently in every turn, so that no turn finds another's in the cache."""
    stem = "Case {}: a made-up patient has a made-up complaint for number {} of days. "
    told = " It began after a made-up meal and is worse at night." * 4 + " Which is the likeliest finding?"
    options = {letter: f"finding {letter}" for letter in "ABCD"}
    return [
        NewQuestion(stem=stem.format(f"{turn}-{n}", n) + told, options=options, target="A", source=f"made-up-{turn}")
        for n in range(number)
    ]


def _recipe(options: argparse.Namespace, turn: int) -> BenchmarkRecipe:
    return BenchmarkRecipe(
        question_sets=(f"made-up-{turn}",),
        budgets=tuple(options.budgets),
        answer_cap_tokens=options.answer_cap,
        asks_probabilities=False,
        profile=options.profile,
        in_flight=options.in_flight,
    )


async def _ours(services: Services, recipe: BenchmarkRecipe, endpoint: Endpoint) -> tuple[Side, str]:
    planned = await services.benchmarks.plan(recipe)
    watch = await asyncio.to_thread(_Watch, endpoint)
    run = await services.benchmarks.run(planned.id)
    side = await asyncio.to_thread(partial(watch.read, has_cpu=True))
    if run.items_failed:
        raise RuntimeError(f"{run.items_failed} questions failed")
    return side, run.id


async def _passes(services: Services, run_id: str) -> list[Pass]:
    page = await services.benchmark_reading.table(run_id)
    snapshots = [await services.sweeps.get(sweep_id) for sweep_id in dict.fromkeys(page["sweep_id"])]
    return [await _pass(services, each) for each in snapshots]


async def _pass(services: Services, snapshot: SweepSnapshot) -> Pass:
    (only,) = snapshot.passes
    markers = await bind_markers(services.engines.engine(), services.profiles.get(only.trace.profile))
    forks = []
    for kept in sorted(only.checkpoints, key=lambda kept: kept.cut_tokens):
        finish = ThinkingFinish(kept.thinking_finish_reason.value)
        close = closing(markers, finish, ends_line=False).token_ids
        forks.append(Fork(kept.cut_tokens, close, max(1, kept.token_count)))
    return Pass(only.trace.prompt_token_ids + markers.opening.token_ids, only.trace.thinking_tokens, tuple(forks))


@dataclass(frozen=True, slots=True)
class _PlainClient:
    """Sends what a run sent, with nothing but the HTTP library."""

    session: aiohttp.ClientSession
    url: str
    model: str
    salt: str
    """Keeps its prompts apart from everybody else's in the prefix cache."""
    is_whole: bool

    async def ask(self, asked: Pass) -> None:
        """Send the thinking, and each answer when the thinking has passed its cut."""
        ids: list[int] = []
        waiting, answers = list(asked.forks), []
        async for some in self._generate(asked.prompt_ids, asked.tokens):
            ids += some
            while waiting and waiting[0].cut_tokens <= len(ids):
                fork = waiting.pop(0)
                prompt = (*asked.prompt_ids, *ids[: fork.cut_tokens], *fork.closing_ids)
                answers.append(asyncio.create_task(self._answer(prompt, fork.tokens)))
        await asyncio.gather(*answers)

    async def _answer(self, prompt_ids: tuple[int, ...], tokens: int) -> None:
        async for _ in self._generate(prompt_ids, tokens):
            pass

    async def _generate(self, prompt_ids: tuple[int, ...], tokens: int) -> AsyncIterator[list[int]]:
        request = CompletionRequest(prompt_ids, tokens, is_whole=self.is_whole)
        body = engine_wire.request_body(request, EngineKind.VLLM, self.model)
        body |= {"ignore_eos": True, "cache_salt": self.salt}
        async with self.session.post(self.url, json=body) as response:
            response.raise_for_status()
            if self.is_whole:
                yield (await response.json())["choices"][0]["token_ids"]
                return
            async for line in response.content:
                if line.startswith(_EVENT) and (choices := json.loads(line[len("data: ") :]).get("choices")):
                    yield choices[0]["token_ids"]


def _ask_all(endpoint: Endpoint, model: str, salt: str, is_whole: bool, in_flight: int, passes: Sequence[Pass]) -> None:
    """One process's share."""

    async def ask() -> None:
        headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
        async with aiohttp.ClientSession(
            headers=headers,
            # A kept connection may be closed by the server while the next request is under way.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_read=_SILENCE_SECONDS),
        ) as session:
            client = _PlainClient(session, f"{endpoint.base_url}/v1/completions", model, salt, is_whole)
            waiting = iter(passes)

            async def ask_on() -> None:
                for each in waiting:
                    await client.ask(each)

            await asyncio.gather(*(ask_on() for _ in range(in_flight)))

    asyncio.run(ask())


@contextmanager
def _plain_clients(number: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that have started and imported everything."""
    with ProcessPoolExecutor(number, mp_context=get_context("spawn")) as pool:
        for started in [pool.submit(time.sleep, 0.1) for _ in range(number)]:
            started.result()
        yield pool


async def _raw(
    pool: ProcessPoolExecutor,
    engine: EngineUnderTest,
    passes: Sequence[Pass],
    salt: str,
    options: argparse.Namespace,
) -> Side:
    number, loop = options.raw_processes, asyncio.get_running_loop()
    rooms = [options.in_flight // number + (index < options.in_flight % number) for index in range(number)]
    watch = await asyncio.to_thread(_Watch, engine.endpoint)
    shares = [
        loop.run_in_executor(
            pool,
            _ask_all,
            engine.endpoint,
            engine.settings.model,
            salt,
            options.raw_whole,
            room,
            passes[index::number],
        )
        for index, room in enumerate(rooms)
    ]
    await asyncio.gather(*shares)
    return await asyncio.to_thread(partial(watch.read, has_cpu=False))


async def _keep(services: Services, turn: int, number: int) -> None:
    asked = _questions(turn, number)
    await services.database.write(lambda s: QuestionSetRepository(s).add(f"made-up-{turn}", "made-up", "m1", "", asked))


async def measure(options: argparse.Namespace) -> Outcome:
    """All turns, after one that warms the server up."""
    outcome = Outcome(options.questions, options.in_flight)
    with (
        engine_under_test(options.in_flight, 1024, 0) as engine,
        _plain_clients(options.raw_processes) as pool,
    ):
        services = build_services(engine.settings)
        try:
            for turn in range(options.turns + 1):
                is_warm_up = turn == 0
                await _keep(
                    services, turn, min(options.in_flight, options.questions) if is_warm_up else options.questions
                )
                recipe = _recipe(options, turn)
                if is_warm_up:
                    recipe = recipe.model_copy(update={"budgets": recipe.budgets[:1]})
                ours, run_id = await _ours(services, recipe, engine.endpoint)
                sys.stderr.write(f"turn {turn}: ours {ours.rate:,.0f} tokens/s\n")
                raw = await _raw(pool, engine, await _passes(services, run_id), f"raw-{os.getpid()}-{turn}", options)
                sys.stderr.write(f"turn {turn}: raw {raw.rate:,.0f} tokens/s\n")
                if not is_warm_up:
                    outcome.ours.append(ours)
                    outcome.raw.append(raw)
            return outcome
        finally:
            await services.aclose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vllm_rate", description=__doc__)
    parser.add_argument("--questions", type=int, default=512)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--budgets", type=int, nargs="+", default=[128, 256, 512, 1024, 2048])
    parser.add_argument("--answer-cap", type=int, default=64)
    parser.add_argument("--profile", default="", help="of the model; by default, what its name says")
    parser.add_argument("--turns", type=int, default=1)
    spare = max(1, min(8, (os.cpu_count() or 2) // 2))
    parser.add_argument("--raw-processes", type=int, default=spare, help="that share the raw side's streams")
    parser.add_argument("--raw-whole", action="store_true", help="the raw side waits for whole responses, too")
    report.add_json_option(parser)
    return parser


def main() -> int:
    """Measure and print; return 1 if the target is missed."""
    options = _parser().parse_args()
    before = report.machine()
    outcome = asyncio.run(measure(options))
    rows: list[report.Row] = [
        {
            "turn": turn,
            "raw tok/s": f"{raw.rate:,.0f}",
            "ours tok/s": f"{ours.rate:,.0f}",
            "ratio": ours.rate / raw.rate,
            "ms/token": f"{ours.ms_per_token:.4f}",
            "hits raw, ours": f"{raw.hit_rate:.3f}, {ours.hit_rate:.3f}",
            "tokens raw, ours": f"{raw.tokens:,.0f}, {ours.tokens:,.0f}",
        }
        for turn, (ours, raw) in enumerate(zip(outcome.ours, outcome.raw, strict=True), start=1)
    ]
    text = "\n".join([report.describe(before), report.table(rows), f"ratio {outcome.ratio:.3f}, target {TARGET_RATIO}"])
    report.emit({"before": before, **asdict(outcome), "ratio": outcome.ratio}, text, as_json=options.json)
    return 0 if outcome.ratio >= TARGET_RATIO else 1


if __name__ == "__main__":
    raise SystemExit(main())
