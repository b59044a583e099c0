"""Deletions, as plain values: standard library only, no database."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TrashKind(StrEnum):
    """What was deleted."""

    TRACE = "trace"
    SWEEP = "sweep"
    STRATEGY_RUN = "strategy_run"
    BENCHMARK_RUN = "benchmark_run"
    QUESTION_SET = "question_set"
    CORPUS = "corpus"
    JOB = "job"
    STUDY = "study"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What a deletion removes, and what it leaves because people wrote about it."""

    sweeps: int = 0
    strategy_runs: int = 0
    traces: int = 0
    results: int = 0
    questions: int = 0
    """Questions that were imported with a set and that nothing else uses."""
    passages: int = 0
    """Passages of a corpus that no other one has."""
    traces_kept: int = 0
    """Annotated traces."""
    annotations_kept: int = 0
    """Their annotations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Something in the trash."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    kind: TrashKind
    subject_id: str
    """Id of the run, set, corpus, job, study, sweep or trace."""
    name: str
    """As it was called; for a trace or sweep, the beginning of its question."""
    deleted_at: datetime
    """Aware, UTC."""
    deleted_by: str
    """The person, as in the audit log."""
