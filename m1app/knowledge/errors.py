"""Errors of corpora.

AppError
└── KnowledgeError
    └── InvalidCorpus            a file cannot become a corpus
"""

from m1app.errors import AppError


class KnowledgeError(AppError):
    """Base of this package's errors."""


class InvalidCorpus(KnowledgeError):
    """A file cannot become a corpus; the message names it, what was found and what to do."""
