"""What a use case refuses.

ServiceError
├── ProbeRefused          the question or a knob is out of its range; `field` names it
│   ├── BenchmarkRefused  the same for a benchmark run
│   └── SweepRefused      the same for the grid of a sweep
├── AnnotationConflict    somebody has changed the annotation meanwhile
├── CaseNotFound          no case has that id
├── JobNotFound           no job has that id
├── JobRefused            a job cannot be submitted, or what is asked does not fit its state
├── QuestionSetNotFound   no question set has that id
├── RunNotFound           no benchmark run has that id
├── SweepNotFound         no sweep has that id
└── TraceNotFound         no trace has that id

Errors of `models`, `storage`, `m1app.benchmark` and `m1app.annotation` pass through: their messages are for people
already.
"""

from storage.annotations.records import Annotation


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


class BenchmarkRefused(ProbeRefused):
    """A knob of a benchmark run is out of its range."""


class RunNotFound(ServiceError):
    """No benchmark run has that id."""


class QuestionSetNotFound(ServiceError):
    """No question set has that id."""


class SweepNotFound(ServiceError):
    """No sweep has that id."""


class CaseNotFound(ServiceError):
    """No case has that id."""


class JobNotFound(ServiceError):
    """No job, or no artifact of it, has that name."""


class JobRefused(ServiceError):
    """The job cannot be submitted, or what is asked of it does not fit its state."""


class AnnotationConflict(ServiceError):
    """Somebody has changed the annotation since it was opened."""

    def __init__(self, current: Annotation, changes: tuple[str, ...]) -> None:
        what = ", ".join(name.replace("_", " ") for name in changes) or "its state"
        super().__init__(
            f"{current.annotator}'s annotation was changed meanwhile ({what}). "
            "Look at what it says now, then take that or save yours over it."
        )
        self.current = current
        self.changes = changes
