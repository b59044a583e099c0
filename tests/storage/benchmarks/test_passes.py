import pytest

from storage.benchmarks import passes
from storage.benchmarks.passes import pass_answers
from storage.errors import RecordNotFound
from tests.m1app.benchmark.stored_passes import ANSWER_TOKENS, store_passes

SURE, UNSURE = {"A": 0.9, "B": 0.1}, {"A": 0.5, "B": 0.5}
QUESTION = [[("A", 60, SURE), ("B", 90, UNSURE)], [(None, 100, None), ("A", 120, SURE)]]


def read(database, run, **changes):
    wanted = {"model": run.models[0], "question_set": "", "force_rounds": 0, "most": 1000} | changes
    with database.session(is_read_only=True) as session:
        return pass_answers(session, run.id, **wanted)


def test_every_answer_is_read_with_its_probabilities(database):
    run = store_passes(database, [QUESTION], budgets=(100, 200))
    found = read(database, run).answers
    assert [(each.pass_number, each.budget_tokens, each.letter, each.is_correct) for each in found] == [
        (0, 100, "A", True),
        (0, 200, "B", False),
        (1, 100, None, False),
        (1, 200, "A", True),
    ]
    assert [each.option_probabilities for each in found] == [SURE, UNSURE, None, SURE]
    assert [each.tokens_if_separate - each.thinking_tokens for each in found] == [ANSWER_TOKENS] * 4
    assert {each.target for each in found} == {"A"}


def test_the_published_scorer_reads_other_letters(database):
    run = store_passes(database, [QUESTION], budgets=(100, 200))
    assert [each.letter for each in read(database, run, is_m1=True).answers] == ["A", "B", "A", "A"]


def test_of_more_answers_than_wanted_questions_are_left_out_evenly(database, monkeypatch):
    monkeypatch.setattr(passes, "_ITEMS_AT_ONCE", 2)
    run = store_passes(database, [QUESTION] * 12, budgets=(100, 200))
    found = read(database, run, most=6 * 4)
    assert (len({each.item_id for each in found.answers}), found.questions) == (6, 12)
    assert len(read(database, run).answers) == 12 * 4
    assert len(read(database, run, most=1).answers) == 4


@pytest.mark.parametrize("unknown", [{"model": "another"}, {"question_set": "another"}, {"force_rounds": 3}])
def test_unknown_names_have_no_answers(database, unknown):
    run = store_passes(database, [QUESTION], budgets=(100, 200))
    assert read(database, run, **unknown).answers == ()


def test_a_run_that_is_gone_is_not_found(database):
    run = store_passes(database, [QUESTION], budgets=(100, 200))
    with database.session(is_read_only=True) as session, pytest.raises(RecordNotFound):
        pass_answers(session, "0" * 32, run.models[0], "", 0, most=10)
