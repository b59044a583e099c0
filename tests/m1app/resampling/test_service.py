"""Resampling a sentence on a scripted engine: what each side is asked, and what it says."""

import csv
import io
import json
from contextlib import aclosing
from pathlib import Path

import pytest

from m1app.resampling.errors import ResamplingRefused
from m1app.resampling.export import resampling_csv, resampling_json
from m1app.resampling.service import ResamplingService, ResamplingSnapshot
from m1app.resampling.strategy import most_tokens
from m1app.runs.strategies import StrategyService
from storage.database import Database
from storage.erasure.repository import ErasureRepository
from storage.errors import RecordNotFound
from storage.questions.records import NewQuestion
from storage.strategies.repository import StrategyRepository
from storage.traces.records import Segment, SegmentKind, TraceOutcome, TraceState
from storage.trash.records import TrashKind
from tests.m1app.fact_tests.testing_facts import ALPHA, BETA, BUDGET, MARK, MARK_END, THINKING, a_failure
from tests.m1app.runs.test_strategies import ScriptedPlanner
from tests.m1app.strategies.scripted import CLOSE, OPTIONS, CharacterEngine, Script, ids_of, text_of
from tests.storage.samples import discard

SENTENCE = THINKING[MARK:MARK_END]


@pytest.fixture
def database(tmp_path: Path, migrated_copies) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    made.migrate()
    return made


class Sided(CharacterEngine):
    """Answers alpha where the sentence is in the thinking, beta where it is not; goes on with a few words."""

    def __init__(self) -> None:
        super().__init__(script=Script(answer=lambda _, thinking: ALPHA if SENTENCE in thinking else BETA))

    def _thinking(self, prompt: str, so_far: str, seed: int) -> str:
        return " And so on."


def service_of(database: Database, engine: CharacterEngine) -> ResamplingService:
    planner = ScriptedPlanner(engine)
    return ResamplingService(database, planner, StrategyService(planner, database))


async def end_of(service: ResamplingService, run_id: str) -> ResamplingSnapshot:
    kept = await service._kept(run_id)
    async with aclosing(service.follow_case(kept.checkpoint_id or kept.trace_id)) as snapshots:
        *_, last = [found async for found in snapshots]
    return next(each for each in last if each.of.run_id == run_id)


async def test_both_sides_go_on_within_the_budget_and_the_difference_is_of_the_answered_letter(database: Database):
    engine, trace = Sided(), a_failure(database)
    service = service_of(database, engine)
    begun = await service.start(trace.id, MARK, MARK_END, 5)
    over = await end_of(service, begun.of.run_id)
    assert over.run.run.state is TraceState.COMPLETED
    thinking = [each for each in engine.requests if CLOSE not in each.prompt_ids]
    asked = {(text_of(each.prompt_ids), each.max_tokens) for each in thinking}
    assert asked == {
        (f"Which?<think>{THINKING[:MARK]}", BUDGET - MARK),
        (f"Which?<think>{THINKING[:MARK_END]}", BUDGET - MARK_END),
    }
    assert {each.temperature for each in thinking} == {0.6}
    assert [each["letter"] for each in over.rollouts["before"]] == [BETA] * 5
    compared = over.compared
    assert (compared.n, compared.difference) == (5, 1.0)
    assert over.run.strategies[0].result.generated == engine.generated
    assert engine.generated <= most_tokens(5, BUDGET, MARK, trace.answer_cap_tokens)
    assert [each.of.sentence for each in await service.of_case(trace.id)] == [SENTENCE]


async def test_where_several_options_are_right_the_answered_set_is_compared(database: Database):
    engine = Sided()
    sets = {True: "The answers are A and B.", False: "The answers are A and C."}
    engine.script.answer = lambda _, thinking: sets[SENTENCE in thinking]
    question = NewQuestion(stem="Which ones?", options=OPTIONS, target="A, C", source="typed")
    wrong = TraceOutcome(state=TraceState.COMPLETED, answer_letter="A, B", is_correct=False)
    trace = a_failure(database, question=question, outcome=wrong, answer_cap_tokens=60)
    service = service_of(database, engine)
    begun = await service.start(trace.id, MARK, MARK_END, 5)
    over = await end_of(service, begun.of.run_id)
    assert {each["letter"] for each in over.rollouts["after"]} == {"A, B"}
    assert {each["letter"] for each in over.rollouts["before"]} == {"A, C"}
    assert (over.compared.n, over.compared.difference) == (5, 1.0)


async def test_rollouts_that_the_engine_failed_are_asked_again_on_resume(database: Database):
    engine = Sided()
    engine.script.fails = lambda text: "The engine is gone." if text.endswith(SENTENCE) else ""
    service = service_of(database, engine)
    begun = await service.start(a_failure(database).id, MARK, MARK_END, 5)
    over = await end_of(service, begun.of.run_id)
    assert {each["state"] for each in over.rollouts["after"]} == {"failed"}
    assert (over.compared.n, over.compared.difference) == (0, 0.0)
    engine.script.fails = lambda text: ""
    await service.resume(begun.of.run_id)
    again = await end_of(service, begun.of.run_id)
    assert (again.compared.n, again.compared.difference) == (5, 1.0)


