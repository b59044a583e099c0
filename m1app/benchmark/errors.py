"""What can be refused or missing around benchmark runs.

AppError
├── ProbeRefused
│   └── BenchmarkRefused  a setting of a benchmark run is out of its range; `field` names it
└── RunNotFound           no benchmark run has that id
"""

from m1app.errors import AppError
from m1app.runs.errors import ProbeRefused


class BenchmarkRefused(ProbeRefused):
    """A setting of a benchmark run is out of its range."""


class RunNotFound(AppError):
    """No benchmark run has that id."""
