"""Probes: one question, asked once within a thinking budget; its trace is saved as it streams."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import chain

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.access.quota import Quota
from m1app.background import reported
from m1app.errors import log_words
from m1app.privacy.identifiers import IdentifierKind
from m1app.privacy.service import IdentifierCheck, record_allowed
from m1app.question.answers.scoring import lead_in, letter_basis, score
from m1app.runs.errors import ProbeRefused
from m1app.runs.live_run import LiveRun
from m1app.runs.live_runs import LiveRuns
from m1app.runs.live_trace import LiveTrace
from m1app.runs.naming import require_own
from m1app.runs.owners import STALE_SECONDS, is_abandoned, is_alive_at_start, may_be_alive
from m1app.runs.pace import Pace, pace_of
from m1app.runs.pass_plan import PassPlan, PassPlanner, new_question
from m1app.runs.probe_request import ProbeRequest, check_request, texts_of
from m1app.runs.totals import RunTotals
from m1app.runs.unkept import REMEMBERED_SECONDS, unkept_question, unkept_trace
from models.errors import ModelsError
from models.thinking.early_exit import EarlyExit
from models.thinking.option_probabilities import OptionProbabilities, option_probabilities
from models.thinking.thinking_pass import PassEvent, TokensGenerated, run_pass
from storage.database import Database, Session
from storage.naming import Naming
from storage.questions.repository import QuestionRepository
from storage.traces.listing import Page, RunOrder, TraceFilter, TraceSummary
from storage.traces.records import Segment, SegmentKind, Trace, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository

_log = logging.getLogger(__name__)

MAX_RUNNING = 256
_RATES_READ = 500
"""Latest traces among which those of a model are looked for."""


class ProbeService:
    """Runs probes, lets any number of pages follow them, and reads their stored traces.

    Every method may also raise `storage.errors.StorageError`.
    """

    def __init__(
        self,
        planner: PassPlanner,
        database: Database,
        identifiers: IdentifierCheck | None = None,
        quota: Quota | None = None,
    ) -> None:
        self._planner = planner
        self._identifiers = identifiers or IdentifierCheck()
        self._database = database
        self._runs: LiveRuns[LiveProbe, Trace] = LiveRuns(
            "question",
            MAX_RUNNING,
            save=self._save,
            read=self._stored,
            record_of=lambda trace: trace,
            mark_interrupted=lambda: asyncio.to_thread(self.mark_interrupted, is_at_start=False),
            quota=quota,
        )
        self.stop = needs(Permission.ASK)(self._runs.stop_for_person)
        self.answer_now = needs(Permission.ASK)(self._runs.answer_now_for_person)
        self.get = needs(Permission.READ)(self._runs.get)
        self.follow = needs(Permission.READ)(self._runs.follow)
        self.aclose = self._runs.aclose

    @property
    def running(self) -> int:
        """Number of running probes."""
        return self._runs.running

    @property
    def tokens_per_second(self) -> float:
        """Tokens per second of all running probes together."""
        return self._runs.tokens_per_second

    @property
    def totals(self) -> RunTotals:
        """What the probes have done since the process started."""
        return self._runs.totals

    @needs(Permission.ASK)
    async def start(self, request: ProbeRequest, *, allows_identifiers: bool = False, is_kept: bool = True) -> Trace:
        """Start a run and return its trace, which has no tokens yet.

        Args:
            request: what to ask.
            allows_identifiers: whether the person has seen what may identify a patient, and runs it anyway.
            is_kept: False stores nothing of it but the audit entry, which has no text.

        Raises:
            IdentifiersFound: the question may identify a person; it was neither sent nor stored.
            InvalidQuestion, ProbeRefused: the request is invalid; nothing was stored.
            ModelsError: the engine cannot be reached or does not serve the model.
            QuotaReached: the person has as many running as one person may have.
        """
        check_request(request)
        allowed = await asyncio.to_thread(self._identifiers.require, texts_of(request), is_allowed=allows_identifiers)
        with self._runs.place():
            return await self._start(request, allowed, is_kept)

    async def _start(self, request: ProbeRequest, allowed: Mapping[IdentifierKind, int], is_kept: bool) -> Trace:
        plan = await self._planner.plan(request)
        started_at = time.monotonic()
        # The engine is called while the trace is being stored: a commit takes as long as a first token.
        exits = EarlyExit()
        events = PrimedEvents(run_pass(plan.engine, plan.prompt.token_ids, plan.markers, plan.settings, exits))

        def store(session: Session) -> Trace:
            begun = self._stored_start(session, plan) if is_kept else self._unstored_start(session, plan)
            record_allowed(session, begun.id, allowed)
            return begun

        try:
            trace = await self._database.write(store)
        except BaseException:
            await events.aclose()
            raise
        live = LiveTrace(trace, started_at)
        probe = LiveProbe(live, plan, events, self._database, early_exit=exits, is_kept=is_kept)
        self._runs.start(probe)
        return probe.snapshot()

    @staticmethod
    def _stored_start(session: Session, plan: PassPlan) -> Trace:
        question = QuestionRepository(session).upsert(new_question(plan.request))
        begun = TraceRepository(session).add(plan.new_trace(question))
        record(session, "trace.ask", begun.id)
        return begun

    @staticmethod
    def _unstored_start(session: Session, plan: PassPlan) -> Trace:
        question = unkept_question(new_question(plan.request))
        begun = unkept_trace(plan.new_trace(question), question)
        record(session, "trace.ask_unkept", begun.id)
        return begun

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
        found = (await self.history(running, MAX_RUNNING)).items
        if any(is_abandoned(each.owner, each.updated_at) for each in found):
            await asyncio.to_thread(self.mark_interrupted, is_at_start=False)
            found = (await self.history(running, MAX_RUNNING)).items
        return found

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
            raise ProbeRefused("name", "This trace is not kept, so a name would be lost with it.")

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

    def mark_interrupted(self, *, is_at_start: bool) -> int:
        """Mark running traces whose process is gone and return their number; blocks.

        Args:
            is_at_start: True before this process runs any, when one with its own id must be a predecessor's.
        """
        is_alive = is_alive_at_start if is_at_start else may_be_alive
        return self._database.write_now(
            lambda s: TraceRepository(s).mark_interrupted(is_alive, stale_after_seconds=STALE_SECONDS)
        )

    async def _stored(self, trace_id: str) -> Trace:
        return await self._database.read(lambda s: TraceRepository(s).get(trace_id))

    async def _save(self, probes: Sequence["LiveProbe"]) -> None:
        progress = [probe.trace.progress() for probe in probes if probe.is_kept]
        await self._database.write(lambda s: TraceRepository(s).save_all(progress))


class LiveProbe(LiveRun[Trace]):
    """One running probe."""

    def __init__(
        self,
        trace: LiveTrace,
        plan: PassPlan,
        events: "PrimedEvents",
        database: Database,
        *,
        early_exit: EarlyExit,
        is_kept: bool = True,
    ) -> None:
        super().__init__(trace.id, trace.changes)
        self.is_kept = is_kept
        if not is_kept:
            self.remembered_seconds = REMEMBERED_SECONDS
        self.trace = trace
        self._plan = plan
        self._events = events
        self._early_exit = early_exit
        self._database = database
        self._probabilities: OptionProbabilities | None = None
        self._outcome: TraceOutcome | None = None

    @property
    def tokens_per_second(self) -> float:
        """Tokens per second of the trace."""
        return self.trace.tokens_per_second or 0.0

    @property
    def tokens_generated(self) -> int:
        """Tokens of the trace."""
        return self.trace.tokens_generated_here

    @property
    def first_token_seconds(self) -> Sequence[float]:
        """Time to the trace's first token."""
        return self.trace.first_token_seconds

    def snapshot(self) -> Trace:
        """Return the current state of the trace."""
        return self.trace.snapshot()

    async def work(self) -> None:
        """Think, answer, and ask for the option probabilities."""
        async with aclosing(self._events) as events:
            async for event in events:
                self.trace.apply(event)
        letters = tuple(self._plan.request.options)
        if letters and self._plan.request.asks_probabilities:
            # Optional; the answer counts without it.
            self._probabilities = await _option_probabilities(self._plan, self.trace.segments(), letters)

    def answer_now(self) -> bool:
        """End the thinking; False if it has ended."""
        if not self.trace.is_thinking:
            return False
        self._early_exit.ask()
        return True

    def end(self, state: TraceState, error: str) -> None:
        """Score the answer and set the outcome; only a complete answer gets a verdict."""
        errors = [error] if error else []
        verdict: dict[str, object] = {}
        with reported(f"scoring trace {self.id}", errors.append):
            segments = self.trace.segments()
            if any(segment.kind is SegmentKind.ANSWER for segment in segments):
                request = self._plan.request
                scored = score(scored_text(segments), dict(request.options), request.target)
                verdict |= {"answer_letter": scored.letter, **letter_basis(scored, _leading_text(segments))}
                if state is TraceState.COMPLETED:
                    verdict["is_correct"] = scored.is_correct
        if errors and state is TraceState.COMPLETED:
            state = TraceState.FAILED
        self._outcome = self.trace.end(state, "".join(errors[:1]), self._probabilities, **verdict)

    async def save_end(self) -> None:
        """Store the outcome with all segments, unless it is not kept."""
        if not self.is_kept:
            return
        outcome, segments = self._outcome, self.trace.segments()
        if outcome is not None:
            await self._database.write(lambda s: TraceRepository(s).close(self.id, outcome, segments))


