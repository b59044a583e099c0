"""Errors of benchmark runs.

AppError
├── NothingAnswered       no question has been answered at both of two settings
├── NoStrategies          a run has no passes to evaluate strategies from
└── ProbeRefused
    └── BenchmarkRefused  a setting of a benchmark run is out of range; `field` names it
"""

from m1app.errors import AppError
from m1app.runs.errors import ProbeRefused


class BenchmarkRefused(ProbeRefused):
    """A setting of a benchmark run is out of range."""


def of_imported_run() -> "NoStrategies":
    """Return the error for a run whose passes come from files."""
    return NoStrategies(
        "This run was imported. Strategies, fits and policies need to know at which cut each answer was given and "
        "what it cost, and its files do not say. Run its question sets here."
    )


class NothingAnswered(AppError):
    """No question has been answered at both of two settings that are compared."""


class NoStrategies(AppError):
    """A run has no passes to evaluate strategies from."""
