"""No way to ask for a row finds one that is in the trash, whatever the table."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, exists, func, literal, select, union_all, update
from sqlalchemy.orm import Session, aliased

from storage.base import Base, Discardable
from storage.corpora.repository import CorpusRepository
from storage.database import Database
from storage.jobs.records import JobKind, NewJob
from storage.jobs.repository import JobRepository
from storage.jobs.tables import JobRow
from storage.questions.tables import QuestionRow
from storage.strategies.repository import StrategyRepository
from storage.studies.repository import StudyRepository
from storage.trash.tables import WITH_TRASH
from tests.storage.question_sets.test_repository import add as add_set
from tests.storage.question_sets.test_repository import question
from tests.storage.samples import a_strategy_run, a_study
from tests.storage.trash.hidden import TABLES, seen_in
from tests.storage.trash.scenario import asked_run

ROWS = sorted(
    (each.class_ for each in Base.registry.mappers if issubclass(each.class_, Discardable)),
    key=lambda row: row.__name__,
)
Ask = Callable[[Session, Any, str], object]


def _alias(session: Session, table: Any, _: str) -> object:
    other = aliased(table)
    return session.scalars(select(other)).all()


def _join(session: Session, table: Any, _: str) -> object:
    other = aliased(table)
    return session.execute(select(table.id, other.id).join(other, other.id == table.id)).all()


def _outer_join(session: Session, table: Any, row_id: str) -> object:
    asked = select(table.id).select_from(QuestionRow).outerjoin(table, table.id == row_id).where(table.id.is_not(None))
    return session.scalars(asked).all()


def _cte(session: Session, table: Any, _: str) -> object:
    rows = select(table.id).cte("rows")
    return session.scalars(select(rows.c.id)).all()


def _union(session: Session, table: Any, _: str) -> object:
    both = union_all(select(table.id), select(table.id)).subquery("both")
    return session.scalars(select(func.count()).select_from(both)).one()


def _question_that_has(session: Session, table: Any, row_id: str) -> object:
    return session.scalars(select(QuestionRow.id).where(exists().where(table.id == row_id))).all()


def _question_in(session: Session, table: Any, _: str) -> object:
    return session.scalars(select(QuestionRow.id).where(literal(1).in_(select(func.count(table.id))))).all()


def _change_elsewhere(session: Session, table: Any, row_id: str) -> object:
    change = update(QuestionRow).where(exists().where(table.id == row_id)).values(title="x")
    return session.execute(change.execution_options(synchronize_session=False)).rowcount  # type: ignore[attr-defined]


ASKED: dict[str, Ask] = {
    "select": lambda session, table, _: session.scalars(select(table)).all(),
    "select columns": lambda session, table, _: session.execute(select(table.id, table.created_at)).all(),
    "query": lambda session, table, _: session.query(table).all(),
    "get": lambda session, table, row_id: session.get(table, row_id),
    "get again": lambda session, table, row_id: session.get(table, row_id, populate_existing=True),
    "count": lambda session, table, _: session.scalar(select(func.count()).select_from(table)),
    "count of a column": lambda session, table, _: session.scalar(select(func.count(table.id))),
    "count with a condition": lambda s, table, row_id: s.scalar(select(func.count()).where(table.id == row_id)),
    "subquery": lambda session, table, _: session.execute(select(select(table.id).subquery("rows"))).all(),
    "scalar subquery": lambda session, table, _: session.scalar(select(select(table.id).limit(1).scalar_subquery())),
    "distinct": lambda session, table, _: session.scalars(select(table.id).distinct()).all(),
    "locked": lambda session, table, _: session.scalars(select(table).with_for_update()).all(),
    "alias": _alias,
    "join": _join,
    "outer join": _outer_join,
    "common table": _cte,
    "union": _union,
    "exists in another": _question_that_has,
    "in another": _question_in,
    "update of another": _change_elsewhere,
    "update": lambda session, table, _: session.execute(update(table).values(trash_id="x" * 32)).rowcount,  # type: ignore[attr-defined]
    "delete": lambda session, table, _: session.execute(delete(table)).rowcount,  # type: ignore[attr-defined]
    "query update": lambda session, table, _: session.query(table).update({"trash_id": "x" * 32}),
    "query delete": lambda session, table, _: session.query(table).delete(),
}


def fill(database: Database) -> None:
    """A row in each table whose rows can be deleted."""
    asked_run(database, "heart", passes=1)
    add_set(database, question(1))
    with database.session() as session:
        asked = session.scalars(select(QuestionRow.id).limit(1)).one()
        StrategyRepository(session).add(a_strategy_run(asked))
        JobRepository(session).add(NewJob(kind=JobKind.BENCHMARK, name="m1", recipe={}))
        CorpusRepository(session).begin("sheets", "sheets.md", "unknown")
        StudyRepository(session).add(a_study())


def hide(database: Database) -> dict[str, str]:
    """Put every row in the trash; return an id of each table."""
    found = {}
    with database.session() as session:
        for name, table in TABLES.items():
            found[name] = session.connection().exec_driver_sql(f"SELECT id FROM {name}").scalar_one()
            session.connection().execute(update(table).values(trash_id="d" * 32), execution_options={WITH_TRASH: True})
    return found


def test_these_tables_have_rows_that_can_be_deleted() -> None:
    expected = ["benchmark_run", "corpus", "job", "question_set", "strategy_run", "study", "sweep", "trace"]
    assert sorted(TABLES) == expected


def test_no_statement_finds_counts_or_changes_what_is_in_the_trash(database: Database) -> None:
    fill(database)
    ids = hide(database)
    for row in ROWS:
        for name, ask in ASKED.items():
            with database.session() as session:
                found = ask(session, row, ids[row.__tablename__])
                assert not found, (row.__name__, name)
                session.rollback()
    with database.session() as session:
        for row in ROWS:
            assert len(session.scalars(select(row), execution_options={WITH_TRASH: True}).all()) == 1


def test_the_same_statements_find_what_is_not_in_the_trash(database: Database) -> None:
    fill(database)
    with database.session() as session:
        ids = {row: session.scalars(select(row.id)).one() for row in ROWS}
        for row in ROWS:
            for name, ask in ASKED.items():
                if "delete" not in name and "update" not in name:
                    assert ask(session, row, ids[row]), (row.__name__, name)


def test_a_lone_exists_which_sqlalchemy_does_not_count_as_a_query_of_rows_fails_a_test(database: Database) -> None:
    with pytest.raises(AssertionError, match="FROM job"), database.session() as session:
        session.scalar(select(exists().where(JobRow.id == "x")))


@pytest.mark.parametrize(
    ("statement", "seen"),
    [
        ("SELECT trace.id FROM trace", {"trace"}),
        ("SELECT a.id FROM trace AS a JOIN sweep ON a.sweep_id = sweep.id WHERE a.trash_id IS NULL", {"sweep"}),
        ("SELECT 1 FROM question, trace WHERE trace.trash_id IS NULL", set()),
        ("UPDATE job SET state = 'x' WHERE job.state = 'y'", {"job"}),
        ("DELETE FROM job WHERE job.trash_id IS NULL", set()),
        ("SELECT 1 FROM search_entry WHERE trace_id IS NULL", set()),
    ],
)
def test_a_statement_that_would_see_the_trash_is_noticed(statement: str, seen: set[str]) -> None:
    assert seen_in(statement) == seen
