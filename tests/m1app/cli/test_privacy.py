"""`m1app erase` and `retention` from the command line."""

import json
from pathlib import Path

import pytest

from m1app.cli.main import main
from storage.database import Database
from storage.people.accounts import AccountRepository
from storage.people.records import Role
from storage.questions.records import NewQuestion
from tests.m1app.cli.command_line import assert_one_line, run
from tests.m1app.privacy.homes import MARKER, holding
from tests.storage.samples import begin, finish, think
from tests.storage.trash.scenario import annotate

STEM = f"Why does {MARKER} shine in the dark, and what does it do to those who work with it?"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return home


@pytest.fixture
def trace_id(home: Path) -> str:
    """An annotated trace of an old question."""
    database = Database(f"sqlite:///{home}/m1.sqlite3")
    database.migrate()
    trace = begin(database, NewQuestion(stem=STEM))
    finish(database, trace, think(f"{MARKER} is radioactive."))
    annotate(database, trace.id, "Ada")
    with database.session() as session:
        AccountRepository(session).add("Ada", Role.ANNOTATOR)
        session.connection().exec_driver_sql("UPDATE trace SET created_at = '2001-01-01 00:00:00.000000'")
    database.dispose()
    return trace.id


def question_of(home: Path) -> str:
    database = Database(f"sqlite:///{home}/m1.sqlite3")
    with database.session(is_read_only=True) as session:
        found = session.connection().exec_driver_sql("SELECT id FROM question").scalar_one()
    database.dispose()
    return str(found)


def test_a_question_is_erased_and_its_copies_are_named(home: Path, trace_id: str) -> None:
    assert run("backup", home=home).returncode == 0
    question = question_of(home)
    refused = run("erase", "question", question, home=home)
    assert refused.returncode == 1
    assert_one_line(refused.stderr, "1 annotation", "--with-annotations")
    planned = run("erase", "question", question, "--with-annotations", "--dry-run", home=home)
    assert planned.stdout.startswith("would be erased: 1 trace, 1 question, 1 annotation, 1 assessment\n")
    assert "m1.sqlite3" in holding(home, MARKER)
    (home / "notes.json").write_text(json.dumps(STEM))
    done = run("erase", "question", question, "--with-annotations", "--with-files", home=home)
    assert done.stdout.startswith("erased: 1 trace")
    assert f"file removed: {home / 'notes.json'}" in done.stdout
    assert done.stdout.count("copy that may hold it: ") == 1
    assert holding(home, MARKER) == set()
    assert run("erase", "trace", trace_id, home=home).returncode == 1


def test_a_person_is_erased_by_name(home: Path, trace_id: str) -> None:
    planned = run("erase", "person", "Ada", "--with-annotations", "--dry-run", home=home)
    assert planned.stdout == "would be erased: 1 annotation, 1 assessment, 1 account\n"
    done = run("erase", "person", "Ada", home=home)
    assert done.stdout == "erased: 1 account; kept under a pseudonym: 1 annotation, 1 assessment, 2 revisions\n"
    assert run("erase", "leftovers", home=home).stdout == "overwritten\n"
    assert_one_line(run("erase", "person", "Ada", home=home).stderr, "neither an account nor an annotator")


def test_retention_counts_before_it_removes(home: Path, trace_id: str) -> None:
    assert_one_line(run("retention", "--dry-run", home=home).stderr, "M1_RETENTION_DAYS")
    days = {"M1_RETENTION_DAYS": "30"}
    assert run("retention", home=home, **days).stdout == "removed: nothing\n"
    planned = run("retention", "--dry-run", "--with-annotated", home=home, **days)
    assert planned.stdout == "would be removed: 1 trace, 1 question, 1 annotation, 1 assessment\n"
    assert run("retention", "--with-annotated", home=home, **days).stdout.startswith("removed: 1 trace")
    assert holding(home, MARKER) == set()


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("erase", "trace", "TRACE", "--with-annotations"), 1),
        (("erase", "person", "Ada"), 1),
        (("erase", "leftovers"), 1),
        (("retention", "--with-annotated"), 0),  # It promises no overwriting, and tries again every day.
    ],
)
def test_what_could_not_be_overwritten_is_said_and_an_erasure_fails(
    command: tuple[str, ...],
    status: int,
    home: Path,
    trace_id: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("M1_HOME", str(home))
    monkeypatch.setenv("M1_RETENTION_DAYS", "30")
    monkeypatch.setattr(Database, "scrub", lambda *_, **__: "Not everything was overwritten.")
    arguments = [trace_id if each == "TRACE" else each for each in command]
    assert main(arguments) == status
    assert capsys.readouterr().err == "Not everything was overwritten.\n"


def test_files_that_still_contain_it_are_for_a_person_to_remove(home: Path, trace_id: str) -> None:
    question = question_of(home)
    (home / "notes.json").write_text(json.dumps(STEM))
    for options, advice in ((("--dry-run",), "or add --with-files"), ((), "Remove these files yourself.")):
        done = run("erase", "question", question, "--with-annotations", *options, home=home)
        assert f"file that contains it: {home / 'notes.json'}\n" in done.stdout
        assert (done.returncode, advice in done.stderr) == (0, True)
