"""What a thinking sets aside: no budget is spent on thinking without an answer."""

import pytest

from m1app.strategies.catalogue import parse
from m1app.strategies.drivers.ledger import Entry, EntryState, Ledger
from m1app.strategies.drivers.pool import PoolDriver
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.methods.first_finish import first_finish
from m1app.strategies.methods.voting import vote
from m1app.strategies.protocol import Answer, Cancel, Look, Purpose, Refused, Start, Think, Thought, Verdict
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run
from tests.m1app.strategies.test_driver import Kept
from tests.m1app.strategies.test_pool import PASSES, script_of

ENDLESS = Script(
    think=lambda prompt, seed: f"{seed:03}".ljust(5_000, "."),
    answer=lambda prompt, thinking: "B",
    choices=lambda prompt, thinking, lead: {"B": 0.6, "A": 0.3},
)
STRATEGIES = (
    *("budget-forcing", "budget-forcing:rounds=2", "vote:k=4", "vote:k=4:rounds=1", "weighted-vote:k=4"),
    *("adaptive-vote:k=4", "adaptive-vote:k=4:rule=beta", "most-confident:k=4", "first-finish:n=4", "temperatures"),
    *("deepconf:k=4:warmup=2", "deer", "dynasor:agree=60", "trimr", "best-of-n:n=4", "genprm:n=4", "heimdall:n=4"),
    *("j1:n=4", "debate:agents=2", "team:turns=1", "atom-of-thoughts", "plan-and-budget", "searching"),
)


@pytest.mark.parametrize("text", STRATEGIES)
@pytest.mark.parametrize(("budget", "thinking"), [(2_048, 512), (2_100, 512), (2_048, 2_048), (1_000, 2_000)])
async def test_passes_that_think_to_their_end_leave_room_for_an_answer(text, budget, thinking):
    engine = CharacterEngine(ENDLESS)
    task = a_task(budget_tokens=budget, thinking_tokens=thinking, answer_cap_tokens=128)
    (choice,) = parse(text)
    verdict, ledger = await run(choice.start(task), engine, budget=budget)
    assert verdict.letter == "B", verdict.why
    assert ledger.costs.generated == engine.generated <= budget


@pytest.mark.parametrize("text", ["vote:k=5", "first-finish:n=5", "deepconf:k=5:warmup=2", "most-confident:k=5"])
async def test_every_budget_that_pays_for_a_token_of_thinking_and_an_answer_has_one(text):
    (choice,) = parse(text)
    for budget in range(22, 200, 3):
        task = a_task(budget_tokens=budget, thinking_tokens=40)
        verdict, ledger = await run(choice.start(task), CharacterEngine(ENDLESS), budget=budget)
        assert verdict.letter == "B", (budget, verdict.why)
        assert ledger.costs.generated <= budget


def test_a_budget_below_an_answer_is_refused_with_what_would_do():
    with pytest.raises(StrategyRefused, match=r"too small for one pass with answers of up to 20.*at least 22 tokens"):
        next(vote(a_task(budget_tokens=21, thinking_tokens=10), 3))


async def test_a_pass_that_would_leave_no_room_for_its_answer_is_not_begun_and_the_reason_says_so():
    # Three passes of 400 tokens fit in 1,200, but not their answers.
    task = a_task(budget_tokens=1_200, thinking_tokens=400)
    verdict, ledger = await run(vote(task, 3), CharacterEngine(ENDLESS), budget=1_200)
    assert verdict.why == (
        "2 of 2 passes gave this answer. 1 more could not be asked: Not enough of the budget was left: 421 tokens "
        "needed, 394 left."
    )
    assert [each.key for each in ledger.entries if each.purpose is Purpose.THINK] == ["pass/0", "pass/1"]


@pytest.mark.parametrize("budget", [130, 242, 250, 370, 480])
@pytest.mark.parametrize("text", ["vote:k=4", "weighted-vote:k=4", "adaptive-vote:k=4", "most-confident:k=4"])
async def test_stored_passes_and_a_live_run_agree_where_the_budget_is_short(text, budget):
    (choice,) = parse(text)
    task = a_task(thinking_tokens=100, budget_tokens=budget)
    live, live_ledger = await run(choice.start(task), CharacterEngine(script_of(PASSES)), budget=budget)
    pooled = PoolDriver(choice.start(task), PASSES, ledger := Ledger(budget)).run()
    assert (pooled.letter, pooled.of) == (live.letter, live.of)
    assert {each.key: each.generated for each in ledger.entries} == {
        each.key: each.generated for each in live_ledger.entries
    }


