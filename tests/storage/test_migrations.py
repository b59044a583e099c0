"""Building the tables, by several at once and over the versions."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import inspect, text

from storage import migrations
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.results import BenchmarkResultRepository, VerdictFilter
from storage.connections import open_engine, parse_url
from storage.corpora.records import NewPassage
from storage.database import Database
from storage.errors import (
    DatabaseCorrupt,
    DatabaseTooNew,
    InvalidRecord,
    StorageError,
)
from storage.people.accounts import AccountRepository
from storage.people.audit import AuditRepository
from storage.people.records import Role
from storage.question_sets.repository import QuestionSetRepository
from storage.tables import metadata
from storage.traces.listing import TraceFilter
from storage.traces.repository import TraceRepository
from storage.trash.records import TrashKind
from tests.migrated_copies import Copies
from tests.storage.annotations.test_queue import a_stored_sweep
from tests.storage.benchmarks.test_repository import LARGE, finish, item_of, planned
from tests.storage.corpora.test_repository import add_corpus, search
from tests.storage.people.test_audit import ENTRY
from tests.storage.question_sets.test_repository import add as add_set
from tests.storage.question_sets.test_repository import question
from tests.storage.samples import begin, discard, purge, read
from tests.storage.trash.scenario import Asked, annotate, asked_run, rows

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def migrating_for_real(migrated_copies: Copies) -> Iterator[None]:
    """No file here is a copy of a migrated one."""
    migrated_copies.are_made = False
    yield
    migrated_copies.are_made = True


def file_of(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def wait_for_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_migrations_build_exactly_the_tables_that_the_app_declares(url: str) -> None:
    engine = open_engine(parse_url(url), 5.0, None, has_foreign_keys=True)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": migrations.is_compared})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_files_are_named_after_the_revisions_in_them(url: str) -> None:
    engine = open_engine(parse_url(url), 5.0, None, has_foreign_keys=True)
    with engine.connect() as connection:
        steps = ScriptDirectory.from_config(migrations._config(connection))
        assert migrations.current_revision(connection) == migrations.head_revision() == steps.get_current_head()
    assert migrations.known_revisions() == {None, *(step.revision for step in steps.walk_revisions())}
    engine.dispose()


@pytest.mark.parametrize("other", ["0001", "zzzz"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_database_of_several_versions_is_refused(sqlite_url: str, other: str, is_first: bool) -> None:
    database = Database(sqlite_url)
    database.migrate()
    rows = [(other,), (migrations.head_revision(),)]
    with sqlite3.connect(file_of(sqlite_url)) as raw:
        raw.execute("DELETE FROM alembic_version")
        raw.executemany("INSERT INTO alembic_version VALUES (?)", rows if is_first else reversed(rows))
    with pytest.raises(DatabaseCorrupt, match="several versions"):
        database.migrate()
    assert "several versions" in database.check().problem


def test_a_step_that_alembic_cannot_carry_out_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise CommandError("Can't locate revision identified by '0002'")

    monkeypatch.setattr(command, "upgrade", fail)
    with pytest.raises(StorageError, match=r"could not be migrated from version none \(Can't locate"):
        Database(f"sqlite:///{tmp_path / 'new.db'}").migrate()


def test_a_current_database_is_opened_without_loading_alembic(sqlite_url: str) -> None:
    Database(sqlite_url).migrate()
    program = "import sys; from storage.database import Database; Database(sys.argv[1]).migrate(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, sqlite_url], cwd=ROOT, capture_output=True, check=True)
    assert b"alembic" not in done.stdout


def test_every_migration_can_be_taken_back(url: str) -> None:
    engine = open_engine(parse_url(url), 5.0, None, has_foreign_keys=False)
    with engine.begin() as connection:
        command.downgrade(migrations._config(connection), "base")
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    migrations.upgrade(engine, "here")
    assert set(metadata.tables) <= set(inspect(engine).get_table_names())
    engine.dispose()


def test_questions_of_runs_from_before_their_numbers_are_found(database: Database, url: str) -> None:
    run = planned(database)
    finish(database, item_of(database, run), "A", "B")
    wanted = VerdictFilter(cell=LARGE, text="heart")
    with database.session(is_read_only=True) as session:
        before = BenchmarkResultRepository(session).verdicts(run.id, wanted)
    database.dispose()
    engine = open_engine(parse_url(url), 5.0, None, has_foreign_keys=False)
    with engine.begin() as connection:
        command.downgrade(migrations._config(connection), "0003")
    migrations.upgrade(engine, "here")
    engine.dispose()
    with database.session(is_read_only=True) as session:
        assert BenchmarkResultRepository(session).verdicts(run.id, wanted) == before
    assert before[0][0].letter == "B"


def test_answers_of_earlier_versions_know_where_their_pass_turned(database: Database, url: str) -> None:
    a_stored_sweep(database, "BAABBA", "AAB", "B", "AB")
    before = rows(database)["checkpoint"]
    names = [column.name for column in metadata.tables["checkpoint"].columns]
    flags = {(row[names.index("is_flip")], row[names.index("is_after_right")]) for row in before}
    assert flags == {(True, True), (False, True), (False, False)}
    database.dispose()
    set_version(url, "0010")
    database.migrate()
    assert rows(database)["checkpoint"] == before


def with_people_and_trash(database: Database) -> Asked:
    """An annotated run with a question set of its name; another set of that name is in the trash."""
    made = asked_run(database)
    annotate(database, made.items[0].checkpoint_ids[0])
    discard(database, TrashKind.QUESTION_SET, add_set(database, question(1)).id)
    add_set(database, question(2))
    with database.session() as session:
        AccountRepository(session).add("Ada", Role.ADMIN)
        AuditRepository(session).add(ENTRY)
    return made


def test_passages_of_earlier_versions_are_found_however_their_words_are_spelled(database: Database, url: str) -> None:
    many = (NewPassage(text=f"Stra\u00dfe {number}", heading="M\u00e4rz") for number in range(1_100))
    corpus = add_corpus(database, NewPassage(text="Pulmonary \ufb01brosis"), *many)
    database.dispose()
    set_version(url, "0021")
    database.migrate()
    assert [each.text for each in search(database, "fibrosis", corpus)] == ["Pulmonary \ufb01brosis"]
    assert {len(search(database, word, corpus, limit=2_000)) for word in ("strasse", "maerz", "marz")} == {0, 1_100}
    assert [each.text for each in search(database, "1099", corpus)] == ["Stra\u00dfe 1099"]
    purge(database, discard(database, TrashKind.CORPUS, corpus.id))
    database.scrub(is_whole=False)
    assert database.check().is_current


def set_version(url: str, version: str) -> None:
    engine = open_engine(parse_url(url), 5.0, None, has_foreign_keys=False)
    with engine.begin() as connection:
        command.downgrade(migrations._config(connection), version)
        migrations._check_references(connection, "here")
    engine.dispose()


def test_taking_back_accounts_and_trash_loses_no_trace_set_or_annotation(database: Database, url: str) -> None:
    made = with_people_and_trash(database)
    before = rows(database)
    database.dispose()
    set_version(url, "0004")
    database.migrate()
    after = rows(database)
    gone = ("account", "login_session", "audit_entry", "deletion")
    assert [after[name] for name in gone] == [[]] * 4
    kept = {name for name in before if name not in (*gone, "question_set", "sweep")}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert len(after["question_set"]) == 2
    assert len(after["sweep"]) == len(before["sweep"])
    with database.session(is_read_only=True) as session:
        assert TraceRepository(session).count(TraceFilter(text="tachycardia")) == 0  # passes are in no list
        names = sorted(each.name.split(" (")[0] for each in QuestionSetRepository(session).all())
        assert names == ["MedQA", "MedQA"]
        assert BenchmarkRepository(session).get(made.run.id) == made.run
    with pytest.raises(InvalidRecord), database.session() as session:
        session.execute(text("DELETE FROM trace"))


MIGRATE_AND_STOP = """
import sys, time
from storage import migrations
from storage.database import Database
def stop(connection, place):
    print("changed", migrations.current_revision(connection), flush=True)
    time.sleep(600)
