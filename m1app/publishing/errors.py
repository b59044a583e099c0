"""Errors of publishing.

AppError
├── PublishRefused     what was asked for cannot be published, or the folder or file cannot be written
└── PublishStopped     somebody stopped it; nothing is left of it

Every message says what was found and what to do about it.
"""

from m1app.errors import AppError


class PublishRefused(AppError):
    """What was asked for cannot be published, or the folder or file cannot be written."""


class PublishStopped(AppError):
    """Somebody stopped it; nothing is left of it."""
