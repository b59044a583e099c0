"""Shared by the app's tests: an environment without settings, a home with the embedded model in it, and the app's
services over a real database and any engine that has an address."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from models.engine.endpoint import Endpoint
from tests.e2e.running_app import make_home


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's M1_* variables out of the settings."""
    for name in list(os.environ):
        if name.startswith("M1_"):
            monkeypatch.delenv(name)


@pytest.fixture
def home_with_model(smollm2_path: Path, tmp_path: Path) -> Path:
    """A separate home that already has the model."""
    return make_home(tmp_path, smollm2_path)


MakeServices = Callable[[Endpoint], Services]


@pytest.fixture
async def make_services(tmp_path: Path) -> AsyncIterator[MakeServices]:
    """Builds the app's services over a running engine; all are closed after the test."""
    async with AsyncExitStack() as stack:

        def make(endpoint: Endpoint) -> Services:
            settings = Settings(
                home=tmp_path / "home", engine_url=endpoint.base_url, engine_api_key=endpoint.api_key, model=""
            )
            services = build_services(settings)
            stack.push_async_callback(services.aclose)
            return services

        yield make


@pytest.fixture
def services(make_services: MakeServices, engine_endpoint: Endpoint) -> Services:
    """Services over each real engine in turn."""
    return make_services(engine_endpoint)
