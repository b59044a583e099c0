"""`annotations` from the command line, each a process of its own."""

import os
import re
import shlex
from pathlib import Path

import pytest

from m1app.cli.annotations import _opened
from storage.annotations.cases import CaseRepository
from storage.annotations.records import AnnotationAction, AnnotationState, Origin
from storage.annotations.repository import AnnotationRepository
from storage.database import Database
from tests.m1app.annotation.cases import note, stored_trace
from tests.m1app.annotation.test_salvage import overwrite_a_page
from tests.m1app.cli.command_line import ROOT, Done, run

pytestmark = pytest.mark.usefixtures("no_settings")

SOME = 40


def submitted_notes(database: Database, case_id: str) -> list[str]:
    """Submit notes of one case; returns their ids."""
    with database.session() as session:
        case, annotations = CaseRepository(session).get(case_id), AnnotationRepository(session)
        drafts = [annotations.add(case, "Ada", note(comment="x" * 500), Origin.PERSON, 1) for _ in range(SOME)]
        annotations.submit_drafts(case_id, "Ada")
    return [each.id for each in drafts]


def edit(database: Database, annotation_id: str) -> None:
    with database.session() as session:
        annotations = AnnotationRepository(session)
        annotations.change(annotations.get(annotation_id), "Ada", AnnotationAction.EDITED, comment="y" * 500)


def documented(action: str, file: Path) -> list[str]:
    """The arguments of `annotations ACTION` in the steps for a damaged database."""
    section = (ROOT / "docs/operations.md").read_text().partition("\n## A damaged database\n")[2].partition("\n## ")[0]
    (command,) = re.findall(rf"`\.venv/bin/python -m m1app (annotations {action} [^`]*)`", section)
    return [str(file) if word == "annotations.jsonl" else word for word in shlex.split(command)]


def m1app(home: Path, *arguments: str) -> Done:
    return run(*arguments, home=home, M1_ENGINE_URL="http://127.0.0.1:9")


def test_annotations_of_a_damaged_database_get_into_the_restored_backup(tmp_path: Path) -> None:
    home, file, backup = tmp_path / "home", tmp_path / "annotations.jsonl", tmp_path / "backup.zip"
    home.mkdir(mode=0o700)
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    database.migrate()
    case_id = stored_trace(database)
    in_backup = submitted_notes(database, case_id)
    database.dispose()
    assert m1app(home, "backup", str(backup)).returncode == 0
    for annotation_id in in_backup[: SOME // 2]:
        edit(database, annotation_id)
    submitted_notes(database, case_id)
    submitted_notes(database, stored_trace(database))
    overwrite_a_page(database, "annotation")

    exported = m1app(home, *documented("export", file))
    assert exported.returncode == 3
    told = re.fullmatch(
        r"The database is damaged: (\d+) annotations could not be read, drafts possibly among them, and 0 are exported "
        r"without their history\. Everything else is exported\.\n",
        exported.stderr,
    )
    assert told
    lost, lines = int(told[1]), file.read_text().count("\n")
    assert 0 < lost == 3 * SOME - lines

    assert m1app(home, "restore", str(backup), "--replace").returncode == 0
    imported = m1app(home, *documented("import", file))
    assert (imported.returncode, imported.stderr) == (0, "")
    counts = re.fullmatch(
        r"(\d+) imported, (\d+) already present\n"
        r"left out: (\d+) of unknown cases, (\d+) that exist with different content\n",
        imported.stdout,
    )
    assert counts
    added, present, missing, kept = map(int, counts.groups())
    assert min(added, present, missing, kept) > 0
    assert added + present + missing + kept == lines
    assert database.row_counts()["annotation"] == SOME + added
    with database.session(is_read_only=True) as session:
        states = {each.state for each in AnnotationRepository(session).of_case(case_id)}
    assert states == {AnnotationState.SUBMITTED}
    database.dispose()


def test_a_pipe_can_be_read_twice() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a line\n")
    os.close(writing)
    with _opened(f"/dev/fd/{reading}") as file:
        os.close(reading)
        for _ in range(2):
            file.seek(0)
            assert file.read() == b"a line\n"


def test_traces_from_elsewhere_are_imported_as_cases_once(tmp_path: Path) -> None:
    file = tmp_path / "traces.jsonl"
    file.write_text('{"question": "Which gland?", "thinking": "The adrenal gland.", "answer": "Cortisol."}\n')
    once = m1app(tmp_path / "home", "annotations", "import", "--as-cases", str(file), "--model", "elsewhere-8b")
    assert (once.returncode, once.stdout) == (
        0,
        "1 case imported, 0 already present\n0 marks imported, 0 already present\n",
    )
    again = m1app(tmp_path / "home", "annotations", "import", "--as-cases", str(file), "--model", "elsewhere-8b")
    assert again.stdout.startswith("0 cases imported, 1 already present\n")
    other = m1app(tmp_path / "home", "annotations", "import", str(file), "--format", "traces")
    assert (other.returncode, "add --as-cases" in other.stderr) == (1, True)
