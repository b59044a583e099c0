"""What a use case refuses.

ServiceError
├── ProbeRefused          the question or a knob is out of its range; `field` names it
│   └── SweepRefused      the same for the grid of a sweep
├── SweepNotFound         no sweep has that id
└── TraceNotFound         no trace has that id

Errors of `models`, `storage` and `m1app.benchmark` pass through: their messages are for people already.
"""


class ServiceError(Exception):
    """Base of this package's errors; its text may be shown to a person."""


class ProbeRefused(ServiceError):
    """The question or a knob is out of its range."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class TraceNotFound(ServiceError):
    """No trace has that id."""


class SweepRefused(ProbeRefused):
    """A knob of a sweep is out of its range."""


class SweepNotFound(ServiceError):
    """No sweep has that id."""
