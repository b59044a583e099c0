"""Errors of jobs and their workers.

AppError
├── JobsError
│   └── ExecutorError    a worker cannot be started, queried or stopped
└── JobRefused           a job cannot be submitted, or the request does not fit its state
"""

from m1app.errors import AppError


class JobsError(AppError):
    """Base of this package's errors."""


class ExecutorError(JobsError):
    """A worker cannot be started, queried or stopped; the message says what to do."""


class JobRefused(AppError):
    """The job cannot be submitted, or the request does not fit its state."""
