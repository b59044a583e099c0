"""Decides when a running job is given up. Pure: observations in, judgement out.

Silence proves nothing while a worker's process can be checked: it may be busy, or the database may be down. So a live
process is never given up, and a missing one is given up soon. Only if nobody can tell, as on another machine, does
silence decide, after a longer time.
"""

from dataclasses import dataclass
from enum import StrEnum

from storage.jobs.records import JobKind, JobState


class Presence(StrEnum):
    """What an executor knows about a worker."""

    ALIVE = "alive"
    WAITING = "waiting"
    """It has not started: the executor has no room for it yet."""
    GONE = "gone"
    UNKNOWN = "unknown"
    """It cannot be checked from here: it runs on another machine, or its cluster does not respond."""


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """Timeouts for silent workers, in seconds."""

    gone_seconds: float = 30.0
    """Since the last heartbeat of a worker that is gone."""
    unknown_seconds: float = 60.0
    """Since the last heartbeat, or the start, of a worker that cannot be checked."""
    watched_seconds: float = 10.0
    """How long we must have observed such a worker's silence ourselves: after a database outage every heartbeat is
    old."""
    grace_seconds: float = 30.0
    """Between telling a worker to stop and killing it."""
    training_grace_seconds: float = 600.0
    """The same for fine-tuning, which finishes a step and writes a checkpoint first."""

    def grace_of(self, kind: JobKind) -> float:
        """How long a worker of this kind may take to stop."""
        return self.training_grace_seconds if kind is JobKind.FINE_TUNING else self.grace_seconds


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known about a job's worker at one moment."""

    state: JobState
    """Running or stopping."""
    presence: Presence
    has_begun: bool
    """Whether the worker has sent a heartbeat in this attempt."""
    silent_seconds: float
    """Since its last heartbeat, or since its start if there was none."""
    watched_seconds: float
    """How long this scheduler has seen no newer heartbeat."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome set for a job whose worker cannot set it."""

    state: JobState
    reason: str
    """One sentence for users; empty if a user requested the stop."""


def judge(seen: Sighting, limits: WatchLimits) -> Judgement | None:
    """Return the outcome of a job that no worker has any more; None while one has, or may have, it."""
    if not _is_given_up(seen, limits):
        return None
    if seen.state is JobState.STOPPING:
        return Judgement(JobState.STOPPED, "")
    if seen.presence is Presence.UNKNOWN:
        return Judgement(
            JobState.LOST, f"Its worker has not reported for {seen.silent_seconds:.0f} s. Resume the job to continue."
        )
    if seen.has_begun:
        return Judgement(
            JobState.LOST,
            "Its worker exited without reporting a result. It may have been killed or run out of memory. "
            "Resume the job to continue.",
        )
    return Judgement(
        JobState.FAILED, "Its worker ended before it could start. See the log for the cause, then resume the job."
    )


def _is_given_up(seen: Sighting, limits: WatchLimits) -> bool:
    match seen.presence:
        case Presence.ALIVE:
            return False
        case Presence.WAITING:
            # If the executor starts it anyway, it will find that the job should not run.
            return seen.state is JobState.STOPPING and not seen.has_begun
        case Presence.UNKNOWN:
            return seen.silent_seconds > limits.unknown_seconds and seen.watched_seconds > limits.watched_seconds
        case Presence.GONE:
            # There is no point waiting for one that never started or was told to stop.
            is_expected = not seen.has_begun or seen.state is JobState.STOPPING
            return is_expected or seen.silent_seconds > limits.gone_seconds
