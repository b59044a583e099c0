"""Errors of questions, prompts and scoring rules.

AppError
└── QuestionError
    ├── InvalidQuestion          a question, its options or its target cannot be used as given
    ├── InvalidAnswers           a file of answers to score cannot be used
    ├── InvalidPromptTemplate    a template would drop the question or its options
    └── UnknownScoringRule       unknown scoring rule

Every message says what was found and what to do about it.
"""

from m1app.errors import AppError


class QuestionError(AppError):
    """Base of this package's errors."""


class InvalidQuestion(QuestionError):
    """A question, its options or its target cannot be used as given."""

    def __init__(self, message: str, field: str = "question") -> None:
        """Args:
        message: what was found and what to do.
        field: the part to change: "question", "options" or "target".
        """
        super().__init__(message)
        self.field = field


class InvalidAnswers(QuestionError):
    """A file of answers to score cannot be used; the message names the entry."""


class InvalidPromptTemplate(QuestionError):
    """A template would drop the question or its options."""


class UnknownScoringRule(QuestionError, ValueError):
    """Unknown scoring rule; the message lists the known ones."""
