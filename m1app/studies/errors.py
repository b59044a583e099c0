"""Errors of studies.

AppError
└── StudyError
    ├── InvalidStudyFile  a study's file cannot be used; the message names the field and what was expected
    └── StudyRefused      a study cannot be started, changed or read as asked; `field` names the input
"""

from m1app.errors import AppError


class StudyError(AppError):
    """Base of this package's errors."""


class InvalidStudyFile(StudyError):
    """A study's file cannot be used; one line for each mistake, with its field."""


class StudyRefused(StudyError):
    """A study cannot be started, changed or read as asked.

    `field` names the input: "name", "models", "sets", "runs" or "questions".
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
