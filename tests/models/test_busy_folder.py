"""Folders that change while they are read."""

import os
import shutil
from pathlib import Path

import pytest

from models.busy_folder import file_sizes


def test_files_are_found_with_their_sizes_and_links_are_not_followed(tmp_path: Path):
    folder, outside = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_bytes(b"12345")
    (folder / "one").write_bytes(b"1")
    (folder / "deep" / "two").write_bytes(b"22")
    (folder / "link").symlink_to(outside / "secret")
    (folder / "links").symlink_to(outside)
    assert sorted(file_sizes(folder)) == [(folder / "deep" / "two", 2), (folder / "one", 1)]


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path):
    assert list(file_sizes(tmp_path / "gone")) == []


def test_a_folder_and_a_file_may_vanish_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The first folder that is read takes the others with it, as pip does when it ends."""
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"1")
    seen: list[str] = []
    scandir = os.scandir

    def vanishing(path):
        if isinstance(path, int):  # What is removed below is read too.
            return scandir(path)
        seen.append(os.fspath(path))
        found = scandir(path)
        if len(seen) == 2:
            for name in {"a", "b", "c"} - {Path(path).name}:
                shutil.rmtree(tmp_path / name)
        return found

    monkeypatch.setattr(os, "scandir", vanishing)
    assert [path.name for path, _ in file_sizes(tmp_path)] == ["file"]
    assert len(seen) > 2
