"""Restoring: what comes back, what stays, and what a kill at any moment leaves."""

import errno
import signal
import sqlite3
from pathlib import Path

import pytest
from alembic import command

from m1app.backup import restoring, service, swap
from m1app.backup.errors import BackupError, HomeInUse
from m1app.backup.home_lock import HomeUse, only_user
from m1app.backup.restoring import restore
from m1app.bootstrap import build_services
from m1app.settings import Settings
from models.weights.catalog import Catalog
from storage import migrations
from storage.connections import open_engine, parse_url
from storage.errors import DatabaseTooNew
from tests.m1app.backup.homes import (
    backed_up,
    copied,
    counts_of,
    damage,
    database_of,
    files_of,
    kill_this_process,
    killed,
    service_of,
    settings_of,
)
from tests.storage.samples import begin

LABELS = "# changed since the backup\n"


def without_database(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if not name.startswith("m1.sqlite3")}


def without_models(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if not name.startswith(("models", "jobs"))}


def work_on(home: Path) -> None:
    """Change a home after its backup: one trace more, other labels, damage."""
    database = database_of(home)
    begin(database)
    database.dispose()
    (home / "labels.toml").write_text(LABELS)
    damage(home / "m1.sqlite3")


def test_an_empty_home_has_everything_afterwards(settings: Settings, tmp_path: Path) -> None:
    made = backed_up(settings, has_models=True)
    there = settings_of(tmp_path / "new" / "home")
    done = restore(made.file, there, is_replacing=False)
    assert done.kept is None
    assert counts_of(there.home) == counts_of(settings.home)
    here, now = without_database(files_of(settings.home)), without_database(files_of(there.home))
    assert now.keys() == here.keys()
    assert [name for name in here if here[name] != now[name]] == []
    assert {path.name for path in there.home.iterdir()} == {
        *("m1.sqlite3", "labels.toml", "catalog.toml", "training-data", "models", "jobs", "run"),
    }
    assert [path for path in there.home.rglob("*") if path.is_file() and path.stat().st_mode & 0o077] == []


def test_fine_tuned_models_are_found_in_the_home_where_they_are_restored(settings: Settings, tmp_path: Path) -> None:
    catalog = settings.home / "catalog.toml"
    catalog.write_text(catalog.read_text().replace("/tmp/m1-home-v0.1.0/", f"{settings.home}/"))
    made = backed_up(settings, has_models=True)
    there = settings_of(tmp_path / 'with "quotes" é')
    restore(made.file, there, is_replacing=False)
    entry = Catalog.load(extra=there.home / "catalog.toml").get("tiny-wards")
    assert str(there.home / "models" / "tiny-wards" / "tiny-wards.gguf") in str(entry.source)


def test_present_data_are_not_replaced_without_being_asked_to(settings: Settings) -> None:
    made = backed_up(settings)
    work_on(settings.home)
    before = files_of(settings.home)
    with pytest.raises(BackupError, match=r"m1\.sqlite3 exists.*--replace"):
        restore(made.file, settings, is_replacing=False)
    assert files_of(settings.home) == before
    assert not swap.restore_folder(settings.home).exists()


def test_replaced_data_are_kept_aside_and_models_that_the_backup_lacks_stay(settings: Settings) -> None:
    made = backed_up(settings)
    counts, labels = counts_of(settings.home), (settings.home / "labels.toml").read_bytes()
    work_on(settings.home)
    damaged = files_of(settings.home)
    done = restore(made.file, settings, is_replacing=True)
    assert counts_of(settings.home) == counts
    assert (settings.home / "labels.toml").read_bytes() == labels
    assert done.kept is not None
    assert without_models(files_of(done.kept)) == without_models(damaged)
    assert (settings.home / "models" / "tiny-wards" / "tiny-wards.gguf").exists()


