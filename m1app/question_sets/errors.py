"""Errors of question sets.

AppError
└── QuestionSetError
    ├── InvalidQuestionSet       a file of questions cannot be imported
    └── NoRoom                   a file cannot be written, usually because a disk is full
"""

import errno
from pathlib import Path

from m1app.errors import AppError


class QuestionSetError(AppError):
    """Base of this package's errors."""


class InvalidQuestionSet(QuestionSetError):
    """A file of questions cannot be imported; the message names file and line, what was found and expected."""


class NoRoom(QuestionSetError):
    """A file cannot be written."""


def no_room(error: OSError, folder: Path) -> NoRoom:
    """Return the error for a file that could not be written in `folder`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom(f"The disk of {folder} is full; nothing was kept. Free some space on it, then try again.")
    reason = error.strerror or type(error).__name__
    return NoRoom(f"Nothing can be written in {folder} ({reason}); nothing was kept. Check the folder and its disk.")
