"""How often each question was right at a setting, and runs that ask more questions, in each database."""

from dataclasses import replace

import pytest

from storage.benchmarks.question_scores import cell_scores, strategy_scores
from storage.benchmarks.records import ItemState, RunState
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.database import Database
from storage.errors import RecordNotFound
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from tests.storage.benchmarks.test_repository import LARGE, SMALL, finish, planned, result
from tests.storage.benchmarks.test_strategies import CHOICES, asked


def test_scores_are_of_one_cell_and_of_the_chosen_sets(database: Database) -> None:
    run = planned(database)
    with database.session(is_read_only=True) as session:
        items = BenchmarkRepository(session).waiting(run.id)
    for item, (small, large) in zip(items, (("A", "A"), ("B", "A"), (None, "B")), strict=False):
        finish(database, item.id, small, large)
    keys = [(each.question_set, each.question_id) for each in items]
    with database.session(is_read_only=True) as session:
        assert cell_scores(session, run.id, "m1-7b", SMALL) == {keys[0]: (1, 1), keys[1]: (0, 1), keys[2]: (0, 1)}
        of_set = cell_scores(session, run.id, "m1-7b", LARGE, question_sets=["cards"])
        assert of_set == {keys[0]: (1, 1), keys[1]: (1, 1)}
        assert cell_scores(session, run.id, "m1-7b", SMALL, is_m1=True)[keys[2]] == (1, 1)
        assert cell_scores(session, run.id, "unknown", SMALL) == {}
        assert cell_scores(session, run.id, "m1-7b", (64, 9)) == {}
        with pytest.raises(RecordNotFound):
            cell_scores(session, "0" * 32, "m1-7b", SMALL)


def test_passes_of_a_question_are_counted_and_what_no_rule_scores_is_left_out(database: Database) -> None:
    run = planned(database)
    with database.session() as session:
        runs = BenchmarkRepository(session)
        first, second, *_ = runs.waiting(run.id)
        passes = [replace(result(first.id, SMALL, letter), pass_number=place) for place, letter in enumerate("AAB")]
        for item, results in (
            (first, passes),
            (second, [replace(result(second.id, SMALL, None), is_correct=None)]),
        ):
            runs.finish(item.id, ItemState.DONE, results, tokens_generated=1, tokens_if_separate=1, attempts=1)
        assert cell_scores(session, run.id, "m1-7b", SMALL) == {("cards", first.question_id): (2, 3)}


def test_a_strategys_scores_are_of_the_questions_it_was_asked(database: Database) -> None:
    run = asked(database)
    with database.session(is_read_only=True) as session:
        found = strategy_scores(session, run.id, "m1-7b", CHOICES[0])
        assert (len(found), set(found.values())) == (2, {(1, 1)})
        assert strategy_scores(session, run.id, "m1-7b", "vote:k=9") == {}


def test_a_run_that_is_extended_waits_with_the_new_items_after_the_others(database: Database) -> None:
    run = planned(database)
    with database.session() as session:
        runs = BenchmarkRepository(session)
        runs.claim(run.id, "host:1", lambda *_: True)
        runs.end(run.id, "host:1", RunState.COMPLETED, "", 1.0)
        same = runs.extend(run.id, 3, ())
        assert (same.state, same.items, same.limit) == (RunState.COMPLETED, 4, None)
        question = QuestionRepository(session).upsert(
            NewQuestion(stem="Is the thyroid ill?", options={"A": "yes", "B": "no"}, target="A")
        )
        more = runs.extend(run.id, 3, [PlannedItem(1, 0, question.id)])
        assert (more.state, more.items, more.limit) == (RunState.WAITING, 5, 3)
        last = runs.waiting(run.id)[-1]
        assert (last.position, last.question_id) == (4, question.id)
