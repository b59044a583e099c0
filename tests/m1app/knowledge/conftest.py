"""A home with a database and its corpora."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from m1app.access.person import COMMAND_LINE, acting_as
from m1app.knowledge.service import CorpusService
from m1app.settings import Settings
from storage.database import Database


@pytest.fixture
def settings(tmp_path: Path, no_settings: None) -> Settings:
    home = tmp_path / "home"
    home.mkdir()
    return Settings(home=home)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database_address)
    database.migrate()
    yield database
    database.dispose()


@pytest.fixture
def corpora(database: Database, settings: Settings) -> Iterator[CorpusService]:
    with acting_as(COMMAND_LINE):
        yield CorpusService(database, settings)
