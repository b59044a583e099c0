"""No error of SQLAlchemy, a driver or the operating system leaves the package as it is."""

import errno
import sqlite3
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import exc

from storage import errors
from storage.error_mapping import mapped_errors, translate, translate_in_statement
from storage.errors import (
    DatabaseCorrupt,
    DatabaseLocked,
    DatabaseUnreachable,
    DiskFull,
    InvalidRecord,
    RecordNotFound,
    StorageError,
)

RAISED_BY_NAME = {errors.DatabaseProgramFailed, errors.DatabaseTooNew, errors.RecordChanged, errors.RecordNotFound}
"""Those that no upstream error becomes: the package's own checks raise them."""


def of_sqlite(code: int, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
    error = kind("upstream text with /a/path and a value")
    error.sqlite_errorcode = code
    return error


CASES: list[tuple[BaseException, type[StorageError]]] = [
    (of_sqlite(sqlite3.SQLITE_BUSY), DatabaseLocked),
    (of_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), DatabaseLocked),
    (of_sqlite(sqlite3.SQLITE_LOCKED_SHAREDCACHE), DatabaseLocked),
    (of_sqlite(sqlite3.SQLITE_PROTOCOL), DatabaseLocked),
    (of_sqlite(sqlite3.SQLITE_FULL), DiskFull),
    (of_sqlite(sqlite3.SQLITE_CORRUPT_VTAB, sqlite3.DatabaseError), DatabaseCorrupt),
    (of_sqlite(sqlite3.SQLITE_NOTADB, sqlite3.DatabaseError), DatabaseCorrupt),
    (of_sqlite(sqlite3.SQLITE_READONLY_DIRECTORY), DatabaseUnreachable),
    (of_sqlite(sqlite3.SQLITE_CANTOPEN), DatabaseUnreachable),
    (of_sqlite(sqlite3.SQLITE_IOERR_WRITE), DatabaseUnreachable),
    (of_sqlite(sqlite3.SQLITE_PERM), DatabaseUnreachable),
    (of_sqlite(sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.IntegrityError), InvalidRecord),
    (of_sqlite(sqlite3.SQLITE_TOOBIG, sqlite3.DataError), InvalidRecord),
    (sqlite3.InterfaceError("no code"), InvalidRecord),
    (sqlite3.OperationalError("Could not decode to UTF-8 column"), DatabaseCorrupt),
    (psycopg.OperationalError("no connection"), DatabaseUnreachable),
    (psycopg.errors.AdminShutdown("x"), DatabaseUnreachable),
    (psycopg.errors.InvalidPassword("x"), DatabaseUnreachable),
    (psycopg.errors.InvalidCatalogName("x"), DatabaseUnreachable),
    (psycopg.errors.TooManyConnections("x"), DatabaseUnreachable),
    (psycopg.errors.InsufficientPrivilege("x"), DatabaseUnreachable),
    (psycopg.errors.ReadOnlySqlTransaction("x"), DatabaseUnreachable),
    (psycopg.errors.IoError("x"), DatabaseUnreachable),
    (psycopg.errors.DiskFull("x"), DiskFull),
    (psycopg.errors.LockNotAvailable("x"), DatabaseLocked),
    (psycopg.errors.DeadlockDetected("x"), DatabaseLocked),
    (psycopg.errors.SerializationFailure("x"), DatabaseLocked),
    (psycopg.errors.QueryCanceled("x"), DatabaseLocked),
    (psycopg.errors.DataCorrupted("x"), DatabaseCorrupt),
    (psycopg.errors.IndexCorrupted("x"), DatabaseCorrupt),
    (psycopg.errors.UniqueViolation("x"), InvalidRecord),
    (psycopg.errors.NumericValueOutOfRange("x"), InvalidRecord),
    (psycopg.DataError("NUL"), InvalidRecord),
    (exc.TimeoutError("QueuePool limit"), DatabaseLocked),
    (OSError(errno.ENOSPC, "No space left on device"), DiskFull),
    (OSError(errno.EDQUOT, "Quota exceeded"), DiskFull),
    (OSError(errno.EROFS, "Read-only file system"), DatabaseUnreachable),
    (PermissionError(errno.EACCES, "Permission denied"), DatabaseUnreachable),
    (FileNotFoundError(errno.ENOENT, "No such file"), DatabaseUnreachable),
]


@pytest.mark.parametrize(("upstream", "kind"), CASES, ids=lambda value: getattr(value, "__name__", repr(value)))
def test_an_upstream_error_becomes_the_error_that_says_what_to_do(
    upstream: BaseException, kind: type[StorageError]
) -> None:
    mapped = translate(upstream, "/home/m1.db")
    assert type(mapped) is kind
    assert "/home/m1.db" in str(mapped)
    assert "upstream text" not in str(mapped)
    assert "{" not in str(mapped)


def test_every_kind_of_error_has_an_upstream_error_that_becomes_it() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, StorageError)}
    assert kinds - RAISED_BY_NAME - {StorageError} == {kind for _, kind in CASES}


def test_every_error_of_the_package_is_drawn_in_its_tree() -> None:
    names = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert all(name in (errors.__doc__ or "") for name in names)


def _leaves(base: type[BaseException]) -> list[type[BaseException]]:
    below = [leaf for kind in base.__subclasses__() for leaf in _leaves(kind)]
    return [base, *below]


@pytest.mark.parametrize("name", sorted(name for name in dir(sqlite3) if name.startswith("SQLITE_")))
def test_every_result_code_of_sqlite_is_mapped(name: str) -> None:
    assert isinstance(translate(of_sqlite(getattr(sqlite3, name)), "here"), StorageError)


@pytest.mark.parametrize("kind", _leaves(psycopg.Error), ids=lambda kind: kind.__name__)
def test_every_error_of_psycopg_is_mapped(kind: Callable[[str], BaseException]) -> None:
    assert isinstance(translate(kind("x"), "here"), StorageError)


@pytest.mark.parametrize(
    "kind", [exc.InvalidRequestError, exc.PendingRollbackError, exc.NoResultFound, exc.ArgumentError]
)
def test_every_error_of_sqlalchemy_is_mapped_and_chained(kind: type[Exception]) -> None:
    upstream = kind("x")
    with pytest.raises(StorageError) as caught, mapped_errors("here"):
        raise upstream
    assert caught.value.__cause__ is upstream


def test_a_wrapped_error_is_mapped_by_what_the_driver_raised() -> None:
    error = exc.OperationalError("SELECT 1", {}, of_sqlite(sqlite3.SQLITE_FULL), hide_parameters=True)
    assert type(translate(error, "here")) is DiskFull
    bound = exc.StatementError("bind", "SELECT 1", {}, LookupError("'x' is not among the states"))
    assert type(translate(bound, "here")) is InvalidRecord


def test_an_error_of_the_package_is_not_mapped_twice() -> None:
    mine = RecordNotFound("There is none.")
    assert translate(mine, "here") is mine


def test_a_value_error_belongs_to_storage_only_while_a_statement_runs() -> None:
    assert translate(ValueError("x"), "here") is None
    assert type(translate_in_statement(OverflowError("x"), "here")) is InvalidRecord


@pytest.mark.parametrize("error", [KeyError("x"), OSError(errno.ECONNRESET, "a socket"), ZeroDivisionError()])
def test_errors_of_others_pass(error: Exception) -> None:
    assert translate(error, "here") is None
    with pytest.raises(type(error)), mapped_errors("here"):
        raise error
