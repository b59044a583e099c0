"""Errors of probes, sweeps and strategy runs.

AppError
├── CutRefused            a stored thinking cannot be cut
├── NoRoom                this process runs as many as it may
├── PassFailed            a pass or an answer failed
├── PromptChanged         the engine would be asked something else than before
└── ProbeRefused          the question or a setting is out of its range; `field` names it
    ├── BranchRefused     the same for an edited thinking
    └── SweepRefused      the same for the grid of a sweep
"""

from m1app.errors import AppError


class CutRefused(AppError):
    """A stored thinking cannot be cut: its tokens are missing, or mean something else now."""


class NoRoom(AppError):
    """This process runs as many as it may, or waits to save them: the message says which."""


class PassFailed(AppError):
    """A pass, or an answer, failed; the message is the engine's or the database's."""

    may_quote = True
    is_logged = True


class PromptChanged(AppError):
    """The engine would be asked something else than when the run began: it cannot be resumed."""

    def __init__(self, began: str) -> None:
        """Args:
        began: what began, as "the trace began".
        """
        super().__init__(f"The engine now builds a different prompt for this question than when {began}; run it again.")


class ProbeRefused(AppError):
    """The question or a setting is out of its range."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class BranchRefused(ProbeRefused):
    """A thinking cannot be edited, or gone on with, as asked: `field` is "case", "stretch", "text" or "seed"."""


class SweepRefused(ProbeRefused):
    """A setting of a sweep is out of its range."""
