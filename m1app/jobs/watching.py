"""When a job that should be running is given up. Pure: what was seen goes in, a judgement comes out.

A worker's silence alone proves nothing while its process can be looked at: it may be busy, or the database may be
away. So a process that is there is never given up, and one that is gone is given up soon. Only where nobody can tell,
as on another machine, silence decides, after a longer time.
"""

from dataclasses import dataclass
from enum import StrEnum

from storage.jobs.records import JobKind, JobState


class Presence(StrEnum):
    """What an executor knows of a worker."""

    ALIVE = "alive"
    WAITING = "waiting"
    """It has not begun: the executor has no room for it yet."""
    GONE = "gone"
    UNKNOWN = "unknown"
    """It cannot be looked at from here: it runs on another machine, or whoever knows does not answer."""


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """How long silence is borne, in seconds."""

    gone_seconds: float = 30.0
    """Since the last heartbeat of a worker that is gone."""
    unknown_seconds: float = 60.0
    """Since the last heartbeat, or the start, of a worker that cannot be looked at."""
    watched_seconds: float = 10.0
    """For how long such a worker must have been silent before our eyes: after an outage of the database every
    heartbeat is old."""
    grace_seconds: float = 30.0
    """Between telling a worker to stop and ending it."""
    training_grace_seconds: float = 600.0
    """The same for a fine-tuning, which ends a step and writes a checkpoint first."""

    def grace_of(self, kind: JobKind) -> float:
        """How long a worker of that kind may take to stop."""
        return self.training_grace_seconds if kind is JobKind.FINE_TUNING else self.grace_seconds


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of a job's worker at one moment."""

    state: JobState
    """Running or stopping."""
    presence: Presence
    has_begun: bool
    """Whether the worker was ever heard of in this attempt."""
    silent_seconds: float
    """Since its last heartbeat; before the first one since it was started."""
    watched_seconds: float
    """For how long this scheduler has seen no newer heartbeat."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a job is ended for its worker."""

    state: JobState
    reason: str
    """One sentence for people; empty when a person wanted it."""


def judge(seen: Sighting, limits: WatchLimits) -> Judgement | None:
    """How the job ends that nobody works on any more; None while somebody does, or may."""
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
            # Should the executor start it all the same, it will find that the job is not to be run.
            return seen.state is JobState.STOPPING and not seen.has_begun
        case Presence.UNKNOWN:
            return seen.silent_seconds > limits.unknown_seconds and seen.watched_seconds > limits.watched_seconds
        case Presence.GONE:
            # One that never began, or was told to stop, leaves nothing to wait for.
            is_expected = not seen.has_begun or seen.state is JobState.STOPPING
            return is_expected or seen.silent_seconds > limits.gone_seconds
