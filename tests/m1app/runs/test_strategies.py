"""Runs of strategies: kept as they go, stopped, killed and resumed, on a scripted engine and on the real ones."""

import asyncio
import time
import urllib.request
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from m1app.bootstrap import Services
from m1app.errors import AppError
from m1app.runs.errors import ProbeRefused, PromptChanged
from m1app.runs.pass_plan import PassPlan
from m1app.runs.probe_request import pass_settings
from m1app.runs.strategies import StrategyService
from m1app.runs.strategy_request import StrategyRunRequest
from m1app.runs.strategy_snapshots import StrategyRunSnapshot
from m1app.strategies.drivers.ledger import costs_of
from m1app.strategies.drivers.served_models import ServedModel
from models.engine.endpoint import Endpoint
from models.errors import EngineError
from models.profiles import ProfileMatch
from models.thinking.prompting import Prompt
from storage.database import Database
from storage.errors import DatabaseLocked
from storage.strategies.repository import StrategyRepository
from storage.strategies.tables import StrategyRunRow
from storage.traces.listing import TraceFilter
from storage.traces.records import TraceState
from storage.traces.repository import TraceRepository
from storage.traces.tables import TraceRow
from tests.m1app.strategies.scripted import (
    HANGS,
    MARKERS,
    OPTIONS,
    CharacterEngine,
    OneModel,
    Script,
    a_profile,
    ids_of,
    text_of,
)
from tests.m1app.strategies.test_driver import saying


class ScriptedPlanner:
    """Plans passes on a scripted engine."""

    def __init__(self, engine: CharacterEngine) -> None:
        self.engine = engine
        self.prompt = "Which?"

    async def plan(self, request):
        return PassPlan(
            request=request,
            engine=self.engine,
            info=await self.engine.describe(),
            match=ProfileMatch(a_profile(), is_guess=False),
            system="",
            prompt=Prompt(self.prompt, ids_of(self.prompt)),
            markers=MARKERS,
            settings=pass_settings(request, request.seed),
            engine_name="remote",
            model="toy",
        )

    async def served(self, model: str) -> ServedModel:
        return await OneModel(self.engine).served("")


@pytest.fixture
def database(tmp_path: Path, migrated_copies) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    made.migrate()
    return made


async def service_of(database: Database, engine: CharacterEngine) -> StrategyService:
    return StrategyService(ScriptedPlanner(engine), database)


def request(**changes) -> StrategyRunRequest:
    standard = {
        "stem": "Which?",
        "options": OPTIONS,
        "target": "B",
        "choices": ("vote:k=3", "budget-forcing"),
        "budget_tokens": 600,
        "answer_cap_tokens": 20,
        "seed": 0,
    }
    return StrategyRunRequest(**(standard | changes))


async def end_of(service: StrategyService, run_id: str) -> StrategyRunSnapshot:
    async with aclosing(service.follow(run_id)) as snapshots:
        return [each async for each in snapshots][-1]


