"""Temporary folders: gone afterwards, and gone at the next start if their process was killed."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from m1app.bootstrap import build_services
from m1app.scratch_folder import CORRECTIONS, HUB, SITE, UPLOAD, scratch_folder, sweep_scratch_folders
from m1app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from m1app.scratch_folder import scratch_folder

async def main():
    async with scratch_folder(sys.argv[1], Path(sys.argv[2])) as folder:
        (folder / "upload.json").write_bytes(b"x" * 1000)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def leave(prefix: str, parent: Path) -> Path:
    """A folder whose process was killed."""
    before = set(parent.iterdir())
    done = subprocess.run([sys.executable, "-c", KILLED, prefix, str(parent)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = set(parent.iterdir()) - before
    return left


@pytest.mark.parametrize("prefix", [UPLOAD, CORRECTIONS, HUB, SITE])
async def test_only_folders_whose_process_has_ended_are_swept(tmp_path: Path, prefix: str) -> None:
    left = leave(prefix, tmp_path)
    async with scratch_folder(prefix, tmp_path) as owned:
        sweep_scratch_folders([tmp_path, tmp_path / "not there"])
        assert (left.exists(), owned.exists()) == (False, True)
    assert list(tmp_path.iterdir()) == []


def test_nothing_else_is_swept(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("uploads", "upload-", "upload-of-mine", "other-abcdefgh", "UPLOAD-abcdefgh")]
    for each in kept:
        each.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (tmp_path / "upload-abcdefgh").symlink_to(elsewhere)
    (tmp_path / "upload-ijklmnop").touch()
    before = sorted(tmp_path.rglob("*"))
    sweep_scratch_folders([tmp_path])
    assert sorted(tmp_path.rglob("*")) == before


def test_among_files_of_others_only_the_prefixes_that_are_made_there_are_swept(tmp_path: Path) -> None:
    theirs = tmp_path / "upload-projects"
    theirs.mkdir()
    (tmp_path / ".m1-site-abcdefgh").mkdir()
    sweep_scratch_folders([tmp_path], [SITE])
    assert list(tmp_path.iterdir()) == [theirs]


async def test_a_file_system_without_locks_has_folders_that_are_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, os.strerror(37))

    monkeypatch.setattr(fcntl, "flock", refuse)
    async with scratch_folder(UPLOAD, tmp_path) as folder:
        sweep_scratch_folders([tmp_path])
        assert folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_app_sweeps_when_it_starts_and_a_worker_does_not(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "training-data").mkdir(parents=True)
    left = [leave(UPLOAD, home), leave(HUB, home), leave(CORRECTIONS, home / "training-data")]
    settings = Settings(home=home, engine_url="http://127.0.0.1:9")
    build_services(settings, is_worker=True).database.dispose()
    assert all(each.exists() for each in left)
    build_services(settings).database.dispose()
    assert not any(each.exists() for each in left)
