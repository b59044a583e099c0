"""Questions are kept once each."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.database import Database
from storage.errors import InvalidRecord, RecordNotFound
from storage.questions.records import NewQuestion, content_hash
from storage.questions.repository import QuestionRepository
from tests.storage.samples import QUESTION, save_question


def test_a_question_comes_back_as_it_was_with_its_options_in_order(database: Database) -> None:
    kept = save_question(database, title="Chest pain", tags=("cardiology", "test"), source="MedBullets")
    with database.session(is_read_only=True) as session:
        found = QuestionRepository(session).get(kept.id)
    assert found == kept
    assert list(found.options) == ["B", "A", "C"]
    assert (found.stem, found.target, found.title) == (QUESTION.stem, "B", "Chest pain")
    assert (found.tags, found.source) == (("cardiology", "test"), "MedBullets")
    assert found.created_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - found.created_at) < timedelta(minutes=1)


def test_the_same_question_is_kept_once_and_stays_as_it_was_first(database: Database) -> None:
    first = save_question(database, title="first")
    again = save_question(database, title="second", stem=f"  {QUESTION.stem} ")
    assert again == first


@pytest.mark.parametrize(
    "other",
    [
        replace(QUESTION, target="A"),
        replace(QUESTION, target=None),
        replace(QUESTION, options={}),
        replace(QUESTION, stem=QUESTION.stem + " Why?"),
        replace(QUESTION, options={"A": "Electrocardiogram", "B": "Chest radiograph", "C": "D-dimer"}),
    ],
)
def test_a_question_that_asks_something_else_is_another_one(database: Database, other: NewQuestion) -> None:
    assert save_question(database, other).id != save_question(database).id


def test_content_hash_ignores_the_order_of_options_and_how_accents_are_spelled() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    one = content_hash(composed, {"A": "x", "B": "y"}, None)
    assert one == content_hash(decomposed, {"B": "y", "A": "x"}, None)
    assert len(one) == 64


@given(st.text(), st.dictionaries(st.text(max_size=2), st.text()), st.none() | st.text(max_size=2))
def test_content_hash_takes_any_text(stem: str, options: dict[str, str], target: str | None) -> None:
    assert content_hash(stem, options, target) == content_hash(stem, dict(reversed(options.items())), target)


def test_two_threads_that_save_the_same_question_get_the_same_record(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda _: save_question(database), range(16)))
    assert len({question.id for question in kept}) == 1


@pytest.mark.parametrize(
    "bad",
    [
        NewQuestion(stem="   "),
        NewQuestion(stem="pain\x00killer"),
        NewQuestion(stem="lone \ud83d surrogate"),
        NewQuestion(stem="ok", options={"A": "nul\x00"}),
        NewQuestion(stem="ok", options={"\x00": "a"}),
        NewQuestion(stem="ok", target="\x00"),
        NewQuestion(stem="ok", tags=("a\x00",)),
        NewQuestion(stem="ok", title="a\x00"),
        NewQuestion(stem="ok", source="a\x00"),
    ],
)
def test_text_that_cannot_be_stored_is_refused_and_nothing_is_kept(database: Database, bad: NewQuestion) -> None:
    with pytest.raises(InvalidRecord), database.session() as session:
        QuestionRepository(session).upsert(bad)
    with database.session(is_read_only=True) as session:
        assert QuestionRepository(session).recent() == ()


def test_a_refusal_says_which_text_and_where(database: Database) -> None:
    with pytest.raises(InvalidRecord, match=r"Option C contains the character U\+0000 at position 2.*remove it"):
        save_question(database, options={"C": "ab\x00"})


@pytest.mark.parametrize("missing", ["0" * 32, "", "x'; --", "\x00", "\ud800"])
def test_a_question_that_is_not_there_is_not_found(database: Database, missing: str) -> None:
    with pytest.raises(RecordNotFound, match="not found"), database.session() as session:
        QuestionRepository(session).get(missing)


def test_recent_questions_come_newest_first_and_can_be_searched(database: Database) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for day, stem in enumerate(["Fever and cough", "Fever alone", "Rash"]):
        with database.session() as session:
            QuestionRepository(session, now=lambda day=day: start + timedelta(days=day)).upsert(NewQuestion(stem=stem))
    with database.session(is_read_only=True) as session:
        questions = QuestionRepository(session)
        assert [question.stem for question in questions.recent()] == ["Rash", "Fever alone", "Fever and cough"]
        assert [question.stem for question in questions.recent(limit=1)] == ["Rash"]
        assert [question.stem for question in questions.recent(text="fev")] == ["Fever alone", "Fever and cough"]


def test_several_right_options_are_kept_and_a_single_target_hashes_as_it_always_did(database: Database) -> None:
    several = save_question(database, target="A, C")
    with database.session(is_read_only=True) as session:
        assert QuestionRepository(session).get(several.id).target == "A, C"
    assert save_question(database, target="A").id != several.id
    # Computed by the version before questions could have several.
    known = "c6fa2ccd29c8dc212b30bccc5f7cf1f774a7b9060ff7e3d40323251c5c89f221"
    assert content_hash("Which gland makes cortisol?", {"A": "Adrenal", "B": "Thyroid"}, "A") == known


def test_tags_are_replaced_and_those_of_questions_that_are_gone_are_left_out(database: Database) -> None:
    kept = save_question(database, tags=("cardiology",))
    with database.session() as session:
        QuestionRepository(session).put_tags({kept.id: ("surgery", "cardiology", "surgery"), "0" * 32: ("x",)})
        assert QuestionRepository(session).get(kept.id) == replace(kept, tags=("surgery", "cardiology"))
        with pytest.raises(InvalidRecord, match="A tag"):
            QuestionRepository(session).put_tags({kept.id: ("a\x00b",)})
        assert QuestionRepository(session).get(kept.id).tags == ("surgery", "cardiology")
