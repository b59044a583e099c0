"""A folder becomes an archive: only its own readable files, the same bytes again, and a clear message else."""

import os
import zipfile
from pathlib import Path

import pytest

from m1app.knowledge.errors import InvalidCorpus, KnowledgeError
from m1app.knowledge.packed_folder import packed
from m1app.knowledge.passage_messages import MAX_FILE_BYTES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "sheets"
    made.mkdir()
    (made / "gout.md").write_text("# Gout\n\nGout makes toes swell.")
    return made


@pytest.fixture
def into(tmp_path: Path) -> Path:
    made = tmp_path / "scratch"
    made.mkdir()
    return made


def test_links_folders_and_other_kinds_are_left_out_and_said(tmp_path: Path, folder: Path, into: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("not yours")
    (folder / "link.txt").symlink_to(secret)
    (folder / "below").mkdir()
    (folder / "README.md").write_text("no")
    (folder / "a.png").write_bytes(b"no")
    notes: list[str] = []
    archive = packed(folder, into, notes.append)
    assert zipfile.ZipFile(archive).namelist() == ["gout.md"]
    assert notes == ["sheets: 1 folder, 1 link, 2 files left out: of another kind, or named README."]
    before = archive.read_bytes()
    os.utime(folder / "gout.md", (0, 0))
    assert packed(folder, into, notes.append).read_bytes() == before


def test_a_folder_that_is_too_large_is_refused_before_it_is_read(folder: Path, into: Path) -> None:
    with (folder / "large.txt").open("wb") as file:
        os.truncate(file.fileno(), MAX_FILE_BYTES)  # takes no space
    with pytest.raises(InvalidCorpus, match=r"sheets: found 1\.1 GB, expected at most"):
        packed(folder, into, lambda note: None)
    assert list(into.iterdir()) == []


def test_a_name_that_is_not_utf_8_is_spelled(folder: Path, into: Path) -> None:
    (folder / os.fsdecode(b"caf\xe9.md")).write_text("Coffee.")
    archive = packed(folder, into, lambda note: None)
    assert zipfile.ZipFile(archive).namelist() == ["caf?.md", "gout.md"]


def test_what_cannot_be_read_and_what_cannot_be_written_are_told_apart(
    folder: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KnowledgeError, match=r"sheets: the folder cannot be packed in .*Free some space on that disk"):
        packed(folder, into / "missing", lambda note: None)

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(KnowledgeError, match=r"gout\.md: the file cannot be read \(Permission denied\)"):
        packed(folder, into, lambda note: None)
