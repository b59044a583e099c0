"""One strategy of a running run: its requests, passes and picture are kept as they come."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from m1app.background import reported
from m1app.runs.live_run import Changes
from m1app.runs.pass_plan import PassPlan
from m1app.runs.stored_passes import StoredPasses
from m1app.runs.strategy_passes import SavedPasses, StrategyPasses
from m1app.runs.strategy_records import entry_of, finished_of, record_of, told_of
from m1app.runs.strategy_snapshots import KeptStrategy, StrategySnapshot
from m1app.strategies.catalogue import Choice
from m1app.strategies.drivers.driver import Driver
from m1app.strategies.drivers.finished_requests import Finished
from m1app.strategies.drivers.ledger import Entry, Ledger
from m1app.strategies.drivers.observer import Observer
from m1app.strategies.drivers.searching import PassageFinder
from m1app.strategies.drivers.served_models import Models, ServedModel
from m1app.strategies.protocol import Finish, Look, Looked, Request, Search, Task, Thought, Verdict
from models.engine.protocol import TokenIds
from models.thinking.budget_forcing import Marker
from models.thinking.thinking_pass import PassEvent, SegmentGrew
from storage.database import Session
from storage.strategies.records import StrategyRequest, StrategyResult, StrategyRun
from storage.strategies.repository import StrategyRepository
from storage.traces.records import Trace, TraceState


class LiveStrategy(Observer):
    """One strategy of a running run."""

    def __init__(
        self,
        position: int,
        choice: Choice,
        kept: KeptStrategy,
        run: StrategyRun,
        plan: PassPlan,
        changes: Changes,
        stored: StoredPasses | None = None,
        finder: PassageFinder | None = None,
    ) -> None:
        self._finder = finder
        self.position = position
        self._choice = choice
        self._run = run
        self._plan = plan
        self._changes = changes
        self._began_at = time.monotonic()
        self._result = kept.result
        self._stored = {each.position: each for each in kept.requests}
        budget = None if choice.kind.bounds_itself else run.budget_tokens
        self._ledger = Ledger(budget, [entry_of(each) for each in kept.requests])
        self._generated_before = self._ledger.generated
        self._requests: dict[tuple[str, int], Request | Search] = {}
        self._finished: dict[tuple[str, int], Finished] = {}
        self._passes = StrategyPasses(run, plan, self._ledger, kept.traces or {})
        self._texts: dict[str, list[str]] = {}
        self._picture: dict[str, object] = dict(kept.result.picture)
        self._passes_stored = stored
        self._shared: set[tuple[str, int]] = set()
        """Requests that were taken from stored passes."""
        self.was_rate_limited = False
        self._to_replay = self._restore(kept)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._result.state is not TraceState.RUNNING

    @property
    def is_complete(self) -> bool:
        """Whether it has ended with a verdict."""
        return self._result.state is TraceState.COMPLETED

    @property
    def tokens_generated(self) -> int:
        """Tokens generated in this process."""
        return self._ledger.generated - self._generated_before

    @property
    def tokens_per_second(self) -> float:
        """Of all its passes together."""
        return sum(each.live.tokens_per_second or 0.0 for each in self._passes.all if not each.live.is_over)

    @property
    def first_token_seconds(self) -> Sequence[float]:
        """Times to the first tokens of its passes."""
        return [seconds for each in self._passes.all for seconds in each.live.first_token_seconds]

    def _restore(self, kept: KeptStrategy) -> dict[str, Finished]:
        """What does not have to be asked again; passes go on in their traces."""
        opening = self._plan.markers.opening.token_ids
        found: dict[str, Finished] = {}
        for stored in kept.requests:
            trace = self._passes.stored_trace(stored.trace_id)
            if stored.trace_id:
                self._passes.trace_of[stored.key, stored.attempt] = stored.trace_id
            if stored.is_shared:
                self._shared.add((stored.key, stored.attempt))
            again = self._passes_stored.again(stored.key, stored.trace_id or "") if self._passes_stored else None
            finished = replace(again, told=told_of(stored)) if again else finished_of(stored, trace, opening)
            if finished is None:
                continue
            found[stored.key] = self._finished[stored.key, stored.attempt] = finished
            is_open = trace is not None and trace.state is not TraceState.COMPLETED and not stored.is_shared
            if trace is not None and is_open and isinstance(finished.event, Thought):
                self._passes.go_on(stored.key, trace)
        return found

    async def run(self, task: Task, models: Models, room: asyncio.Semaphore) -> None:
        """Drive the strategy to its end; engine errors are recorded, not raised. When cancelled, it re-raises."""
        state, errors = TraceState.FAILED, list[str]()
        verdict: Verdict | None = None
        try:
            with reported(f"strategy {self._choice.text}", errors.append):
                driver = Driver(
                    self._choice.start(task),
                    models,
                    self._ledger,
                    self._plan.prompt.token_ids,
                    options=task.options,
                    are_several=task.are_several,
                    temperature=task.temperature,
                    top_p=self._plan.settings.top_p,
                    observer=self,
                    kept=self._to_replay,
                    stored=self._passes_stored,
                    room=room,
                    is_watched=self._plan.is_watched,
                    finder=self._finder,
                )
                try:
                    verdict = await driver.run()
                finally:
                    self.was_rate_limited |= driver.was_rate_limited
                state = TraceState.COMPLETED
        except asyncio.CancelledError:
            state = TraceState.STOPPED
            raise
        finally:
            self._end(state, verdict, next(iter(errors), ""))

    def stop(self, state: TraceState) -> None:
        """End it from outside, unless it has ended."""
        if self._result.state in (TraceState.RUNNING, TraceState.STOPPED):
            self._end(state, None, "")

    def _end(self, state: TraceState, verdict: Verdict | None, error: str) -> None:
        self._passes.end(state)
        result = replace(self._current(), state=state, error=error)
        if verdict is not None:
            asked = self._run.question
            is_scored = bool(asked.options) and asked.target is not None
            result = replace(
                result,
                letter=verdict.letter,
                answer=verdict.answer,
                why=verdict.why,
                of_key=verdict.of,
                is_correct=verdict.letter == asked.target if is_scored else None,
            )
        self._result = result
        self._changes.note()

    # What the driver tells.

    def began(self, request: Request, model: ServedModel, prompt_ids: TokenIds, close: Marker | None = None) -> None:
        """See `Observer.began`."""
        identity = self._identity(request)
        self._requests[identity] = request
        if not self._passes.began(request, identity, close):
            self._texts[request.key] = []
        self._changes.note()

    def took(self, request: Request, event: PassEvent) -> None:
        """See `Observer.took`."""
        is_of_pass = self._passes.took(request, event)
        if not is_of_pass and isinstance(event, SegmentGrew) and request.key in self._texts:
            self._texts[request.key].append(event.text)
        self._changes.note()

    def ended(self, request: Request, finished: Finished) -> None:
        """See `Observer.ended`."""
        self._finished[self._identity(request)] = finished
        self._texts.pop(request.key, None)
        event = finished.event
        if isinstance(event, Thought) and event.finish is Finish.CLOSED:
            self._passes.closed(event)
        if isinstance(event, Looked) and isinstance(request, Look):
            self._passes.looked(request, event)
        self._changes.note()

    def searching(self, search: Search) -> None:
        """See `Observer.searching`."""
        self._requests[self._identity(search)] = search
        self._changes.note()

    def searched(self, search: Search, finished: Finished) -> None:
        """See `Observer.searched`."""
        self._finished[self._identity(search)] = finished
        self._changes.note()

    def shared(self, request: Request, finished: Finished, trace_id: str) -> None:
        """See `Observer.shared`."""
        identity = self._identity(request)
        self._requests[identity], self._finished[identity] = request, finished
        self._shared.add(identity)
        if trace_id:
            self._passes.trace_of[identity] = trace_id
        self._changes.note()

    def cancelled(self, request: Request, finished: Finished | None) -> None:
        """See `Observer.cancelled`."""
        if finished is not None:
            self._finished[self._identity(request)] = finished
            self._passes.cancelled(request)
        self._texts.pop(request.key, None)
        self._changes.note()

    def shown(self, name: str, value: object) -> None:
        """See `Observer.shown`."""
        self._picture[name] = value
        self._changes.note()

    def _identity(self, request: Request | Search) -> tuple[str, int]:
        return request.key, self._ledger.entry(request.key).attempt

    # What is read and stored of it.

    def snapshot(self) -> StrategySnapshot:
        """Its current state."""
        texts = {key: "".join(parts) for key, parts in self._texts.items()}
        return StrategySnapshot(self._current(), self._records(), texts)

    def traces(self) -> Mapping[str, Trace]:
        """Its passes, by id."""
        return self._passes.traces()

    def _current(self) -> StrategyResult:
        costs = self._ledger.costs
        result = replace(
            self._result,
            generated=costs.generated,
            injected=costs.injected,
            prompt_new=costs.prompt_new,
            prompt_cached=costs.prompt_cached,
            wasted=costs.wasted,
            picture=dict(self._picture),
        )
        if self.is_over:
            return result
        return replace(result, seconds=self._result.seconds + time.monotonic() - self._began_at)

    def _records(self) -> tuple[StrategyRequest, ...]:
        return tuple(self._record(place, entry) for place, entry in enumerate(self._ledger.entries))

    def _record(self, place: int, entry: Entry) -> StrategyRequest:
        identity = (entry.key, entry.attempt)
        kept = self._stored.get(place)
        if identity not in self._requests and kept is not None:
            # Of an earlier process: only what the ledger makes of it can have changed.
            return replace(kept, state=entry.state.value, wasted=entry.wasted)
        request, finished = self._requests.get(identity), self._finished.get(identity)
        record = record_of(place, entry, request, finished, self._passes.trace_of.get(identity))
        return replace(record, is_shared=identity in self._shared)

    def save(self, session: Session, run_id: str) -> "Saved":
        """Write what has changed in one transaction; `note_saved` is to be called when it is committed."""
        result, records = self._current(), self._records()
        passes = self._passes.save(session)
        changed = [each for each in records if self._stored.get(each.position) != each]
        strategies = StrategyRepository(session)
        strategies.save_requests(run_id, {self.position: changed})
        strategies.save_results(run_id, {self.position: result})
        return Saved(self, passes, changed)

    def note_saved(self, saved: "Saved") -> None:
        """Note what is stored now."""
        self._passes.note_saved(saved.passes)
        self._stored |= {each.position: each for each in saved.requests}


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written of a strategy."""

    of: LiveStrategy
    passes: SavedPasses
    requests: Sequence[StrategyRequest]
