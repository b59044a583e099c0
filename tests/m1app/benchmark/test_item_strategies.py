"""Strategies of a benchmark's items: from the pool as a live run would have it, asked where the pool is not enough."""

import asyncio
from dataclasses import replace

import pytest

from m1app.access.person import COMMAND_LINE, acting_as
from m1app.benchmark.item_strategies import ItemStrategies
from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.benchmark.strategy_plan import default_budget, estimates, passes_needed, strategy_facts
from m1app.errors import AppError
from m1app.knowledge.service import CorpusService
from m1app.runs.live_strategy import LiveStrategy
from m1app.runs.stored_passes import stored_passes
from m1app.runs.strategies import StrategyService
from m1app.runs.sweep_request import SweepSettings
from m1app.runs.sweeps import SweepService
from m1app.settings import Settings
from m1app.strategies import catalogue
from m1app.strategies.catalogue import parse
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.pool import PoolDriver
from m1app.strategies.protocol import Finish, most_generated
from models.profiles import load_profiles
from storage.benchmarks.records import BenchmarkItem, ItemState
from storage.corpora.records import NewPassage
from storage.database import Database
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.strategies.repository import StrategyRepository
from storage.traces.records import TraceState
from tests.m1app.runs.corpora import add_corpus
from tests.m1app.runs.test_strategies import ScriptedPlanner
from tests.m1app.strategies.judged import JUDGED
from tests.m1app.strategies.scripted import OPTIONS, CharacterEngine, Script, a_task, run

PROFILES = load_profiles()
ITEM = "1" * 32
BUDGETS = (16, 40)
LENGTHS = (30, 12, 60, 20)
"""Of the passes' thinkings, in characters: the third reaches the largest budget."""
LETTERS = "ABBC"
COSTS = (30 + 1 + 10 + 1, 12 + 1 + 11 + 1, 40 + 11 + 1, 20 + 1 + 10 + 1)
"""Of the passes: thinking, the token that ends it, the answer with its end, the look."""
BELIEVED = {"A": 0.1, "B": 0.3, "C": 0.9}


def script(**changes) -> Script:
    """Pass n thinks `LENGTHS[n]` characters that name its number, and answers `LETTERS[n]`; a judge believes C."""

    def letter(thinking):
        return LETTERS[int(thinking[:3])]

    def choices(prompt, thinking, lead):
        if "right?" in prompt:
            believed = BELIEVED[prompt.split("Is ")[1][0]]
            return {"Yes": believed, "No": 1 - believed}
        # Surer of A, so that a vote by probability and a vote differ.
        return {"A": 0.9, "B": 0.1} if letter(thinking) == "A" else {"A": 0.4, letter(thinking): 0.6}

    standard = {
        "think": lambda prompt, seed: f"{seed:03}".ljust(LENGTHS[seed % 4], "."),
        # Read alike whatever closes the thinking: the scripted engine's closing is not the profile's.
        "answer": lambda prompt, thinking: f"Answer: {letter(thinking)}" + "." * (letter(thinking) == "B"),
        "choices": choices,
    }
    return Script(**(standard | changes))


@pytest.fixture
def database(tmp_path, migrated_copies) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    made.migrate()
    return made


@pytest.fixture(autouse=True)
def with_a_judged_strategy(monkeypatch):
    monkeypatch.setitem(catalogue._BY_NAME, "judged", JUDGED)


def pool_of(sweep):
    return [each.pooled for each in stored_passes(sweep, PROFILES)]


def recipe(*strategies: str, **changes) -> BenchmarkRecipe:
    standard = {
        "question_sets": ("set",),
        "budgets": BUDGETS,
        "temperature": 0.6,
        "seed": 0,
        "answer_cap_tokens": 20,
        "strategies": strategies,
        "passes": 4,
    }
    return BenchmarkRecipe(**(standard | changes)).checked()


