"""Fact tests on a scripted engine: what each arm is asked, and what comes of it."""

from contextlib import aclosing
from dataclasses import asdict

import pytest

from m1app.fact_tests.design import Arm
from m1app.fact_tests.errors import FactTestRefused
from m1app.fact_tests.export import fact_test_json
from m1app.fact_tests.reading import PrefixCache, reading_of
from m1app.ui.facts.fact_view import view_value
from models.errors import ModelNotServed, ModelsError
from storage.questions.records import NewQuestion
from storage.sweeps.repository import SweepRepository
from storage.traces.records import Segment, SegmentKind, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from tests.m1app.fact_tests.testing_facts import (
    ALPHA,
    BETA,
    BUDGET,
    FACT,
    MARK,
    THINKING,
    SeededEngine,
    a_failure,
    a_request,
    end_of,
    service_of,
    think,
    verdict_of,
)
from tests.m1app.strategies.scripted import CLOSE, MARKERS, OPTIONS, ids_of, text_of
from tests.storage.samples import a_checkpoint, a_sweep, a_trace, save_question


def only(*arms):
    """These arms are right, the others as wrong as the trace was."""
    return lambda arm, number: BETA if arm in arms else ALPHA


@pytest.mark.parametrize(
    ("says", "seeds", "kind", "sentence"),
    [
        (only("B", "D"), 5, "knowledge_missing", "Knowledge was missing: right with 5 of 5 seeds with the fact, 0 "),
        (only(), 5, "did_not_help", "The fact did not help: it was ignored, or the reasoning is at fault"),
        (only("B", "C"), 5, "any_text", "Any inserted text changes the answer: right with 5 of 5 seeds with the fact"),
        (only("A", "B", "C"), 5, "right_anyway", "Right without the fact too"),
        (
            lambda arm, number: BETA if arm == "B" and number < 2 else ALPHA,
            5,
            "not_decidable",
            "Not decidable with k = 5; about 12 would be enough",
        ),
        (lambda arm, number: BETA if arm == "B" and number < 5 else ALPHA, 12, "knowledge_missing", "Knowledge was"),
    ],
    ids=("only with the fact", "never", "with any text", "always", "too mixed", "mixed, but with more seeds"),
)
async def test_the_verdict_is_what_the_arms_answer(database, says, seeds, kind, sentence):
    service = service_of(database, SeededEngine(says=says))
    begun = await service.start(a_request(a_failure(database), seeds=seeds))
    over = await end_of(service, begun.test.run_id)
    assert over.run.run.state is TraceState.COMPLETED
    assert verdict_of(over)["kind"] == kind
    assert verdict_of(over)["sentence"].startswith(sentence)
    assert over.run.strategies[0].result.why == verdict_of(over)["sentence"]


@pytest.mark.parametrize(
    ("says", "letter", "kind"),
    [("The answers are A and C.", "A, C", "knowledge_missing"), ("The answer is A.", "A", "did_not_help")],
)
async def test_where_several_options_are_right_an_answer_has_to_name_all_of_them(database, says, letter, kind):
    question = NewQuestion(stem="Which ones?", options=OPTIONS, target="A, C", source="typed")
    wrong = TraceOutcome(state=TraceState.COMPLETED, answer_letter="A, B", is_correct=False)
    trace = a_failure(database, question=question, outcome=wrong, answer_cap_tokens=60)
    service = service_of(
        database, SeededEngine(says=lambda arm, number: says if arm == "B" else "The answers are A and B.")
    )
    begun = await service.start(a_request(trace))
    over = await end_of(service, begun.test.run_id)
    assert verdict_of(over)["kind"] == kind
    arms = reading_of(over.test, over.run)
    assert {each.letter for each in arms.arm(Arm.FACT).seeds} == {letter}
    assert {each.letter for each in arms.arm(Arm.NOTHING).seeds} == {"A, B"}


async def test_every_arm_goes_on_from_the_cut_with_the_same_tokens_left(database):
    engine = SeededEngine(says=only("B"))
    service = service_of(database, engine)
    begun = await service.start(a_request(a_failure(database), wrong_fact="A wrong fact"))
    over = await end_of(service, begun.test.run_id)
    inserted = {arm: each["text"] for arm, each in over.test.insertions.items()}
    assert list(inserted) == ["A", "B", "C", "D", "E"]
    assert (inserted["A"], inserted["B"], inserted["D"], inserted["E"]) == ("", f"{FACT}.", "", "A wrong fact.")
    thinking = [each for each in engine.requests if CLOSE not in each.prompt_ids]
    asked = {text_of(each.prompt_ids) for each in thinking}
    assert len(thinking) == 25
    assert asked == {
        *(f"Which?<think>{THINKING[:MARK]}{text}" for arm, text in inserted.items() if arm != "D"),
        *(text for text in asked if "It is known: Scurvy" in text and text.endswith(f"<think>{THINKING[:MARK]}")),
    }
    longest = max(map(len, inserted.values()))
    assert {each.max_tokens for each in thinking} == {BUDGET - MARK - longest}
    assert {each.seed for each in thinking} == {0, 1, 2, 3, 4}
    assert {each.temperature for each in thinking} == {0.6}
    looks = [each for each in engine.requests if each.top_logprobs]
    assert sorted(text_of(each.prompt_ids) for each in looks) == sorted(
        f"{text}</think>Final answer: " for text in asked
    )


