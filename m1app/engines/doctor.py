"""Checks that everything the app needs works: engine, database, disk, versions."""

import asyncio
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from m1app.engines.service import EngineService
from m1app.settings import Settings
from m1app.wording import size
from models.engine.protocol import CompletionRequest
from models.errors import ModelsError
from storage.database import Database

_LOW_DISK_BYTES = 1_000_000_000
_ENGINE_SECONDS = 180.0
_PACKAGES = ("gradio", "xllamacpp", "httpx2", "sqlalchemy", "alembic", "pandas", "plotly", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    name: str
    is_good: bool
    detail: str


async def examine(settings: Settings, database: Database, engines: EngineService) -> list[Finding]:
    """Run every check; a failed one is a finding, not an error."""
    return [
        await asyncio.to_thread(_versions),
        await asyncio.to_thread(_disk, settings.home),
        await _database(database),
        await _engine(engines),
        await _generation(engines),
    ]


def _versions() -> Finding:
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return Finding("versions", True, ", ".join(found))


def _disk(home: Path) -> Finding:
    free = shutil.disk_usage(home).free
    advice = "" if free >= _LOW_DISK_BYTES else "; free some space, or move M1_HOME to another disk"
    return Finding("disk", free >= _LOW_DISK_BYTES, f"{size(free)} free at {home}{advice}")


async def _database(database: Database) -> Finding:
    health = await asyncio.to_thread(database.check)
    if not health.is_reachable:
        return Finding("database", False, health.problem)
    detail = f"{health.dialect} {health.server_version} at {health.place}, {size(health.size_bytes)}"
    return Finding("database", health.is_current, detail + f", revision {health.revision}")


async def _engine(engines: EngineService) -> Finding:
    try:
        await asyncio.to_thread(engines.wait_ready, _ENGINE_SECONDS)
        info = await engines.engine().describe()
    except ModelsError as exc:
        return Finding("engine", False, str(exc))
    match = engines.match_profile(info.model, info)
    profile = match.profile.id + (" (a guess: no profile matches this model)" if match.is_guess else "")
    served = f"{info.model}, context {info.context_length:,} tokens, profile {profile}"
    return Finding("engine", True, f"{engines.choice}: {info.kind} {info.version} serving {served}")


async def _generation(engines: EngineService) -> Finding:
    """Generate a few real tokens, with their ids."""
    try:
        engine = engines.engine()
        prompt = await engine.tokenize("The heart pumps", parse_special=False)
        ids: tuple[int, ...] = ()
        async for chunk in engine.stream(CompletionRequest(prompt, max_tokens=8)):
            ids += chunk.token_ids
    except ModelsError as exc:
        return Finding("generation", False, str(exc))
    return Finding("generation", bool(ids), f"{len(ids)} tokens with their ids")
