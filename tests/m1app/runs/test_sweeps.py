"""A sweep from request to stored cells: on the real engines, and on one that misbehaves."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import aclosing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from m1app.bootstrap import Services, build_services
from m1app.errors import AppError
from m1app.question.answers.scoring import Score, score
from m1app.question.library import load_library
from m1app.runs.asked_prompts import asked_prompts, difference_value
from m1app.runs.errors import ProbeRefused
from m1app.runs.live_pass import LivePass
from m1app.runs.live_sweep import LiveSweep
from m1app.runs.probe_request import ProbeRequest
from m1app.runs.sweep_reading import CellState, SweepSnapshot, cell_readings
from m1app.runs.sweep_request import SweepRequest
from m1app.runs.sweeps import SweepService
from m1app.settings import Settings
from models.engine.endpoint import Endpoint
from models.errors import EngineUnreachable
from models.thinking.sweep import Cell
from storage.database import Database
from storage.errors import DatabaseLocked, InvalidRecord, RecordNotFound
from storage.sweeps.records import SweepWithPasses
from storage.sweeps.repository import SweepRepository
from storage.traces.records import SegmentKind, ThinkingFinishReason, Trace, TraceState
from storage.traces.repository import TraceRepository
from tests.m1app.conftest import MakeServices
from tests.m1app.runs.test_probe import OPTIONS
from tests.models.engine.dictated import LONG, Dictate
from tests.models.engine.scripted_server import Respond, Script, chunk, fail, in_turn, serving, stream
from tests.storage.samples import a_sweep, save_question

pytestmark = pytest.mark.engine

VIGNETTE = next(entry for entry in load_library() if entry.id == "nephrology-creatinine-rise-on-ramipril")


def request(**changes: object) -> SweepRequest:
    standard = {
        "stem": "Which vitamin deficiency causes scurvy?",
        "options": OPTIONS,
        "target": "B",
        "budgets": (8, 16, 32),
        "force_rounds": (0, 1),
        "answer_cap_tokens": 12,
    }
    return SweepRequest(**(standard | changes))  # type: ignore[arg-type]


async def follow(services: Services, sweep_id: str) -> list[SweepSnapshot]:
    async with aclosing(services.sweeps.follow(sweep_id)) as snapshots:
        return [snapshot async for snapshot in snapshots]


async def run(services: Services, **changes: object) -> SweepSnapshot:
    return (await follow(services, (await services.sweeps.start(request(**changes))).sweep.id))[-1]


async def probe(services: Services, wanted: SweepRequest, cell: Cell) -> Trace:
    """The cell in a run of its own."""
    begun = await services.probe.start(
        ProbeRequest(
            stem=wanted.stem,
            options=wanted.options,
            target=wanted.target,
            thinking_budget_tokens=cell.budget_tokens,
            force_rounds=cell.force_rounds,
            answer_cap_tokens=wanted.answer_cap_tokens,
        )
    )
    async with aclosing(services.probe.follow(begun.id)) as snapshots:
        return [snapshot async for snapshot in snapshots][-1]


def thinking_ids(trace: Trace) -> tuple[int, ...]:
    parts = [s.token_ids for s in trace.segments if s.kind in (SegmentKind.THINK, SegmentKind.WAIT)]
    return sum(parts, ())


async def test_a_person_can_have_every_running_pass_answer_where_it_is(services: Services, dictate: Dictate) -> None:
    dictate(LONG, answer=" The answer is B.")
    wanted = request(budgets=(8, 600, 1200), passes=2, temperature=0.7, seed=7)
    begun = await services.sweeps.start(wanted)
    async with aclosing(services.sweeps.follow(begun.sweep.id)) as snapshots:
        async for snapshot in snapshots:
            if all(run.trace.thinking_tokens >= 12 for run in snapshot.passes):
                assert services.sweeps.answer_now(begun.sweep.id)
                break
    over = (await follow(services, begun.sweep.id))[-1]
    assert over.sweep.state is TraceState.COMPLETED
    for run_ in over.passes:
        tokens = run_.trace.thinking_tokens
        assert run_.trace.thinking_finish_reason is ThinkingFinishReason.EARLY_EXIT and tokens < 600
        ends = {(kept.cut_tokens, kept.thinking_finish_reason.value): set(kept.cells) for kept in run_.checkpoints}
        assert ends == {
            (8, "budget"): {(8, 0), (8, 1)},
            (tokens, "early_exit"): {(budget, rounds) for budget in (600, 1200) for rounds in (0, 1)},
        }
        assert all(kept.text and not kept.error for kept in run_.checkpoints)
    stored = await services.sweeps.get(over.sweep.id)
    rows = [row for run_ in stored.passes for row in cell_readings(stored, run_)]
    assert {reading.state for reading in rows} == {CellState.ANSWERED}
    with pytest.raises(AppError, match="complete"):
        await services.sweeps.resume(over.sweep.id)


async def test_cells_end_where_separate_runs_end_and_are_stored(services: Services) -> None:
    wanted = request(
        stem=VIGNETTE.question,
        options=VIGNETTE.options,
        target=VIGNETTE.target,
        budgets=(16, 64, 80),
        force_rounds=(0, 2),
    )
    done = (await follow(services, (await services.sweeps.start(wanted)).sweep.id))[-1]
    assert (done.sweep.state, done.sweep.error, done.save_error) == (TraceState.COMPLETED, "", "")
    (only,) = done.passes
    readings = cell_readings(done, only)
    assert [reading.cell for reading in readings] == list(done.cells)
    assert {reading.state for reading in readings} == {CellState.ANSWERED}
    swept = thinking_ids(only.trace)
    agreeing = 0
    for reading in readings:
        alone = await probe(services, wanted, reading.cell)
        assert reading.cut_tokens is not None
        kept = reading.checkpoint
        assert kept is not None
        assert kept.option_probabilities is not None
        assert kept.option_probabilities.keys() == wanted.options.keys()
        if (thinking_ids(alone), alone.answer_text) == (swept[: reading.cut_tokens], kept.text):
            agreeing += 1
            assert reading.finish is alone.thinking_finish_reason
            assert alone.thinking_text == only.trace.thinking_text[: reading.cut_characters]
            assert (kept.letter, kept.is_correct) == (alone.answer_letter, alone.is_correct)
            assert kept.option_probabilities == pytest.approx(alone.option_probabilities, abs=1e-3)
    # llama.cpp computes each cell as in a run of its own. vLLM does not promise it: where it computes in bfloat16, two
    # of six agree, because other requests are in the batch.
    assert only.trace.engine_kind == "vllm" or agreeing == len(readings)
    kept_cuts = {(each.cut_tokens, each.thinking_finish_reason) for each in only.checkpoints}
    assert len(kept_cuts) == len(only.checkpoints)
    stored = await services.sweeps.get(done.sweep.id)
    assert stored.passes[0].checkpoints == only.checkpoints
    assert stored.sweep.tokens_generated == done.sweep.tokens_generated


async def test_one_model_is_swept_by_two_profiles_as_two_series(services: Services) -> None:
    names = ("smollm2-135m by m1", "smollm2-135m")
    done = await run(services, models=names, budgets=(8,), force_rounds=(0,))
    assert [(each.trace.model, each.trace.profile) for each in done.passes] == [
        ("smollm2-135m by m1", "m1"),
        ("smollm2-135m", "plain-chatml"),
    ]
    assert done.sweep.models == names
    # What a pass asked it by is kept where the whole sweep names another profile.
    done = await run(services, models=names, profile="s1", budgets=(8,), force_rounds=(0,))
    assert [each.trace.profile for each in done.passes] == ["m1", "s1"]
    shown = difference_value(asked_prompts([each.trace for each in done.passes], {}))
    assert shown is not None and len(shown["prompts"]) == 2


async def test_accounting_adds_up(services: Services) -> None:
    done = await run(services, budgets=(8, 24, 24), force_rounds=(0,))
    (only,) = done.passes
    answers = sum(each.tokens_generated for each in only.checkpoints)
    assert done.sweep.tokens_generated == only.trace.tokens_generated + answers
    assert done.sweep.tokens_if_separate == sum(each.tokens_if_separate * len(each.cells) for each in only.checkpoints)
    assert done.sweep.budgets == (8, 24)
    for each in only.checkpoints:
        if each.thinking_finish_reason is ThinkingFinishReason.BUDGET:
            assert each.tokens_if_separate == each.cut_tokens + each.tokens_generated
    assert done.sweep.seconds > 0


async def test_sampled_passes_have_seeds_that_count_up(services: Services) -> None:
    done = await run(services, budgets=(8, 16), force_rounds=(0,), temperature=0.9, seed=5, passes=3)
    assert [(each.trace.pass_number, each.trace.seed) for each in done.passes] == [(0, 5), (1, 6), (2, 7)]
    assert len({thinking_ids(each.trace) for each in done.passes}) > 1
    assert all(len(each.checkpoints) == 2 for each in done.passes)


async def test_stopped_sweep_keeps_what_it_has_and_can_be_resumed(services: Services, dictate: Dictate) -> None:
    dictate(LONG * 2)
    wanted = request(budgets=(8, 16, 400), force_rounds=(0, 8))
    begun = await services.sweeps.start(wanted)
    async with aclosing(services.sweeps.follow(begun.sweep.id)) as snapshots:
        async for snapshot in snapshots:
            if len(snapshot.passes[0].checkpoints) >= 1:
                break
    assert services.sweeps.stop(begun.sweep.id)
    stopped = (await follow(services, begun.sweep.id))[-1]
    assert stopped.sweep.state is TraceState.STOPPED
    assert stopped.passes[0].trace.state is TraceState.STOPPED
    before = thinking_ids(stopped.passes[0].trace)
    assert len(before) < 400
    resumed = (await follow(services, (await services.sweeps.resume(begun.sweep.id)).sweep.id))[-1]
    assert resumed.sweep.state is TraceState.COMPLETED
    (only,) = resumed.passes
    assert thinking_ids(only.trace)[: len(before)] == before
    assert {reading.state for reading in cell_readings(resumed, only)} == {CellState.ANSWERED}
    assert stopped.passes[0].checkpoints == only.checkpoints[: len(stopped.passes[0].checkpoints)]
    assert resumed.sweep.tokens_generated > stopped.sweep.tokens_generated
    with pytest.raises(AppError, match="complete"):
        await services.sweeps.resume(begun.sweep.id)


async def test_sweep_of_a_process_that_was_killed_is_resumed_by_the_next(
    make_services: MakeServices, embedded_endpoint: Endpoint, dictate: Dictate
) -> None:
    dictate(LONG * 5)
    services = make_services(embedded_endpoint)
    begun = await services.sweeps.start(request(budgets=(8, 1200), force_rounds=(0, 8)))
    while len(thinking_ids((await stored_sweep(services, begun.sweep.id)).passes[0].trace)) <= 8:
        await asyncio.sleep(0.2)
    other = build_services(services.settings)
    try:
        assert other.sweeps.mark_interrupted() == 1
        left = await other.sweeps.get(begun.sweep.id)
        assert left.sweep.state is TraceState.INTERRUPTED
        assert len(thinking_ids(left.passes[0].trace)) > 8
        services.sweeps.stop(begun.sweep.id)
        await follow(services, begun.sweep.id)
        await other.sweeps.resume(begun.sweep.id)
        async with aclosing(other.sweeps.follow(begun.sweep.id)) as snapshots:
            async for snapshot in snapshots:
                if len(thinking_ids(snapshot.passes[0].trace)) > len(thinking_ids(left.passes[0].trace)):
                    break
        assert thinking_ids(snapshot.passes[0].trace)[:8] == thinking_ids(left.passes[0].trace)[:8]
    finally:
        await other.aclose()


async def test_save_under_way_does_not_reopen_a_sweep_that_ended(
    make_services: MakeServices, embedded_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, dictate: Dictate
) -> None:
    dictate(LONG * 5)
    save, is_saving, is_saved = SweepService._save, asyncio.Event(), asyncio.Event()

    async def save_late(self: SweepService, sweeps: Sequence[LiveSweep]) -> None:
        is_saving.set()
        await asyncio.sleep(0.5)
        await save(self, sweeps)
        is_saved.set()

    monkeypatch.setattr(SweepService, "_save", save_late)
    services = make_services(embedded_endpoint)
    begun = await services.sweeps.start(request(budgets=(8, 1200), force_rounds=(0, 8)))
    await is_saving.wait()
    await services.sweeps.aclose()
    await is_saved.wait()
    assert (await stored_sweep(services, begun.sweep.id)).sweep.state is TraceState.INTERRUPTED


async def stored_sweep(services: Services, sweep_id: str) -> SweepWithPasses:
    return await services.database.read(lambda s: SweepRepository(s).get(sweep_id))


def answering(answer: Callable[[int], Respond]) -> Respond:
    """Thinks one token after the other up to the budget; answers as `answer` says for so many thinking tokens."""

    def respond(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if body["max_tokens"] == 12:
            answer(sum(token >= 1000 for token in body["prompt"]))(handler, body)
        elif body["max_tokens"] == 1:
            stream(chunk(" B", [66], "length"))(handler, body)
        else:
            count = body["max_tokens"]
            tokens = [chunk(f" {n}", [1000 + n], "length" if n + 1 == count else None) for n in range(count)]
            stream(*tokens)(handler, body)

    return respond


RIGHT = stream(chunk(" B", [66]), chunk("", [9], "stop"))


async def test_models_of_several_servers_are_swept_at_once(tmp_path: Path, embedded_endpoint: Endpoint) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        host = script.url.removeprefix("http://")
        settings = Settings(
            home=tmp_path,
            engine_url=embedded_endpoint.base_url,
            engine_api_key=SecretStr(embedded_endpoint.api_key),
            more_engine_urls=SecretStr(f"http://:secret@{host}/v1, http://127.0.0.1:9"),
        )
        services = build_services(settings)
        try:
            names = await services.engines.models()
            assert names == ("smollm2-135m", f"scripted @ {host}")
            done = await run(services, models=names, profile="plain-chatml", budgets=(8, 16), force_rounds=(0,))
            again = await services.sweeps.get(done.sweep.id)
        finally:
            await services.aclose()
    assert done.sweep.state is TraceState.COMPLETED
    assert [each.trace.model for each in again.passes] == list(names)
    assert [len(each.checkpoints) for each in done.passes] == [2, 2]
    assert done.passes[1].trace.thinking_text == "".join(f" {n}" for n in range(16))
    assert {body["_authorization"] for _, body in script.requests if body} == {"Bearer secret"}


async def test_answer_that_fails_once_is_asked_again_and_its_tokens_count(make_services: MakeServices) -> None:
    once = in_turn(stream(chunk(" B", [66]), is_whole=False), RIGHT)
    with serving(Script(answering(lambda tokens: once if tokens == 8 else RIGHT))) as script:
        done = await run(make_services(Endpoint(script.url)), profile="plain-chatml", force_rounds=(0,))
    assert done.sweep.state is TraceState.COMPLETED
    assert [each.error for each in done.passes[0].checkpoints] == ["", "", ""]
    assert sorted(each.tokens_generated - 1 for each in done.passes[0].checkpoints) == [2, 2, 3]
    assert done.sweep.tokens_generated == 32 + 2 + 2 + 3 + 3


async def test_answer_that_keeps_failing_is_marked_and_only_it_is_asked_again_at_a_resume(
    make_services: MakeServices,
) -> None:
    is_broken = True

    def answer(thinking_tokens: int) -> Respond:
        is_bad = is_broken and thinking_tokens == 8
        return stream(chunk(" B", [66]), is_whole=False) if is_bad else RIGHT

    with serving(Script(answering(answer))) as script:
        services = make_services(Endpoint(script.url))
        done = await run(services, profile="plain-chatml", force_rounds=(0,))
        states = [reading.state for reading in cell_readings(done, done.passes[0])]
        failed = [each for each in done.passes[0].checkpoints if each.error]
        assert (done.sweep.state, done.passes[0].trace.state) == (TraceState.FAILED, TraceState.COMPLETED)
        assert "broke" in done.sweep.error
        assert sorted(states) == [CellState.ANSWERED, CellState.ANSWERED, CellState.FAILED]
        assert "broke" in failed[0].error
        is_broken = False
        asked = len(script.completions)
        twice = await asyncio.gather(*(services.sweeps.resume(done.sweep.id) for _ in "ab"), return_exceptions=True)
        assert [type(result) for result in twice] == [SweepSnapshot, AppError]
        again = (await follow(services, done.sweep.id))[-1]
        assert {reading.state for reading in cell_readings(again, again.passes[0])} == {CellState.ANSWERED}
        assert len(script.completions) - asked == 2
    # The pass, three answers of 3 tokens, and the three tries that broke off after one.
    assert again.sweep.tokens_generated == 32 + 3 * 3 + 3


async def test_a_pass_that_can_never_be_saved_keeps_nothing_else_from_being_saved(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    close, is_busy = TraceRepository.close, True

    def of_the_first_never(self: TraceRepository, trace_id: str, *given: Any) -> None:
        if is_busy:
            raise DatabaseLocked("The database is busy.")
        if trace_id == passes[0].trace.id:
            raise InvalidRecord("It is closed already.")
        close(self, trace_id, *given)

    monkeypatch.setattr(TraceRepository, "close", of_the_first_never)
    with serving(Script(answering(lambda _: RIGHT))) as script:
        services = make_services(Endpoint(script.url))
        passes = (
            begun := await services.sweeps.start(request(profile="plain-chatml", passes=2, temperature=0.5))
        ).passes
        assert len(passes) == 2
        await follow(services, begun.sweep.id)
        is_busy = False
        await services.aclose()
    stored = await Database(services.settings.database_address).read(lambda s: SweepRepository(s).get(begun.sweep.id))
    states = {each.trace.id: each.trace.state for each in stored.passes}
    assert stored.sweep.state is TraceState.COMPLETED
    assert states[passes[1].trace.id] is TraceState.COMPLETED


async def test_answer_stands_when_its_option_probabilities_are_refused(make_services: MakeServices) -> None:
    def respond(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        refuse = fail(400, {"error": {"message": "logprobs must be at most 5"}})
        (refuse if body["max_tokens"] == 1 else answering(lambda _: RIGHT))(handler, body)

    with serving(Script(respond)) as script:
        done = await run(make_services(Endpoint(script.url)), profile="plain-chatml", force_rounds=(0,))
    assert done.sweep.state is TraceState.COMPLETED
    assert [(each.text, each.option_probabilities) for each in done.passes[0].checkpoints] == [(" B", None)] * 3


async def test_answer_that_could_not_be_saved_is_saved_with_the_end_of_the_pass(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, failures = LivePass._add_checkpoint, 2

    async def add_later(self: LivePass, *values: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise DatabaseLocked("The database is in use.") if failures else KeyError("a programmer's mistake")
        return await add(self, *values)

    monkeypatch.setattr(LivePass, "_add_checkpoint", add_later)
    with serving(Script(answering(lambda _: RIGHT))) as script:
        services = make_services(Endpoint(script.url))
        done = await run(services, profile="plain-chatml", force_rounds=(0,))
        kept = await stored_sweep(services, done.sweep.id)
    assert (done.sweep.state, done.save_error) == (TraceState.COMPLETED, "")
    assert [each.cut_tokens for each in kept.passes[0].checkpoints] == [8, 16, 32]


async def test_unexpected_error_while_an_answer_is_scored_fails_the_sweep_and_holds_up_no_other_answer(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = 1

    def fail_once(*values: Any) -> Score:
        nonlocal failures
        if failures:
            failures -= 1
            raise KeyError("a programmer's mistake")
        return score(*values)

    monkeypatch.setattr("m1app.runs.forked_answer.score", fail_once)
    # One answer at a time, as on llama.cpp: a worker that ended would leave the others waiting.
    monkeypatch.setattr("m1app.runs.live_pass._FORKS_AT_ONCE", 1)
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with asyncio.timeout(30):
            done = await run(make_services(Endpoint(script.url)), profile="plain-chatml", force_rounds=(0,))
    assert done.sweep.state is TraceState.FAILED
    assert "KeyError" in done.sweep.error
    assert len(done.passes[0].checkpoints) == 2


async def test_saving_of_sweeps_goes_on_after_an_unexpected_error_which_the_person_sees(
    make_services: MakeServices, embedded_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, failures = SweepRepository.heartbeat, 1

    def fail_once(self: SweepRepository, *values: Any) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise KeyError("a programmer's mistake")
        save(self, *values)

    monkeypatch.setattr(SweepRepository, "heartbeat", fail_once)
    services = make_services(embedded_endpoint)
    begun = await services.sweeps.start(request(budgets=(8, 1500), force_rounds=(0, 8)))
    problems = [""]
    async with asyncio.timeout(30), aclosing(services.sweeps.follow(begun.sweep.id)) as snapshots:
        async for snapshot in snapshots:
            problems.append(snapshot.save_error)
            if any(problems) and not problems[-1]:
                break
    assert "KeyError" in max(problems)
    services.sweeps.stop(begun.sweep.id)


async def test_sweep_of_another_process_is_followed_while_a_writer_holds_the_database(
    make_services: MakeServices,
) -> None:
    services = make_services(Endpoint("http://127.0.0.1:9"))
    question = save_question(services.database)
    another = a_sweep(question.id, owner="another-machine:1")
    begun = services.database.write_now(lambda s: SweepRepository(s).add(another))
    with sqlite3.connect(services.settings.home / "m1.sqlite3", isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        async with aclosing(services.sweeps.follow(begun.id)) as snapshots:
            followed = [await anext(snapshots) for _ in range(3)]
        writer.execute("ROLLBACK")
    assert {each.sweep.state for each in followed} == {TraceState.RUNNING}


async def test_stop_pressed_twice_closes_everything(services: Services, dictate: Dictate) -> None:
    dictate(LONG * 5)
    begun = await services.sweeps.start(request(budgets=(8, 800), force_rounds=(0, 8), temperature=0.8, passes=10))
    await asyncio.sleep(0.5)
    assert services.sweeps.stop(begun.sweep.id)
    assert services.sweeps.stop(begun.sweep.id)
    stopped = (await follow(services, begun.sweep.id))[-1]
    assert stopped.sweep.state is TraceState.STOPPED
    assert {each.trace.state for each in stopped.passes} == {TraceState.STOPPED}
    kept = await stored_sweep(services, begun.sweep.id)
    assert {each.trace.state for each in kept.passes} == {TraceState.STOPPED}


async def test_pass_that_breaks_off_is_told_and_keeps_its_answers(make_services: MakeServices) -> None:
    def respond(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if body["max_tokens"] > 12:
            stream(*(chunk(f" {n}", [1000 + n]) for n in range(20)), is_whole=False)(handler, body)
        else:
            answering(lambda _: RIGHT)(handler, body)

    with serving(Script(respond)) as script:
        done = await run(make_services(Endpoint(script.url)), profile="plain-chatml", force_rounds=(0,))
    assert done.sweep.state is TraceState.FAILED
    assert "broke" in done.sweep.error
    assert len(thinking_ids(done.passes[0].trace)) == 20
    states = {reading.cell.budget_tokens: reading.state for reading in cell_readings(done, done.passes[0])}
    assert states[32] is CellState.MISSING


async def test_engine_that_is_down_is_named_and_nothing_is_stored(make_services: MakeServices) -> None:
    services = make_services(Endpoint("http://127.0.0.1:9"))
    with pytest.raises(EngineUnreachable, match="M1_ENGINE_URL"):
        await services.sweeps.start(request())
    assert await services.sweeps.recent(5) == ()


async def test_budget_that_does_not_fit_is_refused_with_the_largest_that_does(services: Services) -> None:
    with pytest.raises(ProbeRefused, match="Choose at most"):
        await services.sweeps.start(request(budgets=(64, 16384)))


async def test_unknown_sweep_is_said_to_be_unknown(services: Services) -> None:
    with pytest.raises(RecordNotFound, match="Sweep 'f00' not found"):
        await services.sweeps.get("f00")
    with pytest.raises(RecordNotFound):
        await services.sweeps.resume("f00")
    assert not services.sweeps.stop("f00")


def test_estimate_is_an_upper_bound(services: Services) -> None:
    estimate = services.sweeps.estimate(request(), has_options=True)
    assert estimate.tokens_at_most == 32 + 6 * 13
    assert estimate.tokens_if_separate_at_most == 2 * (8 + 16 + 32) + 6 * 13
    doubled = services.sweeps.estimate(request(stem="", models=("a", "b")), has_options=True)
    assert doubled.tokens_at_most == 2 * estimate.tokens_at_most
