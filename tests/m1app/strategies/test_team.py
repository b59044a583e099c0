"""The team on a scripted engine: who speaks when, what stops it, what it costs."""

import re

import pytest

from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.methods.team import agrees, read_correctness, read_orders, read_roles, team
from m1app.strategies.protocol import Purpose
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run, text_of
from tests.m1app.strategies.test_driver import Kept

BUDGET = 6_000
ROLE = re.compile(r"You are (.*?)\. Pay")


def orders(experts=2, tokens=50, decision="<Continue>", direction="Mind the age."):
    return (
        f"### Decision: {decision}\n### Recruit Number: {experts}\n### Direction: {direction}\n"
        f"### Maximum Tokens: {tokens}"
    )


def who(prompt):
    for name, words in {
        "ceo": "You lead a team",
        "recruiter": "You put together a team",
        "critic": "A colleague gave",
        "evaluator": "Check it carefully",
    }.items():
        if words in prompt:
            return name
    return "solver"


def solution_in(prompt):
    return re.findall(r"Answer: (\w)", prompt)[-1]


def teaming(**says):
    """Each role says what `says` has for it: a text, a function of its prompt, or a list of texts in turn."""
    given = {
        "ceo": orders(),
        "recruiter": "1. A surgeon\n2. A nurse\n3. A chemist",
        "solver": "A",
        "critic": "Fine. [Agree]",
        "evaluator": "### Correctness: 1\n### Advice: Well done.",
    } | says
    in_turn = {name: iter(each) for name, each in given.items() if isinstance(each, list)}

    def answer(prompt, thinking):
        name = who(prompt)
        if name in in_turn:
            return next(in_turn[name])
        return given[name](prompt) if callable(given[name]) else given[name]

    return Script(think=lambda prompt, seed: "." * 2_000, answer=answer)


async def team_of(script, budget=BUDGET, ledger=None, **named):
    engine, kept = CharacterEngine(script), Kept()
    options = {name: named.pop(name) for name in ("experts", "rounds", "turns") if name in named}
    task = a_task(budget_tokens=budget, **named)
    verdict, ledger = await run(team(task, **options), engine, ledger=ledger or Ledger(budget), observer=kept)
    assert ledger.costs.generated == engine.generated <= ledger.budget_tokens
    return verdict, ledger, engine, kept.pictures["transcript"]["turns"]


async def test_a_team_that_agrees_speaks_once_each():
    verdict, ledger, engine, turns = await team_of(teaming())
    assert (verdict.letter, verdict.why) == ("A", "A team's solution 1 of 1, turn 1: the evaluator accepted it.")
    assert [each["who"] for each in turns] == ["CEO", "Recruiter", "Solver", "Critic 1", "Evaluator"]
    spent = len(orders()) + len("1. A surgeon\n2. A nurse\n3. A chemist") + 3 * 50 + 1 + len("Fine. [Agree]")
    spent += len("### Correctness: 1\n### Advice: Well done.")
    assert sum(each["tokens"] for each in turns) == spent
    assert ledger.costs.generated == spent + 5, "each of five answers has its end"
    assert [each.purpose for each in ledger.entries[:2]] == [Purpose.PLAN, Purpose.PLAN]
    assert ledger.entries[-1].purpose is Purpose.VERIFY
    prompts = [text_of(each.prompt_ids) for each in engine.requests]
    assert [ROLE.search(each)[1] for each in prompts if ROLE.search(each)][::2] == ["A surgeon", "A nurse"]
    assert all("Mind the age." in each for each in prompts if who(each) in ("solver", "critic", "recruiter"))


async def test_critics_bring_the_solver_to_another_answer():
    def critic(prompt):
        return "Fine. [Agree]" if solution_in(prompt) == "B" else "It is the other one. [Disagree]"

    script = teaming(
        ceo=orders(3), solver=lambda prompt: "B" if "- It is the other one." in prompt else "A", critic=critic
    )
    verdict, _, engine, turns = await team_of(script)
    assert (verdict.letter, verdict.why[:26]) == ("B", "A team's solution 2 of 2, ")
    assert [each["who"] for each in turns[2:]] == [
        *["Solver", "Critic 1", "Critic 2"] * 2,
        "Evaluator",
    ]
    assert engine.open["most"] == 2, "critics of a round speak at once"


async def test_critics_that_are_wrong_lead_the_solver_astray():
    """The first solution was right: without critics the team would have won."""
    script = teaming(solver=lambda prompt: "C" if "It is C" in prompt else "A", critic="It is C. [Disagree]")
    assert (await team_of(script))[0].letter == "C"
    assert (await team_of(script, experts=1))[0].letter == "A"


