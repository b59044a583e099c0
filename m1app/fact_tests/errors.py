"""Errors of fact tests.

AppError
├── FactTestRefused   a fact cannot be tested here; the message says why and what to do
└── FactTestOvertaken another process has begun a test of the annotation meanwhile
"""

from m1app.errors import AppError


class FactTestRefused(AppError):
    """A fact cannot be tested as asked.

    `field` names the input: "mark", "fact", "seeds", "arms", "wrong_fact" or "case".
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class FactTestOvertaken(AppError):
    """Another process has begun a test of the annotation meanwhile; nothing was stored."""

    def __init__(self) -> None:
        super().__init__("Another process is running this test. Wait until it ends.")
