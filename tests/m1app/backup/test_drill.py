"""The whole way: a home in use is backed up, then damaged, the app says so, and a restore brings everything back."""

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from m1app.backup.restoring import restore
from m1app.bootstrap import Services, build_services
from m1app.engines.doctor import examine
from m1app.engines.watch import EngineReading
from m1app.settings import Settings
from m1app.ui.shell.header import header_value
from storage.errors import DatabaseCorrupt
from storage.traces.listing import TraceFilter
from tests.e2e.running_app import wait_until
from tests.m1app.backup.homes import damage_pages_with, database_of
from tests.storage.samples import begin, finish, think


def fill(home: Path, traces: int) -> None:
    """Add more than a megabyte of traces."""
    database = database_of(home)
    for number in range(traces):
        finish(database, begin(database), think(f"thought {number} " * 900))
    database.dispose()


@dataclass(frozen=True)
class Content:
    """What is in a home."""

    traces: set[str]
    shown: dict[str, object]
    """What pages show of all else."""
    counts: dict[str, int]


async def content_of(services: Services) -> Content:
    runs = await services.benchmark_reading.runs()
    return Content(
        traces={each.id for each in (await services.probe.history(TraceFilter(), limit=1000)).items},
        shown={
            "runs": [str(run) for run in runs],
            "cells": str(await services.benchmark_reading.cells([run.id for run in runs])),
            "annotators": await services.annotations.annotators(),
            "errors": [str(count) for count in await services.annotations.error_counts()],
        },
        counts=services.database.row_counts(),
    )


def close_app(services: Services) -> None:
    services.database.dispose()
    services.home_use.close()


def backed_up_at_work(services: Services) -> tuple[Path, set[str]]:
    """A backup that is made while somebody works; return it with the traces of that work."""
    is_over, late = threading.Event(), set[str]()

    def work() -> None:
        while not is_over.is_set():
            trace = begin(services.database)
            finish(services.database, trace, think("late"))
            late.add(trace.id)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        return services.backups.make().file, late
    finally:
        is_over.set()
        thread.join(60)


async def check_that_damage_is_told(services: Services) -> None:
    """Pages say it, nothing is written, and what can be read is read."""
    assert wait_until(lambda: services.database.damage, "the damage is noticed")
    shown = header_value(services, EngineReading(None, problem="none", age_seconds=0))
    assert "is damaged" in shown["damage"]
    assert "m1app restore FILE --replace" in shown["damage"]
    with pytest.raises(DatabaseCorrupt, match="nothing new is saved"):
        await services.annotations.reject_suggestion("x", "Dr A", "y")
    with pytest.raises(DatabaseCorrupt, match="nothing new is saved"):
        services.probe.mark_interrupted(is_at_start=True)
    assert (await services.probe.history(TraceFilter(), limit=1)).items
    found = {each.name: each for each in await examine(services.settings, services.database, services.engines)}
    assert not found["database"].is_good
    assert "restore FILE --replace" in found["database"].detail


async def test_a_damaged_home_is_noticed_read_and_restored(settings: Settings) -> None:
    fill(settings.home, 120)
    services = build_services(settings)
    before = await content_of(services)
    assert all(before.counts[name] > 0 for name in ("trace", "annotation", "annotation_revision", "benchmark_result"))
    file, late = backed_up_at_work(services)
    close_app(services)

    # Where the middle of the file lies depends on how much was written during the backup.
    damage_pages_with(settings.home / "m1.sqlite3", b"thought 60 ")
    services = build_services(settings)
    await check_that_damage_is_told(services)
    close_app(services)

    restore(file, settings, is_replacing=True)
    services = build_services(settings)
    services.database.look_for_damage()
    assert services.database.damage == ""
    after = await content_of(services)
    close_app(services)
    assert after.shown == before.shown
    assert before.traces <= after.traces <= before.traces | late
    growing = {"trace", "segment", "search_entry"}
    assert {k: n for k, n in after.counts.items() if k not in growing} == {
        k: n for k, n in before.counts.items() if k not in growing
    }
