"""A benchmark run from recipe to results, on an engine that does as it is told."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from m1app.benchmark.errors import BenchmarkRefused
from m1app.benchmark.queries import CellPair, QuestionFilter
from m1app.benchmark.recipe import BenchmarkRecipe, recipe_of
from m1app.benchmark.report import report_of
from m1app.benchmark.runner import BenchmarkRunner
from m1app.bootstrap import Services, build_services
from m1app.errors import AppError
from m1app.question.answers.scoring import STRICT_VERSION
from m1app.runs.errors import ProbeRefused
from m1app.runs.sweeps import SweepService
from m1app.settings import Settings
from m1app.strategies import catalogue
from models.engine.client import OpenAIEngine
from models.engine.protocol import EngineInfo, EngineKind
from models.errors import EngineUnreachable
from models.profiles import load_profiles
from storage.benchmarks.records import BenchmarkRun, RunState
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.strategies import strategy_results
from storage.errors import DatabaseLocked, InvalidRecord, RecordNotFound
from storage.jobs.records import JobProgress
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.sweeps.records import SweepOutcome
from storage.sweeps.repository import SweepRepository
from storage.traces.records import TraceState
from tests.m1app.runs.test_sweeps import RIGHT, answering
from tests.m1app.strategies.judged import JUDGED
from tests.models.engine.scripted_server import Script, chunk, fail, reply_json, serving, stream

pytestmark = [pytest.mark.usefixtures("no_settings")]

STEMS = tuple(f"Question number {word} of the set?" for word in ("one", "two", "three", "four", "five"))
WRONG = stream(chunk(" A", [65]), chunk("", [9], "stop"))
VOTING = {"strategies": ("vote:k=3", "budget-forcing"), "temperature": 0.7}
RATES = {("scripted",): 20.0}
OPTIONS = {"A": "the first", "B": "the second"}


def recipe(**changes: object) -> BenchmarkRecipe:
    standard: dict[str, object] = {
        "question_sets": ("five",),
        "budgets": (16, 32),
        "force_rounds": (0,),
        "answer_cap_tokens": 12,
        "profile": "plain-chatml",
        "in_flight": 2,
    }
    return BenchmarkRecipe(**(standard | changes))  # type: ignore[arg-type]


def is_about(body: dict[str, Any], stem: str) -> bool:
    """Whether a request's prompt holds the question; the scripted tokenizer's ids are code points."""
    return stem in "".join(chr(token) for token in body["prompt"] if token < 1000)


@asynccontextmanager
async def services_at(home: Path, url: str) -> AsyncIterator[Services]:
    services = build_services(Settings(home=home, engine_url=url, engine_api_key=SecretStr(""), model=""))
    try:
        yield services
    finally:
        await services.aclose()


def keep_set(services: Services, name: str = "five", stems: tuple[str, ...] = STEMS) -> None:
    questions = [NewQuestion(stem=stem, options=OPTIONS, target="B", source=name) for stem in stems]
    with services.database.session() as session:
        QuestionSetRepository(session).add(name, "test", "m1", "", questions)


async def run_to_end(services: Services, **changes: object) -> BenchmarkRun:
    return await services.benchmarks.run((await services.benchmarks.plan(recipe(**changes))).id)


def pass_requests(script: Script) -> list[dict[str, Any]]:
    """Requests that begin a pass: their prompt continues no other's."""
    prompts = {tuple(body["prompt"]) for body in script.completions}

    def continues(prompt: tuple[int, ...]) -> bool:
        return any(len(other) < len(prompt) and prompt[: len(other)] == other for other in prompts)

    return [body for body in script.completions if not continues(tuple(body["prompt"]))]