def test_what_is_set_aside_is_only_for_what_is_asked_after_the_end():
    ledger = Ledger(100)
    assert ledger.begin("t", Purpose.THINK, "m", 60, set_aside=21)
    assert ledger.left_tokens == ledger.left_after("t") == 19, "while it thinks, looks are paid from the rest"
    assert not ledger.begin("u", Purpose.THINK, "m", 10, set_aside=10)
    ledger.count("t", 60)
    ledger.end("t", EntryState.DONE, 0.0)
    assert (ledger.left_tokens, ledger.left_after("t")) == (19, 40)
    assert ledger.begin("t/answer", Purpose.ANSWER, "m", 20, after="t")
    assert (ledger.left_tokens, ledger.left_after("t")) == (19, 20)
    ledger.count("t/answer", 2)
    ledger.end("t/answer", EntryState.DONE, 0.0)
    assert ledger.left_tokens == 100 - 62 - 1
    assert ledger.begin("t/look", Purpose.PROBE, "m", 1, after="t")
    assert ledger.left_tokens == 100 - 62 - 1


@pytest.mark.parametrize("state", [EntryState.FAILED, EntryState.CANCELLED])
def test_what_is_set_aside_comes_back_when_nothing_more_is_asked(state):
    ledger = Ledger(100)
    ledger.begin("t", Purpose.THINK, "m", 60, set_aside=21)
    ledger.end("t", state, 0.0)
    assert ledger.left_tokens == 100
    ledger.begin("u", Purpose.THINK, "m", 60, set_aside=21)
    ledger.end("u", EntryState.DONE, 0.0)
    ledger.begin("u/answer", Purpose.ANSWER, "m", 20, after="u")
    ledger.end("u/answer", state, 0.0)
    assert ledger.left_tokens == 100, "after an answer that failed, nobody looks at the options"
    ledger.begin("v", Purpose.THINK, "m", 60, set_aside=21)
    ledger.end("v", EntryState.DONE, 0.0)
    ledger.release("v")
    assert ledger.left_tokens == 100


def test_a_thinking_that_goes_on_takes_over_what_was_set_aside():
    ledger = Ledger(100)
    ledger.begin("t", Purpose.THINK, "m", 60, set_aside=20)
    ledger.count("t", 30)
    ledger.end("t", EntryState.DONE, 0.0)
    assert ledger.begin("u", Purpose.THINK, "m", 50, after="t", set_aside=20)
    assert (ledger.left_tokens, ledger.left_after("t")) == (0, 0)
    ledger.end("u", EntryState.DONE, 0.0)
    assert ledger.left_after("u") == 70


async def test_a_cancelled_pass_gives_back_what_it_has_set_aside():
    def strategy():
        event = yield [Start(Think(key="t", budget_tokens=10, seed=0, set_aside_tokens=50))]
        while not isinstance(event, Thought):
            event = yield []
        event = yield [Start(Think(key="u", budget_tokens=60, seed=1))]
        assert event == Refused("u", 60, 40)
        event = yield [Cancel("t"), Start(Think(key="u", budget_tokens=60, seed=1))]
        return Verdict(None, type(event).__name__, "")

    assert (await run(strategy(), CharacterEngine(ENDLESS), budget=100))[0].answer == "Grew"


async def test_a_replayed_thinking_keeps_what_its_answer_needs():
    """Killed between the thinking and its answer: another pass must not take the answer's tokens."""
    kept, task = Kept(), a_task(budget_tokens=260, thinking_tokens=100)
    await run(vote(task, 2), CharacterEngine(ENDLESS), observer=kept, budget=260)
    thought = {"pass/0": kept.finished["pass/0"]}
    before = [Entry(key="pass/0", purpose=Purpose.THINK, model="toy", state=EntryState.DONE, generated=100)]
    lost = Entry(key="pass/1", purpose=Purpose.THINK, model="toy", generated=50)
    verdict, ledger = await run(
        vote(task, 2), CharacterEngine(ENDLESS), kept=thought, ledger=Ledger(260, [*before, lost])
    )
    assert verdict.letter == "B"
    assert verdict.why.startswith("1 of 1 passes gave this answer. 1 more could not be asked")
    assert ledger.costs.generated <= 260


async def test_an_answer_that_a_kill_has_left_too_little_for_is_shorter():
    kept, task = Kept(), a_task(budget_tokens=121, thinking_tokens=100)
    await run(vote(task, 1), CharacterEngine(ENDLESS), observer=kept, budget=121)
    before = [
        Entry(key="pass/0", purpose=Purpose.THINK, model="toy", state=EntryState.DONE, generated=100),
        Entry(key="pass/0/answer", purpose=Purpose.ANSWER, model="toy", generated=15),
    ]
    engine = CharacterEngine(ENDLESS)
    verdict, ledger = await run(
        vote(task, 1), engine, kept={"pass/0": kept.finished["pass/0"]}, ledger=Ledger(121, before)
    )
    assert verdict.letter == "B"
    assert engine.requests[0].max_tokens == 6
    assert ledger.costs.generated <= 121


