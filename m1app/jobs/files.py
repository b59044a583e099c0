"""A job's folder, M1_HOME/jobs/ID: its log and its artifacts.

Ids may only contain hexadecimal digits, so no id can lead outside the folder.
"""

import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from models.busy_folder import file_sizes

_BLOCK_BYTES = 64 * 1024
_MOST_BYTES = 1024 * 1024
"""Maximum number of bytes read from a log, however long its lines are."""


class JobFiles:
    """The folders of all jobs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def folder(self, job_id: str) -> Path:
        """The job's folder, which need not exist; raises ValueError for an invalid id."""
        if not (job_id.isascii() and job_id.isalnum()):
            raise ValueError(f"{job_id[:40]!r} is not a job id")
        return self._directory / job_id

    def log_path(self, job_id: str) -> Path:
        """The job's log, shared by all attempts."""
        return self.folder(job_id) / "log.txt"

    def foreign_log_path(self, job_id: str, attempt: int) -> Path:
        """Copy of output that an attempt's worker wrote elsewhere, made when it ended."""
        return self.folder(job_id) / f"worker-{attempt}.txt"

    def artifacts_folder(self, job_id: str) -> Path:
        """Folder for the job's artifacts."""
        return self.folder(job_id) / "artifacts"

    def create(self, job_id: str) -> None:
        """Create any missing folders."""
        self.artifacts_folder(job_id).mkdir(parents=True, exist_ok=True)

    def note(self, job_id: str, text: str) -> None:
        """Append a line with the time (UTC) to the log; the job's folder must exist."""
        line = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n"
        with self.log_path(job_id).open("a", encoding="utf-8") as file:
            file.write(line)

    def delete(self, job_id: str) -> None:
        """Remove log and artifacts, if they exist; raises OSError if something cannot be removed."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder(job_id))

    def artifacts(self, job_id: str) -> tuple[tuple[str, int], ...]:
        """Files in the job's artifacts folder: (relative path, bytes), sorted by path."""
        folder = self.artifacts_folder(job_id)
        return tuple(sorted((path.relative_to(folder).as_posix(), size) for path, size in file_sizes(folder)))

    def artifact(self, job_id: str, name: str) -> Path | None:
        """Path of the artifact `name`; None if it does not exist or the name leads outside the folder."""
        folder = self.artifacts_folder(job_id).resolve()
        try:
            path = (folder / name).resolve()
            return path if path.is_relative_to(folder) and path.is_file() else None
        except (OSError, ValueError):  # Not a valid file name.
            return None


def last_lines(path: Path, lines: int) -> str:
    """Return the last lines of a text file without reading the rest; empty if there is no file."""
    try:
        with path.open("rb") as file:
            left = file.seek(0, os.SEEK_END)
            tail = b""
            while left and tail.count(b"\n") <= lines and len(tail) < _MOST_BYTES:
                size = min(_BLOCK_BYTES, left)
                left = file.seek(left - size)
                tail = file.read(size) + tail
    except FileNotFoundError:
        return ""
    return last_lines_of(tail.decode("utf-8", errors="replace"), lines)


def last_lines_of(text: str, lines: int) -> str:
    """Return the last lines of `text`, each ending in a line feed."""
    kept = text.rstrip("\n").rsplit("\n", max(lines, 1))[-max(lines, 1) :]
    return "".join(f"{line}\n" for line in kept) if text else ""
