"""Jobs as plain values: standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobKind(StrEnum):
    """What a job does."""

    BENCHMARK = "benchmark"
    FINE_TUNING = "fine-tuning"
    FACT_TESTS = "fact-tests"
    TRAINING_DATA = "training-data"
    STUDY = "study"


class JobState(StrEnum):
    """Lifecycle state of a job."""

    QUEUED = "queued"
    """Waiting for its turn."""
    RUNNING = "running"
    """Its worker is running or starting; see `heartbeat_at` for its last sign of life."""
    STOPPING = "stopping"
    """It was told to stop and is saving its progress."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Ended by an error, see `error`."""
    STOPPED = "stopped"
    """Stopped by a user; can be resumed."""
    LOST = "lost"
    """Its worker disappeared; can be resumed."""


class Resource(StrEnum):
    """The resource that a job occupies."""

    CPU = "cpu"
    GPU = "gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """Progress of a job."""

    done: int = 0
    total: int = 0
    """0 if not known yet."""
    unit: str = ""
    """The unit, plural: "questions", "steps"."""
    per_second: float | None = None
    seconds_left: float | None = None
    message: str = ""
    """One line about what it is doing."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Additional metrics by name, such as "accuracy" (0-1) or "loss"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """Work to run in its own process."""

    kind: JobKind
    name: str
    recipe: Mapping[str, Any]
    """What to do: the typed recipe of its kind, as JSON."""
    subject_id: str = ""
    """Id of the benchmark run or study it works on; empty if there is none."""
    resource: Resource = Resource.CPU
    priority: int = 0
    """Higher runs first; ties run in order of creation."""
    executor: str = "local"
    """"local" or "ray"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(NewJob):
    """A stored job."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    created_at: datetime
    """Aware, UTC."""
    started_at: datetime | None
    """Start of the last attempt."""
    ended_at: datetime | None
    heartbeat_at: datetime | None
    """Last heartbeat of its worker."""
    state: JobState
    handle: str
    """Identifies the worker to the executor, such as a process id or Ray submission id; empty before it starts."""
    attempt: int
    """Number of times it was started."""
    progress: JobProgress
    error: str
    """Error message for the user; empty unless it failed or was lost."""
