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


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    """Waits for its turn."""
    RUNNING = "running"
    """Its worker runs, or is being started; `heartbeat_at` tells when it was heard of."""
    STOPPING = "stopping"
    """It was told to stop and is keeping what it has."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """An error ended it; `error` says which."""
    STOPPED = "stopped"
    """A person stopped it; it can be resumed."""
    LOST = "lost"
    """Its worker went away without a word; it can be resumed."""


class Resource(StrEnum):
    """What a job occupies."""

    CPU = "cpu"
    GPU = "gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How far a job is."""

    done: int = 0
    total: int = 0
    """0 when not known yet."""
    unit: str = ""
    """What is counted, plural: "questions", "steps"."""
    per_second: float | None = None
    seconds_left: float | None = None
    message: str = ""
    """One line on what it is doing."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Further numbers by name, such as "accuracy" (0-1) or "loss"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """Work to be done in a process of its own."""

    kind: JobKind
    name: str
    recipe: Mapping[str, Any]
    """What to do, as the kind's typed recipe gives it: JSON."""
    subject_id: str = ""
    """What it works on: the id of the benchmark run; empty when it has none."""
    resource: Resource = Resource.CPU
    priority: int = 0
    """Higher goes first; equal ones in order of their creation."""
    executor: str = "local"
    """"local" or "ray"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(NewJob):
    """A job that is kept."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    created_at: datetime
    """Aware, UTC."""
    started_at: datetime | None
    """Of the last attempt."""
    ended_at: datetime | None
    heartbeat_at: datetime | None
    """When its worker was last heard of."""
    state: JobState
    handle: str
    """By which the executor finds the worker, such as a process's or Ray's submission id; empty before it starts."""
    attempt: int
    """How often it was started."""
    progress: JobProgress
    error: str
    """The message for the person when it failed or was lost; else empty."""
