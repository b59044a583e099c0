"""What tests of several packages share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def smollm2_path() -> Path:
    """The default model's GGUF file, fetched once; M1_TEST_HOME says where it is kept."""
    from models.catalog import Catalog
    from models.download import fetch

    home = Path(os.environ.get("M1_TEST_HOME") or Path(__file__).resolve().parents[1] / "data" / "test-home")
    return fetch(Catalog.load().get("smollm2-135m"), home / "models")
