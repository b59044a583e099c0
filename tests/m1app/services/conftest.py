"""Services over a real database in a temporary home, and any engine that has an address."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from models.engine_endpoint import Endpoint

MakeServices = Callable[[Endpoint], Services]


@pytest.fixture
async def make_services(tmp_path: Path) -> AsyncIterator[MakeServices]:
    """Builds the app's services over an engine that runs already; all are closed after the test."""
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
