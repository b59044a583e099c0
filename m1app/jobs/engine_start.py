"""The engine of a job that asks one: started, and waited for until the job is stopped."""

import asyncio

from m1app.engines.own_engine import LOAD_SECONDS
from m1app.engines.service import EngineService


async def has_engine(engines: EngineService, is_stopping: asyncio.Event) -> bool:
    """Start the engine and wait for it; False if the job is stopped before. Raises ModelsError if it cannot start."""
    engines.start()
    loading = asyncio.ensure_future(asyncio.to_thread(engines.wait_ready, LOAD_SECONDS))
    stopping = asyncio.ensure_future(is_stopping.wait())
    try:
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if is_stopping.is_set():
            return False
        await loading
        return True
    finally:
        # Nobody would see how the loading ends.
        loading.cancel()
        stopping.cancel()
