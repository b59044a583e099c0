"""What can go wrong around a worker.

JobsError
└── ExecutorError    a worker cannot be started, asked after or stopped

The messages are for people; `m1app.services` shows them or keeps them as the job's error.
"""


class JobsError(Exception):
    """Base of this package's errors."""


class ExecutorError(JobsError):
    """A worker cannot be started, asked after or stopped; the message says what to do."""
