"""Whether somebody asked the training to stop. Imports nothing heavy: it listens before PyTorch is there."""

import ctypes
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class StopRequest:
    """Set by SIGTERM or SIGINT, or by a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._is_told = False

    @property
    def is_set(self) -> bool:
        """Whether it was asked by now."""
        return self._is_told or self._file.exists()

    def listen(self, *, is_launched: bool = False) -> None:
        """Take the signals from now on.

        Args:
            is_launched: whether a launcher of several processes started this one, which stops when the launcher dies:
                nobody else would end it.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)
        if is_launched and sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    def _note(self, *_: object) -> None:
        self._is_told = True
