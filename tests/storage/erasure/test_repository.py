"""Erasing on each database: every row goes, also from the trash, and the space is freed."""

from sqlalchemy import select

from storage.database import Database
from storage.erasure.repository import ErasureRepository
from storage.questions.records import NewQuestion
from storage.questions.tables import QuestionRow
from storage.search import question_matches
from storage.strategies.records import StrategyRequest
from storage.strategies.repository import StrategyRepository
from storage.trash.records import TrashKind
from tests.storage.samples import answer, begin, discard, finish, save_question, think
from tests.storage.trash.scenario import annotate, asked_run, counts, strategies_of

ASKED = NewQuestion(stem="Does granite help?", options={"A": "yes", "B": "no"}, target="A")


def test_a_question_goes_with_everything_that_was_asked_with_it(database: Database) -> None:
    kept = begin(database, NewQuestion(stem="Does marble help?"))
    trace = begin(database, ASKED)
    finish(database, trace, think("Granite is hard."), answer("It is granite."))
    annotate(database, trace.id)
    thrown = begin(database, ASKED)
    finish(database, thrown, think("Granite is heavy."))
    discard(database, TrashKind.TRACE, thrown.id)
    with database.session() as session:
        extent = ErasureRepository(session).of_question(trace.question_id)
        assert (set(extent.traces), extent.annotations, extent.is_running) == ({trace.id, thrown.id}, 1, False)
        assert set(extent.passages) == {ASKED.stem, "Granite is hard.", "Granite is heavy."}
        ErasureRepository(session).erase(extent)
    assert counts(database, "question", "trace", "segment", "search_entry") == (1, 1, 0, 1)
    assert counts(database, "annotation", "annotation_revision", "assessment", "deletion") == (0, 0, 0, 0)
    database.scrub(is_whole=True)
    with database.session(is_read_only=True) as session:
        found = select(QuestionRow.id).where(question_matches(session, "granite"))
        assert session.scalars(found).all() == []
        found = select(QuestionRow.id).where(question_matches(session, "marble"))
        assert session.scalars(found).all() == [kept.question_id]
    assert database.check_fully() == ()


def test_a_passage_is_elsewhere_if_something_that_stays_has_it_also_in_the_trash(database: Database) -> None:
    trace, other = begin(database, ASKED), begin(database, NewQuestion(stem="Is 100% granite_ hard? Or soft?"))
    finish(database, trace, think("Granite is hard. So yes."))
    finish(database, other, think("So I think: granite is hard. So"), answer("Only in an answer."))
    discard(database, TrashKind.TRACE, other.id)
    with database.session(is_read_only=True) as session:
        erasure = ErasureRepository(session)
        extent = erasure.of_question(trace.question_id)
        passages = (
            "ranite is hard. So",
            "hard. So yes.",
            "100% granite_ hard",
            "100 granite",
            "in an answer",
            ASKED.stem,
        )
        found = [erasure.has_elsewhere(passage, extent) for passage in passages]
        assert found == [True, False, True, False, False, False]
        assert erasure.has_elsewhere(ASKED.stem, erasure.of_trace(trace.id))


def test_a_benchmark_run_counts_one_item_less(database: Database) -> None:
    run = asked_run(database, "heart", "lung")
    before = counts(database, "benchmark_item", "benchmark_result", "sweep")
    with database.session() as session:
        extent = ErasureRepository(session).of_trace(run.items[0].trace_ids[0])
        asked = ErasureRepository(session).questions_of(extent)
        ErasureRepository(session).erase(ErasureRepository(session).of_question(asked[0]))
    after = counts(database, "benchmark_item", "benchmark_result", "sweep")
    assert after == (before[0] - 1, before[1] // 2, before[2] - 1)


def test_the_strategies_of_an_item_are_erased_with_it(database: Database) -> None:
    run = asked_run(database, "heart", "lung")
    for each in run.items:
        strategies_of(database, each.sweep_id)
    with database.session() as session:
        extent = ErasureRepository(session).of_trace(run.items[0].trace_ids[0])
        asked = ErasureRepository(session).questions_of(extent)
        ErasureRepository(session).erase(ErasureRepository(session).of_question(asked[0]))
    assert counts(database, "benchmark_strategy_result", "strategy_run", "strategy_result") == (1, 1, 1)


def test_a_pass_that_a_strategy_run_took_is_erased_with_what_was_asked_of_it(database: Database) -> None:
    run = asked_run(database, "heart")
    item = run.items[0]
    strategies_of(database, item.sweep_id)
    values = dict.fromkeys(("generated", "injected", "prompt_new", "prompt_cached", "wasted", "attempt"), 0)
    took = {"purpose": "think", "model": "m1-7b", "state": "done", "seconds": 0.0}
    taken = StrategyRequest(
        position=0, key="pass/0", trace_id=item.trace_ids[0], finish="natural", is_shared=True, **took, **values
    )
    asked = StrategyRequest(position=1, key="judge/0", prompt="Is this right? Tachycardia", **took, **values)
    with database.session() as session:
        StrategyRepository(session).save_requests(item.sweep_id, {0: [taken, asked]})
    with database.session() as session:
        erasure = ErasureRepository(session)
        extent = erasure.of_trace(item.trace_ids[0])
        assert extent.strategy_runs == (item.sweep_id,)
        erasure.erase(extent)
    assert counts(database, "strategy_run", "strategy_request", "trace") == (0, 0, 1)


def test_questions_in_use_are_not_unused(database: Database) -> None:
    asked, unused = begin(database, ASKED).question_id, save_question(database, NewQuestion(stem="Unused?")).id
    with database.session() as session:
        assert ErasureRepository(session).erase_unused([asked, unused]) == 1
    assert counts(database, "question") == (1,)
