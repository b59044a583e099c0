"""Maps errors of SQLAlchemy, drivers and the operating system to this package's errors.

SQLite errors are identified by primary result code (sqlite.org/rescode.html), PostgreSQL errors by SQLSTATE (appendix A
of its manual), since texts vary by version and language. Messages leave out the upstream text, which may quote stored
data; it is in the chained error.
"""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.errors import (
    RESTORE,
    DatabaseCorrupt,
    DatabaseLocked,
    DatabaseUnreachable,
    DiskFull,
    InvalidRecord,
    StorageError,
)


@dataclass(frozen=True, slots=True)
class _Meaning:
    """An error class and its message; `{place}` in it is where the database is."""

    kind: type[StorageError]
    message: str


_LOCKED = _Meaning(
    DatabaseLocked,
    "The database {place} is in use by another process or transaction. Try again; if this persists, close the "
    "program that uses it (a backup, a database browser, a second copy of the app).",
)
_FULL = _Meaning(
    DiskFull,
    "The disk of the database {place} is full. Free some disk space, or move M1_HOME to a larger disk.",
)
_CORRUPT = _Meaning(
    DatabaseCorrupt,
    "{place} is damaged or is not a database. Restore it from a backup with `" + RESTORE + "`, or move it away and "
    "start with an empty one.",
)
_READ_ONLY = _Meaning(
    DatabaseUnreachable,
    "The database {place} can be read but not written. Give the account that runs the app write permission on it "
    "(for SQLite: on the file and on its directory), or use another M1_HOME.",
)
_CANNOT_OPEN = _Meaning(
    DatabaseUnreachable,
    "The database {place} cannot be opened. Check that its directory exists and that the account that runs the app "
    "can read and write there, or use another M1_HOME.",
)
_BAD_DISK = _Meaning(
    DatabaseUnreachable,
    "Reading or writing the database {place} failed on the disk. Check the disk and, on a network drive, its "
    "connection; a SQLite database belongs on a local disk.",
)
_NO_ANSWER = _Meaning(
    DatabaseUnreachable,
    "The database server of {place} is not responding or refused the connection. Check that it is running, that host "
    "and port are right, and that it accepts more connections.",
)
_NO_ACCESS = _Meaning(
    DatabaseUnreachable,
    "The database server of {place} refused access. Check the user, the password, and that the database exists and "
    "lets that user create tables.",
)
_INVALID = _Meaning(
    InvalidRecord,
    "The database {place} refused a value: it breaks a rule of its table (a missing or repeated reference, a number "
    "out of range, or text it cannot hold). Correct the value and try again.",
)
_BUSY_POOL = _Meaning(
    DatabaseLocked,
    "All connections to the database {place} are in use. Try again; if this persists, run fewer jobs at once.",
)
_NOT_SET_UP = _Meaning(
    StorageError,
    "The tables in {place} do not match this version of the app: some are missing, or another program has changed "
    "them. `python -m m1app doctor` names what is missing; `" + RESTORE + "` brings it back from a backup. If the "
    "doctor finds nothing, report a bug.",
)
_UNKNOWN = _Meaning(
    StorageError,
    "The database {place} reported an unknown error; the log has the details. Report it as a bug.",
)

_BY_SQLITE_CODE = {
    sqlite3.SQLITE_ERROR: _NOT_SET_UP,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_IOERR: _BAD_DISK,
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CANTOPEN: _CANNOT_OPEN,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_TOOBIG: _INVALID,
    sqlite3.SQLITE_CONSTRAINT: _INVALID,
    sqlite3.SQLITE_MISMATCH: _INVALID,
    sqlite3.SQLITE_NOTADB: _CORRUPT,
}

