"""Checks that everything the app needs works: engine, database, backups, disk, versions."""

import asyncio
import platform
import shutil
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from m1app.backup.naming import own_backups
from m1app.engines.service import EngineService
from m1app.settings import Settings
from m1app.wording import duration, size
from models.engine.protocol import CompletionRequest
from models.errors import ModelsError
from storage.database import Database
from storage.errors import RESTORE, StorageError

_LOW_DISK_BYTES = 1_000_000_000
_ENGINE_SECONDS = 180.0
_PACKAGES = (
    "gradio",
    "xllamacpp",
    "aiohttp",
    "httpx2",
    "sqlalchemy",
    "alembic",
    "pandas",
    "plotly",
    "torch",
    "transformers",
)


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
        await asyncio.to_thread(_database, database),
        await asyncio.to_thread(_backups, settings),
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


def _database(database: Database) -> Finding:
    health = database.check()
    if not health.is_reachable:
        return Finding("database", False, health.problem)
    detail = f"{health.dialect} {health.server_version} at {health.place}, {size(health.size_bytes)}"
    detail += f", revision {health.revision}"
    try:
        found = database.check_fully()
    except StorageError as exc:
        found = (str(exc),)
    if not found:
        return Finding("database", health.is_current, detail)
    return Finding("database", False, f"{detail}; {'; '.join(found)}. Restore a backup with `{RESTORE}`")


def _backups(settings: Settings) -> Finding:
    found = own_backups(settings)
    age = datetime.now(UTC) - found[0].made_at if found else None
    detail = f"the last one is {duration(age.total_seconds())} old: {found[0].file}" if age else "none yet"
    if not settings.backup_directory:
        return Finding("backups", True, f"{detail}; no schedule (M1_BACKUP_DIRECTORY is not set)")
    # Twice the time: the app may have been off when one was due.
    is_good = age is not None and age < timedelta(hours=2 * settings.backup_hours)
    advice = "" if is_good else ". The app's log says why a backup failed; backups are made only while the app runs"
    return Finding("backups", is_good, f"{detail}, one every {settings.backup_hours} h{advice}")


async def _engine(engines: EngineService) -> Finding:
    try:
        await asyncio.to_thread(engines.wait_ready, _ENGINE_SECONDS)
        async with asyncio.timeout(_ENGINE_SECONDS):
            info = await engines.engine().describe()
    except ModelsError as exc:
        return Finding("engine", False, str(exc))
    except TimeoutError:
        return Finding("engine", False, f"it has not answered within {_ENGINE_SECONDS:g} s")
    match = engines.match_profile(info.model, info)
    profile = match.profile.id + (" (a guess: no profile matches this model)" if match.is_guess else "")
    served = f"{info.model}, context {info.context_length:,} tokens, profile {profile}"
    return Finding("engine", True, f"{engines.choice}: {info.kind} {info.version} serving {served}")


async def _generation(engines: EngineService) -> Finding:
    """Generate a few real tokens, with their ids."""
    try:
        engine = engines.engine()
        ids: tuple[int, ...] = ()
        async with asyncio.timeout(_ENGINE_SECONDS):
            prompt = await engine.tokenize("The heart pumps", parse_special=False)
            async with aclosing(engine.stream(CompletionRequest(prompt, max_tokens=8))) as chunks:
                async for chunk in chunks:
                    ids += chunk.token_ids
    except ModelsError as exc:
        return Finding("generation", False, str(exc))
    except TimeoutError:
        return Finding("generation", False, f"8 tokens took more than {_ENGINE_SECONDS:g} s")
    return Finding("generation", bool(ids), f"{len(ids)} tokens with their ids")
