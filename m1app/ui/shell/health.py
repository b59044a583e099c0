"""Health checks: whether the process answers, and whether it can do its work.

Anyone can ask, so the answers name no path, address or person; the log has the details.
"""

import asyncio
import logging
import shutil
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from m1app.bootstrap import Services
from m1app.engines.own_engine import EngineState, EngineStatus
from m1app.settings import EngineChoice
from m1app.ui.shell.shared_reading import SharedReading
from m1app.wording import size
from storage.database import Session
from storage.errors import StorageError

_log = logging.getLogger(__name__)

_METHODS = ["GET", "HEAD"]
_MAX_AGE_SECONDS = 1.0
_PATIENCE_SECONDS = 4.0
"""Longest wait for the checks; below the time that the image's health check has."""
MIN_FREE_BYTES = 256 << 20
"""Room on the disk below which the app counts as not ready."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the app can do its work."""

    engine: EngineState
    model: str
    """Empty if the engine chooses."""
    reasons: tuple[str, ...]
    """Why it is not ready; empty if it is."""


class Health:
    """The app's readiness, checked at most once a second however many ask."""

    def __init__(self, services: Services, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        self._services = services
        self._min_free_bytes = min_free_bytes
        self._shared: SharedReading[Readiness] = SharedReading(_MAX_AGE_SECONDS)
        self._known: tuple[str, ...] = ()

    async def read(self) -> Readiness:
        """Return the current readiness; a check that does not end in time is a reason itself."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                reading = await self._shared.get("readiness", self._check)
        except TimeoutError:
            status = self._services.engines.status()
            reason = f"The checks took longer than {_PATIENCE_SECONDS:.0f} seconds."
            reading = Readiness(status.state, status.model, (reason,))
        if reading.reasons != self._known:
            self._known = reading.reasons
            _log.warning("readiness: %s", " ".join(reading.reasons) or "ready again")
        return reading

    async def _check(self) -> Readiness:
        database = await asyncio.to_thread(self._database_problem)
        disk = await asyncio.to_thread(self._disk_problem)
        status = self._services.engines.status()
        state = await self._engine_state()
        return Readiness(state, status.model, tuple(filter(None, (database, disk, _engine_problem(status, state)))))

    def _database_problem(self) -> str:
        try:
            self._services.database.write_now(_begin)
        except StorageError as exc:
            _log.debug("the database takes no writes: %s", exc)
            return "The database does not accept writes."
        return ""

    def _disk_problem(self) -> str:
        free = shutil.disk_usage(self._services.settings.home).free
        return f"The disk has only {size(free)} left." if free < self._min_free_bytes else ""

    async def _engine_state(self) -> EngineState:
        status = self._services.engines.status()
        if status.choice is not EngineChoice.REMOTE:
            return status.state
        # A remote engine's own status says nothing: it is ready if it has answered.
        reading = await self._services.engine_watch.latest()
        return EngineState.READY if reading.info else EngineState.FAILED


def _engine_problem(status: EngineStatus, state: EngineState) -> str:
    if state is EngineState.READY:
        return ""
    is_remote = status.choice is EngineChoice.REMOTE
    return "The engine does not answer." if is_remote else f"The engine is not ready: {state.value}."


def _begin(session: Session) -> None:
    """Take the database's lock for writing, and nothing more."""
    session.connection()


def add_health(app: FastAPI, health: Health) -> None:
    """`/healthz/live`, `/healthz/ready`, and `/healthz`, the older name of the latter."""

    @app.api_route("/healthz/live", methods=_METHODS)
    async def live() -> JSONResponse:
        return JSONResponse({"ok": True})

    @app.api_route("/healthz/ready", methods=_METHODS)
    @app.api_route("/healthz", methods=_METHODS)
    async def ready() -> JSONResponse:
        reading = await health.read()
        content = {
            "ok": not reading.reasons,
            "engine": reading.engine.value,
            "model": reading.model,
            "reasons": list(reading.reasons),
        }
        return JSONResponse(content, status_code=503 if reading.reasons else 200)
