"""An empty home, and the service that imports into it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from m1app.question_sets.service import QuestionSetService
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
def sets(database: Database, settings: Settings) -> QuestionSetService:
    return QuestionSetService(database, settings)