async def test_critics_are_heard_three_times_at_most():
    verdict, _, _, turns = await team_of(teaming(critic="No. [Disagree]"))
    assert [each["who"] for each in turns].count("Critic 1") == 3
    assert verdict.why.startswith("A team's solution 4 of 4, turn 1")


async def test_an_evaluator_sends_the_team_back_with_its_advice():
    script = teaming(
        evaluator=["### Correctness: 0\n### Advice: Think of alcohol.", "### Correctness: 1\n### Advice: Good."],
        solver=lambda prompt: "C" if "Think of alcohol." in prompt else "A",
    )
    verdict, _, engine, turns = await team_of(script)
    assert (verdict.letter, verdict.why) == ("C", "A team's solution 2 of 2, turn 2: the evaluator accepted it.")
    assert [each["round"] for each in turns] == [1] * 5 + [2] * 5
    ceo = [text_of(each.prompt_ids) for each in engine.requests if who(text_of(each.prompt_ids)) == "ceo"]
    assert "(none yet)" in ceo[0]
    assert "Answer: A" in ceo[1]
    assert "Think of alcohol." in ceo[1]


async def test_a_team_that_is_never_accepted_answers_after_its_last_turn():
    verdict, *_ = await team_of(teaming(evaluator="### Correctness: 0\n### Advice: No."))
    assert verdict.why == "A team's solution 2 of 2, turn 2: the evaluator rejected it, and 2 turns were all."


async def test_a_ceo_stops_when_content_but_not_before_there_is_a_solution():
    script = teaming(ceo=orders(decision="<Stop>"), evaluator="### Correctness: 0\n### Advice: No.")
    verdict, _, _, turns = await team_of(script)
    assert verdict.why == "A team's solution 1 of 1, turn 1: the CEO was content."
    assert [each["who"] for each in turns][-1] == "CEO"


