"""What can go wrong around jobs and their workers.

AppError
├── JobsError
│   └── ExecutorError    a worker cannot be started, asked after or stopped
└── JobRefused           a job cannot be submitted, or what is asked does not fit its state
"""

from m1app.errors import AppError


class JobsError(AppError):
    """Base of this package's errors."""


class ExecutorError(JobsError):
    """A worker cannot be started, asked after or stopped; the message says what to do."""


class JobRefused(AppError):
    """The job cannot be submitted, or what is asked of it does not fit its state."""
