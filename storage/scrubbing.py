"""Overwrites what deleted records have left behind in the files of a database.

SQLite: the segments of the search indexes keep deleted words until they are merged, free pages their content until they
are used again, and the write-ahead log its pages. PostgreSQL: dead rows are marked as free; their bytes are overwritten
when the space is used again, or by VACUUM FULL.
"""

import sqlite3

from sqlalchemy import Engine, text

_BUSY = (
    "The write-ahead log could not be emptied, because another process is reading the database. Stop the app and "
    "run `python -m m1app erase leftovers`."
)


def scrub_sqlite(engine: Engine, *, is_whole: bool) -> str:
    """Merge the search indexes, and empty the write-ahead log; return what could not be done, empty if all was.

    Args:
        engine: on a SQLite file.
        is_whole: whether to write the whole file anew, which takes as long as copying it, and as much space.
    """
    connection = engine.raw_connection()
    try:
        driver = connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("PRAGMA query_only = OFF")
        driver.execute("INSERT INTO search_index (search_index) VALUES ('optimize')")
        driver.execute("INSERT INTO passage_index (passage_index) VALUES ('optimize')")
        if is_whole:
            driver.execute("VACUUM")
        is_busy = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return _BUSY if is_busy else ""
    finally:
        connection.close()


def scrub_postgresql(engine: Engine) -> str:
    """Free the space of dead rows; return what is left to do."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM"))
    return (
        "PostgreSQL overwrites the bytes of deleted rows only when it uses their space again: run VACUUM FULL, and "
        "mind its write-ahead log archive and base backups."
    )