async def swept(database: Database, engine: CharacterEngine, target: str = "B", **changes):
    """A complete sweep of one question, as the item has it."""
    sweeps = SweepService(ScriptedPlanner(engine), database)
    settings = {"budgets": BUDGETS, "force_rounds": (0,), "passes": 4, "temperature": 0.6, "seed": 0}
    settings |= {"answer_cap_tokens": 20, "asks_probabilities": True}
    stored = NewQuestion(stem="Which?", options=OPTIONS, target=target)
    question = await database.write(lambda s: QuestionRepository(s).upsert(stored))
    await sweeps.start(SweepSettings(**(settings | changes)).asking(question), ITEM)
    over = await sweeps.finished(ITEM)
    await sweeps.aclose()
    assert over.sweep.state is TraceState.COMPLETED, over.sweep.error
    return question, await sweeps.get(ITEM)


def item(question) -> BenchmarkItem:
    return BenchmarkItem(
        id=ITEM,
        run_id="2" * 32,
        position=0,
        question_set="set",
        model="toy",
        question_id=question.id,
        state=ItemState.WAITING,
        attempts=0,
        error="",
    )


async def answered(database, engine, question, sweep, of):
    """The item's outcome by a service of its own, as after a restart."""
    service = StrategyService(ScriptedPlanner(engine), database)
    try:
        return await ItemStrategies(of, service, PROFILES).answer(item(question), question, sweep)
    finally:
        await service.aclose()


@pytest.mark.parametrize("force_rounds", [(0,), (0, 2)])
@pytest.mark.parametrize(
    "written", ["budget-forcing", "vote:k=4", "weighted-vote:k=4", "adaptive-vote:k=4", "vote:k=2"]
)
async def test_the_pool_of_a_sweep_agrees_with_a_live_run_fed_the_same_samples(database, written, force_rounds):
    _, sweep = await swept(database, CharacterEngine(script()), force_rounds=force_rounds)
    (choice,) = parse(written)
    task = a_task(thinking_tokens=max(BUDGETS))
    live, live_ledger = await run(choice.start(task), engine := CharacterEngine(script()))
    ledger = Ledger(1_000)
    pooled = PoolDriver(choice.start(task), pool_of(sweep), ledger).run()
    assert pooled == live
    assert {each.key: each.generated for each in ledger.entries} == {
        each.key: each.generated for each in live_ledger.entries
    }
    assert ledger.generated == engine.generated


@pytest.mark.parametrize(("written", "rounds"), [("vote:k=4:rounds=2", 2), ("budget-forcing:rounds=1", 1)])
async def test_forced_passes_of_the_pool_agree_with_a_live_run_that_forces_them(database, written, rounds):
    # Short, so that rounds are forced within the budget.
    think = {"think": lambda prompt, seed: f"{seed:03}".ljust(6 + 3 * seed, ".")}
    question, sweep = await swept(database, engine := CharacterEngine(script(**think)), force_rounds=(0, rounds))
    (choice,) = parse(written)
    task = a_task(thinking_tokens=max(BUDGETS))
    live, live_ledger = await run(choice.start(task), CharacterEngine(script(**think)))
    assert any(each.injected for each in live_ledger.entries if each.purpose == "think"), "rounds were forced"
    pool = [each.pooled for each in stored_passes(sweep, PROFILES, rounds)]
    pooled = PoolDriver(choice.start(task), pool, ledger := Ledger(1_000)).run()
    assert (pooled.letter, pooled.answer, pooled.of) == (live.letter, live.answer, live.of)
    costs = {each.key: each.generated for each in live_ledger.entries}
    assert {each.key: each.generated for each in ledger.entries} == costs
    asked = len(engine.requests)
    found = await answered(database, engine, question, sweep, recipe(written, force_rounds=(0, rounds)))
    assert (found.results[0].is_from_pool, found.results[0].generated) == (True, sum(costs.values()))
    assert len(engine.requests) == asked


def test_rounds_that_a_run_does_not_force_are_refused_before_it_starts():
    with pytest.raises(AppError, match="vote:k=4:rounds=2 draws on passes with 2 forced rounds; add 2 to"):
        recipe("vote:k=4:rounds=2", force_rounds=(0, 1))
    with pytest.raises(AppError, match="vote:k=4 draws on passes without forced rounds"):
        recipe("vote:k=4", force_rounds=(1,))


