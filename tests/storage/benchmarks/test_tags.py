"""Results counted by the tags of their questions, over a real database."""

from dataclasses import replace

import pytest

from storage.benchmarks import tags
from storage.benchmarks.records import BenchmarkRun, ItemState, TagCount
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.benchmarks.tags import TagChoice, tag_counts
from storage.database import Database
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from tests.storage.benchmarks.test_repository import LARGE, SMALL, a_run, result

TAGS = (("heart", "exam"), ("lung", "exam"), ("heart", "heart"), (), ("Heart failure",))
"""Of each question."""
RIGHT = {SMALL: "11000", LARGE: "10110"}
"""Which questions are right in each cell."""


def counted(database: Database, run: BenchmarkRun, **changes: object) -> tuple[dict[str, TagCount], int]:
    chosen = {"model": "m1-7b", "force_rounds": 0} | changes
    with database.session(is_read_only=True) as session:
        counts, total = tag_counts(session, run, TagChoice(**chosen))  # type: ignore[arg-type]
    return {each.tag: each for each in counts}, total


@pytest.fixture
def run(database: Database) -> BenchmarkRun:
    with database.session() as session:
        questions = [
            QuestionRepository(session).upsert(
                NewQuestion(stem=f"Case {number}?", options={"A": "yes", "B": "no"}, target="A", tags=each)
            )
            for number, each in enumerate(TAGS)
        ]
        runs = BenchmarkRepository(session)
        # The last question stands in the second set, and one more is not asked yet.
        waiting = QuestionRepository(session).upsert(NewQuestion(stem="Waiting?", tags=("heart",)))
        items = [PlannedItem(int(number == 4), 0, each.id) for number, each in enumerate(questions)]
        planned = runs.add(a_run(), [*items, PlannedItem(0, 0, waiting.id)])
        for item in runs.waiting(planned.id)[:5]:
            results = [
                result(item.id, cell, "A" if right[item.position] == "1" else "B") for cell, right in RIGHT.items()
            ]
            runs.finish(item.id, ItemState.DONE, results, tokens_generated=1, tokens_if_separate=1, attempts=1)
        return planned


def test_a_question_counts_once_for_each_of_its_tags(database: Database, run: BenchmarkRun) -> None:
    found, total = counted(database, run)
    assert {tag: (each.questions, each.right) for tag, each in found.items()} == {
        "exam": (2, ((0, 2), (1, 1))),
        "heart": (2, ((1, 1), (0, 2))),
        "lung": (1, ((0, 1), (1, 0))),
        "": (1, ((1, 0), (0, 1))),
        "Heart failure": (1, ((1, 0), (1, 0))),
    }
    assert list(found) == ["exam", "heart", "", "Heart failure", "lung"]
    assert total == 5


def test_tags_are_found_by_a_part_of_them_and_counted_within_a_set_and_by_either_rule(
    database: Database, run: BenchmarkRun
) -> None:
    found, total = counted(database, run, text=" HEART ")
    assert (set(found), total) == ({"heart", "Heart failure"}, 2)
    assert set(counted(database, run, question_set="lungs")[0]) == {"Heart failure"}
    assert counted(database, run, is_m1=True)[0]["lung"].right == ((0, 1), (0, 1))
    assert counted(database, run, model="unknown") == ({}, 0)
    assert counted(database, run, force_rounds=7)[0]["exam"].right == ((2, 0), (2, 0))


def test_a_run_of_very_many_tags_is_cut_to_the_most_frequent_and_a_search_finds_the_rest(
    database: Database, run: BenchmarkRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "MOST_TAGS", 2)
    found, total = counted(database, run)
    assert (list(found), total) == (["exam", "heart"], 5)
    assert list(counted(database, run, text="lung")[0]) == ["lung"]


def test_several_passes_are_counted_by_how_many_of_a_question_s_were_right(database: Database) -> None:
    with database.session() as session:
        question = QuestionRepository(session).upsert(NewQuestion(stem="Often?", target="A", tags=("heart",)))
        runs = BenchmarkRepository(session)
        often = runs.add(a_run(passes=3, budgets=(64,)), [PlannedItem(0, 0, question.id)])
        (item,) = runs.waiting(often.id)
        made = result(item.id, SMALL, "A")
        results = [replace(made, pass_number=number, is_correct=number < 2) for number in range(3)]
        runs.finish(item.id, ItemState.DONE, results, tokens_generated=1, tokens_if_separate=1, attempts=1)
    assert counted(database, often)[0]["heart"].right == ((0, 0, 1, 0),)


def test_questions_that_the_published_scorer_does_not_score_count_by_the_other_rule_only(database: Database) -> None:
    new = NewQuestion(stem="Which two?", options={"A": "yes", "B": "no", "C": "so"}, target="A, C", tags=("heart",))
    with database.session() as session:
        runs, question = BenchmarkRepository(session), QuestionRepository(session).upsert(new)
        planned = runs.add(a_run(), [PlannedItem(0, 0, question.id)])
        (item,) = runs.waiting(planned.id)
        results = [replace(result(item.id, cell, "B"), m1_letter=None, m1_is_correct=None) for cell in RIGHT]
        runs.finish(item.id, ItemState.DONE, results, tokens_generated=1, tokens_if_separate=1, attempts=1)
    assert counted(database, planned)[0]["heart"].questions == 1
    assert counted(database, planned, is_m1=True) == ({}, 0)
