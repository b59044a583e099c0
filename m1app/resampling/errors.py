"""Errors of resampling.

AppError
└── ResamplingRefused   a sentence cannot be resampled; the message says why and what to do
"""

from m1app.errors import AppError


class ResamplingRefused(AppError):
    """A sentence cannot be resampled as asked. `field` names the input: "case", "sentence" or "seeds"."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
