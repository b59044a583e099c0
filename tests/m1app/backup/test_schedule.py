"""The schedule: when a backup is due, and what becomes of old ones."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from m1app.backup import schedule as backup_schedule
from m1app.backup.errors import BackupError
from m1app.backup.naming import new_backup
from m1app.backup.schedule import BackupSchedule
from m1app.settings import Settings
from tests.e2e.running_app import wait_until
from tests.m1app.backup.homes import copied, damage, service_of, settings_of


def scheduled(settings: Settings, folder: Path) -> tuple[Settings, BackupSchedule]:
    given = settings_of(settings.home, backup_directory=str(folder), backup_hours=2, backup_keep=2)
    return given, BackupSchedule(service_of(given), given)


def made_at(given: Settings, hours: float) -> Path:
    """A backup that the home made so many hours ago, by its name."""
    own = new_backup(given)
    own.parent.mkdir(exist_ok=True)
    home_id = own.name.split("-")[1]
    file = own.with_name(f"m1app-{home_id}-{datetime.now(UTC) - timedelta(hours=hours):%Y%m%dT%H%M%SZ}.zip")
    file.touch()
    return file


def test_a_backup_is_made_when_the_last_one_is_old_enough_and_old_ones_go(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    given, schedule = scheduled(settings, folder)
    oldest, old = made_at(given, 30), made_at(given, 3)
    assert schedule.is_due()
    schedule.tick()
    assert len(list(folder.iterdir())) == given.backup_keep
    assert (oldest.exists(), old.exists(), schedule.is_due()) == (False, True, False)
    schedule.tick()
    assert len(list(folder.iterdir())) == given.backup_keep


def test_homes_that_share_a_folder_neither_count_nor_remove_each_others_backups(
    settings: Settings, full_home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    ours, schedule = scheduled(settings, folder)
    theirs, _ = scheduled(copied(full_home, tmp_path / "other"), folder)
    of_others = {made_at(theirs, hours) for hours in (1, 2, 3)}
    of_nobody = folder / f"m1app-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip"
    of_nobody.touch()
    own = [made_at(ours, hours) for hours in (10, 20, 30)]
    assert schedule.is_due()
    schedule.tick()
    assert not schedule.is_due()
    left = {*folder.iterdir()}
    assert left > {*of_others, of_nobody, own[0]}
    assert left.isdisjoint(own[1:])


def test_a_home_keeps_its_id(settings: Settings) -> None:
    ids = {new_backup(settings).name.split("-")[1] for _ in range(3)}
    assert len(ids) == 1
    assert list(settings.home.glob("*.part")) == []


def test_a_failed_backup_removes_no_old_one(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    given, schedule = scheduled(settings, folder)
    kept = [made_at(given, hours) for hours in (5, 10, 15)]
    damage(settings.home / "m1.sqlite3")
    with pytest.raises(BackupError, match="damaged"):
        schedule.tick()
    assert all(file.exists() for file in kept)


async def test_the_app_makes_backups_while_it_runs(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_schedule, "_TICK_SECONDS", 0.01)
    folder = tmp_path / "backups"
    _, schedule = scheduled(settings, folder)
    running = asyncio.create_task(schedule.run())
    assert await asyncio.to_thread(wait_until, lambda: list(folder.glob("m1app-*.zip")), "a backup is made")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_without_a_folder_there_is_no_schedule(settings: Settings) -> None:
    await BackupSchedule(service_of(settings), settings).run()
    assert not (settings.home / "backups").exists()