async def test_what_did_not_fit_while_kept_answers_were_told_is_asked_when_they_have_been():
    kept, task = Kept(), a_task(budget_tokens=300, thinking_tokens=100)
    short = Script(think=lambda prompt, seed: f"{seed:03}.......", answer=lambda prompt, thinking: "B")
    whole, before = await run(vote(task, 3), CharacterEngine(short), observer=kept, budget=300)
    entries = [each for each in before.entries if not each.key.startswith("pass/2")]
    finished = {key: each for key, each in kept.finished.items() if not key.startswith("pass/2")}
    # With pass 2, kept thinkings set two answers aside: it fits only when these are known to be shorter.
    lost = Entry(key="pass/2", purpose=Purpose.THINK, model="toy", generated=130)
    verdict, ledger = await run(
        vote(task, 3), CharacterEngine(short), kept=finished, ledger=Ledger(300, [*entries, lost])
    )
    assert verdict.why == whole.why == "3 of 3 passes gave this answer."
    assert ledger.costs.generated <= 300


async def test_looks_at_a_thinking_do_not_take_its_answers_tokens():
    def strategy():
        event = yield [Start(Think(key="t", budget_tokens=30, seed=0, set_aside_tokens=5, pause_at=(10,)))]
        refused, looks = [], 0
        while not isinstance(event, Thought):
            if isinstance(event, Refused):
                refused.append(event.key)
            action = []
            if event.key == "t" and looks < 4:
                looks += 1
                action = [Start(Look(key=f"look/{looks}", after="t", tokens=event.tokens, choices=("A",)))]
            event = yield action
        event = yield [Start(Answer(key="a", after="t", cap_tokens=5))]
        while event.key != "a":
            refused += [event.key] if isinstance(event, Refused) else []
            event = yield []
        return Verdict(None, " ".join(refused), type(event).__name__)

    verdict, ledger = await run(strategy(), CharacterEngine(ENDLESS), budget=37)
    assert (verdict.answer, verdict.why) == ("look/3 look/4", "Answered")
    assert ledger.costs.generated <= 37


async def test_a_race_of_more_passes_than_fit_is_won_by_one_of_those_that_ran():
    task = a_task(budget_tokens=1_000, thinking_tokens=400)
    verdict, ledger = await run(first_finish(task, 4), CharacterEngine(ENDLESS))
    assert (verdict.letter, verdict.of) == ("B", "pass/0")
    assert verdict.why.startswith(
        "No pass finished within 400 thinking tokens, so the first one answered. 2 could not be asked: Not enough of "
        "the budget was left: 421 tokens needed"
    )
    assert [each.key for each in ledger.entries] == ["pass/0", "pass/1", "pass/0/answer", "pass/0/letters"]
    states = [bar["state"] for bar in verdict.last_shown[0].value["bars"]]
    assert states == ["won", "budget", "failed", "failed"]


async def test_a_race_asks_again_for_what_was_refused_when_a_pass_has_come_to_its_budget():
    """Two passes come to their budget with no stop to overrule: five tokens each come back, and the third one fits."""
    script = Script(
        think=lambda prompt, seed: f"{seed:03}".ljust(10 if seed == 2 else 500, "."),
        answer=lambda prompt, thinking: "ABC"[int(thinking[:3])],
    )
    budget = 3 * (100 + 5 + 21) - 10
    task = a_task(budget_tokens=budget, thinking_tokens=100, force_rounds=5)
    verdict, ledger = await run(first_finish(task, 3), CharacterEngine(script), budget=budget)
    assert (verdict.letter, verdict.of) == ("C", "pass/2")
    assert ledger.costs.generated <= budget


async def test_a_race_that_is_won_asks_no_more_for_what_was_refused():
    script = Script(think=lambda prompt, seed: f"{seed:03}".ljust(20, "."), answer=lambda prompt, thinking: "B")
    task = a_task(budget_tokens=250, thinking_tokens=100)
    engine = CharacterEngine(script)
    verdict, ledger = await run(first_finish(task, 4), engine, budget=250)
    assert verdict.why.startswith("Pass 1 finished first, after 20 thinking tokens, ahead of 1 others. 2 could not be")
    assert {each.key.split("/")[1] for each in ledger.entries} == {"0", "1"}
    assert ledger.costs.generated == engine.generated
