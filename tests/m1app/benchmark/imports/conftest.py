"""A home with services whose engine is not there: imports need none."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings


@pytest.fixture
async def services(tmp_path: Path, no_settings: None) -> AsyncIterator[Services]:
    services = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9", model=""))
    yield services
    await services.aclose()
