"""Ask one question within a thinking budget, and keep the trace as it comes.

A run belongs to the service, not to the browser tab that started it: a closed tab loses nothing, and a page that
opens the trace's link follows the same run. Traces are saved every second and closed in `finally`.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from m1app.background import Rounds, reported, start_task
from m1app.errors import AppError
from m1app.question.scoring import lead_in, score
from m1app.runs import pace
from m1app.runs.closing import to_the_end
from m1app.runs.live_trace import LiveTrace
from m1app.runs.pass_plan import PassPlan, PassPlanner, new_question
from m1app.runs.primed_events import PrimedEvents
from m1app.runs.probe_request import ProbeRequest, check_request
from m1app.runs.trace_store import TraceStore
from models.engine.protocol import TokenIds
from models.errors import ModelsError
from models.thinking.option_probabilities import OptionProbabilities, option_probabilities
from models.thinking.thinking_pass import run_pass
from storage.traces.records import Segment, SegmentKind, Trace, TraceState

_log = logging.getLogger(__name__)

MAX_RUNNING = 256


class ProbeService:
    """Runs probes and lets any number of pages follow them."""

    def __init__(self, planner: PassPlanner, store: TraceStore) -> None:
        self._planner = planner
        self._store = store
        self._live: dict[str, LiveTrace] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_closing = False
        self._saver: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        """One write at a time: what the saver saw while a run went on must not land after its end."""

    @property
    def running(self) -> int:
        """How many probes run now."""
        return len(self._tasks)

    @property
    def tokens_per_second(self) -> float:
        """Tokens that all running probes generate per second together."""
        return sum(self._live[trace_id].tokens_per_second or 0.0 for trace_id in self._tasks)

    async def start(self, request: ProbeRequest) -> Trace:
        """Begin a run; gives the trace as it stands before the first token.

        Raises:
            InvalidQuestion, ProbeRefused: the request is refused; nothing was stored.
            ModelsError: the engine cannot be reached or does not serve the model.
            StorageError: the trace could not be stored.
        """
        check_request(request)
        if len(self._tasks) >= MAX_RUNNING:
            raise AppError(f"{MAX_RUNNING} questions are running already; wait for one to end or stop it.")
        plan = await self._planner.plan(request)
        started_at = time.monotonic()
        # The engine is asked while the trace is being stored: a commit takes as long as a first token.
        events = PrimedEvents(run_pass(plan.engine, plan.prompt.token_ids, plan.markers, plan.settings))
        try:
            begun = await self._store.begin(new_question(request), plan.new_trace)
        except BaseException:
            await events.aclose()
            raise
        live = LiveTrace(begun, started_at)
        self._live[live.id] = live
        task = start_task(self._run(live, plan, events), f"probe-{live.id}")
        self._tasks[live.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(live.id, None))
        if self._saver is None or self._saver.done():
            self._saver = start_task(self._save_regularly(), "probe-saver")
        return live.snapshot()

    async def follow(self, trace_id: str) -> AsyncGenerator[Trace, None]:
        """Snapshots of a trace from now until it is over; the last one is final.

        Yields at every change, and once a second without one, so that a page that went away is noticed. A trace
        that another process runs is followed through the database. Raises TraceNotFound and StorageError.
        """
        live = self._live.get(trace_id)
        if live is None:
            async for trace in self._follow_stored(trace_id):
                yield trace
            return
        while not live.is_over:
            version = live.changes.version
            yield live.snapshot()
            # The first token is not made to wait; those that follow it come in handfuls.
            if live.tokens_generated:
                await asyncio.sleep(pace.FRAME_SECONDS)
            await live.changes.wait(version, pace.HEARTBEAT_SECONDS)
        yield live.snapshot()

    async def get(self, trace_id: str) -> Trace:
        """The trace as it is now; raises TraceNotFound and StorageError."""
        live = self._live.get(trace_id)
        return live.snapshot() if live else await self._store.get(trace_id)

    def save_error(self, trace_id: str) -> str:
        """Why a trace of this process could not be saved; empty when it could."""
        live = self._live.get(trace_id)
        return live.save_error if live else ""

    def stop(self, trace_id: str) -> bool:
        """End a run and keep what it has; False when it does not run here."""
        task = self._tasks.get(trace_id)
        return task is not None and (task.cancelling() > 0 or task.cancel())

    async def aclose(self) -> None:
        """Stop every run; what each has is kept."""
        self._is_closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, live: LiveTrace, plan: PassPlan, events: PrimedEvents) -> None:
        state, errors, probabilities = TraceState.FAILED, list[str](), None
        try:
            with reported(f"probe {live.id}", errors.append):
                async with aclosing(events):
                    async for event in events:
                        live.apply(event)
                probabilities = await self._option_probabilities(live, plan)
                state = TraceState.COMPLETED
        except asyncio.CancelledError:
            state = TraceState.INTERRUPTED if self._is_closing else TraceState.STOPPED
        finally:
            await to_the_end(self._end(live, plan, state, "".join(errors), probabilities))

    async def _option_probabilities(self, live: LiveTrace, plan: PassPlan) -> OptionProbabilities | None:
        letters = tuple(plan.request.options)
        if not letters:
            return None
        before_answer: TokenIds = plan.prompt.token_ids + plan.markers.opening.token_ids
        for segment in live.segments():
            if segment.kind is not SegmentKind.ANSWER:
                before_answer += segment.token_ids
        try:
            return await option_probabilities(
                plan.engine, before_answer + plan.markers.option_prefix.token_ids, letters
            )
        except ModelsError as exc:
            _log.warning("no option probabilities for %s: %s", live.id, exc)
            return None

    async def _end(
        self,
        live: LiveTrace,
        plan: PassPlan,
        state: TraceState,
        error: str,
        probabilities: OptionProbabilities | None,
    ) -> None:
        problems: list[str] = []
        with reported(f"saving trace {live.id}", problems.append):
            segments = live.segments()
            verdict: dict[str, object] = {}
            if any(segment.kind is SegmentKind.ANSWER for segment in segments):
                scored = score(scored_text(segments), dict(plan.request.options), plan.request.target)
                verdict = {"answer_letter": scored.letter}
                if state is TraceState.COMPLETED:
                    verdict["is_correct"] = scored.is_correct
            outcome = live.end(state, error, probabilities, **verdict)
            async with self._writing:
                await self._store.end(live.id, outcome, segments)
        live.save_error = "".join(problems)
        live.mark_over()
        # A run that could not be saved stays in memory, the only place where it is.
        if not live.save_error:
            asyncio.get_running_loop().call_later(pace.FORGET_SECONDS, self._live.pop, live.id, None)

    async def _save_regularly(self) -> None:
        """Save every running trace once a second, all in one transaction, for as long as there are any."""
        rounds = Rounds("saving running traces", pace.SAVE_SECONDS)
        while self._tasks:
            await asyncio.sleep(rounds.pause_seconds)
            async with self._writing:
                lives = [live for trace_id in self._tasks if not (live := self._live[trace_id]).is_over]
                with rounds.round():
                    await self._store.save_progress([live.snapshot() for live in lives])
            for live in lives:
                # A run that ended meanwhile knows itself whether it was saved.
                if not live.is_over:
                    live.save_error = rounds.problem

    async def _follow_stored(self, trace_id: str) -> AsyncGenerator[Trace, None]:
        while True:
            trace = await self._store.get(trace_id)
            yield trace
            if trace.state is not TraceState.RUNNING:
                return
            await asyncio.to_thread(self._store.mark_interrupted)
            await asyncio.sleep(pace.OTHERS_POLL_SECONDS)


def scored_text(segments: tuple[Segment, ...]) -> str:
    """What is scored: the answer, led in by the last line of what opened it ("Final Answer:")."""
    close = "".join(s.text for s in segments if s.kind is SegmentKind.CLOSE)
    return lead_in(close) + "".join(s.text for s in segments if s.kind is SegmentKind.ANSWER)