async def test_sets_of_letters_are_voted_on_where_answers_are_counted_and_refused_elsewhere(database):
    sets = ["A, C", "A, C", "B", "A"]
    said = {"answer": lambda prompt, thinking: f"Answers: {sets[int(thinking[:3])].replace(', ', ' and ')}"}
    engine = CharacterEngine(script(**said))
    question, sweep = await swept(database, engine, target="A, C")
    asked = len(engine.requests)
    of = recipe("vote:k=4", "budget-forcing", "adaptive-vote:k=4", "weighted-vote:k=4", "deer", "judged:k=4")
    found = await answered(database, engine, question, sweep, of)
    assert len(engine.requests) == asked
    vote, chain, adaptive, *others = found.results
    # Two say A and C, one only A: a vote for single letters would have it three to two.
    assert [(each.letter, each.is_correct) for each in (vote, chain, adaptive)] == [("A, C", True)] * 3
    assert [each.is_correct for each in others] == [None] * 3
    assert all("Several options are right here" in each.error for each in others)


async def test_sets_beyond_the_pool_are_asked_and_read_as_sets(database):
    said = {"answer": lambda prompt, thinking: "Answers: A and C" if int(thinking[:3]) > 1 else "Answer: A"}
    engine = CharacterEngine(script(**said))
    question, sweep = await swept(database, engine, target="A, C")
    (vote,) = (await answered(database, engine, question, sweep, recipe("vote:k=8"))).results
    assert (vote.letter, vote.is_correct, vote.is_from_pool) == ("A, C", True, False)
    assert vote.shared > 0, "it takes the four passes that there are"


def test_a_budget_below_one_pass_with_its_forced_rounds_is_refused_with_the_least_that_would_do():
    forced = {"force_rounds": (0, 1)}
    with pytest.raises(AppError, match="Allow at least 93,"):
        recipe("vote:k=4:rounds=1", strategy_budget_tokens=92, **forced)
    assert recipe("vote:k=4:rounds=1", strategy_budget_tokens=93, **forced).strategy_tokens == 93
    assert recipe("vote:k=4", strategy_budget_tokens=61, **forced).strategy_tokens == 61


@pytest.mark.parametrize("budget", [61, 93, 150, 400])
async def test_where_the_budget_is_short_the_pool_answers_as_many_passes_as_fit(database, budget):
    engine = CharacterEngine(script())
    question, sweep = await swept(database, engine)
    of = recipe("vote:k=4", "first-finish:n=4", "budget-forcing", strategy_budget_tokens=budget)
    found = await answered(database, engine, question, sweep, of)
    for each in found.results:
        assert each.letter is not None, each
        assert (each.is_from_pool, each.generated <= budget) == (True, True)


async def test_a_pass_is_cut_where_each_budget_ends_it(database):
    _, sweep = await swept(database, CharacterEngine(script()))
    passes = pool_of(sweep)
    assert [(each.seed, each.temperature) for each in passes] == [(n, 0.6) for n in range(4)]
    assert [[(one.cut_tokens, one.finish) for one in each.answers] for each in passes] == [
        [(16, Finish.BUDGET), (30, Finish.NATURAL)],
        [(12, Finish.NATURAL)],
        [(16, Finish.BUDGET), (40, Finish.BUDGET)],
        [(16, Finish.BUDGET), (20, Finish.NATURAL)],
    ]
    # "Answer: B." and what ends it; the letters' look is another token.
    assert [one.tokens for one in passes[2].answers] == [11, 11]
    assert passes[0].end(40).probabilities == {"A": pytest.approx(0.9), "B": pytest.approx(0.1), "C": 0.0}


async def test_strategies_of_the_pool_ask_nothing_and_cost_what_they_would_have(database):
    engine = CharacterEngine(script())
    question, sweep = await swept(database, engine)
    asked = len(engine.requests)
    of = recipe("budget-forcing", "vote:k=4", "weighted-vote:k=4")
    found = await answered(database, engine, question, sweep, of)
    assert len(engine.requests) == asked
    assert (found.error, found.generated) == ("", 0)
    chain, vote, weighted = found.results
    assert (chain.letter, chain.is_correct, chain.generated) == ("A", False, COSTS[0])
    assert (vote.letter, vote.is_correct, vote.generated) == ("B", True, sum(COSTS))
    # A: 0.9 + 3 times 0.4 of the mass; B: 0.1 + 2 times 0.6.
    assert (weighted.letter, weighted.is_correct) == ("A", False)
    assert all(each.is_from_pool and each.shared == each.generated for each in found.results)
    assert found.if_separate == COSTS[0] + 2 * sum(COSTS)


