"""Executors run workers: one protocol for local processes and for a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from m1app.jobs.watching import Presence
from storage.jobs.records import Resource

WORKER_PROGRAM = ("-m", "m1app", "job-worker")
"""Interpreter arguments of a worker; the job's id follows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTask:
    """One attempt at a job, to be run by its own worker."""

    job_id: str
    attempt: int
    resource: Resource
    log_path: Path
    """Local executors append the worker's output to this file."""
    environment: Mapping[str, str] = field(repr=False)
    """The app's settings for the worker; secrets are passed here, never on a command line."""


class Executor(Protocol):
    """Starts, finds and stops workers. Every method blocks, and may raise ExecutorError."""

    def start(self, task: WorkerTask) -> str:
        """Start a worker; return a handle with which any process can find it again."""

    def look(self, handle: str) -> Presence:
        """Return the worker's presence; UNKNOWN for an empty handle."""

    def stop(self, handle: str) -> None:
        """Ask the worker to save its progress and exit; does nothing if it is already gone."""

    def kill(self, handle: str) -> None:
        """Kill the worker; does nothing if it is already gone."""

    def written(self, handle: str) -> str:
        """Worker output that is not in the task's log file; empty if all of it is."""
