"""What can be wrong with a question, a prompt or a scoring rule.

AppError
└── QuestionError
    ├── InvalidQuestion          a question, its options or its target cannot be used as given
    ├── InvalidAnswers           a file of answers to score cannot be used
    ├── InvalidPromptTemplate    a template leaves out what it is there to carry
    └── UnknownScoringRule       no scoring rule has that name

Every message says what was found and what to do about it.
"""

from m1app.errors import AppError


class QuestionError(AppError):
    """Base of this room's errors."""


class InvalidQuestion(QuestionError):
    """A question, its options or its target cannot be used as given."""


class InvalidAnswers(QuestionError):
    """A file of answers to score cannot be used; the message names the entry."""


class InvalidPromptTemplate(QuestionError):
    """A template would drop the question or its options."""


class UnknownScoringRule(QuestionError, ValueError):
    """No scoring rule has that name; the message lists those there are."""