@pytest.mark.parametrize(
    ("place", "field", "said"),
    [
        ((MARK, MARK_END, 4), "seeds", "4 rollouts were requested; choose from 5 to 20"),
        ((MARK, MARK_END, 21), "seeds", "21 rollouts"),
        ((900, 901, 5), "sentence", "not part of the thinking"),
        ((5, 5, 5), "sentence", "not part of the thinking"),
    ],
)
async def test_what_cannot_be_resampled_is_refused_before_anything_is_asked(database, place, field, said):
    engine = Sided()
    with pytest.raises(ResamplingRefused, match=said) as refused:
        await service_of(database, engine).start(a_failure(database).id, *place)
    assert (refused.value.field, engine.requests) == (field, [])


async def test_cases_without_a_letter_tokens_or_budget_are_refused(database: Database):
    service = service_of(database, Sided())
    silent = TraceOutcome(state=TraceState.COMPLETED, answer_letter=None, is_correct=False)
    with pytest.raises(ResamplingRefused, match="chose no option"):
        await service.start(a_failure(database, outcome=silent).id, MARK, MARK_END)
    with pytest.raises(ResamplingRefused, match="was imported"):
        await service.start(a_failure(database, prompt_token_ids=()).id, MARK, MARK_END)
    with pytest.raises(ResamplingRefused, match="different prompt"):
        await service.start(a_failure(database, prompt_token_ids=ids_of("Whom?")).id, MARK, MARK_END)
    with pytest.raises(ResamplingRefused, match="budget is used up"):
        await service.start(a_failure(database, thinking_budget_tokens=MARK_END).id, MARK, MARK_END)
    other = Segment(kind=SegmentKind.THINK, text=THINKING, token_ids=ids_of(THINKING[::-1]), token_count=len(THINKING))
    with pytest.raises(ResamplingRefused, match="its tokenizer has changed"):
        await service.start(a_failure(database, other).id, MARK, MARK_END)


async def test_rollouts_leave_as_json_and_as_rows_with_their_texts_and_formulas_made_harmless(database: Database):
    engine = Sided()
    engine.script.answer = lambda _, thinking: "=1+1" if SENTENCE in thinking else BETA
    service, trace = service_of(database, engine), a_failure(database)
    begun = await service.start(trace.id, MARK, MARK_END)
    await end_of(service, begun.of.run_id)
    kept = await service.get(begun.of.run_id)
    whole = json.loads(json.dumps(resampling_json(kept)))
    assert (whole["resampling"]["sentence"], whole["resampling"]["letter"]) == (SENTENCE, ALPHA)
    assert whole["resampling"]["before_ids"] == list(ids_of(THINKING[:MARK]))
    assert (whole["compared"]["n"], whole["compared"]["difference"]) == (5, 0.0)
    assert [each["side"] for each in whole["rollouts"]] == ["before"] * 5 + ["after"] * 5
    assert whole["run"]["results"][0]["generated"] == engine.generated
    rows = list(csv.DictReader(io.StringIO(resampling_csv(kept))))
    assert [row["side"] for row in rows] == ["before"] * 5 + ["after"] * 5
    first, last = rows[0], rows[-1]
    assert (first["letter"], first["case_letter"], first["is_same"]) == (BETA, ALPHA, "False")
    assert (first["thinking"], first["answer"], first["sentence"]) == (" And so on.", BETA, SENTENCE)
    assert (int(first["seed"]), int(last["seed"])) == (kept.run.run.seed, kept.run.run.seed + 4)
    assert int(first["thinking_tokens"]) == len(" And so on.")
    assert last["answer"] == "'=1+1"


async def test_a_resampling_that_has_not_begun_to_answer_leaves_with_open_rollouts(database: Database):
    engine = Sided()
    engine.script.fails = lambda _: "The engine is gone."
    service = service_of(database, engine)
    begun = await service.start(a_failure(database).id, MARK, MARK_END)
    await end_of(service, begun.of.run_id)
    kept = await service.get(begun.of.run_id)
    assert resampling_json(kept)["compared"] is None
    row = next(csv.DictReader(io.StringIO(resampling_csv(kept))))
    assert (row["state"], row["letter"], row["is_same"], row["error"]) == ("failed", "", "", "The engine is gone.")


async def test_a_resampling_is_no_run_of_the_strategies_page_and_goes_with_its_trace(database: Database):
    service, trace = service_of(database, Sided()), a_failure(database)
    begun = await service.start(trace.id, MARK, MARK_END)
    await end_of(service, begun.of.run_id)
    with database.session() as session:
        assert StrategyRepository(session).recent() == ()
        assert ErasureRepository(session).of_trace(trace.id).strategy_runs == (begun.of.run_id,)
    discard(database, TrashKind.TRACE, trace.id)
    with pytest.raises(RecordNotFound):
        await end_of(service, begun.of.run_id)
