"""Errors of benchmark runs.

AppError
└── ProbeRefused
    └── BenchmarkRefused  a setting of a benchmark run is out of range; `field` names it
"""

from m1app.runs.errors import ProbeRefused


class BenchmarkRefused(ProbeRefused):
    """A setting of a benchmark run is out of range."""