async def test_the_ceo_sets_budgets_up_to_what_can_be_paid():
    _, ledger, _, _ = await team_of(teaming(ceo=orders(tokens=70)))
    assert ledger.entry("turn/1/solver/2").generated == 70
    _, ledger, _, turns = await team_of(teaming(ceo=orders(experts=3, tokens=32_000)))
    # Half of 6,000 for this turn, less what two have said (on the safe side), 2 x 20 and 3 x 200 of writing, by five.
    said = turns[0]["tokens"] + turns[1]["tokens"] + 2 * 8
    assert ledger.entry("turn/1/solver/2").generated == (6_000 - said - 6_000 // 2 - 2 * 20 - 3 * 200) // 5


async def test_a_budget_that_is_spent_ends_the_criticism_and_not_the_evaluation():
    verdict, _, _, turns = await team_of(
        teaming(ceo=orders(tokens=32_000), critic="No. [Disagree]", evaluator="### Correctness: 0"), budget=2_000
    )
    assert "critics could not be paid any more" in verdict.why
    assert [each["who"] for each in turns[2:6]] == ["Solver", "Critic 1", "Solver", "Evaluator"]
    assert verdict.letter == "A"


async def test_a_team_whose_every_role_talks_nonsense_answers():
    verdict, _, _, turns = await team_of(
        teaming(ceo="What?", recruiter="Nobody.", critic="Hm.", evaluator="Perhaps.", solver=["A", "B"])
    )
    assert verdict.letter == "B"
    assert verdict.why == (
        "A team's solution 2 of 2, turn 1: the evaluator did not decide. "
        "Besides: the CEO could not be read; critics could not be paid any more."
    )
    assert [each["who"] for each in turns].count("Critic 1") == 1, "a critic without a mark disagrees"


async def test_a_solver_that_names_nothing_later_does_not_lose_what_it_named():
    verdict, *_ = await team_of(teaming(critic="No. [Disagree]", solver=["B", "no idea", "no idea", "no idea"]))
    assert (verdict.letter, verdict.of) == ("B", "turn/1/solver/2")


@pytest.mark.parametrize(
    ("role", "words", "why"),
    [
        ("ceo", "You lead a team", "accepted it. Besides: the CEO could not be read (gone)."),
        ("recruiter", "You put together", "accepted it."),
        ("critic", "A colleague gave", "accepted it. Besides: a critic failed: gone."),
        ("evaluator", "Check it carefully", "the evaluator did not decide (gone)."),
        ("solver", "and say in one or two", "The team found no solution. Besides: the solver failed: gone."),
    ],
)
async def test_a_role_that_fails_does_not_lose_what_the_others_said(role, words, why, monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    script = teaming()
    script.fails = lambda prompt: "gone" if words in prompt else ""
    verdict, *_ = await team_of(script)
    assert verdict.why.endswith(why)
    assert verdict.letter == (None if role == "solver" else "A")


async def test_a_revision_that_fails_leaves_the_solution_before(monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    script = teaming(critic="No. [Disagree]")
    script.fails = lambda prompt: "gone" if "What others said" in prompt else ""
    verdict, *_ = await team_of(script)
    assert (verdict.letter, verdict.why) == (
        "A",
        "A team's solution 1 of 1, turn 1: the solver failed. Besides: the solver failed: gone.",
    )


def test_a_budget_that_is_too_small_is_refused_with_what_would_do():
    with pytest.raises(StrategyRefused, match=r"too small for a team with 2 turns\. Allow at least 71 tokens"):
        next(team(a_task(budget_tokens=70)))


@pytest.mark.parametrize("budget", [71, 100, 200, 400, 900])
async def test_the_smallest_budgets_get_an_answer(budget):
    assert (await team_of(teaming(critic="No. [Disagree]"), budget=budget))[0].letter == "A"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (orders(), (False, 2, 50)),
        (orders("3 experts", "about 8,192 tokens"), (False, 3, 8192)),
        (orders(99, -5), (False, 3, 5)),
        (orders(0, "none"), (False, 1, None)),
        ("### decision: STOP", (True, 2, None)),
        ("**Decision:** <Continue> or <Stop>", (False, 2, None)),
        ("", (False, 2, None)),
        ("### Maximum Tokens: " + "9" * 10_000, (False, 2, 999_999_999)),
        ("### Decision: Do not stop yet, the age is open.", (False, 2, None)),
        ("### Decision: We shouldn't stop.", (False, 2, None)),
        ("### Decision: Stop? No.", (False, 2, None)),
        ("### Decision: <Stop>, no more is needed", (True, 2, None)),
        ("### Decision: We can stop.", (True, 2, None)),
        # The words of the form that was asked for say nothing.
        (
            "### Decision: <Continue>, or <Stop> if the latest solution is correct\n"
            "### Recruit Number: 1, 2 or 3 experts\n### Maximum Tokens: of each expert, from 1 to 200",
            (False, 2, None),
        ),
        (f"{orders('1, 2 or 3', 'from 1 to 200')}\n\n{orders(3, 70, '<Stop>')}", (True, 3, 70)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_orders_are_read_from_whatever_a_ceo_writes(text, expected):
    read = read_orders(text, 3)
    assert (read.stops, read.experts, read.tokens) == expected


def test_roles_are_read_bounded_and_filled_up():
    assert read_roles("1. **A surgeon**\n2) A nurse.\n3. x", 2) == ["A surgeon", "A nurse"]
    assert read_roles("I recruit nobody", 2) == ["an experienced physician"] * 2
    assert len(read_roles("1. " + "x" * 9_000, 1)[0]) == 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[Agree]", True),
        ("I [disagree] ... no, [ AGREE ]", True),
        ("[Disagree]", False),
        ("I agree", False),
        ("", True),
        ("I cannot [agree] with this.", False),
        ("I don't fully [agree].", False),
        ("I do not [disagree].", False),
        ("It is not wrong. [Agree]", True),
    ],
)
def test_a_critic_agrees_by_its_last_mark(text, expected):
    assert agrees(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("### Correctness: 1\n### Advice: x", True),
        ("### Correctness: (0)", False),
        ("### correctness: **1**", True),
        ("### Correctness: 10", None),
        ("### Correctness: 0.5", None),
        ("It is correct.", None),
        ("", None),
        ("### Correctness: 1 ### Advice: none", True),
        ("Correctness:\n1\nAdvice: the correctness is plain", True),
        ("### Correctness: 1 if the answer is correct, 0 if it is wrong\n### Advice: why, or what to correct", None),
        ("Correctness: 0 or 1. I say ### Correctness: 1", True),
        ("### Correctness: 1 if it is correct, 0 if it is wrong\n\n### Correctness: 0\n### Advice: No.", False),
        ("Correctness: 1/0? I would say 0", None),
        ("### Correctness: 1, or rather 0", None),
    ],
)
def test_correctness_is_1_or_0_or_not_said(text, expected):
    assert read_correctness(text) is expected


def test_blanks_without_end_are_read_at_once():
    # Quadratic in the blanks, each of these would hold the event loop, and all pages with it, for seconds.
    fields = read_orders(
        "### Decision: continue" + " " * 2**14 + "x ### Direction: Mind" + "\n" * 3_000 + "the age.", 3
    )
    assert (fields.stops, fields.direction) == (False, "Mind the age.")
    assert read_roles("\n" * 2**14 + "1. A nurse", 1) == ["A nurse"]
    assert read_roles("1.\n   A nurse\n\n 2) A surgeon", 2) == ["A nurse", "A surgeon"]