async def test_a_run_keeps_the_text_of_a_profile_that_is_edited_meanwhile(tmp_path: Path) -> None:
    values = load_profiles().get("plain-chatml").values() | {"title": "Mine", "models": [], "hints": []}
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services, stems=STEMS[:1])
            saved = await services.own_profiles.save("mine", values)
            planned = await services.benchmarks.plan(recipe(profile="mine"))
            assert planned.profile == saved.id
            await services.own_profiles.save("mine", values | {"title": "Edited"}, replaces=True)
            run = await services.benchmarks.run(planned.id)
            assert (run.state, run.profile) == (RunState.COMPLETED, saved.id)
            with services.database.session() as session:
                kept = {name for (name,) in session.execute(text("select profile from trace"))}
            assert kept == {saved.id}


async def test_a_run_asks_every_question_once_and_judges_by_both_rules(tmp_path: Path) -> None:
    progress: list[JobProgress] = []
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            planned = await services.benchmarks.plan(recipe())
            assert (planned.state, planned.items, planned.models) == (RunState.WAITING, 5, ("scripted",))
            assert planned.name == "five: scripted"
            run = await services.benchmarks.run(planned.id, on_progress=progress.append)
            for rule in ("strict", "m1"):
                cells = await services.benchmark_reading.cells([run.id], rule)
                assert [(c.budget_tokens, c.n, c.accuracy.value, c.answered_share) for c in cells] == [
                    (16, 5, 1.0, 1.0),
                    (32, 5, 1.0, 1.0),
                ]
            table = await services.benchmark_reading.table(run.id)
            passes = len(pass_requests(script))
    assert (run.state, run.items_done, run.items_failed, run.error) == (RunState.COMPLETED, 5, 0, "")
    assert passes == 5
    assert run.tokens_generated < run.tokens_if_separate
    assert run.seconds > 0
    assert len(table) == 10
    assert set(table["letter_strict"]) == {"B"}
    assert all("B" in words for words in table["letter_words"])
    assert set(table["strict_version"]) == {run.strict_version} == {STRICT_VERSION}
    assert sorted(set(table["thinking_tokens"])) == [16, 32]
    assert progress[-1].done == 5
    assert progress[-1].figures["accuracy"] == 1.0


async def test_a_run_that_lost_its_process_goes_on_without_asking_again(tmp_path: Path) -> None:
    gate = asyncio.Event()
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            planned = await services.benchmarks.plan(recipe(in_flight=1))

            def after_two(progress: JobProgress) -> None:
                if progress.done >= 2:
                    gate.set()

            task = asyncio.create_task(services.benchmarks.run(planned.id, on_progress=after_two))
            await gate.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            half = await services.benchmark_reading.get(planned.id)
        asked = {str(body["prompt"]) for body in pass_requests(script)}
        async with services_at(tmp_path, script.url) as services:
            run = await services.benchmarks.run(planned.id)
            table = await services.benchmark_reading.table(run.id)
            again = await services.benchmarks.run(planned.id)
        begun = [str(body["prompt"]) for body in pass_requests(script)]
    assert half.state is RunState.STOPPED
    assert 2 <= half.items_done < 5
    assert (run.state, run.items_done) == (RunState.COMPLETED, 5)
    assert not table.duplicated(["question_id", "budget_tokens", "force_rounds"]).any()
    assert len(table) == 10
    assert len(asked) < 5
    # At most the one that was being asked when it stopped was begun twice.
    assert len(begun) - len(set(begun)) <= 1
    assert again.items_done == 5


