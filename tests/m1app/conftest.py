"""What the app's tests share: an environment without settings, and a home with the embedded model in it."""

import os
from pathlib import Path

import pytest

from tests.e2e.running_app import make_home


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No M1_* variable of whoever runs the tests reaches the settings."""
    for name in list(os.environ):
        if name.startswith("M1_"):
            monkeypatch.delenv(name)


@pytest.fixture
def home_with_model(smollm2_path: Path, tmp_path: Path) -> Path:
    """A home of one test's own that need not fetch the model."""
    return make_home(tmp_path, smollm2_path)
