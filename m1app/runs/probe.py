"""Probes: one question, asked once within a thinking budget; its trace is saved as it streams."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.access.quota import Quota
from m1app.errors import AppError
from m1app.log_lines import about_run
from m1app.privacy.identifiers import IdentifierKind
from m1app.privacy.service import IdentifierCheck, record_allowed
from m1app.runs.cutting import stretches_of
from m1app.runs.errors import ProbeRefused, PromptChanged
from m1app.runs.live_probe import LiveProbe
from m1app.runs.live_trace import LiveTrace
from m1app.runs.naming import require_own
from m1app.runs.owners import this_process
from m1app.runs.pace import Pace, pace_of
from m1app.runs.pass_plan import PassPlan, PassPlanner, new_question
from m1app.runs.probe_pass import ProbePass
from m1app.runs.probe_request import ProbeRequest, check_request, request_of, texts_of
from m1app.runs.run_service import RunService
from m1app.runs.unkept import unkept_question, unkept_trace
from storage.annotations.cases import CaseRepository
from storage.database import Database, Session
from storage.errors import RecordNotFound
from storage.naming import Naming
from storage.questions.records import Question
from storage.questions.repository import QuestionRepository
from storage.traces.listing import Page, RunOrder, TraceFilter, TraceSummary
from storage.traces.records import (
    COUNTED_AS_THINKING,
    Progress,
    Segment,
    Trace,
    TraceState,
)
from storage.traces.repository import TraceRepository

MAX_RUNNING = 256
_RATES_READ = 500
"""Latest traces among which those of a model are looked for."""


RESUMABLE = (TraceState.STOPPED, TraceState.FAILED, TraceState.INTERRUPTED)
"""States in which a run can be gone on with."""


@dataclass(frozen=True, slots=True)
class BegunThinking:
    """What the thinking of a trace goes on from, made by the service that starts it."""

    plan: PassPlan
    question: Question
    segments: tuple[Segment, ...]
    """Of thinking; they count against the budget, and were not generated for this trace."""
    store: Callable[[Session, str], None]
    """Stores what has to be kept about the trace of this id, in the transaction that stores it."""
    texts: tuple[str, ...] = ()
    """What is sent besides the question and that somebody has written."""


class ProbeService(RunService[LiveProbe, Trace]):
    """Runs probes, lets any number of pages follow them, and reads their stored traces.

    Every method may also raise `storage.errors.StorageError`.
    """

    _going_on = "This trace is in progress"

    def __init__(
        self,
        planner: PassPlanner,
        database: Database,
        identifiers: IdentifierCheck | None = None,
        quota: Quota | None = None,
    ) -> None:
        super().__init__(database, "question", MAX_RUNNING, lambda trace: trace, quota)
        self._planner = planner
        self._identifiers = identifiers or IdentifierCheck()

    @needs(Permission.ASK)
    def answer_now(self, trace_id: str) -> bool:
        """End the thinking of a trace, which is then answered; see `LiveRuns.answer_now_for_person`."""
        return self._runs.answer_now_for_person(trace_id)

    @needs(Permission.ASK)
    async def start(
        self,
        request: ProbeRequest,
        *,
        allows_identifiers: bool = False,
        is_kept: bool = True,
        begun: BegunThinking | None = None,
    ) -> Trace:
        """Start a run and return its trace, which has no tokens yet but those that it goes on from.

        Args:
            request: what to ask.
            allows_identifiers: whether the person has seen what may identify a patient, and runs it anyway.
            is_kept: False stores nothing of it but the audit entry, which has no text.
            begun: what its thinking goes on from; None begins it. Such a trace is always kept.

        Raises:
            IdentifiersFound: the question may identify a person; it was neither sent nor stored.
            InvalidQuestion, ProbeRefused: the request is invalid; nothing was stored.
            ModelsError: the engine cannot be reached or does not serve the model.
            QuotaReached: the person has as many running as one person may have.
        """
        check_request(request)
        texts = (*texts_of(request), *(begun.texts if begun else ()))
        allowed = await asyncio.to_thread(self._identifiers.require, texts, is_allowed=allows_identifiers)
        with self._runs.place():
            return await self._start(request, allowed, is_kept, begun)

    async def _start(
        self, request: ProbeRequest, allowed: Mapping[IdentifierKind, int], is_kept: bool, begun: BegunThinking | None
    ) -> Trace:
        plan = begun.plan if begun else await self._planner.plan(request)
        started_at, trace_id = time.monotonic(), uuid4().hex
        with about_run(trace_id):
            asked = ProbePass(plan, stretches_of(begun.segments) if begun else ())

        def store(session: Session) -> Trace:
            if begun is not None:
                trace = self._stored_branch(session, begun, trace_id)
            else:
                begin = self._stored_start if is_kept else self._unstored_start
                trace = begin(session, plan, trace_id)
            record_allowed(session, trace.id, allowed)
            return trace

        try:
            trace = await self._database.write(store)
        except BaseException:
            await asked.aclose()
            raise
        probe = LiveProbe(LiveTrace(trace, started_at), plan, asked, self._database, is_kept=is_kept)
        self._runs.start(probe)
        return probe.snapshot()

    @staticmethod
    def _stored_start(session: Session, plan: PassPlan, trace_id: str) -> Trace:
        question = QuestionRepository(session).upsert(new_question(plan.request))
        begun = TraceRepository(session).add(plan.new_trace(question), trace_id=trace_id)
        record(session, "trace.ask", begun.id)
        return begun

    @staticmethod
    def _stored_branch(session: Session, begun: BegunThinking, trace_id: str) -> Trace:
        traces = TraceRepository(session)
        traces.add(begun.plan.new_trace(begun.question), trace_id=trace_id)
        traces.save_all([Progress(trace_id, begun.segments, 0, None)])
        begun.store(session, trace_id)
        return traces.get(trace_id)

    @staticmethod
    def _unstored_start(session: Session, plan: PassPlan, trace_id: str) -> Trace:
        question = unkept_question(new_question(plan.request))
        begun = unkept_trace(plan.new_trace(question), question, trace_id)
        record(session, "trace.ask_unkept", begun.id)
        return begun

    @needs(Permission.ASK)
    async def resume(self, trace_id: str) -> Trace:
        """Go on with a trace that was stopped, failed or lost its process, with the tokens that it has.

        An answer that was not complete is asked for again.

        Raises:
            RecordNotFound: no such trace.
            AccessRefused: somebody else has asked for it, and the person is no admin.
            AppError: it is running, complete, annotated or a pass, or the engine would be asked something else.
            ModelsError, QuotaReached: like `start`.
        """
        async with self._place_to_resume(trace_id):
            return await self._resume(trace_id)

    async def _resume(self, trace_id: str) -> Trace:
        kept = await self._stored(trace_id)
        require_own(kept.asked_by)
        _check_resumable(kept)
        plan = await self._planner.plan(request_of(kept))
        if plan.prompt.token_ids != kept.prompt_token_ids:
            raise PromptChanged("the trace began")

        def reopen(session: Session) -> None:
            traces = TraceRepository(session)
            if CaseRepository(session).is_annotated(trace_id):
                raise AppError(
                    "This trace has annotations, so it cannot change. Use Edit and continue to make a branch instead."
                )
            try:
                traces.reopen(trace_id, this_process(), only_from=RESUMABLE)
            except RecordNotFound as exc:
                raise AppError("This trace is running in another process, or has ended there. Reload it.") from exc
            record(session, "trace.resume", trace_id)

        await self._database.write(reopen)
        live = LiveTrace(replace(kept, error=""), time.monotonic())
        live.drop_answer()
        if not any(each.token_ids for each in live.segments()):
            live.drop_all()  # The engine failed before its first token.
        live.begin_now()
        with about_run(trace_id):
            asked = ProbePass(plan, stretches_of(live.segments()))
        probe = LiveProbe(live, plan, asked, self._database)
        self._runs.start(probe)
        return probe.snapshot()

    @needs(Permission.READ)
    def is_kept(self, trace_id: str) -> bool:
        """Whether a trace is stored, or is to be; False for one that only this process has."""
        live = self._runs.live(trace_id)
        return live is None or live.is_kept

    @needs(Permission.READ)
    def save_error(self, trace_id: str) -> str:
        """Why a trace of this process could not be saved; empty if it was."""
        live = self._runs.live(trace_id)
        return live.save_error if live else ""

    @needs(Permission.READ)
    async def history(
        self, wanted: TraceFilter, limit: int, cursor: str | None = None, order: RunOrder = RunOrder.NEWEST
    ) -> Page:
        """Stored traces."""
        return await self._database.read(lambda s: TraceRepository(s).list(wanted, limit, cursor, order))

    @needs(Permission.READ)
    async def running_now(self, wanted: TraceFilter) -> Sequence[TraceSummary]:
        """Traces that run now, in any process, newest first; those whose process is gone are marked and left out."""
        running = replace(wanted, is_running=True)

        async def read() -> Sequence[TraceSummary]:
            return (await self.history(running, MAX_RUNNING)).items

        return await self._without_abandoned(read)

    @needs(Permission.ASK)
    async def set_naming(self, trace_id: str, naming: Naming) -> None:
        """Name and tag a trace; others' traces only as an admin.

        Raises:
            RecordNotFound: no such trace.
            ProbeRefused: it is not kept, or a pass of a sweep.
            AccessRefused: somebody else has asked for it.
        """
        live = self._runs.live(trace_id)
        if live is not None and not live.is_kept:
            raise ProbeRefused("name", "This trace is not kept, so it cannot have a name.")

        def store(session: Session) -> None:
            trace = TraceRepository(session).get(trace_id)
            require_own(trace.asked_by)
            if trace.sweep_id is not None:
                raise ProbeRefused("name", "This trace is a pass of a sweep. Name the sweep instead.")
            TraceRepository(session).set_naming(trace_id, naming)
            record(session, "trace.name", trace_id, tags=len(naming.tags))

        await self._database.write(store)
        if live is not None:
            live.trace.set_naming(naming)

    @needs(Permission.READ)
    async def models(self) -> Sequence[str]:
        """Models that produced traces."""
        return await self._database.read(lambda s: TraceRepository(s).models())

    @needs(Permission.READ)
    async def pace(self, model: str) -> Pace | None:
        """How fast a model has generated in its latest runs on its engine; None before any."""
        rates = await self._database.read(lambda s: list(TraceRepository(s).recent_rates(_RATES_READ)))
        return pace_of(rates, *self._planner.served_by(model))

    def _mark_stored(self, session: Session, is_owner_alive: Callable[[str], bool], stale_after_seconds: float) -> int:
        return TraceRepository(session).mark_interrupted(is_owner_alive, stale_after_seconds)

    async def _stored(self, trace_id: str) -> Trace:
        return await self._database.read(lambda s: TraceRepository(s).get(trace_id))

    async def _save(self, probes: Sequence[LiveProbe]) -> None:
        progress = [probe.trace.progress() for probe in probes if probe.is_kept]
        await self._database.write(lambda s: TraceRepository(s).save_all(progress))


def is_resumable(trace: Trace) -> bool:
    """Whether a trace was cut short and can be gone on with by itself; a pass goes on with its run."""
    return trace.state in RESUMABLE and not _is_pass(trace)


def _is_pass(trace: Trace) -> bool:
    return trace.sweep_id is not None or trace.strategy_run_id is not None


def _check_resumable(kept: Trace) -> None:
    if _is_pass(kept):
        raise AppError("This trace is a pass of a run. Resume the run instead.")
    if kept.state not in RESUMABLE:
        is_running = kept.state is TraceState.RUNNING
        raise AppError(
            "This trace is running in another process. Stop it there."
            if is_running
            else "This trace is complete; use Run again for a new one."
        )
    if not kept.prompt_token_ids or any(
        len(each.token_ids) != each.token_count for each in kept.segments if each.kind in COUNTED_AS_THINKING
    ):
        raise AppError("Some tokens of this trace are not known, so it cannot continue; run it again.")
