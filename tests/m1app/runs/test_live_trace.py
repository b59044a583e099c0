"""Waiting for a running trace to change."""

import asyncio
import time
from dataclasses import replace

import pytest

from m1app.runs.live_trace import LiveTrace
from models.thinking.budget_forcing import SegmentKind
from models.thinking.thinking_pass import PassEvent, SegmentOpened, TokensGenerated
from storage.traces.records import TraceState
from tests.m1app.runs.trace_samples import COMPLETED

_LONGER_THAN_ANY_TEST = 3600.0


def begun() -> LiveTrace:
    return LiveTrace(replace(COMPLETED, state=TraceState.RUNNING, segments=()), time.monotonic())


@pytest.mark.parametrize("event", [SegmentOpened(SegmentKind.THINK), TokensGenerated(1)])
async def test_every_waiting_follower_wakes_at_the_change_itself(event: PassEvent) -> None:
    live = begun()
    seen = live.changes.version
    followers = [asyncio.create_task(live.changes.wait(seen, _LONGER_THAN_ANY_TEST)) for _ in range(3)]
    await asyncio.sleep(0)
    live.apply(event)
    await asyncio.gather(*followers)
    assert live.changes.version > seen


async def test_change_before_the_wait_is_not_missed() -> None:
    live = begun()
    seen = live.changes.version
    live.apply(TokensGenerated(1))
    await live.changes.wait(seen, _LONGER_THAN_ANY_TEST)


async def test_end_wakes_a_follower_only_once_it_was_saved() -> None:
    live = begun()
    follower = asyncio.create_task(live.changes.wait(live.changes.version, _LONGER_THAN_ANY_TEST))
    await asyncio.sleep(0)
    live.end(TraceState.STOPPED)
    await asyncio.sleep(0)
    assert not follower.done()
    live.mark_over()
    await follower
    assert live.is_over


async def test_wait_without_a_change_ends_with_its_time() -> None:
    live = begun()
    seen = live.changes.version
    await live.changes.wait(seen, 0.01)
    assert live.changes.version == seen
