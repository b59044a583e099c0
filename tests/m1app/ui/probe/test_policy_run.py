"""A probe by a policy: what the form asks for, and what the pane shows of the run."""

from dataclasses import replace

import pytest

from m1app.runs.errors import ProbeRefused
from m1app.runs.probe_request import ProbeRequest
from m1app.ui.probe.policy_run import (
    policy_choices,
    policy_pane_value,
    request_by_policy,
    run_of,
    shown_id,
)
from storage.traces.records import TraceState
from tests.m1app.runs.test_policies import by_policy, library, service_of
from tests.m1app.runs.test_strategies import database, end_of
from tests.m1app.strategies.scripted import CharacterEngine
from tests.m1app.strategies.test_auto import SURE, saying, small_policy

__all__ = ["database", "library"]
ASKED = ProbeRequest(stem="Which?", options={"A": "a", "B": "b"}, target="A", model="m", answer_cap_tokens=100, seed=3)


def test_policies_are_offered_by_name():
    assert policy_choices(["medqa"]) == [("None: think to the budget", ""), ("Auto by medqa", "medqa")]


def test_the_page_tells_runs_by_policy_from_traces():
    assert run_of(shown_id("0" * 32)) == "0" * 32
    assert run_of("0" * 32) == run_of("") == ""


def test_the_run_has_tokens_for_the_most_that_the_policy_may_choose_and_passes_that_differ():
    asked = request_by_policy(ASKED, "mine", small_policy(), is_kept=True)
    assert asked.choices == ("auto:policy=mine",)
    assert asked.budget_tokens == (30 + 101) + 3 * (40 + 101)
    assert (asked.temperature, asked.seed, asked.answer_cap_tokens, asked.model) == (0.6, 3, 100, "m")
    assert request_by_policy(replace(ASKED, temperature=1.0), "mine", small_policy(), is_kept=True).temperature == 1


@pytest.mark.parametrize(
    ("asked", "is_kept", "said"),
    [(replace(ASKED, options={}), True, "this question has none"), (ASKED, False, "always kept")],
)
def test_what_a_policy_cannot_do_is_said_at_its_field(asked, is_kept, said):
    with pytest.raises(ProbeRefused, match=said) as refused:
        request_by_policy(asked, "mine", small_policy(), is_kept=is_kept)
    assert refused.value.field == "strategies"


async def test_the_pane_shows_the_pilot_then_the_pass_that_answered_and_why(database, library):
    await library.save("mine", small_policy())
    service = service_of(database, CharacterEngine(saying(SURE)), library)
    begun = await service.start(by_policy())
    first = policy_pane_value(begun)
    assert first["policy"]["text"].startswith("A pilot pass is running")
    assert first.get("id") is None
    shown = [policy_pane_value(begun)]
    async for snapshot in service.follow(begun.run.id):
        shown.append(policy_pane_value(snapshot))
        if not snapshot.is_over:
            assert shown[-1].get("result") is None, "no verdict before the end"
    last, over = shown[-1], await end_of(service, begun.run.id)
    (strategy,) = over.strategies
    won = next(each.trace_id for each in strategy.requests if each.key == "pass/0")
    assert (last["id"], last["state"], last["result"]["verdict"]) == (won, "completed", "right")
    assert last["policy"]["run"] == begun.run.id
    assert (
        last["policy"]["text"]
        == f"{strategy.result.why} Answer: B, right. 28 of at most 400 tokens, including the pilot."
    )


async def test_a_run_that_failed_says_why(database, library):
    await library.save("mine", small_policy())
    service = service_of(database, CharacterEngine(saying(SURE)), library)
    # As a benchmark starts it; a person's run is refused, and not stored.
    begun = await service.start(by_policy(budget_tokens=30), "f" * 32)
    over = await end_of(service, begun.run.id)
    value = policy_pane_value(over)
    assert (value["state"], value.get("id")) == (TraceState.FAILED.value, None)
    assert "too small for the policy's pilot" in value["notice"]
