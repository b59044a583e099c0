"""Detects requests to stop the training. Imports nothing heavy, because it listens before PyTorch is loaded."""

import ctypes
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class StopRequest:
    """Set by SIGTERM, SIGINT, or a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._is_told = False

    @property
    def is_set(self) -> bool:
        """Whether a stop has been requested."""
        return self._is_told or self._file.exists()

    def listen(self, *, is_launched: bool = False) -> None:
        """Start handling the signals.

        Args:
            is_launched: whether a multi-process launcher started this process; if so, it stops when the launcher dies,
                since nothing else would end it.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)
        if is_launched and sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    def _note(self, *_: object) -> None:
        self._is_told = True
