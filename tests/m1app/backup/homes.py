"""Homes with something in them, and what is done to them."""

import multiprocessing
import os
import shutil
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m1app.backup.service import Backup, BackupService
from m1app.settings import Settings
from storage.database import Database

HOME = Path(__file__).resolve().parents[2] / "homes" / "v0.1.0.tar.gz"
"""With traces, annotations, benchmark runs, training data and a fine-tuned model."""
CONTENT = ("m1.sqlite3", "labels.toml", "catalog.toml", "training-data", "models", "jobs")


def unpack_home(folder: Path) -> Path:
    """A home of an earlier version, migrated, for its account only."""
    with tarfile.open(HOME) as archive:
        archive.extractall(folder, filter="data")
    database = database_of(folder)
    database.migrate()
    database.dispose()
    return folder


def copied(home: Path, folder: Path) -> Settings:
    """Settings of a copy of a home."""
    shutil.copytree(home, folder)
    return settings_of(folder)


def settings_of(home: Path, **changes: Any) -> Settings:
    return Settings(home=home, engine_url="http://127.0.0.1:9", cpu_jobs=0, **changes)


def database_of(home: Path) -> Database:
    return Database(f"sqlite:///{home / 'm1.sqlite3'}")


def service_of(settings: Settings) -> BackupService:
    return BackupService(Database(settings.database_address), settings)


def backed_up(settings: Settings, **wanted: Any) -> Backup:
    """A backup of a home that nobody has open afterwards."""
    database = Database(settings.database_address)
    try:
        return BackupService(database, settings).make(**wanted)
    finally:
        database.dispose()


def counts_of(home: Path) -> dict[str, int]:
    """Records in each table."""
    database = database_of(home)
    try:
        return database.row_counts()
    finally:
        database.dispose()


def files_of(home: Path) -> dict[str, bytes]:
    """Everything that a home stores."""
    found = (path for name in CONTENT for path in [home / name, *(home / name).rglob("*")])
    return {
        str(path.relative_to(home)): path.read_bytes() for path in found if path.is_file() and path.suffix != ".lock"
    }


_PAGE_BYTES = 4096
_NOISE = bytes(range(1, 256)) * 65


def damage(file: Path) -> None:
    """Overwrite 16 KB in the middle with noise."""
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(_NOISE[: 16 * 1024])


def damage_pages_with(file: Path, text: bytes) -> None:
    """Overwrite with noise the pages that begin in the middle of a long text, and hold nothing else."""
    pages, damaged = file.read_bytes(), 0
    with file.open("r+b") as opened:
        for start in range(0, len(pages), _PAGE_BYTES):
            # The first four bytes of a page that a long text goes on in are the number of the next one.
            if text in pages[start + 4 : start + 4 + 2 * len(text)]:
                opened.seek(start)
                opened.write(_NOISE[:_PAGE_BYTES])
                damaged += 1
    assert damaged > 0


def killed(work: Callable[[], object]) -> int:
    """Do something in a process of its own, which may kill itself; return its exit status."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


def kill_this_process(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="session")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home to copy."""
    return unpack_home(tmp_path_factory.mktemp("full"))


@pytest.fixture
def settings(full_home: Path, tmp_path: Path) -> Settings:
    """Settings of a full home of the test's own."""
    return copied(full_home, tmp_path / "home")