async def test_a_run_is_kept_with_its_ledger_and_its_passes(database):
    engine = CharacterEngine(saying("B", "B", "A"))
    service = await service_of(database, engine)
    begun = await service.start(request())
    live = await end_of(service, begun.run.id)
    await service.aclose()
    kept = await (await service_of(database, engine)).get(begun.run.id)
    assert [each.result for each in kept.strategies] == [each.result for each in live.strategies]
    assert [each.requests for each in kept.strategies] == [each.requests for each in live.strategies]
    vote, chain = (each.result for each in kept.strategies)
    assert (vote.letter, vote.is_correct, vote.why) == ("B", True, "2 of 3 passes gave this answer.")
    assert vote.picture["votes"]["votes"] == {"B": 2, "A": 1}
    assert (chain.letter, chain.state) == ("B", TraceState.COMPLETED)
    assert vote.generated + chain.generated == engine.generated
    for each in kept.strategies:
        assert each.result.generated == costs_of(each.requests).generated
    assert len(kept.traces) == 4
    wrong = next(trace for trace in kept.traces.values() if trace.answer_letter == "A")
    assert (wrong.is_correct, wrong.state, wrong.seed, wrong.answer_text) == (False, TraceState.COMPLETED, 2, "A")
    assert wrong.thinking_text == "002......."
    assert wrong.option_probabilities == {"A": 1.0, "B": 0.0, "C": 0.0}
    history = await database.read(lambda s: TraceRepository(s).list(TraceFilter()).items)
    assert history == (), "passes of strategies are no probes"


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"choices": ()}, "strategies", "Choose at least one strategy"),
        ({"choices": ("lottery",)}, "strategies", "There is no strategy named 'lottery'"),
        ({"budget_tokens": 0}, "budget", "Token budget is 0"),
        ({"thinking_tokens": 0}, "thinking_budget", "Thinking budget is 0"),
        ({"temperature": 0.0}, "temperature", "all passes of a strategy would be identical"),
        ({"seed": 2**31 - 1}, "seed", "leaves no room"),
        ({"choices": tuple(f"vote:k={k}" for k in range(1, 26))}, "strategies", "25 strategies were chosen"),
        (
            {"target": "A, C", "choices": ("vote:k=3", "debate", "weighted-vote", "debate:agents=2")},
            "strategies",
            "Several options are right here, and Debate, Vote by probability cannot choose sets of options. Strategies "
            "that count answers can: One chain, Vote, Vote until clear, First to finish.",
        ),
    ],
)
async def test_what_cannot_be_run_is_refused_before_anything_is_asked(database, changes, field, said):
    engine = CharacterEngine()
    with pytest.raises(ProbeRefused, match=said) as refused:
        await (await service_of(database, engine)).start(request(**changes))
    assert refused.value.field == field
    assert engine.requests == []


async def test_where_several_options_are_right_an_answer_is_a_set_of_letters(database):
    """Two say A and C, and one, whose letter is more probable, only A: a set is an answer like any other."""
    sets = ["Answers: A and C.", "Answer: A", "Answers: A and C."]
    engine = CharacterEngine(
        Script(
            think=lambda prompt, seed: f"{seed:03}...",
            answer=lambda prompt, thinking: sets[int(thinking[:3])],
            choices=lambda prompt, thinking, lead: {"A": 0.9, "C": 0.1},
        )
    )
    service = await service_of(database, engine)
    choices = ("vote:k=3", "vote:k=2", "budget-forcing", "adaptive-vote:k=3", "first-finish:n=1")
    begun = await service.start(request(target="A, C", choices=choices, budget_tokens=3_000))
    over = await end_of(service, begun.run.id)
    found = [(each.result.letter, each.result.is_correct) for each in over.strategies]
    # The tie of one to one goes to the first pass: what a letter is worth says nothing about a set.
    assert found == [("A, C", True)] * 5
    traces = {(each.answer_text, each.answer_letter, each.is_correct) for each in over.traces.values()}
    assert traces == {(sets[0], "A, C", True), (sets[1], "A", False)}
    await service.aclose()
    kept = await (await service_of(database, engine)).get(begun.run.id)
    assert [(each.result.letter, each.result.is_correct) for each in kept.strategies] == found


@pytest.mark.parametrize("choice", ["first-finish:n=4", "vote:k=4", "most-confident:k=4", "deepconf:k=4:warmup=2"])
async def test_a_stop_in_the_middle_of_the_thinking_leaves_an_answer_to_its_resume(database, choice):
    """What was thought is lost: of the rest, only so many passes are begun as can be answered."""

    def engine_of():
        return CharacterEngine(
            Script(think=lambda prompt, seed: f"{seed}".ljust(100_000, "."), answer=lambda prompt, thinking: "B")
        )

    engine = engine_of()
    service = await service_of(database, engine)
    begun = await service.start(request(choices=(choice,), budget_tokens=1_000))
    while engine.generated < 300:
        await asyncio.sleep(0)
    service.stop(begun.run.id)
    await end_of(service, begun.run.id)
    await service.resume(begun.run.id)
    result = (await end_of(service, begun.run.id)).strategies[0].result
    assert (result.state, result.letter) == (TraceState.COMPLETED, "B"), result.error or result.why
    assert 300 < result.generated <= 1_000
    await service.aclose()