async def _option_probabilities(
    plan: PassPlan, segments: Sequence[Segment], letters: tuple[str, ...]
) -> OptionProbabilities | None:
    """Probabilities of the option letters after the thinking; None if the engine rejects the request."""
    before_answer = (segment.token_ids for segment in segments if segment.kind is not SegmentKind.ANSWER)
    parts = (
        plan.prompt.token_ids,
        plan.markers.opening.token_ids,
        *before_answer,
        plan.markers.option_prefix.token_ids,
    )
    try:
        return await option_probabilities(plan.engine, tuple(chain.from_iterable(parts)), letters)
    except ModelsError as exc:
        _log.warning("no option probabilities: %s", log_words(exc))
        return None


class PrimedEvents:
    """The events of a thinking pass, requested before anyone iterates; buffered ones come first.

    Iterating raises what the pass raises. Must be closed.
    """

    def __init__(self, events: AsyncGenerator[PassEvent, None]) -> None:
        self._events = events
        self._primed: list[PassEvent] = []
        self._priming = asyncio.create_task(self._prime(), name="first-token")

    async def _prime(self) -> None:
        """Read up to the first token; later ones stay in the connection's buffer."""
        async for event in self._events:
            self._primed.append(event)
            if isinstance(event, TokensGenerated):
                return

    async def __aiter__(self) -> AsyncIterator[PassEvent]:
        await self._priming
        for event in self._primed:
            yield event
        async for event in self._events:
            yield event

    async def aclose(self) -> None:
        """Cancel what the engine is doing."""
        self._priming.cancel()
        await asyncio.gather(self._priming, return_exceptions=True)
        await self._events.aclose()


def scored_text(segments: Sequence[Segment]) -> str:
    """The text to score: the answer, preceded by the last line of its opening ("Final Answer:")."""
    return _leading_text(segments) + "".join(s.text for s in segments if s.kind is SegmentKind.ANSWER)


def _leading_text(segments: Sequence[Segment]) -> str:
    return lead_in("".join(s.text for s in segments if s.kind is SegmentKind.CLOSE))
