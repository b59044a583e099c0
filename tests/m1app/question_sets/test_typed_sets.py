"""Pasted questions as a question set: stored like those of a file, whole or not at all."""

from datetime import date
from importlib import resources

import pytest

from m1app.access.errors import AccessRefused
from m1app.access.person import Person, acting_as
from m1app.question.library import load_library
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.service import QuestionSetService
from m1app.question_sets.typed_sets import proposed_name
from storage.people.records import Role
from storage.questions.records import NewQuestion

NERVE = NewQuestion(stem="Which nerve lifts the wrist?", options={"A": "Ulnar", "B": "Radial"}, target="B")
BILE = NewQuestion(stem="Where is bile made?", options={"A": "Liver", "B": "Spleen"}, target="A")
SALTS = NewQuestion(
    stem="Which lower potassium?", options={"A": "Insulin", "B": "Ramipril", "C": "Salbutamol"}, target="A, C"
)


async def test_pasted_questions_become_a_set_that_is_listed_with_its_questions(sets: QuestionSetService) -> None:
    report = await sets.store_typed([NERVE, BILE, SALTS, BILE], name=" Ward round ")
    (kept,) = await sets.all()
    assert (kept.name, kept.layout, kept.question_count) == ("Ward round", "typed", 3)
    assert [(each.stem, dict(each.options), each.target) for each in await sets.preview(kept.id)] == [
        (each.stem, each.options, each.target) for each in (NERVE, BILE, SALTS)
    ]
    assert report.duplicates == {"Ward round": 1}


async def test_the_same_questions_again_are_the_same_set(sets: QuestionSetService) -> None:
    first = await sets.store_typed([NERVE, BILE], name="a")
    again = await sets.store_typed([NERVE, BILE], name="a")
    assert again.sets == first.sets
    assert "already exists" in again.notes[0]
    with pytest.raises(InvalidQuestionSet, match="already exists with different content"):
        await sets.store_typed([NERVE], name="a")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (NewQuestion(stem="Why?"), "Question 2 has no options"),
        (NewQuestion(stem="Why?", options=NERVE.options), "Question 2 has no target"),
        (NewQuestion(stem="Why?", options=NERVE.options, target="heat"), "Question 2 has no target"),
        (NewQuestion(stem="W\0hy?", options=NERVE.options, target="A"), "Question 2: found a NUL"),
    ],
)
async def test_one_question_that_cannot_be_scored_keeps_all_of_them_out(
    sets: QuestionSetService, wrong: NewQuestion, reason: str
) -> None:
    with pytest.raises(InvalidQuestionSet, match=reason):
        await sets.store_typed([NERVE, wrong], name="a")
    assert await sets.all() == ()


async def test_a_blank_name_and_no_questions_are_refused(sets: QuestionSetService) -> None:
    with pytest.raises(InvalidQuestionSet, match="as the set's name"):
        await sets.store_typed([NERVE], name=" ")
    with pytest.raises(InvalidQuestionSet, match="no question"):
        await sets.store_typed([], name="a")


async def test_only_an_admin_stores_sets(sets: QuestionSetService) -> None:
    with acting_as(Person("1", Role.REVIEWER, "Rita")), pytest.raises(AccessRefused):
        await sets.store_typed([NERVE], name="a")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("A man has a cough …", "2026-03-04 A man has a cough"),
        ("Why?\x07", "2026-03-04 Why"),
        ("x" * 90, f"2026-03-04 {'x' * 60}"),
        ("", "2026-03-04"),
    ],
)
def test_a_name_is_proposed_from_the_date_and_the_first_words(words: str, name: str) -> None:
    assert proposed_name(words, date(2026, 3, 4)) == name


async def test_the_library_is_a_set_with_its_tags_and_again_the_same_one(sets: QuestionSetService) -> None:
    closed = [each for each in load_library() if each.options]
    report = await sets.import_library()
    (kept,) = await sets.all()
    assert (kept.name, kept.layout, kept.source, kept.question_count) == (
        "library",
        "library",
        "question library",
        len(closed),
    )
    assert report.duplicates == {"library": 0}
    (first,) = await sets.preview(kept.id, limit=1)
    assert (first.stem, first.title, dict(first.options), first.target) == (
        closed[0].question,
        closed[0].title,
        dict(closed[0].options),
        closed[0].target,
    )
    assert {closed[0].specialty, closed[0].difficulty, *closed[0].tags} == set(first.tags)
    assert (await sets.import_library()).sets == report.sets
    page = resources.files("m1app.ui.admin").joinpath("question_sets.html").read_text(encoding="utf-8")
    assert f"{len(closed)} questions with options come with the app" in page


async def test_another_set_of_the_librarys_name_is_not_overwritten(sets: QuestionSetService) -> None:
    await sets.store_typed([NERVE], name="library")
    with pytest.raises(InvalidQuestionSet, match="already exists"):
        await sets.import_library()
    assert (await sets.import_library(name="Ours")).sets[0].name == "Ours"
