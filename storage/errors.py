"""Errors of the storage layer.

StorageError
├── DatabaseUnreachable    no answer at the address, or no permission to read and write there
├── DatabaseLocked         another transaction held the lock longer than the busy timeout
├── DatabaseTooNew         a newer version of the app has migrated it
├── DatabaseCorrupt        the file is not a database or is damaged, or a damaged one was to be written
├── DatabaseProgramFailed  pg_dump or pg_restore is missing or failed
├── DiskFull               not enough disk space for a write
├── RecordNotFound         no record with that id
├── RecordChanged          the record was changed by someone else since it was read
└── InvalidRecord          a value cannot be stored or queried

Every message says what was found and what to do about it, and contains neither passwords nor stored text; upstream
errors are chained (`raise ... from exc`). `error_mapping.py` maps upstream errors to these.
"""

RESTORE = "python -m m1app restore FILE --replace"
"""The command that the messages about damage name."""


class StorageError(Exception):
    """Base of every error of this package; its text may be shown to users."""

    is_retryable = False
    """True if retrying the same call later may succeed."""


class DatabaseUnreachable(StorageError):
    """No answer at the database's address, or no permission to read and write there."""

    is_retryable = True


class DatabaseLocked(StorageError):
    """Another transaction held the lock longer than the busy timeout."""

    is_retryable = True


class DatabaseTooNew(StorageError):
    """A newer version of the app has migrated the database."""


class DatabaseCorrupt(StorageError):
    """The file is not a database or is damaged, or a damaged one was to be written."""


class DatabaseProgramFailed(StorageError):
    """PostgreSQL's pg_dump or pg_restore is missing or failed."""


class DiskFull(StorageError):
    """There is not enough disk space for a write."""


class RecordNotFound(StorageError):
    """No record has that id."""


def not_found(kind: str, record_id: str) -> RecordNotFound:
    """Return the error for an unknown id of a record of this kind ("trace", "job")."""
    what = f"{kind.capitalize()} {record_id[:40]!r} not found."
    return RecordNotFound(f"{what} It may have been deleted, or the link is from another machine.")


class RecordChanged(StorageError):
    """The record was changed by someone else since it was read."""


class InvalidRecord(StorageError):
    """A value cannot be stored or queried."""
