"""Studies in each database."""

import pytest

from storage.database import Database
from storage.errors import InvalidRecord, RecordNotFound
from storage.studies.repository import StudyRepository
from storage.trash.records import TrashKind
from storage.trash.repository import TrashRepository
from tests.storage.samples import a_study, delete_for_good, discard


def test_a_study_is_read_as_it_was_stored_newest_first(database: Database) -> None:
    with database.session() as session:
        first = StudyRepository(session).add(a_study())
        second = StudyRepository(session).add(a_study(name="other"))
    with database.session(is_read_only=True) as session:
        studies = StudyRepository(session)
        assert studies.get(first.id) == studies.find("m1-smoke") == first
        assert (first.text, first.models, first.runs) == (a_study().text, {"small": "m1-7b"}, {"main": "a" * 32})
        assert [each.id for each in studies.all()] == [second.id, first.id]
        assert studies.find("\x00") is None


def test_a_name_is_taken_until_its_study_is_in_the_trash(database: Database) -> None:
    with database.session() as session:
        first = StudyRepository(session).add(a_study())
        with pytest.raises(InvalidRecord, match="'m1-smoke' was already started"):
            StudyRepository(session).add(a_study())
    deletion = discard(database, TrashKind.STUDY, first.id)
    with database.session() as session:
        second = StudyRepository(session).add(a_study())
        with pytest.raises(InvalidRecord, match="another study named 'm1-smoke'"):
            TrashRepository(session).restore(deletion.id)
    discard(database, TrashKind.STUDY, second.id)
    with database.session() as session:
        TrashRepository(session).restore(deletion.id)
        assert StudyRepository(session).get(first.id).name == "m1-smoke"


def test_a_study_that_is_removed_for_good_is_gone(database: Database) -> None:
    with database.session() as session:
        study = StudyRepository(session).add(a_study())
    delete_for_good(database, TrashKind.STUDY, study.id)
    with database.session(is_read_only=True) as session, pytest.raises(RecordNotFound):
        StudyRepository(session).get(study.id)


def test_facts_are_replaced_one_by_one(database: Database) -> None:
    with database.session() as session:
        study = StudyRepository(session).add(a_study(facts={"is_demo": True, "overlaps": []}))
        changed = StudyRepository(session).touch(study.id, {"is_demo": False})
    assert changed.facts == {"is_demo": False, "overlaps": []}
    assert changed.updated_at >= study.updated_at


@pytest.mark.parametrize("missing", ["0" * 32, "", "x'; --", "é"])
def test_a_study_that_is_not_there_is_not_found(database: Database, missing: str) -> None:
    with database.session() as session, pytest.raises(RecordNotFound):
        StudyRepository(session).get(missing)
