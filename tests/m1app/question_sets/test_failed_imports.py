"""Imports that end early: what is said, and that nothing of them stays."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import event

from m1app.question_sets import file_reading, service
from m1app.question_sets.batches import BATCH_VALUES
from m1app.question_sets.errors import InvalidQuestionSet, NoRoom
from m1app.question_sets.file_reading import file_messages
from m1app.question_sets.import_journal import open_journal
from m1app.question_sets.import_lock import try_lock
from m1app.question_sets.service import QuestionSetService
from m1app.question_sets.set_messages import TextsLine
from m1app.settings import Settings
from storage.database import Database
from storage.errors import DiskFull
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from tests.e2e.running_app import wait_until
from tests.m1app.question_sets.question_set_samples import as_jsonl, m1_row

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = "tests.m1app.question_sets.hostile_producers"
COUNT = BATCH_VALUES + 100
"""Questions of the file: more than one transaction adds."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_bytes(as_jsonl([m1_row(number) for number in range(COUNT)]))
    return path


def stored(database: Database) -> int:
    return len(database.read_now(lambda s: QuestionRepository(s).recent(100_000)))


def journal_of(settings: Settings) -> bytes:
    return (settings.home / "run" / "import.json").read_bytes()


@pytest.mark.parametrize(
    ("producer", "said"),
    [
        ("too_many", "changed while it was being read"),
        ("too_few", "changed while it was being read"),
        ("of_no_set", "changed while it was being read"),
        ("killed", "was ended by signal 9, which happens when a file takes too much memory or time"),
        ("crashed", "was ended by signal 11"),
        ("left", "ended with status 0"),
        ("failed", r"LookupError in hostile_producers\.py, line \d+"),
        ("other_fields", "sent something else than questions"),
        ("other_types", "sent something else than questions"),
        ("nothing", "no question set was found"),
        ("no_json", "sent something else than questions"),
        ("nested", "sent something else than questions"),
        ("endless_line", "sent a message that is too long"),
        ("silent", "took more than 0 s over one part"),
    ],
)
async def test_a_reading_process_that_fails_or_lies_leaves_a_message_and_nothing_else(
    sets: QuestionSetService,
    database: Database,
    settings: Settings,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    producer: str,
    said: str,
) -> None:
    monkeypatch.setattr(service, "QUESTIONS", f"{HOSTILE}:{producer}")
    monkeypatch.setattr(file_reading, "MAX_LINE_BYTES", 2_000_000)
    if producer == "silent":
        monkeypatch.setattr(file_reading, "SILENCE_SECONDS", 0.0)
    with pytest.raises(InvalidQuestionSet, match=said) as caught:
        await sets.import_file(path)
    assert "the words of a patient" not in str(caught.value) + caplog.text
    assert (stored(database), await sets.all()) == (0, ())
    monkeypatch.undo()
    assert (await sets.import_file(path)).sets[0].question_count == COUNT


async def test_a_cancelled_import_ends_its_process_and_leaves_nothing(
    sets: QuestionSetService, database: Database, settings: Settings, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "QUESTIONS", f"{HOSTILE}:silent")
    started = []
    start = asyncio.create_subprocess_exec

    async def noted(*command: str, **options: object) -> asyncio.subprocess.Process:
        started.append(await start(*command, **options))  # type: ignore[arg-type]
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    task = asyncio.create_task(sets.import_file(path))
    while not await asyncio.to_thread(stored, database):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert started[0].returncode == -signal.SIGKILL
    assert (stored(database), journal_of(settings)) == (0, b"")


