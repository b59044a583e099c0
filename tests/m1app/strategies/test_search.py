"""Searches with scripted agents: one that reasons, one that talks nonsense, one that repeats itself."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.strategies.choosing.search import (
    AgentReply,
    Proposer,
    Scored,
    Setting,
    agent_search,
    grid_search,
    random_search,
    run_search,
)
from m1app.strategies.errors import FitRefused

BUDGETS = (64, 128, 256, 512, 1_024)
PASSES = (1, 2, 4, 8)
SETTINGS = [Setting(model, budget, f"vote:k={k}") for model in ("large", "small") for budget in BUDGETS for k in PASSES]
TRIALS, TOKENS = 10, 2_100


def scored(setting):
    """Thinking helps up to 512 tokens, passes always, the large model by 10 points: best is large, 512, vote of 4."""
    k = int(setting.choice.removeprefix("vote:k="))
    thinking = BUDGETS.index(min(512, setting.thinking_tokens))
    accuracy = 0.3 + 0.06 * thinking + 0.02 * PASSES.index(k) + (0.1 if setting.model == "large" else 0)
    return Scored(accuracy, float(k * setting.thinking_tokens))


def proposing(*settings, insight="More thinking helps."):
    listed = [{"model": each.model, "budget": each.thinking_tokens, "strategy": each.choice} for each in settings]
    return json.dumps({"insight": insight, "trials": listed})


def reasoning(prompt):
    """Reads the trials, and proposes the untried neighbours of the best one that can be paid."""
    tried = {
        Setting(model, int(budget), choice): float(accuracy)
        for model, budget, choice, accuracy in re.findall(
            r"- model (\w+), budget (\d+), strategy (\S+): accuracy ([\d.]+)%", prompt
        )
    }
    paid = {each: accuracy for each, accuracy in tried.items() if scored(each).tokens <= TOKENS}
    best = max(paid, key=paid.get)
    near = [
        each
        for each in SETTINGS
        if each not in tried
        and each.model == best.model
        and abs(BUDGETS.index(each.thinking_tokens) - BUDGETS.index(best.thinking_tokens)) <= 1
        and scored(each).tokens <= TOKENS
    ]
    near.sort(key=lambda each: (-each.thinking_tokens, -scored(each).tokens))
    return AgentReply(proposing(*near[:2]), tokens=30)


BEST = max(scored(each).accuracy for each in SETTINGS if scored(each).tokens <= TOKENS)


def test_an_agent_that_reasons_finds_the_best_where_chance_and_a_grid_do_not():
    found = run_search(agent_search(SETTINGS, TRIALS, TOKENS), scored, reasoning)
    assert found.best_after().setting == Setting("large", 512, "vote:k=4")
    assert found.best_after().scored.accuracy == BEST
    by_chance = [run_search(random_search(SETTINGS, TRIALS, TOKENS, seed), scored) for seed in range(50)]
    assert sum(each.best_after().scored.accuracy == BEST for each in by_chance) < 25
    assert run_search(grid_search(SETTINGS, TRIALS, TOKENS), scored).best_after().scored.accuracy < BEST
    assert [len(each.trials) for each in (found, *by_chance)] == [TRIALS] * 51, "at equal trials"
    assert (found.agent_tokens, found.faults) == (30 * found.agent_calls, [])


def test_an_agent_is_shown_every_trial_its_cost_and_what_it_concluded():
    prompts = []

    def agent(prompt):
        prompts.append(prompt)
        return AgentReply(proposing(Setting("small", 1_024, "vote:k=8"), insight="It is\nthe budget."))

    run_search(agent_search(SETTINGS, 4, TOKENS), scored, agent)
    assert "- model large, budget 256, strategy vote:k=2: accuracy 54.0%, 512 tokens a question\n" in prompts[0]
    assert "Models: large, small\nThinking budgets: 64, 128, 256, 512, 1024\n" in prompts[0]
    assert "(2 more can be made)" in prompts[0]
    assert "strategy vote:k=8: accuracy 54.0%, 8,192 tokens a question, too expensive" in prompts[1]
    assert "What you concluded before: It is the budget.\n" in prompts[1]
    assert "could not be used" not in prompts[1]
    assert "Your last reply could not be used: all its settings had been tried." in prompts[2]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("I would try more thinking.", "it was not JSON of the form that was asked for"),
        ('{"trials": "many"}', "it was not JSON of the form that was asked for"),
        ("{" * 100_000, "it was not JSON of the form that was asked for"),
        ('{"trials": [null, 3, {"model": ["x"]}]}', "none of its settings exists"),
        (proposing(Setting("huge", 512, "vote:k=4")), "none of its settings exists"),
        (proposing(Setting("large", 256, "vote:k=2")), "all its settings had been tried"),
    ],
    ids=["words", "text", "deep", "types", "unknown", "repeated"],
)
def test_an_agent_that_proposes_nothing_new_is_replaced_by_chance(text, fault):
    found = run_search(agent_search(SETTINGS, 6, TOKENS), scored, lambda prompt: AgentReply(text))
    assert [each.by for each in found.trials] == [Proposer.START] * 2 + [Proposer.RANDOM] * 4
    assert found.faults == [fault] * 8, "it is asked twice before each"
    assert len({each.setting for each in found.trials}) == 6
    again = run_search(agent_search(SETTINGS, 6, TOKENS), scored, lambda prompt: AgentReply(text))
    assert again.trials == found.trials


def test_of_a_reply_only_new_settings_are_tried_and_no_more_than_asked_for():
    old, new = Setting("large", 256, "vote:k=2"), [each for each in SETTINGS if each.thinking_tokens == 64]
    replies = iter([proposing(old, new[0], new[0], *new), proposing(*new[3:])])
    found = run_search(agent_search(SETTINGS, 6, TOKENS), scored, lambda prompt: AgentReply(next(replies)))
    assert [each.setting for each in found.trials[2:]] == [*new[:3], new[3]]
    assert found.agent_calls == 2


def test_a_search_ends_when_everything_was_tried():
    few = SETTINGS[:3]
    for search in (agent_search(few, 99, TOKENS), random_search(few, 99, TOKENS), grid_search(few, 99, TOKENS)):
        found = run_search(search, scored, lambda prompt: AgentReply("no"))
        assert {each.setting for each in found.trials} == set(few)


def test_what_is_too_expensive_is_tried_and_never_best():
    found = run_search(grid_search([Setting("large", 1_024, "vote:k=8")], 1, TOKENS), scored)
    assert (len(found.trials), found.best_after()) == (1, None)


def test_the_best_is_known_after_every_trial():
    found = run_search(random_search(SETTINGS, TRIALS, TOKENS), scored)
    curve = [found.best_after(n).scored.accuracy for n in range(1, TRIALS + 1) if found.best_after(n)]
    assert curve == sorted(curve)
    assert found.best_after(0) is None


def test_a_grid_is_even():
    found = run_search(grid_search(SETTINGS[:5], 3, TOKENS), scored)
    assert [each.setting.thinking_tokens for each in found.trials] == [64, 64, 128]


@pytest.mark.parametrize(("settings", "trials"), [([], 3), (SETTINGS, 0)])
def test_a_search_for_nothing_is_refused(settings, trials):
    for make in (agent_search, random_search, grid_search):
        with pytest.raises(FitRefused, match="nothing to search"):
            run_search(make(settings, trials, TOKENS), scored)


@given(st.lists(st.text(max_size=80), min_size=1), st.integers(1, 8))
def test_whatever_an_agent_writes_the_trials_are_made(texts, trials):
    replies = iter(texts * 20)
    found = run_search(agent_search(SETTINGS, trials, TOKENS), scored, lambda prompt: AgentReply(next(replies, "")))
    assert len(found.trials) == trials
    assert found.agent_calls <= 2 * trials
