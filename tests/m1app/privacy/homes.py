"""A home whose files can be searched for the bytes of a word."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from m1app.bootstrap import Services, build_services
from m1app.runs.probe_request import ProbeRequest
from m1app.settings import Settings
from storage.traces.records import Trace
from tests.m1app.runs.test_sweeps import RIGHT, answering
from tests.models.engine.scripted_server import Script, serving

MARKER = "Xyloquartz"
"""A word that nothing else contains."""
ALLOWED = {"profile": "plain-chatml", "thinking_budget_tokens": 16}


@asynccontextmanager
async def services_over_script(home: Path, **settings: Any) -> AsyncIterator[tuple[Services, Script]]:
    """Services, and the engine that they ask."""
    with serving(Script(answering(lambda _: RIGHT))) as script:
        services = build_services(Settings(home=home, engine_url=script.url, **settings))
        try:
            yield services, script
        finally:
            await services.aclose()


def asking(stem: str, **changes: Any) -> ProbeRequest:
    return ProbeRequest(**({"stem": stem, **ALLOWED} | changes))


async def ended(services: Services, trace: Trace) -> Trace:
    return [snapshot async for snapshot in services.probe.follow(trace.id)][-1]


def holding(home: Path, *words: str) -> set[str]:
    """Files in which one of the words occurs, in any case."""
    needles = [word.casefold().encode() for word in words]
    found = (path for path in home.rglob("*") if path.is_file())
    return {str(path.relative_to(home)) for path in found if any(each in path.read_bytes().lower() for each in needles)}
