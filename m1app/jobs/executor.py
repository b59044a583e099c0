"""Who runs workers: one protocol for a process of this machine and for a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from m1app.jobs.watching import Presence
from storage.jobs.records import Resource

WORKER_PROGRAM = ("-m", "m1app", "job-worker")
"""What follows the interpreter on a worker's command line; the job's id comes after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTask:
    """One attempt at a job, to be run by a worker of its own."""

    job_id: str
    attempt: int
    resource: Resource
    log_path: Path
    """An executor on this machine appends what the worker writes to this file."""
    environment: Mapping[str, str] = field(repr=False)
    """The app's settings for the worker; secrets travel here, never on a command line."""


class Executor(Protocol):
    """Starts, finds and ends workers. Every method blocks, and raises ExecutorError."""

    def start(self, task: WorkerTask) -> str:
        """Start a worker; returns the handle by which it is found again, also by another process."""

    def look(self, handle: str) -> Presence:
        """Whether the worker is there; an empty handle is UNKNOWN."""

    def stop(self, handle: str) -> None:
        """Ask the worker to keep what it has and end; one that is gone already is fine."""

    def kill(self, handle: str) -> None:
        """End the worker now; one that is gone already is fine."""

    def written(self, handle: str) -> str:
        """What the worker wrote that is not in the task's log file; empty where everything is."""
