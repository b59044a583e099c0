"""Results of a run's strategies: kept with the item, counted with it, read in the run's order."""

from dataclasses import replace

from storage.benchmarks.records import BenchmarkRun, ItemState
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.benchmarks.strategies import strategy_results, strategy_rows
from storage.database import Database
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from tests.storage.benchmarks.test_repository import LARGE, a_run, result, strategy_result
from tests.storage.trash.scenario import counts

CHOICES = ("vote:k=2", "best-of-n:n=2")


def asked(database: Database, *, state: ItemState = ItemState.DONE) -> BenchmarkRun:
    """A run of two questions, each answered by both strategies; stored in another order."""
    with database.session() as session:
        runs = BenchmarkRepository(session)
        questions = [
            QuestionRepository(session).upsert(NewQuestion(stem=stem, options={"A": "yes", "B": "no"}, target="A"))
            for stem in ("heart", "lung")
        ]
        new = replace(a_run(), strategies=CHOICES, strategy_budget_tokens=600)
        run = runs.add(new, [PlannedItem(number, 0, each.id) for number, each in enumerate(questions)])
        for each in reversed(runs.waiting(run.id)):
            results = [
                strategy_result(each.id, CHOICES[1]),
                strategy_result(each.id, CHOICES[0], generated=50, shared=50, is_from_pool=True),
            ]
            runs.finish(
                each.id,
                state,
                [result(each.id, LARGE, "A")],
                results,
                tokens_generated=120,
                tokens_if_separate=240,
                attempts=1,
            )
    return run


def test_a_run_keeps_its_strategies_and_their_results_in_its_order(database: Database) -> None:
    run = asked(database)
    with database.session(is_read_only=True) as session:
        kept = BenchmarkRepository(session).get(run.id)
        assert (kept.strategies, kept.strategy_budget_tokens) == (CHOICES, 600)
        found = strategy_results(session, run.id, "m1-7b")
        assert found.choices == CHOICES
        assert [each.choice for each in found.results] == [*CHOICES, *CHOICES]
        assert found.results[1] == strategy_result(found.results[0].item_id, CHOICES[1])
        assert strategy_results(session, run.id, "smollm2-135m").results == ()
        assert [each.choice for each in strategy_results(session, run.id, "m1-7b", "lungs").results] == [*CHOICES]
        rows = strategy_rows(session, run.id, range(1, 2))
        assert [(row["question"], row["strategy"], row["source"]) for row in rows] == [
            ("lung", CHOICES[0], "from the pool"),
            ("lung", CHOICES[1], "measured"),
        ]


def test_failed_items_that_wait_again_take_the_tokens_of_their_strategies_along(database: Database) -> None:
    run = asked(database, state=ItemState.FAILED)
    with database.session() as session:
        assert BenchmarkRepository(session).reopen_failed(run.id) == 2
        kept = BenchmarkRepository(session).get(run.id)
    # Of each item 20 tokens were asked for a strategy, and both cost 140; their sweeps are not stored here.
    assert (kept.tokens_generated, kept.tokens_if_separate) == (2 * (120 - 20), 2 * (240 - 140))
    assert counts(database, "benchmark_strategy_result") == (0,)
