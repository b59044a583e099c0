"""What can be wrong with a question, a prompt or a scoring rule.

BenchmarkError
├── InvalidQuestion          a question, its options or its target cannot be used as given
├── InvalidAnswers           a file of answers to score cannot be used
├── InvalidQuestionSet       a file of questions cannot be imported
├── InvalidPromptTemplate    a template leaves out what it is there to carry
└── UnknownScoringRule       no scoring rule has that name

Every message says what was found and what to do about it.
"""


class BenchmarkError(Exception):
    """Base of every error of this package; its text may be shown to a person."""


class InvalidQuestion(BenchmarkError):
    """A question, its options or its target cannot be used as given."""


class InvalidAnswers(BenchmarkError):
    """A file of answers to score cannot be used; the message names the entry."""


class InvalidQuestionSet(BenchmarkError):
    """A file of questions cannot be imported; the message names file and line, what was found and expected."""


class InvalidPromptTemplate(BenchmarkError):
    """A template would drop the question or its options."""


class UnknownScoringRule(BenchmarkError, ValueError):
    """No scoring rule has that name; the message lists those there are."""
