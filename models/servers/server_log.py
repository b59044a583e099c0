"""The output of a server process: a bounded file on disk and the last lines in memory."""

import logging
from collections import deque
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Lock

KEPT_LINES = 400
FILE_BYTES = 5 << 20
OLD_FILES = 2
LINE_CHARACTERS = 4000


class ServerLog:
    """The output of one server across all its starts; thread-safe."""

    def __init__(self, path: Path, *, file_bytes: int = FILE_BYTES) -> None:
        """Write to `path`, which grows to `file_bytes` and is then rotated to `path`.1 and `path`.2."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = RotatingFileHandler(
            path, maxBytes=file_bytes, backupCount=OLD_FILES, encoding="utf-8", errors="replace", delay=True
        )
        self._file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._secret = ""
        self._lock = Lock()

    def hide(self, secret: str) -> None:
        """From now on, redact `secret` in every line."""
        self._secret = secret

    def add(self, line: str) -> str:
        """Store a line; returns it as stored."""
        kept = line.rstrip()[:LINE_CHARACTERS]
        if self._secret:
            kept = kept.replace(self._secret, "[API key]")
        with self._lock:
            self._lines.append(kept)
            self._file.handle(logging.makeLogRecord({"msg": "%s", "args": (kept,)}))
        return kept

    def tail(self, lines: int) -> list[str]:
        """The last `lines` lines, oldest first; at most KEPT_LINES."""
        with self._lock:
            return list(self._lines)[-lines:] if lines > 0 else []

    def close(self) -> None:
        """Close the file; a later line opens it again."""
        with self._lock:
            self._file.close()