async def test_tokens_are_what_the_engine_counted_and_insertions_are_charged(database):
    engine = SeededEngine(says=only("B"))
    service = service_of(database, engine)
    begun = await service.start(a_request(a_failure(database)))
    over = await end_of(service, begun.test.run_id)
    result, requests = over.run.strategies[0].result, over.run.strategies[0].requests
    assert result.generated == engine.generated
    of_fact = next(each for each in requests if each.key == "B/0")
    assert (of_fact.injected, of_fact.generated) == (len(f"{FACT}."), len(" Then 00.") + 1)
    assert next(each for each in requests if each.key == "A/0").injected == 0
    look = next(each for each in requests if each.key == "B/look")
    assert (look.generated, look.injected) == (1, len(f"{FACT}.") + len(MARKERS.overrun_close.token_ids))


@pytest.mark.parametrize("cached", [5, None])
async def test_how_much_came_from_the_prefix_cache_is_said_if_the_engine_says_it(database, cached):
    service = service_of(database, SeededEngine(says=only("B"), cached_tokens=cached))
    begun = await service.start(a_request(a_failure(database)))
    over = await end_of(service, begun.test.run_id)
    kept = await service.get(begun.test.run_id)
    found = reading_of(kept.test, kept.run).prefix_cache
    assert found == reading_of(over.test, over.run).prefix_cache
    requests = over.run.strategies[0].requests
    sent = sum(each.prompt_new + each.prompt_cached for each in requests)
    if cached is None:
        assert found == PrefixCache(0, 0)
        assert found.said == "How much of the prompts came from the prefix cache is not reported by this engine."
    else:
        # A look, or a thinking or an answer: a call of the engine each.
        assert found == PrefixCache(sent, cached * len(requests))
        share = f"{5 * len(requests) / sent:.0%}"
        assert found.said == f"{found.cached_tokens:,} of {sent:,} prompt tokens from the prefix cache ({share})."
    assert view_value(kept)["prefix_cache"] == found.said
    assert fact_test_json(kept)["prefix_cache"] == {**asdict(found), "said": found.said}
    ledger = fact_test_json(kept)["run"]["results"][0]["requests"]
    assert sum(each["cached_reported"] for each in ledger) == found.cached_tokens


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"fact": "  "}, "fact", "The fact is empty"),
        ({"fact": "x" * 2_001}, "fact", "has 2,001 characters"),
        ({"fact": "Scurvy\x00"}, "fact", "the control character U.0000 at place 7"),
        (
            {"fact": "Long. " * 66},
            "fact",
            r"The longest fact is 39\d tokens, and the budget of 400 leaves 383 after the 17",
        ),
        ({"wrong_fact": "Wrong. " * 60}, "fact", "Shorten the fact, or mark an earlier passage"),
        ({"wrong_fact": "\u200b"}, "wrong_fact", "The wrong fact is empty"),
        ({"seeds": 4}, "seeds", "4 seeds were requested; choose from 5 to 20"),
        ({"seeds": 21}, "seeds", "21 seeds"),
        ({"seeds": 5.0}, "seeds", "5.0 seeds"),
        ({"mark_start": 900, "mark_end": 901}, "mark", "outside the thinking"),
        ({"mark_start": 5, "mark_end": 5}, "mark", "Select the text again"),
    ],
)
async def test_what_cannot_be_tested_is_refused_before_anything_is_generated(database, changes, field, said):
    engine = SeededEngine()
    with pytest.raises(FactTestRefused, match=said) as refused:
        await service_of(database, engine).start(a_request(a_failure(database), **changes))
    assert refused.value.field == field
    assert engine.requests == []
    assert await service_of(database, engine).recent() == ()


async def test_answers_that_were_right_and_questions_without_a_target_are_refused(database):
    service = service_of(database, SeededEngine())
    right = TraceOutcome(state=TraceState.COMPLETED, answer_letter=BETA, is_correct=True)
    with pytest.raises(FactTestRefused, match="This answer is right"):
        await service.start(a_request(a_failure(database, outcome=right)))
    with pytest.raises(FactTestRefused, match="was imported"):
        await service.start(a_request(a_failure(database, prompt_token_ids=())))


async def test_an_engine_that_builds_another_prompt_or_spells_tokens_differently_is_refused(database):
    engine = SeededEngine()
    with pytest.raises(FactTestRefused, match="builds a different prompt"):
        await service_of(database, engine).start(a_request(a_failure(database, prompt_token_ids=ids_of("Whom?"))))
    other = Segment(kind=SegmentKind.THINK, text=THINKING, token_ids=ids_of(THINKING[::-1]), token_count=len(THINKING))
    with pytest.raises(FactTestRefused, match="its tokenizer has changed"):
        await service_of(database, engine).start(a_request(a_failure(database, other)))


