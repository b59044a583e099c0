"""Errors of patient data.

AppError
├── IdentifiersFound   a question may identify a person; it was neither sent nor stored
└── ErasureRefused     what is to be erased is running, or carries annotations
"""

from m1app.errors import AppError


class IdentifiersFound(AppError):
    """A question may identify a person; it was neither sent nor stored."""

    def __init__(self, message: str, *, may_run_anyway: bool) -> None:
        super().__init__(message)
        self.may_run_anyway = may_run_anyway


class ErasureRefused(AppError):
    """What is to be erased is running, or carries annotations."""
