"""The passes of one strategy as traces, so that they can be opened, annotated and exported like any other."""

import time
from collections.abc import Mapping, Sequence, ValuesView
from dataclasses import dataclass, replace

from m1app.runs.live_trace import LiveTrace
from m1app.runs.pass_plan import PassPlan
from m1app.runs.traced_pass import TracedPass
from m1app.runs.unkept import unkept_trace
from m1app.strategies.drivers.ledger import EntryState, Ledger
from m1app.strategies.protocol import Answer, Look, Looked, Purpose, Request, Think, Thought
from models.thinking.budget_forcing import Marker
from models.thinking.option_probabilities import OptionProbabilities
from models.thinking.thinking_pass import PassEvent
from storage.database import Session
from storage.strategies.records import StrategyRun
from storage.traces.records import Trace, TraceState
from storage.traces.repository import TraceRepository

Identity = tuple[str, int]
"""Key and attempt of a request."""


@dataclass(frozen=True, slots=True)
class SavedPasses:
    """What was written of passes in one transaction."""

    added: Sequence[TracedPass]
    ended: Sequence[TracedPass]


class StrategyPasses:
    """Follows the requests of a strategy; those of its passes become traces."""

    def __init__(self, run: StrategyRun, plan: PassPlan, ledger: Ledger, stored: Mapping[str, Trace]) -> None:
        """Args:
        run: the run.
        plan: of a pass of the question.
        ledger: of the strategy.
        stored: traces of earlier processes, by id.
        """
        self.trace_of: dict[Identity, str] = {}
        """Id of the trace that a request belongs to."""
        self._run = run
        self._plan = plan
        self._ledger = ledger
        self._stored = dict(stored)
        self._by_key: dict[str, TracedPass] = {}
        """By key of their thinking."""

    @property
    def all(self) -> ValuesView[TracedPass]:
        """Those of this process, in the order of their beginning."""
        return self._by_key.values()

    def traces(self) -> Mapping[str, Trace]:
        """All traces as they are now, by id."""
        return self._stored | {each.live.id: each.live.snapshot() for each in self.all}

    def stored_trace(self, trace_id: str | None) -> Trace | None:
        """A trace of an earlier process."""
        return self._stored.get(trace_id or "")

    def go_on(self, key: str, trace: Trace) -> None:
        """A thinking that an earlier process has finished is answered in its trace."""
        self._by_key[key] = TracedPass(LiveTrace(trace, time.monotonic() - (trace.seconds or 0.0)), None)

    def began(self, request: Request, identity: Identity, close: Marker | None) -> bool:
        """Note that a request is being sent; False if it is part of no trace."""
        if isinstance(request, Think) and request.chat is None and request.beginning is None:
            self._begin(request, identity)
            return True
        if isinstance(request, Answer) and (found := self._answered_by(request)):
            found.open_answer(request.key, close)
            self.trace_of[identity] = found.live.id
            return True
        return False

    def _begin(self, request: Think, identity: Identity) -> None:
        begun = self._by_key.get(request.key)
        if begun is not None and self.trace_of.get(identity) == begun.live.id:
            # The engine failed before its first token: it goes on in its trace, which may be stored.
            begun.live.drop_all()
            return
        settings = replace(
            self._plan.settings,
            budget_tokens=request.budget_tokens,
            force_rounds=request.force_rounds,
            temperature=self._run.temperature if request.temperature is None else request.temperature,
            seed=request.seed,
        )
        new = replace(self._plan, settings=settings).new_trace(
            self._run.question, strategy_run_id=self._run.id, pass_number=len(set(self.trace_of.values()))
        )
        live = LiveTrace(unkept_trace(new, self._run.question), time.monotonic())
        self._by_key[request.key] = TracedPass(live, new)
        self.trace_of[identity] = live.id

    def _answered_by(self, request: Answer) -> TracedPass | None:
        """The pass whose answer this is: the first that is asked for after its thinking has ended."""
        found = self._by_key.get(request.after) if isinstance(request.after, str) else None
        if found is None or found.answer_key not in ("", request.key) or request.purpose is not Purpose.ANSWER:
            return None
        return None if found.live.is_thinking else found

    def took(self, request: Request, event: PassEvent) -> bool:
        """Note that a request went on; False if it is part of no trace."""
        found = self._of(request)
        if found is not None:
            found.live.apply(event)
        return found is not None

    def _of(self, request: Request) -> TracedPass | None:
        if isinstance(request, Think):
            return self._by_key.get(request.key)
        found = self._by_key.get(request.after) if isinstance(request.after, str) else None
        return found if found is not None and found.answer_key == request.key else None

    def closed(self, thought: Thought) -> None:
        """Cut the trace of a thinking that its strategy closed."""
        if found := self._by_key.get(thought.key):
            found.live.cut(thought.tokens, len(thought.text))

    def cancelled(self, request: Request) -> None:
        """End the trace of a thinking that its strategy cancelled."""
        found = self._by_key.get(request.key)
        if found is not None and isinstance(request, Think):
            found.end(TraceState.STOPPED, self._plan.request)

    def looked(self, request: Look, event: Looked) -> None:
        """Note the options' probabilities at the end of a pass."""
        found = self._by_key.get(request.after) if isinstance(request.after, str) else None
        is_at_end = request.tokens is None and request.lead is None
        if found is not None and is_at_end and request.choices == tuple(self._run.question.options):
            found.probabilities = OptionProbabilities(event.probabilities, self._ledger.entry(request.key).generated)

    def end(self, state: TraceState) -> None:
        """End all traces that have not ended."""
        for key, each in self._by_key.items():
            if each.outcome is None and not each.live.is_over:
                each.end(self._state_of(key, each, state), self._plan.request)

    def _state_of(self, key: str, each: TracedPass, state: TraceState) -> TraceState:
        if each.answer_key and self._ledger.entry(each.answer_key).state is EntryState.DONE:
            return TraceState.COMPLETED
        is_cancelled = self._ledger.entry(key).state is EntryState.CANCELLED
        return TraceState.STOPPED if is_cancelled or state is TraceState.COMPLETED else state

    def save(self, session: Session) -> SavedPasses:
        """Write what has changed; `note_saved` is to be called when it is committed."""
        traces = TraceRepository(session)
        added = [each for each in self.all if each.new is not None]
        for each in added:
            assert each.new is not None
            traces.add(each.new, trace_id=each.live.id)
        ended = [each for each in self.all if each.outcome is not None]
        going_on = [each for each in self.all if each.outcome is None and not each.live.is_over]
        traces.save_all([each.live.progress() for each in going_on])
        for each in ended:
            assert each.outcome is not None
            traces.close(each.live.id, each.outcome, each.segments)
        return SavedPasses(added, ended)

    def note_saved(self, saved: SavedPasses) -> None:
        """Note what is stored now."""
        for each in saved.added:
            each.new = None
        for each in saved.ended:
            each.outcome = None
            each.live.mark_over()
