"""Errors of judging.

AppError
└── JudgingRefused    an answer cannot be judged; `field` names the problem
"""

from m1app.errors import AppError


class JudgingRefused(AppError):
    """An answer cannot be judged: the message says why and what to do."""

    may_quote = True

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
