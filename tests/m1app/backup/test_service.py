"""Making backups: what is in them, while others write, and what is left when it fails or is killed."""

import errno
import os
import shutil
import signal
import sqlite3
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from m1app.backup import service as backup_service
from m1app.backup.errors import BackupError
from m1app.backup.leftovers import copies_beside, noted_draft, work_folder
from m1app.backup.naming import backups_in, draft_of, new_backup
from m1app.backup.restoring import restore
from m1app.bootstrap import build_services
from m1app.settings import Settings
from tests.m1app.backup.homes import (
    backed_up,
    counts_of,
    damage,
    database_of,
    files_of,
    kill_this_process,
    killed,
    service_of,
    settings_of,
)
from tests.m1app.backup.test_drill import close_app
from tests.storage.samples import begin, finish, think


def names_in(file: Path) -> set[str]:
    with zipfile.ZipFile(file) as archive:
        return set(archive.namelist())


def folders_of(names: set[str]) -> set[str]:
    return {name.partition("/")[0] for name in names}


def test_a_backup_has_all_that_people_made_and_says_what_it_has(settings: Settings) -> None:
    made = service_of(settings).make()
    assert made.file.parent == settings.home / "backups"
    assert (made.is_restored, made.is_encrypted) == (True, False)
    assert made.manifest.counts == counts_of(settings.home)
    assert made.manifest.counts["annotation"] > 0
    assert folders_of(names_in(made.file)) == {
        *("manifest.json", "database.sqlite3", "labels.toml", "catalog.toml", "training-data"),
    }
    assert [found.file for found in service_of(settings).found()] == [made.file]


def test_models_and_files_of_jobs_are_in_it_if_asked_for(settings: Settings) -> None:
    (settings.home / "models" / "smollm2-135m").mkdir()
    (settings.home / "models" / "smollm2-135m" / "weights.gguf").write_bytes(b"downloaded")
    (settings.home / "models" / "tiny-wards" / "elsewhere").symlink_to("/etc/hostname")
    made = service_of(settings).make(has_models=True)
    names = names_in(made.file)
    assert folders_of(names) >= {"models", "jobs"}
    assert {name.split("/")[1] for name in names if name.startswith("models/")} == {"tiny-wards"}
    assert not any(name.endswith("elsewhere") for name in names)


def test_a_backup_and_its_folders_are_for_their_account_only(settings: Settings) -> None:
    before = os.umask(0)
    try:
        made = service_of(settings).make()
    finally:
        os.umask(before)
    assert made.file.stat().st_mode & 0o777 == 0o600
    assert made.file.parent.stat().st_mode & 0o777 == 0o700
    assert not (settings.home / "backup-work").exists()


def test_a_backup_that_is_made_while_others_write_is_of_one_moment(settings: Settings) -> None:
    writing, is_over, written = database_of(settings.home), threading.Event(), []

    def write() -> None:
        while not is_over.is_set():
            finish(writing, begin(writing), think("while a backup is made " * 50))
            written.append(1)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        made = [service_of(settings).make(settings.home / f"{number}.zip") for number in range(3)]
    finally:
        is_over.set()
        thread.join(60)
    assert len(written) > 3
    assert [each.is_restored for each in made] == [True] * 3
    assert counts_of(settings.home)["trace"] >= made[-1].manifest.counts["trace"]
    writing.dispose()


def test_a_damaged_database_is_not_backed_up_and_the_last_backup_is_named(settings: Settings) -> None:
    service = service_of(settings)
    kept = service.make()
    damage(settings.home / "m1.sqlite3")
    with pytest.raises(BackupError, match="is damaged") as caught:
        service.make(settings.home / "later.zip")
    assert f"restore {kept.file} --replace" in str(caught.value)
    assert [found.file for found in service.found()] == [kept.file]
    assert not (settings.home / "later.zip").exists()


@pytest.mark.parametrize("is_empty_file", [True, False])
def test_a_home_without_data_is_not_backed_up_and_stays_empty(tmp_path: Path, is_empty_file: bool) -> None:
    home = tmp_path / "home"
    home.mkdir()
    if is_empty_file:
        sqlite3.connect(home / "m1.sqlite3").execute("CREATE TABLE other (x)")
    with pytest.raises(BackupError, match=r"nothing to back up.*M1_HOME"):
        service_of(settings_of(home)).make()
    assert (home / "m1.sqlite3").exists() is is_empty_file
    assert not (home / "backups").exists()


def test_a_backup_never_replaces_a_file(settings: Settings) -> None:
    file = settings.home / "mine.zip"
    file.write_bytes(b"mine")
    with pytest.raises(BackupError, match="already exists"):
        service_of(settings).make(file)
    assert file.read_bytes() == b"mine"


def test_a_place_that_cannot_be_written_is_a_message(settings: Settings) -> None:
    with pytest.raises(BackupError, match="No backup was made: File exists"):
        service_of(settings).make(settings.home / "labels.toml" / "a.zip")


