"""Allowed transitions between job states. Pure; `service` decides who may request a change, and when.

    queued ──> running ──> succeeded, failed
      │  ↑        │  └───> stopping ──> stopped (or succeeded or failed, if that came first)
      │  │        └──────> stopped (by its machine), lost
      └──┼─────> stopped
         └── resumed: stopped, failed, lost; succeeded with questions that failed

The worker of a lost job may report back if it was only cut off: it has stopped meanwhile, or finished.
"""

from collections.abc import Mapping

from storage.jobs.records import Job, JobState

_NEXT: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.STOPPED}),
    JobState.RUNNING: frozenset(
        {JobState.STOPPING, JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED, JobState.LOST}
    ),
    JobState.STOPPING: frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED, JobState.LOST}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.STOPPED: frozenset({JobState.QUEUED}),
    JobState.LOST: frozenset({JobState.QUEUED, JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED}),
}

ACTIVE = frozenset({JobState.RUNNING, JobState.STOPPING})
"""A worker has the job or is being started; it counts against its resource's limit."""
OVER = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED, JobState.LOST})
"""No worker has the job, and none will unless it is resumed."""


def may_follow(before: JobState, after: JobState) -> bool:
    """Whether a job may move from `before` to `after`."""
    return after in _NEXT[before]


def may_resume(job: Job) -> bool:
    """Whether a user may resume the job; a completed benchmark asks its failed questions again."""
    is_partial = job.state is JobState.SUCCEEDED and job.progress.figures.get("failed", 0) > 0
    return is_partial or may_follow(job.state, JobState.QUEUED)


def states_before(after: JobState) -> frozenset[JobState]:
    """The states from which a job may move to `after`."""
    return frozenset(state for state in JobState if may_follow(state, after))
