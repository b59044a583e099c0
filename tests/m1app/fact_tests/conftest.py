"""A database, and seeds that a test can count."""

from pathlib import Path

import pytest

from storage.database import Database


@pytest.fixture
def database(tmp_path: Path, migrated_copies) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    made.migrate()
    return made


@pytest.fixture(autouse=True)
def first_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeds begin at 0."""
    monkeypatch.setattr("m1app.fact_tests.designing.secrets.randbelow", lambda most: 0)
