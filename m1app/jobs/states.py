"""Which state of a job may follow which. Pure; who may ask for a change, and when, is `service`'s business.

    queued ──> running ──> succeeded, failed
      │  ↑        │  └───> stopping ──> stopped (or one of the others: it was faster)
      │  │        └──────> stopped (its machine told it to end), lost
      └──┼─────> stopped
         └── resumed: stopped, failed, lost; succeeded with questions that failed

A lost job's worker may be heard of again, when it was only cut off: it has stopped meanwhile, or was done.
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
"""A worker has the job, or is being started for it; it counts against the limit of its resource."""
OVER = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED, JobState.LOST})
"""No worker has the job, and none will unless somebody resumes it."""


def may_follow(before: JobState, after: JobState) -> bool:
    """Whether a job may go from `before` to `after`."""
    return after in _NEXT[before]


def may_resume(job: Job) -> bool:
    """Whether a person may let the job go on; a benchmark that has come to its end asks again what failed."""
    is_partial = job.state is JobState.SUCCEEDED and job.progress.figures.get("failed", 0) > 0
    return is_partial or may_follow(job.state, JobState.QUEUED)


def states_before(after: JobState) -> frozenset[JobState]:
    """The states from which a job may go to `after`."""
    return frozenset(state for state in JobState if may_follow(state, after))
