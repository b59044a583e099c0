"""Batches of probes: several questions asked at once, a few at a time, whether or not a page watches.

A batch lives in this process, and in the database until it is over (see `kept_batches`). If the app ends before, a
later one shows what was asked and goes on when it is told to.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from m1app.access.errors import QuotaReached
from m1app.access.person import Permission, current_person, needs
from m1app.background import reported, start_task
from m1app.privacy.service import IdentifierCheck
from m1app.question.pastes.summary import first_words
from m1app.runs.batch_progress import BatchItem, BatchProgress, ItemState
from m1app.runs.errors import NoRoom, ProbeRefused
from m1app.runs.kept_batches import KeptBatches, LeftBatch, is_left
from m1app.runs.live_run import Changes
from m1app.runs.naming import require_own
from m1app.runs.probe import ProbeService
from m1app.runs.probe_request import ProbeRequest, check_request, texts_of
from storage.traces.records import Trace

MAX_QUESTIONS = 200
"""Questions of one batch."""
_IN_FLIGHT = 4
"""Questions that are asked at the same time."""
_HEARTBEAT_SECONDS = 1.0
_PLACE_SECONDS = 1.0
"""How long to wait before asking again for a place among the runs."""
_REMEMBERED = 20
"""Ended batches that are kept in memory."""


@dataclass(slots=True)
class _Batch:
    id: str
    asked_by: str
    """Account of whoever asked; empty without one."""
    requests: Sequence[ProbeRequest]
    items: list[BatchItem]
    is_kept: bool
    allows_identifiers: bool
    positions: Sequence[int]
    """Where each question is kept in the stored batch."""
    is_stopped: bool = False
    is_over: bool = False
    changes: Changes = field(default_factory=Changes)

    def set(self, number: int, **values: object) -> None:
        self.items[number] = replace(self.items[number], **values)  # type: ignore[arg-type]
        self.changes.note()

    def next_number(self) -> int | None:
        """Index of the next question to ask; None if there is none."""
        if self.is_stopped:
            return None
        return next((i for i, item in enumerate(self.items) if item.state is ItemState.WAITING), None)

    def progress(self) -> BatchProgress:
        return BatchProgress(self.id, tuple(self.items), self.is_over, self.is_stopped)


class ProbeBatches:
    """Asks batches of questions through the service of single ones."""

    def __init__(self, probe: ProbeService, kept: KeptBatches, identifiers: IdentifierCheck | None = None) -> None:
        self._probe = probe
        self._kept = kept
        self._identifiers = identifiers or IdentifierCheck()
        self._batches: dict[str, _Batch] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_closing = False

    @needs(Permission.ASK)
    async def start(
        self, requests: Sequence[ProbeRequest], *, allows_identifiers: bool = False, is_kept: bool = True
    ) -> str:
        """Check every question, then begin to ask them; return the batch's id.

        Args:
            requests: the questions, in the order they are asked.
            allows_identifiers: as in `ProbeService.start`, as is `is_kept`.
            is_kept: False stores no trace, and nothing of the batch.

        Raises:
            IdentifiersFound, InvalidQuestion, ProbeRefused: as `ProbeService.start`; nothing was asked.
            StorageError: the batch cannot be stored; nothing was asked.
        """
        if not 1 <= len(requests) <= MAX_QUESTIONS:
            raise ProbeRefused(
                "question", f"Found {len(requests):,} questions to ask at once, expected 1 to {MAX_QUESTIONS}."
            )
        for request in requests:
            check_request(request)
        texts = [text for request in requests for text in texts_of(request)]
        await asyncio.to_thread(self._identifiers.require, texts, is_allowed=allows_identifiers)
        batch = _Batch(
            id=secrets.token_hex(16),
            asked_by=current_person().account_id,
            requests=tuple(requests),
            items=[BatchItem(first_words(each.stem), each.target, bool(each.options)) for each in requests],
            is_kept=is_kept,
            allows_identifiers=allows_identifiers,
            positions=range(len(requests)),
        )
        if is_kept:
            await self._kept.add(batch.id, batch.asked_by, batch.requests, allows_identifiers)
        self._begin(batch)
        return batch.id

    @needs(Permission.ASK)
    async def go_on(self, batch_id: str) -> bool:
        """Ask what is left of a batch whose process has ended, again what that end interrupted; False if nothing is.

        Raises:
            AccessRefused: somebody else has asked them, and the person is no admin.
        """
        left = await self._left(batch_id)
        if left is None or not left.progress.left:
            return False
        require_own(left.kept.asked_by)
        account = current_person().account_id
        if not await self._kept.claim(left, account):
            return False
        items = [
            replace(each, state=ItemState.WAITING, trace_id="", trace_state=None) if is_left(each) else each
            for each in left.items
        ]
        self._begin(
            _Batch(
                id=batch_id,
                asked_by=account,
                requests=left.requests,
                items=items,
                is_kept=True,
                allows_identifiers=left.kept.allows_identifiers,
                positions=left.positions,
            )
        )
        return True

    def _begin(self, batch: _Batch) -> None:
        self._batches[batch.id] = batch
        self._forget_oldest()
        self._tasks[batch.id] = start_task(self._work(batch), f"batch-{batch.id}")

    @needs(Permission.READ)
    async def follow(self, batch_id: str) -> AsyncGenerator[BatchProgress, None]:
        """Yield a batch on every change, and once a second, until it is over; once if its process has ended.

        Nothing is yielded of a batch that is unknown here, or that another process asks.
        """
        batch = self._batches.get(batch_id)
        while batch is not None and not batch.is_over:
            version = batch.changes.version
            yield batch.progress()
            await batch.changes.wait(version, _HEARTBEAT_SECONDS)
        if batch is not None:
            yield batch.progress()
        elif left := await self._left(batch_id):
            yield left.progress

    @needs(Permission.READ)
    async def latest(self) -> str:
        """Id of the person's newest batch that is not put away; empty if there is none.

        Those that this process asks come before one that an earlier process has left.
        """
        own = current_person().account_id
        here = next((each.id for each in reversed(self._batches.values()) if each.asked_by == own), "")
        return here or await self._kept.left_by(own, tuple(self._batches))

    @needs(Permission.ASK)
    def stop(self, batch_id: str) -> bool:
        """Ask no more of its questions and stop those that run; False if it is not running in this process.

        Raises:
            AccessRefused: somebody else has asked them, and the person is no admin.
        """
        batch = self._own(batch_id)
        if batch is None or batch.is_over:
            return False
        batch.is_stopped = True
        for number, item in enumerate(batch.items):
            if item.state is ItemState.WAITING:
                batch.set(number, state=ItemState.NOT_ASKED)
            elif item.state is ItemState.RUNNING and item.trace_id:
                self._probe.stop(item.trace_id)
        return True

    @needs(Permission.ASK)
    async def put_away(self, batch_id: str) -> None:
        """Show an ended batch no more, and forget what was left of it; raises like `stop`."""
        batch = self._own(batch_id)
        if batch is not None:
            if batch.is_over:
                del self._batches[batch_id]
        elif left := await self._left(batch_id):
            require_own(left.kept.asked_by)
            await self._kept.remove(batch_id)

    async def aclose(self) -> None:
        """Ask no more; what is left stays stored."""
        self._is_closing = True
        for batch in self._batches.values():
            batch.is_stopped = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _left(self, batch_id: str) -> LeftBatch | None:
        """A stored batch that no process asks."""
        return None if batch_id in self._batches else await self._kept.find(batch_id)

    def _own(self, batch_id: str) -> _Batch | None:
        batch = self._batches.get(batch_id)
        if batch is not None:
            require_own(batch.asked_by)
        return batch

    def _forget_oldest(self) -> None:
        ended = [each.id for each in self._batches.values() if each.is_over]
        for batch_id in ended[:-_REMEMBERED]:
            del self._batches[batch_id]

    async def _work(self, batch: _Batch) -> None:
        alive = start_task(self._kept.say_alive(batch.id), f"heartbeat of {batch.id}") if batch.is_kept else None
        try:
            await asyncio.gather(*(self._ask_in_turn(batch) for _ in range(min(_IN_FLIGHT, len(batch.items)))))
            if batch.is_kept and not self._is_closing:
                with reported(f"forgetting batch {batch.id}", lambda _: None):
                    await self._kept.remove(batch.id)
        finally:
            if alive is not None:
                alive.cancel()
            batch.is_over = True
            batch.changes.note()
            self._tasks.pop(batch.id, None)

    async def _ask_in_turn(self, batch: _Batch) -> None:
        while (number := batch.next_number()) is not None:
            batch.set(number, state=ItemState.RUNNING)
            problems: list[str] = []
            with reported(f"question {number + 1} of batch {batch.id}", problems.append):
                trace = await self._start(batch, number)
                if trace is not None:
                    await self._until_ended(batch, number, trace)
            if problems:
                batch.set(number, state=ItemState.NOT_ASKED, problem=problems[0])
                await self._note(batch, number, problem=problems[0])

    async def _note(self, batch: _Batch, number: int, **values: str) -> None:
        if batch.is_kept:
            await self._kept.note(batch.id, batch.positions[number], **values)

    async def _start(self, batch: _Batch, number: int) -> Trace | None:
        """Start a question once there is room and the person has a place for it; None if it was stopped before."""
        while not batch.is_stopped:
            try:
                return await self._probe.start(
                    batch.requests[number], allows_identifiers=batch.allows_identifiers, is_kept=batch.is_kept
                )
            except (NoRoom, QuotaReached):
                await asyncio.sleep(_PLACE_SECONDS)
        batch.set(number, state=ItemState.NOT_ASKED)
        return None

    async def _until_ended(self, batch: _Batch, number: int, trace: Trace) -> None:
        batch.set(number, trace_id=trace.id)
        if batch.is_stopped:  # Between the check and the start.
            self._probe.stop(trace.id)
        await self._note(batch, number, trace_id=trace.id)
        async with aclosing(self._probe.follow(trace.id)) as snapshots:
            async for snapshot in snapshots:
                trace = snapshot
        batch.set(
            number,
            state=ItemState.ENDED,
            trace_state=trace.state,
            answer_letter=trace.answer_letter,
            is_correct=trace.is_correct,
        )
