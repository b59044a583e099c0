"""Drafts a migration: `python -m storage.migrations URL "what changes"`, with the URL of a database to try it on."""

import sys

from storage import migrations
from storage.connections import open_engine, parse_url
from storage.database import Database


def main(arguments: list[str]) -> None:
    """Migrate the database at the first argument, then draft a step named by the second."""
    if len(arguments) != 2:
        raise SystemExit('Give a database URL and a description: python -m storage.migrations URL "what changes"')
    url, message = arguments
    database = Database(url)
    database.migrate()
    database.dispose()
    engine = open_engine(parse_url(url), 5.0, None, has_foreign_keys=False)
    migrations.draft(engine, message)
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1:])
