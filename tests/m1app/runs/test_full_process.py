"""A batch of probes where the process runs as many as it may: no engine."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from m1app.runs import probe_batches
from m1app.runs.batch_progress import ItemState
from m1app.runs.errors import NoRoom
from m1app.runs.probe_batches import ProbeBatches
from m1app.runs.probe_request import ProbeRequest
from storage.traces.records import Trace
from tests.m1app.runs.trace_samples import a_trace


class FullAtFirst:
    """In place of `ProbeService`: has no room twice, then starts a trace that is over."""

    def __init__(self) -> None:
        self.refusals = 2

    async def start(self, request: ProbeRequest, **_: bool) -> Trace:
        if self.refusals:
            self.refusals -= 1
            raise NoRoom("32 probes are already running.")
        return a_trace()

    async def follow(self, trace_id: str) -> AsyncGenerator[Trace, None]:
        yield a_trace(id=trace_id)


async def test_a_question_waits_until_the_process_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_batches, "_PLACE_SECONDS", 0)
    batches = ProbeBatches(FullAtFirst(), None)  # type: ignore[arg-type]
    batch_id = await batches.start([ProbeRequest(stem="Where is it made?")], is_kept=False)
    async with aclosing(batches.follow(batch_id)) as found:
        over = [each async for each in found][-1]
    assert [(item.state, item.problem) for item in over.items] == [(ItemState.ENDED, "")]
