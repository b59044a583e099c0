"""Sweep one question over a grid of thinking budgets and force rounds, saving results as they arrive.

Like a probe, a sweep belongs to the service, not to the tab that started it. It is saved every second and closed in
`finally`; a sweep that was stopped, failed or lost its process can be resumed where it left off.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from m1app.access.audit import record
from m1app.access.person import Permission, current_person, needs
from m1app.access.quota import Quota
from m1app.errors import AppError
from m1app.privacy.identifiers import IdentifierKind
from m1app.privacy.service import IdentifierCheck, record_allowed
from m1app.runs.errors import PromptChanged
from m1app.runs.live_sweep import LiveSweep, outcome_of, stored_snapshot
from m1app.runs.naming import require_own
from m1app.runs.owners import this_process
from m1app.runs.pass_plan import PassPlan, PassPlanner, new_question
from m1app.runs.probe_request import sampling_of, texts_of
from m1app.runs.run_service import JobRunService
from m1app.runs.sweep_reading import SweepSnapshot
from m1app.runs.sweep_request import SweepRequest, SweepSettings, check_settings, check_sweep, request_of_sweep
from models.thinking.sweep import Cell
from storage.database import Database, Session
from storage.naming import Naming
from storage.questions.records import Question
from storage.questions.repository import QuestionRepository
from storage.sweeps.records import NewSweep, SweepPass, SweepWithPasses
from storage.sweeps.repository import SweepRepository, SweepSummary
from storage.traces.listing import RunOrder
from storage.traces.records import TraceState
from storage.traces.repository import TraceRepository

MAX_RUNNING = 64
_ELSEWHERE = "This sweep is running in another process. Stop it there."


@dataclass(frozen=True, slots=True)
class SweepEstimate:
    """The most that a sweep may cost; models often stop earlier."""

    tokens_at_most: int
    """Tokens generated for all passes and answers."""
    tokens_if_separate_at_most: int
    """Tokens that separate runs of every cell would generate."""


@dataclass(frozen=True, slots=True)
class RunningSweep:
    """A sweep that runs, with how far it is."""

    sweep: SweepSummary
    cells_answered: int


class SweepService(JobRunService[LiveSweep, SweepSnapshot]):
    """Runs sweeps and lets any number of pages follow them."""

    _going_on = "This sweep is running"

    def __init__(
        self,
        planner: PassPlanner,
        database: Database,
        max_running: int = MAX_RUNNING,
        identifiers: IdentifierCheck | None = None,
        quota: Quota | None = None,
    ) -> None:
        super().__init__(database, "sweep", max_running, lambda snapshot: snapshot.sweep, quota)
        self._planner = planner
        self._identifiers = identifiers or IdentifierCheck()

    @needs(Permission.ASK)
    def answer_now(self, sweep_id: str) -> bool:
        """End the thinking of every running pass; see `LiveRuns.answer_now_for_person`."""
        return self._runs.answer_now_for_person(sweep_id)

    @staticmethod
    def estimate(settings: SweepSettings, *, has_options: bool) -> SweepEstimate:
        """Return the most a sweep may cost; raises ProbeRefused for invalid settings.

        Args:
            settings: grid, models and sampling.
            has_options: whether the question has options, whose probabilities cost one token per cut.
        """
        settings = check_settings(settings)
        runs = settings.passes * max(1, len(settings.models))
        answers = len(settings.cells) * (settings.answer_cap_tokens + has_options)
        separate = sum(cell.budget_tokens for cell in settings.cells)
        return SweepEstimate(runs * (max(settings.budgets) + answers), runs * (separate + answers))

    @needs(Permission.ASK)
    async def start(
        self, request: SweepRequest, sweep_id: str = "", *, allows_identifiers: bool = False
    ) -> SweepSnapshot:
        """Start a sweep; return its state before the first token.

        Args:
            request: what to sweep.
            sweep_id: 32 hexadecimal digits; empty generates one.
            allows_identifiers: as in `ProbeService.start`.

        Raises:
            IdentifiersFound: the question may identify a person; it was neither sent nor stored.
            InvalidQuestion, ProbeRefused: the request is invalid; nothing was stored.
            ModelsError: an engine cannot be reached or does not serve a model.
            StorageError: the sweep could not be stored.
            QuotaReached: the person has as many running as one person may have.
        """
        request = check_sweep(request)
        allowed = await asyncio.to_thread(
            self._identifiers.require, texts_of(request.probe("")), is_allowed=allows_identifiers
        )
        with self._runs.place():
            return await self._start(request, allowed, sweep_id)

    async def _start(
        self, request: SweepRequest, allowed: Mapping[IdentifierKind, int], sweep_id: str
    ) -> SweepSnapshot:
        first = [await self._planner.plan(request.probe(model)) for model in request.models or ("",)]
        seed = first[0].settings.seed
        seeded = replace(request, seed=seed, models=tuple(dict.fromkeys(plan.model for plan in first)))
        plans = [(_numbered(plan, seed, number), number) for plan in first for number in range(request.passes)]

        def store(session: Session) -> SweepWithPasses:
            asked = QuestionRepository(session).upsert(new_question(request.probe("")))
            sweep = SweepRepository(session).add(_new_sweep(seeded, asked), sweep_id)
            for plan, number in plans:
                TraceRepository(session).add(plan.new_trace(asked, sweep_id=sweep.id, pass_number=number))
            if not sweep_id:  # A benchmark's sweeps have ids already, and its job is recorded.
                record(session, "sweep.ask", sweep.id)
            record_allowed(session, sweep.id, allowed)
            return SweepRepository(session).get(sweep.id)

        kept = await self._database.write(store)
        return self._run_live(kept, {(plan.model, number): plan for plan, number in plans})

    @needs(Permission.ASK)
    async def resume(self, sweep_id: str) -> SweepSnapshot:
        """Resume a sweep that ended before it was complete; return its state.

        Raises:
            RecordNotFound: no record has that id.
            AccessRefused: somebody else has asked for it, and the person is no admin.
            AppError: it is running, or complete.
            ModelsError, StorageError: like `start`.
        """
        async with self._place_to_resume(sweep_id):
            return await self._resume(sweep_id)

    async def _resume(self, sweep_id: str) -> SweepSnapshot:
        kept = await self._read(sweep_id)
        require_own(kept.sweep.asked_by)
        if kept.sweep.state is TraceState.RUNNING:
            raise AppError(_ELSEWHERE)
        request = request_of_sweep(kept.sweep)
        unfinished = [each.trace for each in kept.passes if not _is_complete(each, request.cells)]
        if not unfinished:
            raise AppError("This sweep is complete; use Run again for a new one.")
        plans: dict[tuple[str, int], PassPlan] = {}
        for trace in unfinished:
            plan = await self._planner.plan(request.probe(trace.model, trace.pass_number))
            if plan.prompt.token_ids != trace.prompt_token_ids:
                raise PromptChanged("the sweep started")
            plans[trace.model, trace.pass_number] = plan
        seen = kept.sweep.state
        running = replace(kept.sweep, state=TraceState.RUNNING, error="")

        def store(session: Session) -> SweepWithPasses:
            if not SweepRepository(session).reopen(sweep_id, seen):  # Another process was faster.
                raise AppError(_ELSEWHERE)
            for trace in unfinished:
                TraceRepository(session).reopen(trace.id, this_process())
            SweepRepository(session).save(sweep_id, outcome_of(running), this_process())
            record(session, "sweep.resume", sweep_id)
            return SweepRepository(session).get(sweep_id)

        kept = await self._database.write(store)
        return self._run_live(kept, plans)

    @needs(Permission.READ)
    async def recent(
        self, limit: int, text: str = "", *, is_running: bool | None = None, order: RunOrder = RunOrder.NEWEST
    ) -> Sequence[SweepSummary]:
        """Sweeps whose question, name or tags contain the words of `text`."""
        return await self._database.read(
            lambda s: SweepRepository(s).recent(limit, text, is_running=is_running, order=order)
        )

    @needs(Permission.READ)
    async def running_now(self, text: str = "") -> Sequence[RunningSweep]:
        """Sweeps that run now, in any process, newest first; those whose process is gone are marked and left out."""
        found = await self._without_abandoned(lambda: self.recent(MAX_RUNNING, text, is_running=True))
        ids = [each.id for each in found]
        answered = await self._database.read(lambda s: SweepRepository(s).cells_answered(ids)) if ids else {}
        return tuple(RunningSweep(each, answered.get(each.id, 0)) for each in found)

    @needs(Permission.ASK)
    async def set_naming(self, sweep_id: str, naming: Naming) -> None:
        """Name and tag a sweep; others' sweeps only as an admin.

        Raises:
            RecordNotFound: no such sweep.
            AccessRefused: somebody else has asked for it.
        """

        def store(session: Session) -> None:
            sweeps = SweepRepository(session)
            require_own(sweeps.asked_by(sweep_id))
            sweeps.set_naming(sweep_id, naming)
            record(session, "sweep.name", sweep_id, tags=len(naming.tags))

        await self._database.write(store)
        live = self._runs.live(sweep_id)
        if live is not None:
            live.set_naming(naming)

    def _mark_stored(self, session: Session, is_owner_alive: Callable[[str], bool], stale_after_seconds: float) -> int:
        return SweepRepository(session).mark_interrupted(is_owner_alive, stale_after_seconds)

    def _run_live(self, kept: SweepWithPasses, plans: dict[tuple[str, int], PassPlan]) -> SweepSnapshot:
        live = LiveSweep(kept, plans, self._database)
        self._runs.start(live)
        return live.snapshot()

    async def _read(self, sweep_id: str) -> SweepWithPasses:
        return await self._database.read(lambda s: SweepRepository(s).get(sweep_id))

    async def _stored(self, sweep_id: str) -> SweepSnapshot:
        return stored_snapshot(await self._read(sweep_id))

    async def _save(self, sweeps: Sequence[LiveSweep]) -> None:
        due = [each for each in sweeps if each.is_due]
        if not due:
            return
        versions = [each.changes.version for each in due]
        outcomes = {each.id: outcome_of(each.snapshot().sweep) for each in due}
        progress = [part for each in due for part in each.progress()]

        def store(session: Session) -> None:
            SweepRepository(session).heartbeat(outcomes, this_process())
            TraceRepository(session).save_all(progress)

        await self._database.write(store)
        for each, version in zip(due, versions, strict=True):
            each.mark_saved(version)


def _numbered(plan: PassPlan, seed: int | None, number: int) -> PassPlan:
    """Return the plan of pass `number`, which differs only in its seed."""
    own = None if seed is None else seed + number
    return replace(plan, settings=replace(plan.settings, seed=own))


def _new_sweep(request: SweepRequest, asked: Question) -> NewSweep:
    return NewSweep(
        question_id=asked.id,
        budgets=request.budgets,
        force_rounds=request.force_rounds,
        models=request.models,
        passes=request.passes,
        **sampling_of(request),
        profile=request.profile,
        owner=this_process(),
        asked_by=current_person().account_id,
    )


def _is_complete(each: SweepPass, cells: Collection[Cell]) -> bool:
    answered = {Cell(*cell) for kept in each.checkpoints if not kept.error for cell in kept.cells}
    return each.trace.state is TraceState.COMPLETED and answered >= set(cells)