migrations._check_references = stop
Database(sys.argv[1]).migrate()
"""


def test_a_migration_that_is_killed_leaves_the_old_version_as_it_was(database: Database, url: str) -> None:
    made = with_people_and_trash(database)
    database.dispose()
    set_version(url, "0004")
    before = dump(url)
    process = subprocess.Popen(
        [sys.executable, "-c", MIGRATE_AND_STOP, url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert wait_for_line(process) == f"changed {migrations.head_revision()}"
    process.kill()
    process.communicate(timeout=30)
    assert database.check().revision == "0004"
    assert dump(url) == before
    database.dispose()
    Database(url, busy_timeout_seconds=30).migrate()
    assert database.check().is_current
    with database.session(is_read_only=True) as session:
        assert BenchmarkRepository(session).get(made.run.id) == made.run


def dump(url: str) -> dict[str, list[object]]:
    """Columns and rows of every table, whatever the version."""
    engine = open_engine(parse_url(url), 5.0, None, has_foreign_keys=True)
    with engine.connect() as connection:
        names = [
            name
            for name in inspect(connection).get_table_names()
            if not name.startswith(("search_index", "passage_index"))
        ]
        found = {
            name: [
                [column["name"] for column in inspect(connection).get_columns(name)],
                sorted(map(repr, connection.exec_driver_sql(f'SELECT * FROM "{name}"'))),
            ]
            for name in names
        }
    engine.dispose()
    return found


def test_migrating_again_changes_nothing(database: Database) -> None:
    trace = begin(database)
    database.migrate()
    assert read(database, trace.id) == trace


MIGRATE = """
import sys
from storage.database import Database
print("ready", flush=True)
sys.stdin.readline()
Database(sys.argv[1], busy_timeout_seconds=30).migrate()
"""


def test_processes_that_start_at_once_migrate_together(empty_url: str) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, empty_url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    assert [wait_for_line(process) for process in started] == ["ready"] * 4
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        process.communicate(timeout=60)
    assert [process.returncode for process in started] == [0] * 4
    assert Database(empty_url).check().is_current


def test_threads_that_start_at_once_migrate_together(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Database(empty_url).migrate(), range(4)))
    assert Database(empty_url).check().is_current


def test_a_database_of_a_newer_version_is_left_alone(database: Database) -> None:
    with database.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match=r"'9999', made by a newer version of m1app.*another M1_HOME"):
        database.migrate()
    health = database.check()
    assert (health.is_reachable, health.is_current, health.revision) == (True, False, "9999")


def test_broken_references_stop_a_migration(sqlite_url: str) -> None:
    begin(Database(sqlite_url))
    with sqlite3.connect(file_of(sqlite_url)) as connection:
        connection.execute("DELETE FROM question")
    engine = open_engine(parse_url(sqlite_url), 5.0, None, has_foreign_keys=False)
    with engine.connect() as connection, pytest.raises(DatabaseCorrupt, match=r"'(trace|search_entry)'"):
        migrations._check_references(connection, "here")
    engine.dispose()


def test_a_step_can_be_drafted_and_leaves_the_search_index_alone(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = migrations.head_revision()
    steps = tmp_path / "migrations"
    subprocess.run(["cp", "-r", str(ROOT / "storage/migrations"), str(steps)], check=True)
    monkeypatch.setattr(migrations, "__file__", str(steps / "__init__.py"))
    engine = open_engine(parse_url(sqlite_url), 5.0, None, has_foreign_keys=False)
    migrations.draft(engine, "add nothing")
    engine.dispose()
    following = f"{int(head) + 1:04d}"
    draft = steps / "versions" / f"v{following}_add_nothing.py"
    body = draft.read_text()
    assert f"\nrevision = '{following}'\ndown_revision = '{head}'\n" in body
    assert "drop" not in body
    compile(body, draft.name, "exec")