async def test_a_question_that_keeps_failing_is_recorded_and_counts_as_unanswered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.benchmark.runner._RETRY_SECONDS", 0.01)
    is_broken = True

    def respond(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        is_bad = is_broken and is_about(body, STEMS[2])
        (fail(500, {"error": {"message": "out of cheese"}}) if is_bad else answering(lambda _: RIGHT))(handler, body)

    with serving(Script(respond)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            run = await run_to_end(services)
            cells = await services.benchmark_reading.cells([run.id])
            page = await services.benchmark_reading.questions(run.id, QuestionFilter(verdict="failed"))
            is_broken = False
            again = await services.benchmarks.run(run.id)
            mended = await services.benchmark_reading.cells([run.id])
    assert (run.state, run.items_done, run.items_failed) == (RunState.COMPLETED, 4, 1)
    assert [(c.n, c.accuracy.value, c.answered_share) for c in cells] == [(5, 0.8, 0.8)] * 2
    assert page.total == 1
    assert page.questions[0].stem == STEMS[2]
    assert "out of cheese" in page.questions[0].error
    assert (again.items_done, again.items_failed) == (5, 0)
    assert [(c.n, c.accuracy.value) for c in mended] == [(5, 1.0)] * 2


async def test_rate_limits_are_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("m1app.benchmark.runner._RETRY_SECONDS", 0.01)
    refused = 0

    def respond(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        nonlocal refused
        if refused < 12:  # more than the client's own tries
            refused += 1
            reply_json(handler, 429, {"error": {"message": "slow down"}}, {"Retry-After": "0"})
        else:
            answering(lambda _: RIGHT)(handler, body)

    with serving(Script(respond)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            run = await run_to_end(services, in_flight=1)
    assert (run.state, run.items_done, run.items_failed) == (RunState.COMPLETED, 5, 0)


async def test_an_end_that_cannot_be_saved_yet_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("m1app.benchmark.runner._RETRY_SECONDS", 0.01)
    monkeypatch.setattr("m1app.runs.live_runs.SAVE_SECONDS", 0.05)
    refusals, save, messages = 40, SweepRepository.save, set[str]()

    def refuse(self: SweepRepository, sweep_id: str, outcome: SweepOutcome, owner: str) -> None:
        nonlocal refusals
        if refusals and outcome.state is not TraceState.RUNNING:
            refusals -= 1
            raise DatabaseLocked("The database is locked.")
        save(self, sweep_id, outcome, owner)

    monkeypatch.setattr(SweepRepository, "save", refuse)
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            planned = await services.benchmarks.plan(recipe(in_flight=1))
            run = await services.benchmarks.run(planned.id, on_progress=lambda each: messages.add(each.message))
        passes = len(pass_requests(script))
    assert refusals == 0
    assert (run.state, run.items_done, run.items_failed) == (RunState.COMPLETED, 5, 0)
    assert passes == 5
    assert any("The database is locked." in message for message in messages)


async def test_an_end_that_can_never_be_saved_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.benchmark.runner._RETRY_SECONDS", 0.01)
    save = SweepRepository.save

    def refuse(self: SweepRepository, sweep_id: str, outcome: SweepOutcome, owner: str) -> None:
        if outcome.state is not TraceState.RUNNING:
            raise InvalidRecord("The sweep is closed.")
        save(self, sweep_id, outcome, owner)

    monkeypatch.setattr(SweepRepository, "save", refuse)
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services, stems=STEMS[:1])
            run = await run_to_end(services)
    assert (run.state, run.items_done, run.items_failed) == (RunState.COMPLETED, 0, 1)


async def test_an_engine_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outages = 3
    served = OpenAIEngine.served_models

    async def away(self: OpenAIEngine) -> tuple[str, ...]:
        nonlocal outages
        if outages:
            outages -= 1
            raise EngineUnreachable("nothing answers")
        return await served(self)

    async def at_once(self: BenchmarkRunner, seconds: float) -> None:
        await asyncio.sleep(0)

    def break_off(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if outages:
            handler.close_connection = True
            handler.connection.close()
        else:
            answering(lambda _: RIGHT)(handler, body)

    monkeypatch.setattr(OpenAIEngine, "served_models", away)
    monkeypatch.setattr(BenchmarkRunner, "_pause", at_once)
    with serving(Script(break_off)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            run = await run_to_end(services, in_flight=1)
    assert outages == 0
    assert (run.state, run.items_done, run.items_failed) == (RunState.COMPLETED, 5, 0)


async def test_no_more_is_asked_at_once_than_llama_cpp_has_slots_also_when_it_is_still_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most, loading = 0, 0, 2
    served = OpenAIEngine.served_models

    async def later(self: OpenAIEngine) -> tuple[str, ...]:
        nonlocal loading
        if loading:
            loading -= 1
            raise EngineUnreachable("still loading")
        return await served(self)

    async def with_slots(self: OpenAIEngine) -> EngineInfo:
        if loading:
            raise EngineUnreachable("still loading")
        return EngineInfo(EngineKind.LLAMA_CPP, "b1", "scripted", 4096, 2, "")

    async def at_once(self: BenchmarkRunner, seconds: float) -> None:
        await asyncio.sleep(0)

    async def counted(self: SweepService, *values: Any, **options: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            raise ProbeRefused("question", "not asked in this test")
        finally:
            await asyncio.sleep(0.02)
            running -= 1

    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            planned = await services.benchmarks.plan(recipe(in_flight=64))
            monkeypatch.setattr(OpenAIEngine, "served_models", later)
            monkeypatch.setattr(OpenAIEngine, "describe", with_slots)
            monkeypatch.setattr(BenchmarkRunner, "_pause", at_once)
            monkeypatch.setattr(SweepService, "start", counted)
            run = await services.benchmarks.run(planned.id)
    assert (run.items_failed, most) == (5, 2)


async def test_an_engine_that_stays_away_ends_the_run_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.benchmark.runner._PATIENCE_SECONDS", 0.0)
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            planned = await services.benchmarks.plan(recipe())
    async with services_at(tmp_path, script.url) as services:
        with pytest.raises(EngineUnreachable):
            await services.benchmarks.run(planned.id)
        run = await services.benchmark_reading.get(planned.id)
    assert run.state is RunState.FAILED
    assert "M1_ENGINE_URL" in run.error
    assert (run.items_done, run.items_failed) == (0, 0)


async def test_a_run_that_is_told_to_stop_keeps_what_it_has(tmp_path: Path) -> None:
    def slowly(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        time.sleep(0.05)
        answering(lambda _: RIGHT)(handler, body)

    stopping = asyncio.Event()
    with serving(Script(slowly)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            planned = await services.benchmarks.plan(recipe(in_flight=1))

            def stop(progress: JobProgress) -> None:
                if progress.done:
                    stopping.set()

            run = await services.benchmarks.run(planned.id, on_progress=stop, is_stopping=stopping)
            assert (run.state, run.items_done) == (RunState.STOPPED, 1)
            run = await services.benchmarks.run(planned.id)
    assert (run.state, run.items_done) == (RunState.COMPLETED, 5)


async def test_a_run_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            planned = await services.benchmarks.plan(recipe())
            with services.database.session() as session:
                BenchmarkRepository(session).claim(planned.id, "elsewhere:1", lambda *_: True)
            with pytest.raises(AppError, match="running in another process"):
                await services.benchmarks.run(planned.id)
            with pytest.raises(AppError, match="stop its job"):
                await services.benchmarks.delete(planned.id)
            with pytest.raises(RecordNotFound):
                await services.benchmarks.run("0" * 32)


async def test_a_run_is_renamed_tagged_archived_and_deleted(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            planned = await services.benchmarks.plan(recipe())
            assert (await services.benchmarks.rename(planned.id, " New name ")).name == "New name"
            with pytest.raises(AppError, match="name is empty"):
                await services.benchmarks.rename(planned.id, " ")
            assert (await services.benchmarks.set_tags(planned.id, [" pilot ", ""])).tags == ("pilot",)
            assert (await services.benchmarks.archive(planned.id, True)).is_archived
            assert await services.benchmark_reading.runs() == ()
            await services.benchmarks.delete(planned.id)
            with pytest.raises(RecordNotFound):
                await services.benchmark_reading.get(planned.id)


async def test_several_models_and_sets_are_counted_apart_and_averaged(tmp_path: Path) -> None:
    def letters(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        answer = WRONG if body["model"] == "second" or is_about(body, "other set") else RIGHT
        answering(lambda _: answer)(handler, body)

    models = [{"id": name, "owned_by": "vllm", "max_model_len": 4096} for name in ("first", "second")]
    with serving(Script(letters, models=models)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            keep_set(services, "two", ("The other set asks what?", "The other set asks why?"))
            run = await run_to_end(services, question_sets=("five", "two"), models=("first", "second"), budgets=(32,))
            cells = await services.benchmark_reading.cells([run.id])
            pair = CellPair("first", "", (32, 0), (32, 0), other_model="second")
            changes = await services.benchmark_reading.transitions(run.id, pair)
            with pytest.raises(AppError, match="Both settings are the same"):
                await services.benchmark_reading.transitions(run.id, CellPair("first", "", (32, 0), (32, 0)))
            curve = await services.benchmark_reading.compare_curve(run.id, "first", "five", 0)
    found = {(c.model, c.question_set): c.accuracy.value for c in cells}
    assert found == {
        ("first", "five"): 1.0, ("first", "two"): 0.0, ("first", ""): 0.5,
        ("second", "five"): 0.0, ("second", "two"): 0.0, ("second", ""): 0.0,
    }  # fmt: skip
    assert (changes.right_right, changes.wrong_wrong, changes.right_wrong) == (0, 2, 5)
    assert curve == ()


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"question_sets": ()}, "question_sets", "No question set"),
        ({"question_sets": ("nowhere",)}, "question_sets", "Available: five"),
        ({"budgets": ()}, "budgets", "No thinking budget"),
        ({"budgets": (4096,)}, "budgets", "Choose at most 4,020"),
        ({"limit": 0}, "limit", "from 1"),
        ({"in_flight": 5000}, "in_flight", "to 1,024"),
        ({"passes": 2}, "passes", "temperature 0"),
        ({"answer_cap_tokens": 0}, "answer_cap", "Answer cap is 0"),
        (VOTING | {"temperature": 0.0}, "temperature", "at temperature 0 all passes are identical"),
        (VOTING | {"strategies": ("vote:k=17",)}, "strategies", "vote:k=17 draws on 17 passes"),
        (VOTING | {"strategies": ("lottery",)}, "strategies", "no strategy named 'lottery'"),
        (VOTING | {"force_rounds": (1,)}, "force_rounds", "add 0 to the force rounds"),
        (VOTING | {"asks_probabilities": False}, "strategies", "turn them on"),
        (VOTING | {"strategy_budget_tokens": 44}, "strategy_budget", "Allow at least 45"),
        (VOTING | {"seed": 2**31 - 1 - 100}, "seed", "no room"),
    ],
)
async def test_a_recipe_that_cannot_run_is_refused_at_its_field(
    tmp_path: Path, changes: dict[str, object], field: str, message: str
) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            with pytest.raises(BenchmarkRefused, match=message) as refused:
                await services.benchmarks.plan(recipe(**changes))
            assert refused.value.field == field
            assert await services.benchmark_reading.runs() == ()


async def test_the_dry_run_counts_what_the_run_then_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            wanted = recipe(limit=3, models=("scripted",), force_rounds=(0, 1))
            before = await services.benchmarks.estimate(wanted)
            run = await services.benchmarks.run((await services.benchmarks.plan(wanted)).id)
            table = await services.benchmark_reading.table(run.id)
            monkeypatch.setattr(BenchmarkRepository, "tokens_per_second", lambda _, models: RATES.get(tuple(models)))
            after = await services.benchmarks.estimate(wanted)
            without_model = await services.benchmarks.estimate(recipe(limit=3, force_rounds=(0, 1)))
    assert (before.items, before.cells, before.results) == (3, 4, 12)
    assert (before.tokens_per_second, before.seconds_at_most) == (None, None)
    assert (after.tokens_per_second, after.seconds_at_most) == (20.0, after.tokens_at_most / 20.0)
    assert without_model.seconds_at_most == after.seconds_at_most
    assert math.isnan(before.difference_to_find)
    assert len(table) == before.results
    assert run.tokens_generated <= before.tokens_at_most
    assert run.tokens_if_separate <= before.tokens_if_separate_at_most


async def test_the_dry_run_counts_strategies_and_what_the_pool_saves(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            plain = await services.benchmarks.estimate(recipe(passes=3, temperature=0.7))
            found = await services.benchmarks.estimate(recipe(**VOTING))
            run = await run_to_end(services, **VOTING)
    vote, chain = found.strategies
    assert (vote.tokens_at_most, vote.asked_at_most) == (3 * (32 + 12 + 1), 0)
    assert (chain.tokens_at_most, chain.asked_at_most) == (32 + 12 + 1, 0)
    assert found.tokens_at_most == plain.tokens_at_most
    assert found.shared_at_most == 5 * 4 * 45
    assert found.tokens_if_separate_at_most == plain.tokens_if_separate_at_most + found.shared_at_most
    assert (run.passes, run.strategies, run.strategy_budget_tokens) == (3, VOTING["strategies"], 135)
    assert run.tokens_generated <= found.tokens_at_most
    assert run.tokens_if_separate <= found.tokens_if_separate_at_most


async def test_a_run_answers_every_question_by_its_strategies(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            run = await run_to_end(services, **VOTING)
            assert (
                recipe_of(run)
                .command_line()
                .startswith(
                    "python -m m1app bench --questions five --budgets 16,32 --force-rounds 0 --model scripted "
                    "--strategies vote:k=3,budget-forcing"
                )
            )
            found = await services.database.read(lambda s: strategy_results(s, run.id, "scripted"))
    assert [each.choice for each in found.results] == ["vote:k=3", "budget-forcing"] * 5
    assert {(each.letter, each.is_correct, each.is_from_pool) for each in found.results} == {("B", True, True)}
    votes, chains = found.results[::2], found.results[1::2]
    assert all(vote.generated == 3 * chain.generated for vote, chain in zip(votes, chains, strict=True))


async def test_a_question_whose_strategies_keep_failing_is_listed_and_asked_again_when_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalogue._BY_NAME, "judged", JUDGED)
    monkeypatch.setattr("m1app.benchmark.runner._RETRY_SECONDS", 0.01)
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0.01)
    is_down = True

    def reply(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if is_about(body, " right?") and is_down:
            fail(500, "no judge")(handler, body)
        else:
            answering(lambda _: RIGHT)(handler, body)

    asked = {"strategies": ("judged:k=2", "vote:k=2"), "temperature": 0.7, "limit": 1}
    with serving(Script(reply)) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            run = await run_to_end(services, **asked)
            assert (run.items_failed, run.state) == (1, RunState.COMPLETED)
            page = await services.benchmark_reading.questions(run.id, QuestionFilter(verdict="failed"))
            assert "no judge" in page.questions[0].error
            assert page.questions[0].letter == "B", "its passes were answered"
            before = len(pass_requests(script))
            is_down = False
            run = await services.benchmarks.run(run.id)
            found = await services.database.read(lambda s: strategy_results(s, run.id, "scripted"))
    assert (run.items_done, run.items_failed) == (1, 0)
    judged, vote = found.results
    assert (judged.error, judged.is_from_pool, vote.is_from_pool) == ("", False, True)
    assert judged.shared == vote.generated
    assert len(pass_requests(script)) > before


async def test_a_recipe_is_told_as_the_command_that_does_the_same() -> None:
    line = recipe(name="a 'quoted' run", limit=3, models=("m1-7b",)).command_line()
    assert line == (
        "python -m m1app bench --questions five --budgets 16,32 --force-rounds 0 --model m1-7b "
        "--name 'a '\"'\"'quoted'\"'\"' run' --limit 3 --answer-cap 12 --profile plain-chatml --in-flight 2"
    )


async def test_passes_of_one_question_widen_the_interval(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            run = await run_to_end(services, passes=3, temperature=0.7, budgets=(16,))
            (cell,) = await services.benchmark_reading.cells([run.id])
    assert run.seed is not None
    assert (cell.n, cell.accuracy.n, cell.accuracy.value) == (5, 15, 1.0)


SEVERAL = stream(chunk(" A, C", [65, 44, 67]), chunk("", [9], "stop"))


async def test_a_set_with_one_and_several_right_options_is_asked_scored_and_exported(tmp_path: Path) -> None:
    three = OPTIONS | {"C": "the third"}
    asked = {"One": "B", "Both": "A, C", "Other": "A, B"}
    questions = [NewQuestion(stem=f"{stem}?", options=three, target=target) for stem, target in asked.items()]

    def respond(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        answering(lambda _: RIGHT if is_about(body, "One?") else SEVERAL)(handler, body)

    with serving(Script(respond)) as script:
        async with services_at(tmp_path, script.url) as services:
            with services.database.session() as session:
                QuestionSetRepository(session).add("mixed", "test", "m1", "", questions)
            run = await run_to_end(services, question_sets=("mixed",))
            assert run.state is RunState.COMPLETED
            reading = services.benchmark_reading
            strict, m1 = [await reading.cells([run.id], rule) for rule in ("strict", "m1")]
            assert [(each.n, each.accuracy.value) for each in strict] == [(3, pytest.approx(2 / 3))] * 2
            assert [(each.n, each.accuracy.value) for each in m1] == [(1, 1.0)] * 2
            assert [await reading.count_unscored([run.id], rule) for rule in ("strict", "m1")] == [0, 2]
            rows = [row async for page in reading.rows(run.id) for row in page]
            prompts = ["".join(chr(token) for token in body["prompt"] if token < 1000) for body in script.completions]
            report = await report_of(run.id, reading, services.sweeps)
    of_one, of_both, of_other = (next(row for row in rows if row["question"] == f"{stem}?") for stem in asked)
    assert (of_one["letter_strict"], of_one["is_correct_m1"], of_one["hamming_score"]) == ("B", True, 1.0)
    assert (of_both["target"], of_both["letter_strict"], of_both["is_correct_strict"]) == ("A, C", "A, C", True)
    assert (of_both["is_correct_m1"], of_both["letter_m1"], of_both["hamming_score"]) == (None, None, 1.0)
    assert (of_other["is_correct_strict"], of_other["hamming_score"]) == (False, pytest.approx(1 / 3))
    assert all(("all correct options" in prompt) == ("One?" not in prompt) for prompt in prompts)
    assert "The rule m1 does not score 2 questions (counted for each model)" in report


async def test_a_set_of_several_right_options_alone_has_no_curve_by_the_published_rule(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: SEVERAL))) as script:
        async with services_at(tmp_path, script.url) as services:
            question = NewQuestion(stem="Both?", options=OPTIONS | {"C": "the third"}, target="A, C")
            with services.database.session() as session:
                QuestionSetRepository(session).add("several", "test", "m1", "", [question])
            run = await run_to_end(services, question_sets=("several",))
            reading = services.benchmark_reading
            assert await reading.cells([run.id], "m1") == ()
            pair = CellPair(run.models[0], "several", (16, 0), (32, 0))
            assert (await reading.transitions(run.id, pair)).right_right == 1
            assert "does not score 1 question (counted" in await report_of(run.id, reading, services.sweeps)
            with pytest.raises(AppError, match="The rule m1 does not score 1 question"):
                await reading.transitions(run.id, pair, "m1")
