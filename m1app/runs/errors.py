"""Errors of probes and sweeps.

AppError
├── PassFailed            a pass of a sweep or an answer failed
└── ProbeRefused          the question or a setting is out of its range; `field` names it
    └── SweepRefused      the same for the grid of a sweep
"""

from m1app.errors import AppError


class PassFailed(AppError):
    """A pass of a sweep, or an answer, failed; the message is the engine's or the database's."""

    may_quote = True


class ProbeRefused(AppError):
    """The question or a setting is out of its range."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class SweepRefused(ProbeRefused):
    """A setting of a sweep is out of its range."""