async def test_a_model_that_is_gone_is_named(database):
    service = service_of(database, SeededEngine())

    async def plan(request):
        raise ModelNotServed(f"{request.model} is not served.")

    service._planner.plan = plan
    with pytest.raises(ModelsError, match="toy is not served"):
        await service.start(a_request(a_failure(database)))


async def test_seeds_that_the_engine_fails_are_left_out_and_asked_again_on_resume(database):
    engine = SeededEngine(says=only("B"))
    engine.script.fails = lambda text: "The engine is gone." if text.endswith(f"{FACT}.") else ""
    service = service_of(database, engine)
    begun = await service.start(a_request(a_failure(database)))
    over = await end_of(service, begun.test.run_id)
    of_fact = reading_of(over.test, over.run).arm(Arm.FACT)
    assert {each.state for each in of_fact.seeds} == {"failed"}
    assert "The engine is gone." in of_fact.seeds[0].error
    assert verdict_of(over)["n"] == 0
    engine.script.fails = lambda text: ""
    asked = len(engine.requests)
    await service.resume(begun.test.run_id)
    again = await end_of(service, begun.test.run_id)
    assert verdict_of(again)["kind"] == "knowledge_missing"
    assert len(engine.requests) - asked == 10, "five thinkings and their answers; all others are kept"


async def test_a_killed_test_goes_on_without_asking_again_what_was_answered(database):
    slow = SeededEngine(says=only("B"))
    slow.script.pause_seconds = 0.002
    service = service_of(database, slow)
    begun = await service.start(a_request(a_failure(database)))
    async with aclosing(service.follow(begun.test.run_id)) as snapshots:
        async for each in snapshots:
            if sum(seed.state == "answered" for arm in reading_of(each.test, each.run).arms for seed in arm.seeds) >= 3:
                break
    await service._strategies.aclose()
    later = SeededEngine(says=only("B"))
    resumed = service_of(database, later)
    kept = await resumed.get(begun.test.run_id)
    answered = {each.key for each in kept.run.strategies[0].requests if each.finish in ("whole", "cap")}
    assert kept.run.run.state is TraceState.INTERRUPTED
    await resumed.resume(begun.test.run_id)
    over = await end_of(resumed, begun.test.run_id)
    assert verdict_of(over)["kind"] == "knowledge_missing"
    assert over.test == kept.test
    again = [each for each in over.run.strategies[0].requests if each.key in answered]
    assert {each.attempt for each in again} == {0}
    assert later.generated == over.run.strategies[0].result.generated - kept.run.strategies[0].result.generated


async def test_a_fact_that_names_the_target_is_flagged(database):
    service = service_of(database, SeededEngine())
    begun = await service.start(a_request(a_failure(database), fact="It is beta."))
    await end_of(service, begun.test.run_id)
    (kept,) = await service.recent()
    assert (kept.names_target, kept.fact, kept.verdict["kind"]) == ("text", "It is beta.", "did_not_help")


async def test_forced_rounds_after_the_cut_are_those_that_are_left(database):
    engine = SeededEngine()
    wait = Segment(kind=SegmentKind.WAIT, text=" Wait", token_ids=ids_of(" Wait"), token_count=5)
    trace = a_failure(database, think("Alpha."), wait, think(f" {THINKING}"), force_rounds=2)
    service = service_of(database, engine)
    start = len("Alpha. Wait ") + MARK
    begun = await service.start(a_request(trace, mark_start=start, mark_end=start + 4))
    over = await end_of(service, begun.test.run_id)
    assert over.run.run.force_rounds == 1
    assert next(each for each in over.run.strategies[0].requests if each.key == "A/0").forced_rounds == 1


async def test_the_answer_of_a_sweep_is_tested_within_its_own_budget(database):
    question = save_question(database, NewQuestion(stem="Which?", options=OPTIONS, target=BETA, source="typed"))
    with database.session() as session:
        sweep = SweepRepository(session).add(a_sweep(question.id))
        traces = TraceRepository(session)
        new = a_trace(
            question.id,
            sweep_id=sweep.id,
            model="toy",
            prompt_token_ids=ids_of("Which?"),
            system_prompt="",
            thinking_budget_tokens=900,
            answer_cap_tokens=20,
        )
        trace = traces.add(new)
        traces.close(trace.id, TraceOutcome(state=TraceState.COMPLETED), [think(THINKING), think(" More." * 20)])
        cut = a_checkpoint(
            trace.id,
            cells=((200, 0),),
            cut_tokens=len(THINKING),
            cut_characters=len(THINKING),
            letter=ALPHA,
            text=ALPHA,
            is_correct=False,
        )
        case_id = traces.add_checkpoint(cut).id
    service = service_of(database, SeededEngine(says=only("B")))
    begun = await service.start(a_request(trace, case_id=case_id))
    over = await end_of(service, begun.test.run_id)
    longest = max(len(each["token_ids"]) for each in over.test.insertions.values())
    assert (over.test.checkpoint_id, over.run.run.thinking_tokens) == (case_id, 200 - MARK - longest)
    assert [each.run_id for each in await service.recent(case_id=case_id)] == [begun.test.run_id]
    assert await service.recent(case_id=trace.id) == ()