async def test_a_strategy_that_cannot_run_says_so_and_the_others_go_on(database):
    service = await service_of(database, CharacterEngine(saying("B")))
    begun = await service.start(request(choices=("vote:k=100", "budget-forcing")))
    over = await end_of(service, begun.run.id)
    vote, chain = (each.result for each in over.strategies)
    assert vote.state is TraceState.FAILED
    assert "too small for 100 passes" in vote.error
    assert (chain.state, over.run.state) == (TraceState.COMPLETED, TraceState.COMPLETED)


async def test_a_run_of_which_nothing_can_run_is_refused_and_not_stored(database):
    engine = CharacterEngine()
    service = await service_of(database, engine)
    with pytest.raises(ProbeRefused, match=r"^A budget of 600 tokens is too small for 100 passes"):
        await service.start(request(choices=("vote:k=100",)))
    both = request(choices=("vote:k=100", "weighted-vote:k=2"), options={}, target=None)
    with pytest.raises(ProbeRefused, match=r"Vote \(passes 100\): A budget .* Vote by probability .*: .* has none"):
        await service.start(both)
    assert (list(await service.recent(9)), engine.requests) == ([], [])


async def test_which_strategies_cannot_be_asked_is_known_without_asking(database):
    engine = CharacterEngine()
    service = await service_of(database, engine)
    wanted = request(choices=("vote:k=100", "weighted-vote:k=2", "vote:k=2"), options={})
    found = await service.refusals(wanted)
    assert list(found) == ["vote:k=100", "weighted-vote:k=2"]
    assert "this question has none" in found["weighted-vote:k=2"]
    assert list(await service.refusals(replace(wanted, stem=" "))) == ["vote:k=100"], "no question is typed yet"
    assert engine.requests == []


async def test_a_run_of_which_all_fail_says_why_at_the_top_only_if_the_reason_is_one(database):
    service = await service_of(database, CharacterEngine())

    async def said(run_id, *choices):
        # As a benchmark starts it, whose strategies are counted one by one.
        begun = await service.start(request(choices=choices), run_id)
        return (await end_of(service, begun.run.id)).run.error

    assert "too small for 100 passes" in await said("a" * 32, "vote:k=100")
    assert await said("b" * 32, "vote:k=100", "vote:k=90") == "All strategies failed. The reasons are shown below."


def endless(*letters) -> Script:
    """Passes from the second on think without end."""

    def think(prompt, seed):
        return f"{seed:03}".ljust(10 if seed == 0 else 100_000, ".")

    return Script(think=think, answer=lambda prompt, thinking: letters[int(thinking[:3])], pause_seconds=0.001)


async def until(service: StrategyService, run_id: str, is_so) -> StrategyRunSnapshot:
    async with aclosing(service.follow(run_id)) as snapshots:
        async for each in snapshots:
            if is_so(each):
                return each
    raise AssertionError("it never came to that")


def first_is_answered(snapshot: StrategyRunSnapshot) -> bool:
    traces = snapshot.traces.values()
    return any(each.answer_text for each in traces) and all(each.thinking_tokens > 5 for each in traces)


