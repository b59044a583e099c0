"""`backup` and `restore` from the command line, each a process of its own."""

import json
from pathlib import Path

import pytest

from m1app.backup.encryption import new_key
from m1app.backup.home_lock import HomeUse, only_user
from m1app.settings import Settings
from tests.m1app.backup.homes import counts_of, damage
from tests.m1app.backup.homes import full_home as full_home
from tests.m1app.backup.homes import settings as settings
from tests.m1app.cli.command_line import assert_one_line, run

pytestmark = pytest.mark.usefixtures("no_settings")


def test_a_home_is_backed_up_and_restored_elsewhere(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.zip"
    made = run("backup", str(file), "--with-models", home=settings.home)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith(f"backup: {file}\ncontent: ")
    assert "verified: restored into a temporary place, checked and counted" in made.stdout
    done = run("restore", str(file), home=tmp_path / "there")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("restored: ")
    assert counts_of(tmp_path / "there") == counts_of(settings.home)
    open_to_others = [path for path in (tmp_path / "there").rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_a_damaged_home_is_named_by_the_doctor_and_replaced(settings: Settings, tmp_path: Path) -> None:
    run("backup", home=settings.home)
    (file,) = (settings.home / "backups").iterdir()
    counts = counts_of(settings.home)
    damage(settings.home / "m1.sqlite3")
    doctor = run("doctor", "--json", home=settings.home, M1_ENGINE_URL="http://127.0.0.1:9")
    found = {each["name"]: each for each in json.loads(doctor.stdout)}
    assert (doctor.returncode, found["database"]["ok"]) == (1, False)
    assert_one_line(run("backup", home=settings.home).stderr, "is damaged", f"restore {file} --replace")
    assert_one_line(run("restore", str(file), home=settings.home).stderr, "m1.sqlite3 exists", "--replace")
    done = run("restore", str(file), "--replace", home=settings.home)
    assert "kept: what was there before is in " in done.stdout
    assert counts_of(settings.home) == counts


def test_a_home_that_the_app_uses_is_left_alone(settings: Settings) -> None:
    run("backup", home=settings.home)
    (file,) = (settings.home / "backups").iterdir()
    use = HomeUse(settings)
    done = run("restore", str(file), "--replace", home=settings.home)
    use.close()
    assert done.returncode == 1
    assert_one_line(done.stderr, "Stop the app")


def test_a_file_that_is_not_encrypted_takes_an_option_where_there_is_a_key(settings: Settings, tmp_path: Path) -> None:
    pytest.importorskip("pyrage")
    file, key = tmp_path / "mine.zip", new_key()
    run("backup", str(file), home=settings.home)
    refused = run("restore", str(file), home=tmp_path / "there", M1_BACKUP_KEY=key)
    assert_one_line(refused.stderr, "is not encrypted", "add --unencrypted")
    done = run("restore", str(file), "--unencrypted", home=tmp_path / "there", M1_BACKUP_KEY=key)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("content", [None, b"", b"not a backup"])
def test_a_file_that_is_no_backup_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "backup.zip"
    if content is not None:
        file.write_bytes(content)
    done = run("restore", str(file), home=tmp_path / "home")
    assert done.returncode == 1
    assert_one_line(done.stderr, "backup.zip")


@pytest.mark.parametrize("command", [("backup",), ("finetune", "--resume", "none")])
def test_nothing_uses_a_home_that_is_being_restored(settings: Settings, command: tuple[str, ...]) -> None:
    with only_user(settings.home):
        done = run(*command, home=settings.home)
    assert done.returncode == 1
    assert_one_line(done.stderr, "is being restored")


def test_the_doctor_goes_on_where_its_log_file_cannot_be_written(settings: Settings) -> None:
    (settings.home / "logs" / "command-line.log").mkdir(parents=True)
    doctor = run("doctor", "--json", home=settings.home, M1_ENGINE_URL="http://127.0.0.1:9")
    assert {each["name"]: each["ok"] for each in json.loads(doctor.stdout)}["database"]
    assert "command-line.log" in doctor.stderr
    assert "continues without a log file" in doctor.stderr
