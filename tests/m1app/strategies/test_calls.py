"""What holds for every strategy that makes calls of its own: it replays, it keeps its budget, it always answers."""

import asyncio
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m1app.strategies.catalogue import parse
from m1app.strategies.drivers.ledger import EntryState, Ledger
from m1app.strategies.methods.model_json import as_text, clip, find_object
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run
from tests.m1app.strategies.test_atom_of_thoughts import CHAIN
from tests.m1app.strategies.test_driver import Kept
from tests.m1app.strategies.test_plan_and_budget import planned
from tests.m1app.strategies.test_team import orders

CHOICES = parse("debate,team,plan-and-budget,plan-and-budget:schedule=cosine,atom-of-thoughts,atom-of-thoughts:depth=2")
BUDGET = 5_000

TEXTS = (
    "A",
    "The answer is B.",
    "no idea",
    "",
    planned(1, 5, 3),
    CHAIN,
    orders(3),
    "1. A surgeon\n2. A nurse",
    "No. [Disagree]",
    "Yes. [Agree]",
    "### Correctness: 0\n### Advice: Think.",
    "### Correctness: 1",
    "<question>Simpler?</question>",
    "{" * 300,
    '{"sub_questions": [{"question": ',
)


def anything(salt, length):
    """Says one of the texts by what it is asked: the same text for the same prompt."""

    def of(text):
        return zlib.crc32(f"{salt}{text}".encode())

    return Script(
        think=lambda prompt, seed: f"{seed}".ljust(of(prompt + str(seed)) % (length + 1), "."),
        answer=lambda prompt, thinking: TEXTS[of(prompt + thinking) % len(TEXTS)],
    )


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.text)
@pytest.mark.parametrize("salt", range(4))
async def test_finished_calls_are_replayed_and_only_the_others_asked(choice, salt):
    script, kept = anything(salt, 200), Kept()
    task = a_task(budget_tokens=BUDGET)
    whole, ledger = await run(choice.start(task), CharacterEngine(script), budget=BUDGET, observer=kept)
    keys = list(kept.finished)
    assert len(keys) >= 3
    for count in range(len(keys)):
        known = {key: kept.finished[key] for key in keys[:count]}
        entries = [each for each in ledger.entries if each.key in known]
        engine = CharacterEngine(script)
        again, after = await run(choice.start(task), engine, ledger=Ledger(BUDGET, entries), kept=known)
        assert again == whole
        assert after.costs.generated == ledger.costs.generated
        assert engine.generated == ledger.costs.generated - sum(each.generated for each in entries)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(CHOICES),
    st.integers(0, 10_000),
    st.integers(400, 3_000),
    st.integers(0, 600),
    st.integers(0, 400),
    st.sampled_from([None, 50]),
)
def test_whatever_is_said_the_budget_is_kept_and_a_verdict_reached(choice, salt, budget, length, lost, thinking):
    engine, kept = CharacterEngine(anything(salt, length)), Kept()
    task = a_task(budget_tokens=budget, thinking_tokens=thinking, force_rounds=salt % 2)
    verdict, ledger = asyncio.run(run(choice.start(task), engine, ledger=Ledger(budget - lost), observer=kept))
    assert ledger.costs.generated == engine.generated <= budget - lost
    assert all(each.state is EntryState.DONE for each in ledger.entries)
    assert verdict.why.endswith(".")
    assert verdict.last_shown == verdict.last_shown[:1]
    assert kept.pictures[verdict.last_shown[0].name] == verdict.last_shown[0].value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\n b", "a b"),
        (3, "3"),
        (2.5, "2.5"),
        (True, ""),
        (None, ""),
        ([1], ""),
        (10**5_000, ""),
        ("a\ud800\0b", "a\ufffd\ufffdb"),
        ("x" * 50, "x" * 9 + "…"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_json_value_is_read_as_a_short_line(value, text):
    assert as_text(value, 10) == text


def test_json_is_found_among_words_by_its_key():
    text = '{x} {"b": 1} ```{"a": {"b": 2}} {"b": [3]'
    assert find_object(text, "b") == {"b": 1}
    assert find_object(text, "a") == {"a": {"b": 2}}
    assert find_object(text, "c") is None
    assert find_object("{" * 100 + '{"a": 1}', "a") is None, "only so many beginnings are tried"


def test_a_clipped_text_says_where_it_was_cut():
    assert (clip("abcdef", 6), clip("abcdef", 4), clip("abcdef", 4, keeps_end=True)) == ("abcdef", "abc…", "…def")