async def test_a_stopped_run_keeps_what_it_has_and_goes_on_without_asking_it_again(database):
    engine = CharacterEngine(endless("B", "B", "A"))
    service = await service_of(database, engine)
    wanted = request(choices=("vote:k=3",), budget_tokens=50_000)
    begun = await service.start(wanted)
    await until(service, begun.run.id, first_is_answered)
    service.stop(begun.run.id)
    stopped = await end_of(service, begun.run.id)
    assert stopped.run.state is TraceState.STOPPED
    assert stopped.strategies[0].result.state is TraceState.STOPPED
    assert {trace.state for trace in stopped.traces.values()} == {TraceState.COMPLETED, TraceState.STOPPED}
    spent = stopped.strategies[0].result.generated
    assert spent == engine.generated
    engine.script, before = saying("B", "B", "A"), len(engine.requests)
    await service.resume(begun.run.id)
    over = await end_of(service, begun.run.id)
    result = over.strategies[0].result
    assert (result.state, result.letter, result.why) == (TraceState.COMPLETED, "B", "2 of 3 passes gave this answer.")
    assert result.generated == engine.generated
    lost = [each for each in over.strategies[0].requests if each.wasted]
    assert sum(each.wasted for each in lost) == result.wasted > 0
    assert not any("<think>000" in text_of(each.prompt_ids) for each in engine.requests[before:])
    again = [each for each in over.strategies[0].requests if each.key == "pass/0"]
    assert [each.attempt for each in again] == [0]
    with pytest.raises(AppError, match="complete"):
        await service.resume(begun.run.id)


async def stopped_run(service: StrategyService) -> str:
    """Id of a run that has something left to do."""
    begun = await service.start(request(choices=("vote:k=3",), budget_tokens=50_000))
    await until(service, begun.run.id, first_is_answered)
    live = service._runs.live(begun.run.id)
    service.stop(begun.run.id)
    while not live.is_over:  # And no longer: its task is about to end.
        await asyncio.sleep(0)
    return begun.run.id


