"""DEER and Dynasor: where they look, where they exit, and what it costs."""

import pytest

from m1app.strategies.methods.early_exits import deer, dynasor
from m1app.strategies.methods.reflections import Reflections
from models.engine.protocol import EngineKind
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run, text_of

FIRST, SECOND, THIRD = "It may be beta ", "Wait, it is alpha ", "Hmm, no, gamma"
TEXT = FIRST + SECOND + THIRD


def sure_from(length, letter="A", other="B"):
    """The model is sure of a letter once its thinking has so many characters."""

    def choices(prompt, thinking, lead):
        return {letter: 0.9, other: 0.01} if len(thinking) >= length else {letter: 0.3, other: 0.6}

    return choices


def answers_by(length):
    return lambda prompt, thinking: "A" if len(thinking) < length else "C"


def script(text=TEXT, choices=None, answer=None):
    return Script(
        think=lambda prompt, seed: text,
        choices=choices or sure_from(len(FIRST + SECOND)),
        answer=answer or answers_by(len(TEXT)),
    )


async def test_deer_exits_just_before_the_word_at_which_it_is_sure():
    engine = CharacterEngine(script())
    verdict, ledger = await run(deer(a_task(), gap=4), engine)
    # Sure of A before "Hmm"; the whole thinking would have answered C.
    assert verdict.letter == "A"
    at = len(FIRST + SECOND)
    prompts = [text_of(each.prompt_ids) for each in engine.requests]
    assert f"Which?<think>{FIRST + SECOND}</think>Final answer: " in prompts
    assert verdict.why == f"The thinking was ended after {at} tokens, at look 2 at the options."
    assert ledger.costs.generated == engine.generated
    thinking = ledger.entry("pass/0")
    assert thinking.generated - thinking.wasted == at
    assert thinking.wasted < len(THIRD), "it was stopped before its end"
    assert {each.key: each.generated for each in ledger.entries if each.key != "pass/0"} == {
        f"look/{len(FIRST)}": 1,
        f"look/{at}": 1,
        "pass/0/answer": 2,
    }


async def test_deer_loses_where_the_model_is_sure_of_what_is_wrong():
    wrong = script(choices=sure_from(0, "B", "A"), answer=lambda p, thinking: "B" if len(thinking) < 20 else "A")
    verdict, _ = await run(deer(a_task(), gap=4), CharacterEngine(wrong))
    assert verdict.letter == "B"


async def test_the_probability_is_normalized_over_the_options():
    text = "It is so. " * 3
    for said, letter in (({"A": 0.3, "B": 0.01}, "early"), ({"A": 0.3, "B": 0.02}, "late")):
        engine = CharacterEngine(
            script(text, lambda p, t, lead, said=said: said, lambda p, t: "A" if len(t) < len(text) else "B")
        )
        verdict, _ = await run(deer(a_task(), threshold=0.95), engine)
        assert verdict.letter == {"early": "A", "late": "B"}[letter], said


async def test_a_pass_that_is_never_sure_is_answered_at_its_end():
    engine = CharacterEngine(script(choices=lambda p, t, lead: {"A": 0.4, "B": 0.4}))
    verdict, ledger = await run(deer(a_task(), gap=4), engine)
    assert verdict.letter == "C"
    assert verdict.why == f"Nothing ended the thinking early; it came to {len(TEXT)} tokens."
    assert ledger.costs.generated == engine.generated
    picture = verdict.last_shown[0].value
    assert (picture["exit"], picture["threshold"]) == (None, 0.95)
    assert [each["tokens"] for each in picture["trajectory"]][-1] == len(TEXT)
    assert picture["trajectory"][0]["probabilities"] == {"A": 0.5, "B": 0.5, "C": 0.0}


async def test_an_engine_that_shares_its_cache_within_one_request_is_paused_for_the_looks():
    text = "It is alpha. " * 12
    engine = CharacterEngine(
        script(text, sure_from(40), lambda p, t: "A" if len(t) < len(text) else "B"), kind=EngineKind.LLAMA_CPP
    )
    verdict, ledger = await run(deer(a_task(), gap=16), engine)
    assert verdict.letter == "A"
    # It never runs further than a gap ahead of a look.
    assert ledger.entry("pass/0").wasted <= 16
    assert ledger.costs.generated == engine.generated