async def test_a_strategy_that_asks_more_takes_the_passes_and_asks_only_the_rest(database):
    engine = CharacterEngine(script())
    question, sweep = await swept(database, engine)
    before, asked = engine.generated, len(engine.requests)
    of = recipe("judged:k=4", "vote:k=4")
    found = await answered(database, engine, question, sweep, of)
    judged, vote = found.results
    assert (judged.letter, judged.is_correct, judged.is_from_pool) == ("C", False, False)
    assert (len(engine.requests) - asked, engine.generated - before) == (4, 4), "one look at each pass"
    assert judged.generated == vote.generated + 4
    assert (judged.shared, found.generated) == (vote.generated, 4)
    alone, ledger = await run(JUDGED.make(a_task(thinking_tokens=40), 4), CharacterEngine(script()))
    assert (alone.letter, ledger.generated, ledger.costs.injected) == ("C", judged.generated, judged.injected)
    kept = await database.read(lambda s: (StrategyRepository(s).get(ITEM), StrategyRepository(s).requests(ITEM)))
    requests = {each.key: each for each in kept[1][0]}
    # The question's prompt is new for the first pass only; each shared answer and look adds what is inserted.
    prompt = len(sweep.passes[0].trace.prompt_token_ids)
    closings = sum(each.injected for each in requests.values() if each.is_shared)
    of_judge = sum(each.prompt_new for each in requests.values() if not each.is_shared)
    assert judged.prompt_new == prompt + closings + of_judge
    thinkings = sum(min(length, 40) for length in LENGTHS)
    assert judged.prompt_cached == 3 * prompt + 2 * (4 * prompt + thinkings)
    assert kept[0].choices == ("judged:k=4",)
    shared = [each for each in kept[1][0] if each.is_shared]
    assert {each.key for each in shared} == {f"pass/{n}{of}" for n in range(4) for of in ("", "/answer", "/letters")}
    thinkings = [each.trace_id for each in shared if each.trace_id]
    assert thinkings == [each.trace.id for each in sweep.passes], "its passes are those of the sweep"


async def test_passes_beyond_the_pool_are_asked(database):
    engine = CharacterEngine(script())
    question, sweep = await swept(database, engine, passes=2)
    before = engine.generated
    found = await answered(database, engine, question, sweep, recipe("judged:k=4", passes=2))
    (judged,) = found.results
    assert (judged.letter, judged.generated - judged.shared) == ("C", engine.generated - before)
    assert judged.shared == sum(COSTS[:2])


async def test_another_prompt_than_when_the_passes_were_sampled_shares_none(database):
    engine = CharacterEngine(script())
    question, sweep = await swept(database, engine)
    passes = tuple(
        replace(each, trace=replace(each.trace, prompt_token_ids=(*each.trace.prompt_token_ids, 1)))
        for each in sweep.passes
    )
    found = await answered(database, engine, question, replace(sweep, passes=passes), recipe("judged:k=4"))
    assert found.results[0].shared == 0


async def test_a_pool_without_enough_passes_leaves_the_vote_to_the_engine(database):
    engine = CharacterEngine(script())
    question, sweep = await swept(database, engine, passes=2)
    found = await answered(database, engine, question, sweep, recipe("vote:k=4"))
    (vote,) = found.results
    assert (vote.letter, vote.is_from_pool) == ("B", False)
    assert 0 < vote.shared < vote.generated


async def test_a_pool_without_confidences_leaves_what_needs_them_to_the_engine(database):
    engine = CharacterEngine(script())
    question, sweep = await swept(database, engine)
    found = await answered(database, engine, question, sweep, recipe("deepconf:k=4:warmup=2", "first-finish:n=4"))
    deepconf, race = found.results
    assert (deepconf.is_from_pool, deepconf.shared) == (False, 0)
    # The second pass ends first, after 12 tokens and the one that says so; the others had as many.
    assert (race.letter, race.is_from_pool, race.generated) == ("B", True, 12 + 1 + 11 + 1 + 3 * 13)


