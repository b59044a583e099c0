"""Whether somebody asked the training to stop. Imports nothing heavy: it listens before PyTorch is there."""

import signal


class StopRequest:
    """Set by SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self.is_set = False

    def listen(self) -> None:
        """Take the signals from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, *_: object) -> None:
        self.is_set = True
