"""A job's folder: its log from the end, its artifacts and nothing else."""

import re
from pathlib import Path

import pytest

from m1app.jobs.files import _BLOCK_BYTES, _MOST_BYTES, JobFiles, last_lines

ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def files(tmp_path: Path) -> JobFiles:
    files = JobFiles(tmp_path / "jobs")
    files.create(ID)
    return files


@pytest.mark.parametrize(
    ("content", "lines", "expected"),
    [
        ("", 5, ""),
        ("one\n", 5, "one\n"),
        ("one", 5, "one\n"),
        ("one\ntwo\nthree\n", 2, "two\nthree\n"),
        ("one\ntwo\nthree", 2, "two\nthree\n"),
        ("one\n\nthree\n", 2, "\nthree\n"),
        ("äöü\n€\n", 1, "€\n"),
    ],
)
def test_last_lines_are_the_last_ones(tmp_path: Path, content: str, lines: int, expected: str) -> None:
    path = tmp_path / "log.txt"
    path.write_text(content, encoding="utf-8")
    assert last_lines(path, lines) == expected


@pytest.mark.parametrize("length", range(_BLOCK_BYTES - 3, _BLOCK_BYTES + 4))
def test_lines_across_the_border_of_a_block_come_whole(tmp_path: Path, length: int) -> None:
    path = tmp_path / "log.txt"
    path.write_text("first\n" + "ü" * (length // 2) + "\nlast\n", encoding="utf-8")
    assert last_lines(path, 2) == "ü" * (length // 2) + "\nlast\n"


def test_last_lines_of_a_huge_file_read_only_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # A terabyte of NUL, which takes no room on the disk.
        file.seek(0, 2)
        file.write(b"\nthe end\n")
    assert last_lines(path, 1) == "the end\n"
    assert len(last_lines(path, 100)) <= _MOST_BYTES + _BLOCK_BYTES


def test_missing_log_is_empty(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "none.txt", 5) == ""


def test_notes_are_lines_with_their_time(files: JobFiles) -> None:
    files.note(ID, "created")
    files.note(ID, "stopped")
    text = files.log_path(ID).read_text(encoding="utf-8")
    assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (created|stopped)\n){2}", text)


def test_artifacts_are_listed_with_their_sizes_and_found(files: JobFiles) -> None:
    folder = files.artifacts_folder(ID)
    (folder / "b.csv").write_bytes(b"12345")
    (folder / "a").mkdir()
    (folder / "a" / "model.bin").write_bytes(b"1")
    assert files.artifacts(ID) == (("a/model.bin", 1), ("b.csv", 5))
    found = files.artifact(ID, "a/model.bin")
    assert found is not None
    assert found.read_bytes() == b"1"


@pytest.mark.parametrize(
    "name", ["../log.txt", "/etc/passwd", "", ".", "none.csv", "a\x00b", "x" * 5000, "link", "../../../m1.sqlite3"]
)
def test_no_name_leads_out_of_the_folder(files: JobFiles, name: str) -> None:
    files.note(ID, "created")
    (files.artifacts_folder(ID) / "link").symlink_to("/etc/passwd")
    assert files.artifact(ID, name) is None
    assert "link" not in dict(files.artifacts(ID))


@pytest.mark.parametrize("job_id", ["", "..", "../x", "a/b", "a b", "ä"])
def test_what_is_no_id_has_no_folder(files: JobFiles, job_id: str) -> None:
    with pytest.raises(ValueError, match="not a job id"):
        files.folder(job_id)


def test_delete_takes_log_and_artifacts_away(files: JobFiles) -> None:
    files.note(ID, "created")
    (files.artifacts_folder(ID) / "b.csv").write_bytes(b"1")
    files.delete(ID)
    assert not files.folder(ID).exists()
    files.delete(ID)