async def test_a_policy_that_is_not_there_fails_the_strategy_and_not_the_others(database):
    engine = CharacterEngine(script())
    question, sweep = await swept(database, engine)
    found = await answered(database, engine, question, sweep, recipe("vote:k=4", "auto:policy=gone"))
    assert found.results[0].letter == "B"
    assert "no policy" in found.error


async def test_a_failed_request_is_trouble_and_only_it_is_asked_again(database):
    engine = CharacterEngine(script(fails=lambda prompt: "boom" if "Is C" in prompt else ""))
    question, sweep = await swept(database, engine)
    of = recipe("judged:k=4")
    found = await answered(database, engine, question, sweep, of)
    assert "boom" in found.error
    assert found.results[0].letter == "B", "what was produced is kept"
    again = CharacterEngine(script())
    found = await answered(database, again, question, sweep, of)
    assert (found.error, found.results[0].letter) == ("", "C")
    assert len(again.requests) == 1
    assert (await answered(database, again, question, sweep, of)) == found
    assert len(again.requests) == 1


async def test_a_killed_run_goes_on_from_its_finished_requests_and_charges_what_was_lost(database, monkeypatch):
    engine = CharacterEngine(script())
    question, sweep = await swept(database, engine)
    of = recipe("judged:k=4")
    service = StrategyService(ScriptedPlanner(engine), database)
    looked = asyncio.Event()
    ended = LiveStrategy.ended

    def note(self, request, finished):
        ended(self, request, finished)
        if request.key == "judge/1":
            looked.set()

    monkeypatch.setattr(LiveStrategy, "ended", note)
    stream, hung = engine.stream, asyncio.Event()

    async def hang_at_the_third(request):
        if "pass 2" in "".join(map(chr, (each for each in request.prompt_ids if each < 0x110000))):
            await hung.wait()
        async for chunk in stream(request):
            yield chunk

    engine.stream = hang_at_the_third
    task = asyncio.create_task(ItemStrategies(of, service, PROFILES).answer(item(question), question, sweep))
    await looked.wait()
    await service._runs.live(ITEM).save()
    # As if the process were gone: nothing is closed.
    await database.write(lambda s: StrategyRepository(s).mark_interrupted(lambda _: False, 0.0))
    kept = await database.read(lambda s: StrategyRepository(s).requests(ITEM))
    done = {each.key for each in kept[0] if each.state == "done"}
    assert {"pass/0", "judge/1"} <= done
    assert "judge/2" not in done
    again = CharacterEngine(script())
    found = await answered(database, again, question, sweep, of)
    hung.set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await service.aclose()
    assert (found.error, found.results[0].letter) == ("", "C")
    assert len(again.requests) == 4 - sum(key.startswith("judge/") for key in done)
    assert found.results[0].shared == sum(COSTS)


async def test_an_items_run_is_resumed_by_its_benchmark_which_has_the_passes(database):
    engine = CharacterEngine(script(fails=lambda prompt: "boom" if "Is C" in prompt else ""))
    question, sweep = await swept(database, engine)
    await answered(database, engine, question, sweep, recipe("judged:k=4"))
    service = StrategyService(ScriptedPlanner(engine), database)
    with pytest.raises(AppError, match="Resume the benchmark run"):
        await service.resume(ITEM, with_failed=True)
    await service.aclose()


async def test_strategies_whose_passes_differ_from_those_of_the_run_are_asked(database):
    alike = {"answer": lambda prompt, thinking: "Answer: B", "choices": lambda *_: {"B": 1.0}}
    engine = CharacterEngine(script(think=lambda prompt, seed: f"{seed:03} thinking.", **alike))
    question, sweep = await swept(database, engine)
    of = recipe("temperatures:rounds=1", "deepconf:k=4:warmup=2:window=4", passes=2)
    assert of.passes == 2, "they draw on none of the run's passes"
    found = await answered(database, engine, question, sweep, of)
    assert [each.error for each in found.results] == ["", ""]
    assert [each.is_from_pool for each in found.results] == [False, False]
    assert all(each.letter and each.generated > each.shared for each in found.results)