def test_a_backup_with_models_replaces_its_own_models_and_jobs_and_no_others(settings: Settings) -> None:
    own = [next(path for path in (settings.home / name).iterdir() if path.is_dir()) for name in ("models", "jobs")]
    made = backed_up(settings, has_models=True)
    later = [folder.with_name("later") for folder in own]
    for folder in (*own, *later):
        folder.mkdir(exist_ok=True)
        (folder / "later.txt").write_text("since the backup")
    done = restore(made.file, settings, is_replacing=True)
    assert done.kept is not None
    assert [(folder / "later.txt").exists() for folder in (*own, *later)] == [False, False, True, True]
    kept = {path.relative_to(done.kept) for path in done.kept.rglob("later.txt")}
    assert kept == {(folder / "later.txt").relative_to(settings.home) for folder in own}


def test_a_log_of_the_replaced_database_is_not_applied_to_the_restored_one(settings: Settings) -> None:
    made = backed_up(settings)
    writer = sqlite3.connect(settings.home / "m1.sqlite3")
    writer.execute("DELETE FROM assessment")
    writer.commit()
    for name in ("m1.sqlite3", "m1.sqlite3-wal"):
        (settings.home / f"{name}.copy").write_bytes((settings.home / name).read_bytes())
    writer.close()
    for name in ("m1.sqlite3", "m1.sqlite3-wal"):
        (settings.home / f"{name}.copy").rename(settings.home / name)
    done = restore(made.file, settings, is_replacing=True)
    assert counts_of(settings.home) == made.manifest.counts
    assert (done.kept / "m1.sqlite3-wal").stat().st_size > 0  # type: ignore[operator]


def test_a_home_in_use_is_not_restored(settings: Settings) -> None:
    made = backed_up(settings)
    services = build_services(settings)
    try:
        with pytest.raises(HomeInUse, match="Stop the app and its jobs"):
            restore(made.file, settings, is_replacing=True)
    finally:
        services.home_use.close()
        services.database.dispose()
    assert restore(made.file, settings, is_replacing=True).kept


def test_an_app_does_not_start_while_its_home_is_restored(settings: Settings) -> None:
    with only_user(settings.home), pytest.raises(HomeInUse, match="is being restored"):
        build_services(settings)
    users = [HomeUse(settings), HomeUse(settings)]
    for user in users:
        user.close()


def test_a_backup_of_an_earlier_version_is_migrated_before_it_replaces_anything(
    settings: Settings, tmp_path: Path
) -> None:
    engine = open_engine(parse_url(settings.database_address), 5.0, None, has_foreign_keys=False)
    with engine.begin() as connection:
        command.downgrade(migrations._config(connection), "0003")
    engine.dispose()
    made = backed_up(settings)
    assert made.manifest.revision == "0003"
    restore(made.file, settings_of(tmp_path / "new"), is_replacing=False)
    database = database_of(tmp_path / "new")
    assert database.check().is_current
    assert database.check_fully() == ()
    database.dispose()


def test_a_backup_of_a_newer_version_is_refused_and_changes_nothing(
    settings: Settings, full_home: Path, tmp_path: Path
) -> None:
    newer = copied(full_home, tmp_path / "newer")
    with sqlite3.connect(newer.home / "m1.sqlite3") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '0999'")
    made = backed_up(newer)
    before = files_of(settings.home)
    with pytest.raises(DatabaseTooNew, match="newer version of m1app"):
        restore(made.file, settings, is_replacing=True)
    assert files_of(settings.home) == before


def test_a_backup_of_another_kind_of_database_is_refused(settings: Settings) -> None:
    made = backed_up(settings)
    server = settings_of(settings.home, database_url="postgresql://m1@127.0.0.1:9/m1")
    with pytest.raises(BackupError, match=r"of a sqlite database.*names a postgresql one"):
        restore(made.file, server, is_replacing=True)


def test_a_database_in_a_place_of_its_own_is_backed_up_and_restored_there(settings: Settings, tmp_path: Path) -> None:
    place = tmp_path / "databases" / "own.db"
    place.parent.mkdir()
    (settings.home / "m1.sqlite3").rename(place)
    own = settings_of(settings.home, database_url=f"sqlite:///{place}")
    made = backed_up(own)
    damage(place)
    done = restore(made.file, own, is_replacing=True)
    assert service_of(own)._database.row_counts() == made.manifest.counts
    assert done.kept is not None
    assert (done.kept / "own.db").exists()