@pytest.mark.parametrize("services", [1, 2])
async def test_of_two_who_have_a_run_go_on_one_succeeds(database, services):
    engine = CharacterEngine(endless("B", "B", "A"))
    several = [await service_of(database, engine) for _ in range(services)]
    run_id = await stopped_run(several[0])
    asked = await asyncio.gather(*((several * 2)[i].resume(run_id) for i in range(2)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in asked) == ["AppError", "StrategyRunSnapshot"]
    for each in several:
        each.stop_all()
        await each.aclose()


async def test_a_run_that_is_stopped_when_all_is_done_is_complete(database):
    service = await service_of(database, CharacterEngine(saying("B")))
    begun = await service.start(request(choices=("budget-forcing",)))
    live = service._runs.live(begun.run.id)
    while not live._strategies[0].is_over:
        await asyncio.sleep(0)
    live.end(TraceState.STOPPED, "")
    assert live.snapshot().run.state is TraceState.COMPLETED
    await end_of(service, begun.run.id)
    await service.aclose()


async def killed(service: StrategyService, database: Database, run_id: str):
    """End the process of a run: it is as it was last saved. Its strategies' stored requests."""
    live = service._runs.live(run_id)
    await live.save()
    live.save = lambda: asyncio.sleep(0)  # Nothing more is written, once the one that may be under way is.
    service._runs._tasks[run_id].cancel()
    await service.aclose()

    def forget(session):
        run = StrategyRepository(session).get(run_id)
        assert run.state is TraceState.RUNNING
        assert StrategyRepository(session).mark_interrupted(lambda owner: False, 0.0) == 1
        TraceRepository(session).mark_interrupted(lambda owner: False, 0.0)
        return StrategyRepository(session).requests(run_id)

    return await database.write(forget)


async def test_after_a_kill_what_ran_is_charged_as_wasted_and_asked_again(database):
    engine = CharacterEngine(endless("B", "B", "A"))
    service = await service_of(database, engine)
    begun = await service.start(request(choices=("vote:k=3",), budget_tokens=50_000))
    await until(service, begun.run.id, first_is_answered)
    saved = await killed(service, database, begun.run.id)
    engine = CharacterEngine(saying("B", "B", "A"))
    after = await service_of(database, engine)
    kept = await after.get(begun.run.id)
    assert kept.run.state is TraceState.INTERRUPTED
    assert any(trace.thinking_text.startswith("001...") for trace in kept.traces.values())
    await after.resume(begun.run.id)
    over = await end_of(after, begun.run.id)
    result = over.strategies[0].result
    assert (result.letter, result.state) == ("B", TraceState.COMPLETED)
    lost = sum(each.generated for each in saved[0] if each.state == "running")
    assert (result.wasted, result.generated) == (
        lost,
        sum(each.generated for each in saved[0]) + engine.generated,
    )
    await after.aclose()


@pytest.mark.parametrize(
    ("choice", "cut", "hangs"), [("deepconf:k=4:warmup=2:window=10", 2, 3), ("first-finish:n=4", 2, None)]
)
async def test_after_a_kill_what_the_strategy_had_cancelled_is_not_asked_again(database, choice, cut, hangs):
    """`hangs` is the pass, or the answer, that runs when the process is killed."""

    def script(is_hanging):
        def think(prompt, seed):
            text = f"{seed:03}".ljust((60, 20, 70, 80)[seed], ".")
            return text[:15] + HANGS if is_hanging and seed == hangs else text

        return Script(
            think=think,
            answer=lambda prompt, thinking: HANGS if is_hanging and hangs is None else "B",
            confidence=lambda thinking, place: 3.0 if thinking.startswith(f"{cut:03}") else 9.0,
        )

    key = f"pass/{cut}"

    def is_far(snapshot):
        requests = {each.key: each for each in snapshot.strategies[0].requests}
        waited_for = f"pass/{hangs}" if hangs is not None else "pass/1/answer"
        return key in requests and requests[key].finish == "cancelled" and waited_for in requests

    service = await service_of(database, CharacterEngine(script(is_hanging=True)))
    begun = await service.start(request(choices=(choice,), budget_tokens=1_000, thinking_tokens=90))
    await until(service, begun.run.id, is_far)
    (saved,) = await killed(service, database, begun.run.id)
    engine = CharacterEngine(script(is_hanging=False))
    after = await service_of(database, engine)
    await after.resume(begun.run.id)
    over = await end_of(after, begun.run.id)
    result = over.strategies[0].result
    assert (result.letter, result.state) == ("B", TraceState.COMPLETED)
    assert not any(text_of(each.prompt_ids).endswith("<think>") and each.seed == cut for each in engine.requests)
    of_cut = [each for each in over.strategies[0].requests if each.key == key]
    assert of_cut == [each for each in saved if each.key == key]
    assert over.traces[of_cut[0].trace_id].state is TraceState.STOPPED
    assert over.traces[of_cut[0].trace_id].thinking_tokens == of_cut[0].tokens > 0
    assert result.generated == sum(each.generated for each in saved) + engine.generated
    await after.aclose()


async def test_a_pass_that_is_asked_again_after_an_error_goes_on_in_its_trace(database, monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    engine = CharacterEngine(saying("B"))
    service = await service_of(database, engine)
    answers = iter(["connection refused", "connection refused"])
    is_asked, may_answer = asyncio.Event(), asyncio.Event()
    stream = engine.stream

    async def fail_twice(asked):
        if error := next(answers, ""):
            raise EngineError(error)
        is_asked.set()
        await may_answer.wait()
        async for chunk in stream(asked):
            yield chunk

    engine.stream = fail_twice
    begun = await service.start(request(choices=("budget-forcing",)))
    while not is_asked.is_set():
        await service._runs.live(begun.run.id).save()
        await asyncio.sleep(0)
    may_answer.set()
    over = await end_of(service, begun.run.id)
    await service.aclose()
    assert over.run.state is TraceState.COMPLETED
    ids = select(TraceRow.id).where(TraceRow.strategy_run_id == begun.run.id)
    stored = await database.read(lambda s: list(s.scalars(ids)))
    assert stored == list(over.traces), "no trace is left running"
    (trace,) = (await (await service_of(database, engine)).get(begun.run.id)).traces.values()
    assert (trace.state, trace.pass_number) == (TraceState.COMPLETED, 0)
    assert [part.kind.value for part in trace.segments] == ["think", "close", "answer"]


async def test_a_run_does_not_go_on_with_another_prompt(database):
    engine = CharacterEngine(endless("B", "B", "A"))
    planner = ScriptedPlanner(engine)
    service = StrategyService(planner, database)
    begun = await service.start(request(choices=("vote:k=3",), budget_tokens=50_000))
    await until(service, begun.run.id, first_is_answered)
    service.stop(begun.run.id)
    await end_of(service, begun.run.id)
    planner.prompt = "Which one?"
    with pytest.raises(PromptChanged, match="different prompt"):
        await service.resume(begun.run.id)


async def test_an_end_that_the_database_does_not_take_is_kept_and_stored_later(database, monkeypatch):
    service = await service_of(database, CharacterEngine(saying("B", "B", "A")))
    write, refused = database.write, []

    async def refuse(work):
        if len(refused) < 2:
            refused.append(work)
            raise DatabaseLocked("The database is locked.")
        return await write(work)

    begun = await service.start(request())
    monkeypatch.setattr(database, "write", refuse)
    over = await end_of(service, begun.run.id)
    assert [each.result.letter for each in over.strategies] == ["B", "B"]
    await service.aclose()
    kept = await (await service_of(database, CharacterEngine())).get(begun.run.id)
    assert [each.result.letter for each in kept.strategies] == ["B", "B"]
    assert kept.run.state is TraceState.COMPLETED


async def test_a_run_that_was_erased_while_it_ran_does_not_keep_others_from_being_saved(database):
    service = await service_of(database, CharacterEngine(endless("B", "B", "A")))
    wanted = request(choices=("vote:k=3",), budget_tokens=50_000)
    erased, other = (await service.start(wanted)).run.id, (await service.start(wanted)).run.id
    for run_id in (erased, other):
        await until(service, run_id, first_is_answered)
    await database.write(lambda s: s.execute(delete(StrategyRunRow).where(StrategyRunRow.id == erased)))
    await service._save([service._runs.live(run_id) for run_id in (erased, other)])
    saved = await database.read(lambda s: StrategyRepository(s).requests(other))
    assert saved[0]
    service.stop_all()
    assert "not found" in (await end_of(service, erased)).save_error
    assert (await end_of(service, other)).save_error == ""
    await service.aclose()


async def test_runs_are_found_by_their_question_and_its_verdicts(database):
    service = await service_of(database, CharacterEngine(saying("B", "A", "A")))
    begun = await service.start(request(stem="Which vitamin cures scurvy?"))
    await end_of(service, begun.run.id)
    (found,) = await service.recent(10, "scurvy")
    assert (found.id, found.letters, found.verdicts) == (begun.run.id, ("A", "B"), (False, True))
    assert await service.recent(10, "rickets") == ()
    assert await service.running_now() == ()


def counted_by_engine(endpoint: Endpoint) -> int:
    """Tokens that the server says it has generated, when it adds none: it counts a request a moment after its end."""
    counts = [-1, _count_of(endpoint)]
    while counts[-1] != counts[-2]:
        time.sleep(0.2)
        counts.append(_count_of(endpoint))
    return counts[-1]


def _count_of(endpoint: Endpoint) -> int:
    address = endpoint.base_url.removesuffix("/v1") + "/metrics"
    call = urllib.request.Request(address, headers={"Authorization": f"Bearer {endpoint.api_key or ''}"})
    with urllib.request.urlopen(call) as response:
        lines = response.read().decode().splitlines()
    names = ("llamacpp:tokens_predicted_total", "vllm:generation_tokens_total")
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(names))


@pytest.mark.engine
async def test_the_ledger_is_the_engines_own_count(services: Services, engine_endpoint: Endpoint):
    before = counted_by_engine(engine_endpoint)
    wanted = request(choices=("vote:k=3", "adaptive-vote:k=4", "budget-forcing"), budget_tokens=300)
    begun = await services.strategies.start(replace(wanted, stem="Which vitamin deficiency causes scurvy?"))
    over = await end_of(services.strategies, begun.run.id)
    assert [each.result.error for each in over.strategies] == ["", "", ""]
    assert all(each.state == "done" for one in over.strategies for each in one.requests)
    told = sum(each.result.generated for each in over.strategies)
    for _ in range(50):  # A server counts a request a moment after its last token.
        if (found := counted_by_engine(engine_endpoint) - before) >= told:
            break
        await asyncio.sleep(0.1)
    assert found == told