def test_a_backup_that_is_changed_before_it_is_verified_is_none(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copyfile

    def badly(source: Path, target: Path) -> None:
        copy(source, target)
        with target.open("r+b") as file:
            file.seek(5000)
            file.write(b"\0" * 50)

    monkeypatch.setattr(shutil, "copyfile", badly)
    with pytest.raises(BackupError, match="damaged or was changed"):
        service_of(settings).make()
    assert list((settings.home / "backups").iterdir()) == []


def test_one_backup_of_a_home_is_made_at_a_time(settings: Settings) -> None:
    service = service_of(settings)
    with work_folder(settings), pytest.raises(BackupError, match="Another backup"):
        service_of(settings).make()
    assert service.make().file.exists()


def test_old_backups_are_removed_and_nothing_else(settings: Settings) -> None:
    folder = settings.home / "backups"
    folder.mkdir()
    names = [f"m1app-202611{day:02d}T101500Z.zip{'.age' if day % 2 else ''}" for day in range(1, 11)]
    others = ["m1app-notes.txt", "mine.zip", "m1app-20261101T101500Z.zip.bak"]
    for name in (*names, *others):
        (folder / name).touch()
    abandoned, recent = folder / f".{names[0]}.part", folder / f".{names[1]}.part"
    abandoned.touch()
    recent.touch()
    os.utime(abandoned, (time.time() - 90_000,) * 2)
    service_of(settings_of(settings.home, backup_keep=3)).remove_old()
    assert sorted(path.name for path in folder.iterdir()) == sorted([*names[-3:], *others, recent.name])
    assert [found.file.name for found in backups_in(folder)] == list(reversed(names[-3:]))


@pytest.mark.parametrize("step", ["write_archive", "check_content", "sync_folder"])
def test_a_killed_backup_changes_nothing_and_the_next_one_succeeds(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before, counts = files_of(settings.home), counts_of(settings.home)
    with monkeypatch.context() as patch:
        patch.setattr(backup_service, step, kill_this_process)
        assert killed(service_of(settings).make) == -signal.SIGKILL
    found = service_of(settings).found()
    # It has its name only once it is verified.
    assert len(found) == (1 if step == "sync_folder" else 0)
    made = service_of(settings).make(settings.home / "next.zip")
    assert made.manifest.counts == counts
    assert not (settings.home / "backup-work").exists()
    database = database_of(settings.home)
    assert database.check_fully() == ()
    database.dispose()
    assert {name: content for name, content in files_of(settings.home).items() if "sqlite" not in name} == {
        name: content for name, content in before.items() if "sqlite" not in name
    }


def test_a_second_backup_to_the_same_file_leaves_the_first_ones_draft_alone(settings: Settings, tmp_path: Path) -> None:
    target = tmp_path / "mine.zip"
    draft = tmp_path / ".mine.zip.part"
    with work_folder(settings):
        draft.write_bytes(b"being written")
        with pytest.raises(BackupError, match="Another backup"):
            backed_up(settings, target=target)
    assert draft.exists()


def test_labels_behind_a_link_are_backed_up(settings: Settings, tmp_path: Path) -> None:
    labels = settings.home / "labels.toml"
    labels.rename(tmp_path / "shared.toml")
    labels.symlink_to(tmp_path / "shared.toml")
    made = backed_up(settings)
    with zipfile.ZipFile(made.file) as archive:
        assert archive.read("labels.toml") == (tmp_path / "shared.toml").read_bytes()


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_appears_while_a_backup_is_made_is_not_replaced(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    file = settings.home / "mine.zip"
    check = backup_service.check_content

    def late(*arguments: Any) -> bool:
        file.write_bytes(b"somebody else's")
        return check(*arguments)

    if not has_links:
        link = os.link
        monkeypatch.setattr(os, "link", lambda a, b: without_links() if Path(b).suffix == ".zip" else link(a, b))
    with monkeypatch.context() as patch:
        patch.setattr(backup_service, "check_content", late)
        with pytest.raises(BackupError, match="already exists"):
            service_of(settings).make(file)
    assert file.read_bytes() == b"somebody else's"
    assert not draft_of(file).exists()
    assert zipfile.is_zipfile(service_of(settings).make(settings.home / "free.zip").file)


def without_links(*_: object) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("is_named", [True, False])
def test_what_a_killed_backup_has_left_is_named_as_a_copy_and_removed_at_the_next_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_named: bool
) -> None:
    target = tmp_path / "mine.zip" if is_named else new_backup(settings)
    with monkeypatch.context() as patch:
        patch.setattr(backup_service, "check_content", kill_this_process)
        assert killed(lambda: backed_up(settings, target=target)) == -signal.SIGKILL
    left = {settings.home / "backup-work", draft_of(target)}
    assert {*copies_beside(settings)} == left
    assert all(path.exists() for path in left)
    services = build_services(settings)
    close_app(services)
    assert copies_beside(settings) == ()
    assert not any(path.exists() for path in left)


def test_an_app_that_starts_leaves_a_backup_alone_that_is_being_made(settings: Settings, tmp_path: Path) -> None:
    draft = tmp_path / ".mine.zip.part"
    with work_folder(settings) as work, noted_draft(work, draft):
        draft.write_bytes(b"being written")
        service_of(settings).remove_leftovers()
        assert (work.exists(), draft.exists()) == (True, True)


def test_what_a_restore_has_put_aside_is_named_as_a_copy(settings: Settings) -> None:
    made = backed_up(settings)
    kept = restore(made.file, settings, is_replacing=True).kept
    assert copies_beside(settings) == (kept,)


def test_a_changed_id_of_a_home_is_said_when_a_backup_is_named_and_hides_no_damage(settings: Settings) -> None:
    (settings.home / "home-id").write_bytes(b"\xff\n")
    service = service_of(settings)
    assert service.found() == ()
    with pytest.raises(BackupError, match=r"home-id must contain.*Delete it"):
        service.make()
    damage(settings.home / "m1.sqlite3")
    with pytest.raises(BackupError, match="is damaged"):
        service.make()
