"""Question sets: kept with their questions in order, searched, and deleted without what others need."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from storage.database import Database
from storage.errors import InvalidRecord, RecordNotFound
from storage.question_sets.records import QuestionSet
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.trash.records import TrashKind
from storage.trash.repository import TrashRepository
from tests.storage.samples import QUESTION, begin, discard, purge, read, save_question


def question(number: int, **changes: Any) -> NewQuestion:
    made = NewQuestion(
        stem=f"Question number{number}?", options={"A": "x", "B": "y"}, target="A", source="MedQA", tags=("step1",)
    )
    return replace(made, **changes)


def add(database: Database, *questions: NewQuestion, name: str = "MedQA") -> QuestionSet:
    with database.session() as session:
        return QuestionSetRepository(session).add(name, "medqa.jsonl", "medqa", "0" * 64, questions)


def stems(database: Database, set_id: str, **options: Any) -> list[str]:
    with database.session(is_read_only=True) as session:
        return [each.stem for each in QuestionSetRepository(session).questions(set_id, **options)]


def every(database: Database) -> list[str]:
    with database.session(is_read_only=True) as session:
        return sorted(each.stem for each in QuestionRepository(session).recent(1000))


def test_a_set_comes_back_as_it_was_with_its_questions_in_order(database: Database) -> None:
    made = add(database, *(question(number) for number in (3, 1, 2)))
    with database.session(is_read_only=True) as session:
        sets = QuestionSetRepository(session)
        assert sets.all() == (made,)
        assert sets.get("MedQA") == sets.by_id(made.id) == sets.find("MedQA") == made
        first = sets.questions(made.id)[0]
    assert (made.source, made.layout, made.sha256, made.question_count) == ("medqa.jsonl", "medqa", "0" * 64, 3)
    assert made.created_at.utcoffset() is not None
    assert (first.stem, first.tags, first.source, first.target) == ("Question number3?", ("step1",), "MedQA", "A")
    assert stems(database, made.id) == [f"Question number{number}?" for number in (3, 1, 2)]
    assert stems(database, made.id, limit=1, offset=1) == ["Question number1?"]
    assert stems(database, made.id, offset=5) == []


def test_questions_of_a_set_are_found_by_their_words_and_only_there(database: Database) -> None:
    made = add(database, question(1), question(2, options={"A": "Métoprolol", "B": "y"}))
    save_question(database, question(3, stem="Is metoprolol a beta blocker?"))
    assert stems(database, made.id, text="metop") == ["Question number2?"]
    assert stems(database, made.id, text="aspirin") == []


def test_open_questions_are_counted_among_those_that_are_asked(database: Database) -> None:
    made = add(
        database, question(1), question(2, options={}, target=None), question(3), question(4, options={}, target=None)
    )
    with database.session() as session:
        sets = QuestionSetRepository(session)
        assert [sets.count_open(made.id, limit) for limit in (None, 4, 3, 1)] == [2, 2, 1, 0]
        assert sets.count_open("0" * 32) == 0


def test_thousands_of_questions_are_kept_searched_and_kept_once(database: Database) -> None:
    questions = [question(number) for number in range(2500)]
    made = add(database, *questions)
    again = add(database, *questions, question(1), name="again")
    assert (made.question_count, again.question_count) == (2500, 2500)
    assert stems(database, made.id) == [each.stem for each in questions]
    assert stems(database, again.id, text="number2417") == ["Question number2417?"]
    with database.session(is_read_only=True) as session:
        assert len(QuestionRepository(session).recent(9999)) == 2500


def test_upsert_all_gives_an_id_for_each_in_order_and_keeps_what_was_there(database: Database) -> None:
    first = save_question(database, question(1), title="kept")
    with database.session() as session:
        ids = QuestionRepository(session).upsert_all([question(2), question(1, title="other"), question(2)])
        found = QuestionRepository(session).get(ids[1])
    assert (ids[1], found.title) == (first.id, "kept")
    assert ids[0] == ids[2] != first.id


@pytest.mark.parametrize(
    "bad", [question(9, stem=" "), question(9, stem="a\x00"), question(9, options={"A": "\ud800"})]
)
def test_a_question_that_cannot_be_stored_keeps_the_whole_set_out(database: Database, bad: NewQuestion) -> None:
    with pytest.raises(InvalidRecord):
        add(database, question(1), bad)
    assert every(database) == []
    with database.session(is_read_only=True) as session:
        assert QuestionSetRepository(session).all() == ()


def test_a_name_is_given_once_and_is_not_blank(database: Database) -> None:
    add(database, question(1))
    with pytest.raises(InvalidRecord, match=r"A question set named 'MedQA' already exists\. Give this one another"):
        add(database, question(2))
    with pytest.raises(InvalidRecord, match="has no name"):
        add(database, question(2), name=" ")


@pytest.mark.parametrize("missing", ["0" * 32, "", "x'; --", "\x00", "\ud800", "é"])
def test_a_set_that_is_not_there_is_not_found(database: Database, missing: str) -> None:
    with database.session() as session:
        sets, trash = QuestionSetRepository(session), TrashRepository(session)
        assert sets.find(missing) is None
        for ask in (sets.get, sets.by_id, partial(trash.discard, TrashKind.QUESTION_SET, person="ada")):
            with pytest.raises(RecordNotFound, match=r"Question set .* not found"):
                ask(missing)


def test_a_deleted_set_leaves_the_questions_that_others_need(database: Database) -> None:
    typed = save_question(database, question(1, source="typed"))
    made = add(database, *(question(number) for number in range(1, 6)))
    other = add(database, question(2), name="other")
    trace = begin(database, question(3))
    deletion = discard(database, TrashKind.QUESTION_SET, made.id)
    assert len(every(database)) == 5
    purge(database, deletion)
    assert every(database) == [f"Question number{number}?" for number in (1, 2, 3)]
    assert stems(database, other.id) == ["Question number2?"]
    assert read(database, trace.id).question_id == trace.question_id
    with database.session(is_read_only=True) as session:
        assert [each.name for each in QuestionSetRepository(session).all()] == ["other"]
        assert QuestionRepository(session).recent(text="number4") == ()
        assert QuestionRepository(session).get(typed.id) == typed


def test_a_name_is_free_again_after_the_set_is_deleted(database: Database) -> None:
    first = add(database, question(1), QUESTION)
    discard(database, TrashKind.QUESTION_SET, first.id)
    again = add(database, question(1))
    assert again.id != first.id
    assert stems(database, again.id, text="number1") == ["Question number1?"]
