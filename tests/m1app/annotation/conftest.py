"""A database of annotations, and the service over it."""

from pathlib import Path

import pytest

from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from storage.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path}/m1.db")
    database.migrate()
    return database


@pytest.fixture
def service(database: Database) -> AnnotationService:
    return AnnotationService(database, load_taxonomy())