# A full SQLSTATE, or its class (the first two characters); a full match takes precedence.
_BY_SQLSTATE = {
    "08": _NO_ANSWER,
    "22": _INVALID,
    "23": _INVALID,
    "25006": _READ_ONLY,
    "28": _NO_ACCESS,
    "3D": _NO_ACCESS,
    "40": _LOCKED,
    "42": _NOT_SET_UP,
    "42501": _NO_ACCESS,
    "53": _NO_ANSWER,
    "53100": _FULL,
    "54": _INVALID,
    "55": _LOCKED,
    "57": _NO_ANSWER,
    "57014": _LOCKED,
    "58": _BAD_DISK,
    "58030": _BAD_DISK,
    "XX001": _CORRUPT,
    "XX002": _CORRUPT,
}

_REFUSALS = (ValueError, OverflowError, TypeError, LookupError)
"""Errors that a column check, an enumeration or a driver raises for a value."""

_BY_ERRNO = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _CANNOT_OPEN,
    errno.EPERM: _CANNOT_OPEN,
    errno.ENOENT: _CANNOT_OPEN,
    errno.EIO: _BAD_DISK,
}


def translate(error: BaseException, place: str) -> StorageError | None:
    """Return this package's error for an upstream one; None if `error` is not a storage error.

    Args:
        error: what was raised, wrapped by SQLAlchemy or not.
        place: where the database is, without credentials.
    """
    cause = _driver_error(error)
    if isinstance(cause, StorageError):
        return cause
    if cause is not error and isinstance(cause, _REFUSALS):
        return refusal(cause)
    meaning = _meaning(cause) or (_UNKNOWN if isinstance(error, SQLAlchemyError) else None)
    return None if meaning is None else meaning.kind(meaning.message.format(place=place))


def translate_in_statement(error: BaseException, place: str) -> StorageError | None:
    """Like `translate`, for errors raised while a statement ran, where a ValueError concerns a value."""
    return refusal(error) if isinstance(error, _REFUSALS) else translate(error, place)


def refusal(cause: BaseException) -> InvalidRecord:
    """Return the error for a value that a column or the driver rejects."""
    return InvalidRecord(f"A value cannot be stored: {cause}.")


def _driver_error(error: BaseException) -> BaseException:
    """What the driver, or a column's own check, raised inside SQLAlchemy's wrapping."""
    while isinstance(error, StatementError) and error.orig is not None:
        error = error.orig
    return error


def _meaning(cause: BaseException) -> _Meaning | None:
    if isinstance(cause, OSError):
        return _BY_ERRNO.get(cause.errno or 0)
    if isinstance(cause, PoolTimeout):
        return _BUSY_POOL
    if isinstance(cause, sqlite3.Error):
        return _sqlite_meaning(cause)
    if hasattr(cause, "sqlstate"):
        return _postgresql_meaning(cause.sqlstate, cause)
    return _UNKNOWN if isinstance(cause, SQLAlchemyError) else None


def _sqlite_meaning(cause: sqlite3.Error) -> _Meaning:
    # The upper bits of an extended code are details; the driver's own checks have no code.
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None:
        if isinstance(cause, sqlite3.OperationalError):  # A text that is not UTF-8; the app stores none.
            return _CORRUPT
        return _INVALID if isinstance(cause, sqlite3.DataError | sqlite3.InterfaceError) else _UNKNOWN
    return _BY_SQLITE_CODE.get(code & 0xFF, _UNKNOWN)


def _postgresql_meaning(sqlstate: str | None, cause: BaseException) -> _Meaning:
    if sqlstate is None:
        # psycopg's own errors: neither a failed connection nor a value it cannot adapt has a SQLSTATE.
        return _INVALID if type(cause).__name__ in ("DataError", "ProgrammingError") else _NO_ANSWER
    return _BY_SQLSTATE.get(sqlstate) or _BY_SQLSTATE.get(sqlstate[:2]) or _UNKNOWN


@contextmanager
def mapped_errors(place: str) -> Iterator[None]:
    """Raise this package's errors instead of upstream ones; others propagate unchanged.

    So do operating system errors: inside a transaction they are the caller's own.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as exc:
        mapped = translate(exc, place)
        if mapped is None:
            raise
        raise mapped from exc
