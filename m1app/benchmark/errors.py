"""Errors of benchmark runs.

AppError
├── NoStrategies          a run has no passes to evaluate strategies from
└── ProbeRefused
    └── BenchmarkRefused  a setting of a benchmark run is out of range; `field` names it
"""

from m1app.errors import AppError
from m1app.runs.errors import ProbeRefused


class BenchmarkRefused(ProbeRefused):
    """A setting of a benchmark run is out of range."""


class NoStrategies(AppError):
    """A run has no passes to evaluate strategies from."""
