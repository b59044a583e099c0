"""Removal for good: what was begun is finished, one problem stops nothing else, and files go before their record."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from m1app.errors import AppError
from m1app.question_sets.errors import QuestionSetError
from m1app.question_sets.import_journal import locked_journal
from m1app.trash.service import TrashService
from storage.database import Database
from storage.errors import InvalidRecord, RecordNotFound
from storage.jobs.records import JobKind, NewJob
from storage.jobs.repository import JobRepository
from storage.questions.records import NewQuestion
from storage.trash.records import Deletion, TrashKind
from storage.trash.repository import TrashRepository
from tests.storage.question_sets.test_repository import add as add_set
from tests.storage.samples import begin, discard, finish, think


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/m1.sqlite3")
    made.migrate()
    yield made
    made.dispose()


def trash_of(database: Database, home: Path, *, days: float = 30, remove: Callable[[Deletion], None] | None = None):
    return TrashService(database, days, remove or (lambda _: None), home)


def deleted_trace(database: Database, stem: str) -> Deletion:
    trace = begin(database, NewQuestion(stem=stem))
    finish(database, trace, think("a thought"))
    return discard(database, TrashKind.TRACE, trace.id)


def deleted_job(database: Database) -> Deletion:
    new = NewJob(name="a job", kind=JobKind.BENCHMARK, recipe={})
    with database.session() as session:
        job = JobRepository(session).add(new)
    return discard(database, TrashKind.JOB, job.id)


async def test_a_removal_that_was_begun_is_finished_whatever_its_date(database: Database, tmp_path: Path) -> None:
    begun, young = deleted_trace(database, "begun"), deleted_trace(database, "young")
    with database.session() as session:
        TrashRepository(session).begin_removal(begun.id)
    trash = trash_of(database, tmp_path)
    with pytest.raises(InvalidRecord, match="being removed"):
        await trash.restore(begun.id)
    assert await trash.remove_expired() == 1
    assert [each.deletion.id for each in await trash.all()] == [young.id]


async def test_one_that_cannot_be_removed_does_not_keep_the_others(database: Database, tmp_path: Path) -> None:
    _, second, _ = (deleted_trace(database, stem) for stem in ("one", "two", "three"))

    def remove(deletion: Deletion) -> None:
        if deletion.id == second.id:
            raise PermissionError(13, "Permission denied")

    with pytest.raises(AppError, match=r"1 deletion could not.*Permission denied"):
        await trash_of(database, tmp_path, days=0, remove=remove).remove_expired()
    trash = trash_of(database, tmp_path, days=0)
    assert [each.deletion.id for each in await trash.all()] == [second.id]
    assert await trash.remove_expired() == 1


async def test_a_removal_that_another_process_finishes_is_no_problem(database: Database, tmp_path: Path) -> None:
    deletion, other = deleted_trace(database, "one"), trash_of(database, tmp_path)

    def remove(_: Deletion) -> None:
        with database.session() as session:
            while not TrashRepository(session).purge(deletion.id, 100):
                pass

    await trash_of(database, tmp_path, remove=remove).remove(deletion.id)
    with pytest.raises(RecordNotFound):
        await other.remove(deletion.id)


async def test_files_go_before_the_record_that_names_them(database: Database, tmp_path: Path) -> None:
    deletion = deleted_job(database)

    def killed(_: Deletion) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await trash_of(database, tmp_path, remove=killed).remove(deletion.id)
    seen: list[Deletion] = []
    assert await trash_of(database, tmp_path, remove=seen.append).remove_expired() == 1
    assert seen == [deletion]


async def test_a_set_is_not_removed_while_an_import_stores_questions(database: Database, tmp_path: Path) -> None:
    kept = add_set(database, NewQuestion(stem="a question", source="MedQA"))
    deletion = discard(database, TrashKind.QUESTION_SET, kept.id)
    trash = trash_of(database, tmp_path, days=0)
    async with locked_journal(tmp_path):
        with pytest.raises(QuestionSetError, match="import is storing"):
            await trash.remove(deletion.id)
        assert database.row_counts()["question"] == 1
    assert await trash.remove_expired() == 1
    assert database.row_counts()["question"] == 0
