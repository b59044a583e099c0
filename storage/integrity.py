"""Checks that find damage in a database: its pages, the references between records, and that no table is missing.

SQLite keeps no checksums: damage is found where it breaks the structure of a page, an index or a rule of a table, and
not where it only changes letters in a stored text. PostgreSQL checks its own pages while it reads them.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Inspector, func, inspect, select, table

from storage.tables import metadata

_MOST_PROBLEMS = 10
_MOST_CHARACTERS = 200
_INDEXES = ("search_index", "passage_index")
"""Only the migrations know them; see `storage.base`. PostgreSQL has only the second one as a table."""


def first_damage(connection: Connection) -> str:
    """Return the first damage in the pages of a SQLite file; empty if they are sound, and for PostgreSQL.

    Reads every page once, and leaves out what takes longest: comparing the indexes with their tables.
    """
    if connection.dialect.name != "sqlite":
        return ""
    return next(_pages(connection, "quick_check", 1), "")


def all_damage(connection: Connection, *, is_current: bool) -> tuple[str, ...]:
    """Return everything that is wrong: at most ten problems of each kind, none of which quotes stored text.

    Args:
        connection: to the database.
        is_current: whether it has this app's version, and so must have its tables.
    """
    found = [*missing_tables(connection), *_missing_columns(connection)] if is_current else []
    if connection.dialect.name == "sqlite":
        found += _pages(connection, "integrity_check", _MOST_PROBLEMS)
        found += _broken_references(connection)
    return tuple(found)


def missing_tables(connection: Connection) -> tuple[str, ...]:
    """Return a sentence that names this app's tables that the database does not have; none if it has all."""
    names = set(inspect(connection).get_table_names())
    wanted = {*metadata.tables, *(_INDEXES if connection.dialect.name == "sqlite" else _INDEXES[1:])}
    return (f"missing tables: {_listed(sorted(wanted - names))}",) if wanted - names else ()


def _missing_columns(connection: Connection) -> tuple[str, ...]:
    inspector = inspect(connection)
    found = [column for name in own_tables(connection) for column in _lost_columns(inspector, name)]
    return (f"missing columns: {_listed(found)}",) if found else ()


def own_tables(connection: Connection) -> list[str]:
    """Names of this app's tables that the database has, sorted."""
    return sorted(set(metadata.tables) & set(inspect(connection).get_table_names()))


def row_counts(connection: Connection) -> dict[str, int]:
    """Number of records in each table, of whatever version, by name."""
    names = (name for name in sorted(inspect(connection).get_table_names()) if not name.startswith(_INDEXES))
    return {name: connection.execute(select(func.count()).select_from(table(name))).scalar_one() for name in names}


def _lost_columns(inspector: Inspector, name: str) -> list[str]:
    found = {column["name"] for column in inspector.get_columns(name)}
    return [f"{name}.{column.name}" for column in metadata.tables[name].columns if column.name not in found]


def _pages(connection: Connection, check: str, most: int) -> Iterator[str]:
    for (text,) in connection.exec_driver_sql(f"PRAGMA {check}({most})"):
        # "*** in database main ***" stands on a line of its own before the first problem.
        for line in str(text).splitlines():
            if line != "ok" and not line.startswith("***"):
                yield line[:_MOST_CHARACTERS]


def _broken_references(connection: Connection) -> Iterator[str]:
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(_MOST_PROBLEMS)
    for name, target in sorted({(row[0], row[2]) for row in rows}):
        yield f"records in table {name} refer to missing ones in {target}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_PROBLEMS
    return ", ".join(names[:_MOST_PROBLEMS]) + (f" and {more} more" if more > 0 else "")