async def test_the_process_that_reads_ends_with_the_one_that_started_it(tmp_path: Path, path: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; "
        "from m1app.question_sets.file_reading import file_messages; "
        "from m1app.question_sets.set_messages import TextsLine\n"
        "async def main():\n"
        f"    async with file_messages(Path({str(path)!r}), '{HOSTILE}:spoken_then_silent', TextsLine) as messages:\n"
        "        print((await anext(messages)).texts[0].stem, flush=True)\n"
        "        await asyncio.sleep(1000)\n"
        "asyncio.run(main())\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    reader = Path("/proc") / (await asyncio.to_thread(owner.stdout.readline)).strip()
    assert reader.exists()
    owner.kill()
    owner.wait()
    assert wait_until(lambda: not reader.exists() or "(zombie)" in (reader / "status").read_text(), "it has ended")


async def test_the_process_that_reads_has_neither_settings_nor_the_path(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M1_ADMIN_PASSWORD", "secret")
    async with file_messages(path, f"{HOSTILE}:spoken_then_silent", TextsLine) as messages:
        reader = Path("/proc") / (await anext(messages)).texts[0].stem
        environment, command = (reader / "environ").read_bytes(), (reader / "cmdline").read_bytes()
        limits = (reader / "limits").read_text()
    assert b"M1_" not in environment
    assert str(path.parent).encode() not in command
    (data,) = [line.split() for line in limits.splitlines() if line.startswith("Max data size")]
    assert data[3:5] == [str(1 << 30), str(1 << 30)]
    assert not reader.exists()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from m1app.access.person import COMMAND_LINE, run_process_as
from m1app.question_sets.service import QuestionSetService
from m1app.settings import Settings
from storage.database import Database
from storage.question_sets.repository import QuestionSetRepository

run_process_as(COMMAND_LINE)
settings = Settings(home=Path(sys.argv[1]))
QuestionSetRepository.add_kept = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
sets = QuestionSetService(Database(settings.database_address), settings)
asyncio.run(sets.import_file(Path(sys.argv[2])))
"""


def kill_an_import(settings: Settings, path: Path) -> None:
    """Import in a process that is killed after all questions and before the set."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(settings.home), str(path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL


async def test_what_a_killed_import_added_is_removed_at_the_next_start(
    sets: QuestionSetService, database: Database, settings: Settings, path: Path
) -> None:
    typed = NewQuestion(stem=m1_row(7)["question"], options=m1_row()["options"], target="A")
    kept = database.write_now(lambda s: QuestionRepository(s).upsert(typed))
    same_source = NewQuestion(stem="Another question of this name?", source="a")
    database.write_now(lambda s: QuestionRepository(s).upsert(same_source))
    kill_an_import(settings, path)
    assert stored(database) == COUNT + 1
    QuestionSetService(database, settings).remove_leftovers()
    assert {each.id for each in database.read_now(lambda s: QuestionRepository(s).recent(10))} > {kept.id}
    assert (stored(database), journal_of(settings)) == (2, b"")
    assert database.read_now(lambda s: QuestionRepository(s).recent(10, "eye")) == (kept,)


async def test_what_a_killed_import_added_and_is_in_use_now_stays(
    sets: QuestionSetService, database: Database, settings: Settings, path: Path
) -> None:
    kill_an_import(settings, path)
    some = database.read_now(lambda s: QuestionRepository(s).recent(2))
    database.write_now(lambda s: QuestionSetRepository(s).add_kept("other", "", "m1", "", [each.id for each in some]))
    sets.remove_leftovers()
    left = database.read_now(lambda s: QuestionRepository(s).recent(10))
    assert {each.id for each in left} == {each.id for each in some}


async def test_the_next_import_removes_it_too_and_the_same_file_can_be_imported(
    sets: QuestionSetService, database: Database, settings: Settings, tmp_path: Path, path: Path
) -> None:
    kill_an_import(settings, path)
    other = tmp_path / "b.jsonl"
    other.write_bytes(as_jsonl([m1_row(9000)]))
    await sets.import_file(other)
    assert stored(database) == 1
    assert (await sets.import_file(path)).sets[0].question_count == COUNT


async def test_a_running_import_is_not_taken_for_a_killed_one(
    sets: QuestionSetService, database: Database, settings: Settings, path: Path
) -> None:
    kill_an_import(settings, path)
    running = open_journal(settings.home)
    assert try_lock(running.descriptor)
    sets.remove_leftovers()
    assert stored(database) == COUNT
    os.close(running.descriptor)
    sets.remove_leftovers()
    assert stored(database) == 0


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"added_at": 1}', b"\0" * 100])
async def test_a_damaged_journal_stops_no_import(
    sets: QuestionSetService, settings: Settings, path: Path, content: bytes
) -> None:
    (settings.home / "run").mkdir()
    (settings.home / "run" / "import.json").write_bytes(content)
    assert (await sets.import_file(path)).sets[0].question_count == COUNT
    assert journal_of(settings) == b""


async def test_two_imports_at_once_are_stored_one_after_the_other(
    sets: QuestionSetService, database: Database, path: Path
) -> None:
    reports = await asyncio.gather(sets.import_file(path, name="one"), sets.import_file(path, name="two"))
    assert [report.sets[0].question_count for report in reports] == [COUNT, COUNT]
    assert stored(database) == COUNT


async def test_a_full_disk_is_said_and_the_database_goes_on_working(
    sets: QuestionSetService, database: Database, settings: Settings, tmp_path: Path, path: Path
) -> None:
    small = tmp_path / "small.jsonl"
    small.write_bytes(as_jsonl([m1_row(9000)]))
    await sets.import_file(small)
    with database.session() as session:
        pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar()
    database.dispose()
    limit = event.listens_for(database._engine, "connect")
    limit(lambda connection, _: connection.execute(f"PRAGMA max_page_count={pages + 60}").fetchone())
    with pytest.raises(DiskFull, match="is full"):
        await sets.import_file(path)
    assert (stored(database), len(await sets.all())) == (1, 1)
    small.write_bytes(as_jsonl([m1_row(9001)]))
    assert (await sets.import_file(small, name="another")).sets[0].question_count == 1


async def test_a_disk_too_full_for_the_journal_is_said(
    sets: QuestionSetService, database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", lambda descriptor, content, offset: len(content) - 1)
    with pytest.raises(NoRoom, match=r"The disk of .*run is full; nothing was kept\. Free some space"):
        await sets.import_file(path)
    assert stored(database) == 0
