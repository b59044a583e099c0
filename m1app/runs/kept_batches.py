"""Batches of probes in the database: written as they are asked, and read by a process that did not ask them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from m1app.background import Rounds, reported
from m1app.question.pastes.summary import first_words
from m1app.runs.batch_progress import BatchItem, BatchProgress, ItemState
from m1app.runs.owners import is_abandoned, this_process
from m1app.runs.pass_plan import new_question
from m1app.runs.probe_request import ProbeRequest
from storage.database import Database
from storage.probe_batches.records import KeptBatch, KeptItem, NewBatch
from storage.probe_batches.repository import ProbeBatchRepository
from storage.questions.records import NewQuestion
from storage.traces.records import TraceState

_HEARTBEAT_SECONDS = 5.0
_CUT_OFF = (TraceState.RUNNING, TraceState.INTERRUPTED)
_OF_QUESTION = {each.name for each in fields(NewQuestion)}
_SETTINGS = [each.name for each in fields(ProbeRequest) if each.name not in _OF_QUESTION]


@dataclass(frozen=True, slots=True)
class LeftBatch:
    """A batch whose process has ended before it was over."""

    kept: KeptBatch
    requests: tuple[ProbeRequest, ...]
    items: tuple[BatchItem, ...]

    @property
    def positions(self) -> tuple[int, ...]:
        """Where each question is kept."""
        return tuple(item.position for item in self.kept.items)

    @property
    def progress(self) -> BatchProgress:
        """The batch as it was left."""
        left = sum(map(is_left, self.items))
        return BatchProgress(self.kept.id, self.items, is_over=True, is_stopped=False, left=left)


def is_left(item: BatchItem) -> bool:
    """Whether a question of such a batch is still to be asked, or asked again."""
    return item.state is ItemState.WAITING or item.trace_state is TraceState.INTERRUPTED


class KeptBatches:
    """Batches of one database. Its methods may raise StorageError, but for what they say themselves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, batch_id: str, asked_by: str, requests: Sequence[ProbeRequest], allows_identifiers: bool
    ) -> None:
        """Keep a batch of this process."""
        questions = [(new_question(each), {name: getattr(each, name) for name in _SETTINGS}) for each in requests]
        batch = NewBatch(batch_id, asked_by, this_process(), allows_identifiers, questions)
        await self._database.write(lambda s: ProbeBatchRepository(s).add(batch))

    async def note(self, batch_id: str, position: int, *, trace_id: str | None = None, problem: str = "") -> None:
        """Note what came of a question; a failure is logged, and only means that it may be asked twice."""
        with reported(f"saving batch {batch_id}", lambda _: None):
            await self._database.write(
                lambda s: ProbeBatchRepository(s).note(batch_id, position, trace_id=trace_id, problem=problem)
            )

    async def say_alive(self, batch_id: str) -> None:
        """Say every five seconds that this process asks the batch, until cancelled."""
        rounds = Rounds("batch", _HEARTBEAT_SECONDS)
        while True:
            await asyncio.sleep(rounds.pause_seconds)
            with rounds.round():
                await self._database.write(lambda s: ProbeBatchRepository(s).touch(batch_id))

    async def left_by(self, asked_by: str, own: Sequence[str]) -> str:
        """Id of the newest batch of a person that no process asks; empty if there is none. `own` are this process's."""
        found = await self._database.read(lambda s: ProbeBatchRepository(s).of_person(asked_by))
        return next((each.id for each in found if each.id not in own and _is_left_alone(each)), "")

    async def find(self, batch_id: str) -> LeftBatch | None:
        """A batch that no process asks; None for all others."""
        kept = await self._database.read(lambda s: ProbeBatchRepository(s).find(batch_id))
        if kept is None or not _is_left_alone(kept):
            return None
        return LeftBatch(kept, tuple(map(_request_of, kept.items)), tuple(map(_item_of, kept.items)))

    async def claim(self, batch: LeftBatch, asked_by: str) -> bool:
        """Make this process the one that asks it; False if another one was faster."""
        return await self._database.write(lambda s: ProbeBatchRepository(s).claim(batch.kept, asked_by, this_process()))

    async def remove(self, batch_id: str) -> None:
        """Forget a batch."""
        await self._database.write(lambda s: ProbeBatchRepository(s).remove(batch_id))


def _is_left_alone(batch: KeptBatch) -> bool:
    """Whether no process asks it. In a container, every app has process id 1: callers leave out their own batches."""
    return batch.owner == this_process() or is_abandoned(batch.owner, batch.updated_at)


def _request_of(item: KeptItem) -> ProbeRequest:
    question = item.question
    known = {name: value for name, value in item.settings.items() if name in _SETTINGS}
    return ProbeRequest(
        stem=question.stem,
        options=dict(question.options),
        target=question.target,
        source=question.source,
        title=question.title,
        **known,
    )


def _item_of(item: KeptItem) -> BatchItem:
    question = item.question
    shown = BatchItem(first_words(question.stem), question.target, bool(question.options))
    if item.problem:
        return replace(shown, state=ItemState.NOT_ASKED, problem=item.problem)
    if not item.trace_id:
        return shown
    return replace(
        shown,
        state=ItemState.ENDED,
        trace_id=item.trace_id if item.trace_state else "",  # A deleted trace has no link.
        trace_state=TraceState.INTERRUPTED if item.trace_state in _CUT_OFF else item.trace_state,
        answer_letter=item.answer_letter,
        is_correct=item.is_correct,
    )
