import asyncio
import gc
import threading
from typing import Any, cast

import pytest

from m1app.engines.service import EngineService
from m1app.jobs.engine_start import has_engine
from models.errors import ServerStartFailed


class _Engines:
    """An engine that loads until it is told how that ends."""

    def __init__(self, error: Exception | None = None) -> None:
        self.is_over = threading.Event()
        self._error = error

    def start(self) -> None: ...

    def wait_ready(self, timeout_seconds: float) -> None:
        self.is_over.wait(timeout_seconds)
        if self._error:
            raise self._error


def as_service(engines: _Engines) -> EngineService:
    return cast(EngineService, engines)


async def test_a_job_waits_for_its_engine() -> None:
    engines = _Engines()
    engines.is_over.set()
    assert await has_engine(as_service(engines), asyncio.Event())


async def test_a_job_whose_engine_cannot_start_fails_with_the_reason() -> None:
    engines = _Engines(ServerStartFailed("no memory"))
    engines.is_over.set()
    with pytest.raises(ServerStartFailed, match="no memory"):
        await has_engine(as_service(engines), asyncio.Event())


async def test_a_job_that_is_stopped_while_its_engine_loads_leaves_no_error_behind() -> None:
    # The engine's end, when the job's process ends, was logged as an exception that nobody has retrieved.
    unseen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    engines, is_stopping = _Engines(ServerStartFailed("ended")), asyncio.Event()
    waiting = asyncio.create_task(has_engine(as_service(engines), is_stopping))
    await asyncio.sleep(0)
    is_stopping.set()
    assert not await waiting
    engines.is_over.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    await asyncio.sleep(0)
    gc.collect()
    assert not unseen
