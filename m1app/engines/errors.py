"""Errors of the engines.

AppError
└── EnginesError
    └── TemplateRefused     no profile can be made of a chat template
"""

from m1app.errors import AppError


class EnginesError(AppError):
    """Base of this package's errors."""


class TemplateRefused(EnginesError):
    """No profile can be made of a chat template; the message says why and what to do."""