@pytest.mark.parametrize("step", ["check_content", "carry_out"])
def test_a_restore_that_is_killed_before_the_exchange_has_changed_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    made = backed_up(settings)
    before = files_of(settings.home)
    with monkeypatch.context() as patch:
        patch.setattr(restoring, step, kill_this_process)
        assert killed(lambda: restore(made.file, settings, is_replacing=True)) == -signal.SIGKILL
    assert files_of(settings.home) == before
    assert swap.restore_folder(settings.home).exists()
    HomeUse(settings).close()
    assert not swap.restore_folder(settings.home).exists()
    assert files_of(settings.home) == before
    restore(made.file, settings, is_replacing=True)
    assert not swap.restore_folder(settings.home).exists()


@pytest.mark.parametrize("moves", range(9))
def test_a_restore_that_is_killed_during_the_exchange_is_completed_by_the_next_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    made = backed_up(settings)
    labels = (settings.home / "labels.toml").read_bytes()
    work_on(settings.home)
    (settings.home / "catalog.toml").unlink()
    damaged = files_of(settings.home)
    move, left = swap._move, [moves]

    def counted(each: swap.Move) -> None:
        if left[0] == 0:
            kill_this_process()
        left[0] -= 1
        move(each)

    with monkeypatch.context() as patch:
        patch.setattr(swap, "_move", counted)
        status = killed(lambda: restore(made.file, settings, is_replacing=True))
    assert status in (-signal.SIGKILL, 0)
    services = build_services(settings)
    services.home_use.close()
    services.database.dispose()
    assert counts_of(settings.home) == made.manifest.counts
    assert (settings.home / "labels.toml").read_bytes() == labels
    assert (settings.home / "catalog.toml").exists()
    (kept,) = settings.home.glob("replaced-*")
    assert without_models(files_of(kept)) == without_models(damaged)
    assert not swap.restore_folder(settings.home).exists()


def test_an_exchange_that_fails_can_be_completed_later(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made = backed_up(settings)
    work_on(settings.home)
    move = swap._move

    def failing(each: swap.Move) -> None:
        if each.target.name == "labels.toml":
            raise OSError(28, "No space left on device")
        move(each)

    with monkeypatch.context() as patch:
        patch.setattr(swap, "_move", failing)
        with pytest.raises(OSError, match="No space"):
            restore(made.file, settings, is_replacing=True)
    HomeUse(settings).close()
    assert counts_of(settings.home) == made.manifest.counts


@pytest.mark.parametrize(
    "program",
    [
        "CREATE TRIGGER other AFTER INSERT ON account BEGIN UPDATE account SET role = 'admin'; END",
        "DROP TRIGGER audit_entry_no_delete; "
        "CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry BEGIN SELECT 1; END",
        "CREATE VIEW other AS SELECT * FROM account",
    ],
)
def test_a_database_with_a_program_of_somebody_else_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    with sqlite3.connect(settings.home / "m1.sqlite3") as raw:
        raw.executescript(program)
    raw.close()
    with pytest.raises(BackupError, match="which this app did not make"):
        backed_up(settings)
    with monkeypatch.context() as patch:
        patch.setattr(service, "check_content", lambda *_: True)
        made = backed_up(settings)
    there = settings_of(tmp_path / "there")
    with pytest.raises(BackupError, match="which this app did not make"):
        restore(made.file, there, is_replacing=False)
    assert [path.name for path in there.home.iterdir()] == ["run"]


def test_a_home_whose_disk_became_read_only_is_still_used_and_kept_from_a_restore(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    HomeUse(settings).close()

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", refuse)
        use = HomeUse(settings)
    assert "is read-only" in caplog.text
    with pytest.raises(HomeInUse), only_user(settings.home):
        pass
    use.close()
