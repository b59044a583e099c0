"""What can go wrong between the app and what it keeps.

StorageError
├── DatabaseUnreachable    no answer at the address, or no permission to read and write there
├── DatabaseLocked         somebody else holds what is needed, longer than the busy timeout
├── DatabaseTooNew         a newer version of the app has migrated it
├── DatabaseCorrupt        it is not a database, or damaged
├── DiskFull               there is no room for what is to be written
├── RecordNotFound         no record with that id
├── RecordChanged          somebody else has changed it since it was read
└── InvalidRecord          what is to be stored or asked for cannot be

Every message says what was found and what to do about it, and holds neither a password nor stored text; upstream
errors are chained (`raise ... from exc`). `error_mapping.py` holds which upstream error becomes which of these.
"""


class StorageError(Exception):
    """Base of every error of this package; its text may be shown to a person."""

    is_retryable = False
    """True when the same call may succeed a little later, with nothing changed."""


class DatabaseUnreachable(StorageError):
    """No answer at the database's address, or no permission to read and write there."""

    is_retryable = True


class DatabaseLocked(StorageError):
    """Somebody else holds what is needed, longer than the busy timeout."""

    is_retryable = True


class DatabaseTooNew(StorageError):
    """A newer version of the app has migrated the database."""


class DatabaseCorrupt(StorageError):
    """The file is not a database, or damaged."""


class DiskFull(StorageError):
    """There is no room for what is to be written."""


class RecordNotFound(StorageError):
    """No record has that id."""


def not_found(kind: str, record_id: str) -> RecordNotFound:
    """The error for an id that no record of this kind ("trace", "job") has."""
    what = f"{kind.capitalize()} {record_id[:40]!r} not found."
    return RecordNotFound(f"{what} It may have been deleted, or the link is from another machine.")


class RecordChanged(StorageError):
    """Somebody else has changed the record since it was read."""


class InvalidRecord(StorageError):
    """What is to be stored or asked for cannot be."""
