"""Errors of strategies.

AppError
├── StrategyRefused   a strategy is unknown, has wrong options, or cannot run on this question and budget
│   └── NotInPool     it asks for what the stored passes do not have
├── FitRefused        a curve, a model or a pool does not say enough for what is to be fitted or chosen
└── PolicyRefused     a policy file cannot be used
"""

from m1app.errors import AppError


class StrategyRefused(AppError):
    """A strategy cannot run: the message says why and what to change."""


class NotInPool(StrategyRefused):
    """A strategy asked for what the stored passes do not have."""


class FitRefused(AppError):
    """Something cannot be fitted or chosen: the message says what is missing."""


class PolicyRefused(AppError):
    """A policy file cannot be used: the message says what was found and what is expected."""
