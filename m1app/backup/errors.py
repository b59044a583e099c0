"""Errors of backups.

AppError
└── BackupError    a backup cannot be made, verified or restored
    └── HomeInUse  the app runs on the home, or a restore does
"""

from m1app.errors import AppError


class BackupError(AppError):
    """A backup cannot be made, verified or restored; what was there before is unchanged."""


class HomeInUse(BackupError):
    """The app runs on the home that is to be restored, or the home is being restored."""