@pytest.mark.parametrize("strategy", [deer, dynasor])
async def test_an_engine_without_probabilities_thinks_to_its_end_and_is_named(strategy):
    engine = CharacterEngine(script("It is so. " * 8, answer=lambda p, t: "B"), has_logprobs=False)
    verdict, _ = await run(strategy(a_task()), engine)
    assert verdict.letter == "B"
    assert "The engine reports no probabilities" in verdict.why


@pytest.mark.parametrize("strategy", [deer, dynasor])
async def test_looks_that_do_not_fit_in_the_budget_are_named_and_the_answer_is_paid(strategy):
    task = a_task(thinking_tokens=80, budget_tokens=105, answer_cap_tokens=20)
    engine = CharacterEngine(script("It is so. Yes! " * 20))
    engine.script.choices = lambda p, t, lead: {"AB"[len(t) % 2]: 0.6, "C": 0.5}
    verdict, ledger = await run(
        strategy(task, **({"gap": 1} if strategy is deer else {"every": 1})), engine, budget=105
    )
    assert verdict.letter is not None
    assert "Only 4 looks at the options fit in the budget." in verdict.why
    assert ledger.costs.generated <= 105


async def test_dynasor_exits_when_two_looks_agree():
    def choices(prompt, thinking, lead):
        return {"B": 0.6, "A": 0.1} if len(thinking) == 10 else {"A": 0.6, "B": 0.1}

    engine = CharacterEngine(script("." * 90, choices, lambda p, t: "A" if len(t) < 90 else "C"))
    verdict, ledger = await run(dynasor(a_task(), every=10), engine)
    # B at 10, A at 20 and at 30.
    assert verdict.letter == "A"
    assert verdict.last_shown[0].value["exit"] == 30
    looks = [each.key for each in ledger.entries if each.key.startswith("look/")]
    assert looks[:3] == ["look/10", "look/20", "look/30"]
    assert f"Which?<think>{'.' * 30}</think>Final answer: " in [text_of(each.prompt_ids) for each in engine.requests]
    assert ledger.costs.generated == engine.generated


async def test_dynasor_asks_for_as_many_looks_as_it_is_told():
    engine = CharacterEngine(script("." * 90, lambda p, t, lead: {"A": 0.6}))
    verdict, _ = await run(dynasor(a_task(), every=10, agree=4), engine)
    assert verdict.last_shown[0].value["exit"] == 40


async def test_words_of_doubt_between_two_looks_count_as_no_agreement():
    text = "It is alpha, I would say. Wait, is it? " + "It is alpha then. " * 4
    engine = CharacterEngine(script(text, lambda p, t, lead: {"A": 0.6}))
    verdict, _ = await run(dynasor(a_task(), every=20), engine)
    # The looks at 20 and 40 have "Wait" between them.
    assert verdict.last_shown[0].value["exit"] == 60


async def test_dynasor_loses_where_the_model_changes_its_mind_late():
    engine = CharacterEngine(script("." * 90, sure_from(80), lambda p, t: "B" if len(t) < 80 else "A"))
    assert (await run(dynasor(a_task(), every=10), engine))[0].letter == "B"


async def test_a_thinking_that_ends_before_the_look_is_answered_is_not_cut():
    text = "It is so. Now"
    engine = CharacterEngine(script(text, sure_from(0)))
    verdict, ledger = await run(deer(a_task(), gap=1), engine)
    assert verdict.letter is not None
    assert ledger.costs.generated == engine.generated


def places(chunks, **named):
    found = []
    reflections = Reflections(**named)
    for tokens, chunk in enumerate(chunks, start=1):
        found += [(each.tokens, each.is_word) for each in reflections.grow(chunk, tokens)]
    return found


def test_places_are_borders_of_chunks_before_words_and_after_sentences():
    assert places(["It", " is", " B", ".", " Wait", ",", " no"]) == [(4, False), (4, True)]
    assert places(["It is B", ". W", "ait", ", no"]) == [(2, False), (1, True)]
    assert places(["3", ".", "5", " mg", " of", " waiting", " time", "."]) == []
    assert places(["我", "想", "。", "等等", "，"]) == [(3, False), (3, True)]
    assert places(["Hmm", "."], with_sentences=False) == [(0, True)]


def test_a_word_is_found_once_however_the_text_is_cut():
    text = "So it is beta. Alternatively, it may be alpha! " * 30
    whole = places([text, "x"])
    assert sum(is_word for _, is_word in whole) == 30
    for size in (1, 2, 3, 7, 50, 500):
        cut = [text[at : at + size] for at in range(0, len(text), size)]
        assert [is_word for _, is_word in places([*cut, "x"])] == [is_word for _, is_word in whole]