def test_an_estimate_says_what_the_runs_passes_do_not_have():
    choices = parse("vote:k=3,temperatures:rounds=2,deepconf:k=4,debate")
    assert [each.passes for each in choices] == [3, 13, 4, 6]
    assert passes_needed(choices) == 3
    budget = default_budget(choices, 100, 20)
    assert budget == 13 * 121, "every pass at every temperature can be asked"
    found = estimates(choices, budget, 100, 20)
    assert [each.tokens_at_most for each in found] == [3 * 121, 13 * 121, 4 * 121, budget]
    assert [each.asked_at_most for each in found] == [0, 13 * 121, 4 * 121, budget]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"options": {}, "target": None}, "lacks them"),
        ({"target": None}, "lacks them"),
    ],
)
async def test_questions_that_cannot_be_scored_are_not_asked(database, changes, said):
    engine = CharacterEngine(script())
    question, sweep = await swept(database, engine)
    asked = len(engine.requests)
    found = await answered(database, engine, replace(question, **changes), sweep, recipe("judged:k=4", "vote:k=4"))
    assert len(engine.requests) == asked
    assert [each.is_correct for each in found.results] == [None, None]
    assert all(said in each.error for each in found.results)


async def test_stored_passes_have_the_tokens_that_the_engine_was_sent(database):
    engine = CharacterEngine(script())
    _, sweep = await swept(database, engine, force_rounds=(0, 1))
    first = stored_passes(sweep, PROFILES)[0]
    thought = first.thought("pass/0", 40)
    assert (thought.tokens, thought.finish, thought.text) == (30, Finish.NATURAL, "000".ljust(30, "."))
    assert "".join(map(chr, thought.token_ids)) == thought.text


@pytest.mark.parametrize(
    ("written", "passes"),
    # Experts and the evaluator in each turn; 1 + 5 calls for each depth; a chain's thinking, and as much beside it.
    [("team:experts=3:turns=2", 8), ("atom-of-thoughts:depth=2", 11), ("plan-and-budget", 2), ("judged:k=4", 8)],
)
def test_the_default_budget_has_room_for_the_calls_of_a_strategy(written, passes):
    assert default_budget(parse(written), 100, 20) == passes * most_generated(thinking=100, answer=20, looks=1)
    assert recipe(written, strategy_budget_tokens=None, passes=1).strategy_tokens


@pytest.mark.parametrize("written", ["team", "atom-of-thoughts", "plan-and-budget", "debate:agents=4"])
def test_a_budget_that_a_strategy_would_refuse_is_refused_before_the_run_and_names_the_least(written):
    with pytest.raises(AppError, match=r"Allow at least [\d,]+ tokens") as refused:
        recipe(written, strategy_budget_tokens=62)
    least = int(str(refused.value).rpartition("at least ")[2].split()[0].replace(",", ""))
    assert least > 62
    assert recipe(written, strategy_budget_tokens=least).strategy_tokens == least


def test_a_debate_gets_a_budget_for_the_answers_of_all_rounds():
    (debate,) = parse("debate:agents=3:rounds=2")
    assert default_budget((debate,), 100, 20) == 6 * most_generated(thinking=100, answer=20, looks=1)


async def test_strategies_that_search_are_measured_and_their_dry_run_says_what_they_read(
    database, tmp_path, no_settings
):
    engine = CharacterEngine(
        script(answer=lambda prompt, thinking: "Answer: B" if "Read this." in prompt else "Answer: A")
    )
    question, sweep = await swept(database, engine)
    add_corpus(database, "sheets", NewPassage(text="Read this. Which? It is B."))
    with acting_as(COMMAND_LINE):
        corpora = CorpusService(database, Settings(home=tmp_path))
        chosen = recipe("passages:corpus=sheets", "budget-forcing")
        strategies = StrategyService(ScriptedPlanner(engine), database, corpora=corpora)
        found = (await ItemStrategies(chosen, strategies, PROFILES).answer(item(question), question, sweep)).results
        await strategies.aclose()
    passages, alone = found
    assert (passages.letter, passages.is_from_pool, alone.is_from_pool) == ("B", False, True)
    assert passages.prompt_new > len("Read this. Which? It is B.")
    ((_, said), *_) = strategy_facts(estimates(parse("passages:k=3"), 500, 40, 20), 1, 0)
    assert said.endswith("; it also reads at most 3 passages, up to about 1,200 tokens")
