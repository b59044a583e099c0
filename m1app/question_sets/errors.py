"""Errors of question sets.

AppError
└── QuestionSetError
    └── InvalidQuestionSet       a file of questions cannot be imported
"""

from m1app.errors import AppError


class QuestionSetError(AppError):
    """Base of this package's errors."""


class InvalidQuestionSet(QuestionSetError):
    """A file of questions cannot be imported; the message names file and line, what was found and expected."""
