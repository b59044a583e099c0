"""What the features that launch jobs need of this one."""

from typing import Protocol

from storage.jobs.records import Job, NewJob


class JobQueue(Protocol):
    """Accepts jobs: `m1app.jobs.service.JobService`."""

    async def submit(self, job: NewJob) -> Job:
        """Store the job and start it when its turn comes."""
        ...
