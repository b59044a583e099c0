"""Drives a strategy on live engines: makes its requests, tells it what happens, keeps the budget and the ledger.

Every request is a task of its own, and puts its events into one queue; the strategy is told them one at a time. A
request that might overspend is refused. `asking` says how a request is made, `searching` how passages are found.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from m1app.background import explained
from m1app.strategies.drivers.asking import Asker, Sampling
from m1app.strategies.drivers.finished_requests import Cancelled, Finished, Shared, StoredRequests
from m1app.strategies.drivers.ledger import EntryState, Ledger
from m1app.strategies.drivers.observer import Observer
from m1app.strategies.drivers.searching import NoPassages, PassageFinder, search_passages
from m1app.strategies.drivers.served_models import Models, ServedModel
from m1app.strategies.drivers.telling import Chunks, Told, told_again
from m1app.strategies.drivers.thinking import Thinking
from m1app.strategies.protocol import (
    Action,
    Answer,
    Answered,
    Cancel,
    Close,
    Event,
    Failed,
    Found,
    Grew,
    Growth,
    Look,
    Looked,
    Purpose,
    Refused,
    Request,
    Search,
    Show,
    Start,
    Strategy,
    Think,
    Thought,
    Verdict,
    asked_after,
    most_tokens,
    set_aside,
)
from models.engine.protocol import TokenIds
from models.errors import EngineError, ModelsError, RateLimited
from models.thinking.going_on import Stretch

TRIES = 3
"""How often a request is made that the engine fails."""
_RETRY_SECONDS = 0.5


_Ended = Thought | Answered | Looked | Found


class Driver:
    """Runs one strategy once."""

    def __init__(
        self,
        strategy: Strategy,
        models: Models,
        ledger: Ledger,
        question_ids: TokenIds,
        *,
        options: Mapping[str, str],
        are_several: bool = False,
        temperature: float,
        top_p: float = 1.0,
        observer: Observer | None = None,
        kept: Mapping[str, Finished] | None = None,
        stored: StoredRequests | None = None,
        begun: Mapping[str, Sequence[Stretch]] | None = None,
        room: asyncio.Semaphore | None = None,
        is_watched: bool = True,
        tries: int = TRIES,
        finder: PassageFinder | None = None,
    ) -> None:
        """Args:
        strategy: a fresh generator.
        models: finds the models by name.
        ledger: with the budget; of a resumed run, with its earlier entries.
        question_ids: the question's prompt for the run's own model, up to the assistant's turn.
        options: letter -> text of the question; answers are read with it.
        are_several: whether the question asks for all right options: an answer is then a set of them.
        temperature: of thinking and answers, where the strategy does not say.
        top_p: nucleus mass.
        observer: is told what happens.
        kept: finished requests of a resumed run, by key.
        stored: requests that need not be asked; they are charged as if they were.
        begun: what an earlier process has thought of thinkings that go on, by key; it charged their tokens.
        room: bounds how many thinkings run at once, perhaps of several strategies; None for any number. What is
            asked of a thinking is not bounded: the thinking may wait for it.
        is_watched: whether people wait for every token; see `PassPlanner`.
        tries: how often a request is made that the engine fails.
        finder: finds passages; None where there are no corpora.
        """
        self._models = models
        self._finder = finder or NoPassages()
        self._room = room or nullcontext()
        self._strategy = strategy
        self._ledger = ledger
        self._observer = observer or Observer()
        self._kept = dict(kept or {})
        self._stored = stored
        self._tries = tries
        self.was_rate_limited = False
        """Whether a request failed because the engine refused it for the rate of requests."""
        self._events: asyncio.PriorityQueue[tuple[int, Event | None]] = asyncio.PriorityQueue()
        """By number; None where the last task has ended, so that what waits for an event sees it."""
        self._number = max((each.told.number for each in self._kept.values()), default=0)
        """Of the latest event."""
        self._last_kept = self._number
        """Of the last event that an earlier process told."""
        self._has_caught_up = asyncio.Event()
        """Set when all of these have been told. Requests wait for it: the strategy may be about to cancel them."""
        self._cancelled_before: list[tuple[Request, ServedModel, Finished]] = []
        """Requests that an earlier process has cancelled, and this one not yet."""
        self._refused_before: list[tuple[Request, ServedModel, Finished | None]] = []
        """Requests that did not fit while kept ones were still to be told, which may free what they need."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._dropped: set[str] = set()
        """Keys of requests that the strategy has cancelled."""
        self._ending: set[asyncio.Task[None]] = set()
        """Tasks of cancelled requests, whose tokens come back when they have ended."""
        sampling = Sampling(
            question_ids=question_ids,
            options=options,
            are_several=are_several,
            temperature=temperature,
            top_p=top_p,
            is_watched=is_watched,
        )
        self._asker = Asker(models, ledger, sampling, self._observer, self._tell, self._settled, begun or {})

    async def run(self) -> Verdict:
        """Drive the strategy to its verdict; when cancelled, its requests are cancelled too.

        Raises:
            StrategyRefused: the strategy cannot run this task.
            RuntimeError: the strategy waits for an event although nothing is running.
        """
        try:
            return await self._drive()
        finally:
            self._strategy.close()
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def answer_now(self) -> None:
        """End every thinking that goes on where it is, as if its budget were spent."""
        for thinking in self._asker.thinkings.values():
            if thinking.finish is None:
                thinking.exits.ask()

    def characters_before(self, key: str, tokens: int) -> int:
        """Whole characters of the first tokens of a thinking, in code points; raises KeyError."""
        return self._asker.thinkings[key].so_far.characters_before(tokens)

    async def _drive(self) -> Verdict:
        try:
            await self._perform(next(self._strategy))
            while True:
                event = await self._next_event()
                try:
                    await self._perform(self._strategy.send(event))
                finally:
                    self._events.task_done()
        except StopIteration as stop:
            verdict: Verdict = stop.value
            await self._perform(verdict.last_shown)
            return verdict

    async def _next_event(self) -> Event:
        while True:
            if self._events.empty():
                await self._catch_up()
            if not self._tasks and self._events.empty():
                raise RuntimeError("the strategy waits, but nothing is running")
            number, event = await self._events.get()
            if number > self._last_kept:
                await self._catch_up()
            if event is not None and event.key not in self._dropped:
                return event
            self._events.task_done()

    async def _catch_up(self) -> None:
        """All that is kept has been told: ask for what the strategy still wants."""
        self._has_caught_up.set()
        while self._cancelled_before:
            request, model, kept = self._cancelled_before.pop(0)
            if request.key not in self._dropped:  # It would have been cancelled for something that is not kept.
                await self._ask(request, model, kept)
        refused, self._refused_before = self._refused_before, []
        for request, model, told in refused:
            if request.key not in self._dropped:
                await self._ask(request, model, told)

    async def _perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Start(request):
                    await self._start(request)
                case Cancel(key):
                    self._cancel(key)
                case Close(key, tokens):
                    self._close(key, tokens)
                case Show(name, value):
                    self._observer.shown(name, value)

    async def _start(self, request: Request | Search) -> None:
        if isinstance(request, Search):
            self._start_search(request)
            return
        try:
            await self._start_on(request, await self._asker.model_of(request))
        except ModelsError as exc:  # The model is not served, or its engine is gone.
            self._tell(Failed(request.key, explained(f"request {request.key}", exc)))

    async def _start_on(self, request: Request, model: ServedModel) -> None:
        kept = self._kept.pop(request.key, None)
        # What an earlier process cancelled holds only as long as the strategy has been told the same as then.
        if kept is not None and not (isinstance(kept.event, Cancelled) and self._has_caught_up.is_set()):
            tokens = most_tokens(request, model.delimiter_tokens)
            self._ledger.repeat(request.key, tokens, after=asked_after(request), set_aside=set_aside(request))
            self._replay(request, model, self._numbered(request, kept))
            return
        await self._ask(request, model)

    async def _ask(self, request: Request, model: ServedModel, told: Finished | None = None) -> None:
        """Make a request, unless the budget refuses it or a stored pass has made it.

        Args:
            request: what is asked.
            model: who is asked.
            told: what the strategy has been told of it; None for nothing.
        """
        before = await self._asker.before(request, model)
        tokens, aside, after = most_tokens(request, model.delimiter_tokens), set_aside(request), asked_after(request)
        if tokens + aside > self._ledger.left_after(after) and self._ending:
            await asyncio.wait(self._ending)
        if not self._ledger.begin(request.key, request.purpose, model.name, tokens, after=after, set_aside=aside):
            if self._has_caught_up.is_set():
                self._tell(Refused(request.key, tokens + aside, self._ledger.left_after(after)))
            else:
                self._refused_before.append((request, model, told))
            return
        if self._stored is not None and (found := self._stored.take(request)) is not None:
            await self._share(request, model, found)
            return
        if isinstance(request, Think):
            new = Thinking(request, model, before)
            self._asker.thinkings[request.key] = Thinking.told_in_part(request, model, before, told) if told else new
        elif isinstance(request.after, str):
            self._hold(request.after, request.key)
        self._begin(request, lambda: self._often(request, model))

    def _start_search(self, search: Search) -> None:
        if (kept := self._kept.pop(search.key, None)) is not None:
            kept = self._numbered(search, kept)
            assert not isinstance(kept.event, Cancelled)  # No search is kept as cancelled.
            self._events.put_nowait((kept.told.number, kept.event))
            return
        self._ledger.begin(search.key, Purpose.RETRIEVE, search.corpus, 0)
        self._observer.searching(search)

        async def find() -> Found:
            return await search_passages(search, self._finder, await self._models.served(""))

        self._begin(search, find)

    def _begin(self, request: Request | Search, work: Callable[[], Awaitable[_Ended]]) -> None:
        task = asyncio.create_task(self._run(request, work), name=f"request-{request.key}")
        self._tasks[request.key] = task
        task.add_done_callback(lambda _: self._task_done(request))

    def _task_done(self, request: Request | Search) -> None:
        self._tasks.pop(request.key, None)
        if not self._tasks and self._events.empty():
            self._tell(None)
        if self._ledger.is_running(request.key):  # Cancelled before its first step.
            self._ledger.end(request.key, EntryState.CANCELLED, 0.0)
            if not isinstance(request, Search):
                self._note_cancelled(request)
        if isinstance(request, Answer | Look) and isinstance(request.after, str):
            thinking = self._asker.thinkings[request.after]
            thinking.dependents.discard(request.key)
            if not thinking.dependents:
                thinking.idle.set()

    def _note_cancelled(self, request: Request) -> None:
        if request.key not in self._dropped:  # The run was stopped.
            self._observer.cancelled(request, None)
            return
        number = self._next_number()
        finished = Finished(Cancelled(request.key), told=Told(number))
        if isinstance(request, Think):
            thinking = self._asker.thinkings[request.key]
            told = Told(number, tuple(thinking.chunks.numbers))
            finished = Finished(thinking.left, thinking.prompt_ids, tuple(thinking.told), told)
        self._observer.cancelled(request, finished)

    def _hold(self, of: str, key: str) -> None:
        """A pass that shares its cache within one request only pauses for what was asked of it."""
        thinking = self._asker.thinkings[of]
        thinking.dependents.add(key)
        thinking.idle.clear()

    def _replay(self, request: Request, model: ServedModel, kept: Finished) -> None:
        """Tell of a request that has ended before, in the order in which it was told then."""
        event = kept.event
        if isinstance(request, Think) and isinstance(event, Thought | Cancelled):
            self._asker.thinkings[request.key] = Thinking.replayed(request, model, kept, event)
            for each in told_again(request.key, kept.told, event.text, kept.confidences):
                self._events.put_nowait(each)
        if isinstance(event, Cancelled):
            self._cancelled_before.append((request, model, kept))
        else:
            self._events.put_nowait((kept.told.number, event))

    def _numbered(self, request: Request | Search, kept: Finished) -> Finished:
        """A request of which it is not known when it was told: it is told now, a thinking in one chunk."""
        if kept.told.number:
            return kept
        chunks = Chunks()
        if isinstance(request, Think) and isinstance(kept.event, Thought) and request.growth is Growth.CHUNKS:
            grew = Grew(request.key, kept.event.tokens, kept.event.text, kept.confidences)
            chunks.note(self._next_number(), grew)
        return replace(kept, told=Told(self._next_number(), tuple(chunks.numbers)))

    async def _share(self, request: Request, model: ServedModel, found: Shared) -> None:
        """Charge a request that is stored, and tell the strategy what came of it."""
        injected = 0
        if not isinstance(request, Think):
            _, close, _ = await self._asker.closed(request, model)
            injected = len(close.token_ids)
            injected += len(model.markers.option_prefix.token_ids) if isinstance(request, Look) else 0
        self._ledger.add(request.key, generated=found.generated, injected=injected)
        self._ledger.end(request.key, EntryState.DONE, 0.0)
        finished = self._numbered(request, found.finished)
        self._observer.shared(request, finished, found.trace_id)
        self._replay(request, model, finished)

    async def _run(self, request: Request | Search, work: Callable[[], Awaitable[_Ended]]) -> None:
        began = time.monotonic()
        state = EntryState.FAILED
        event: _Ended | Failed | None = None
        try:
            await self._has_caught_up.wait()
            async with self._room if isinstance(request, Think) else nullcontext():
                began = time.monotonic()
                event = await work()
            state = EntryState.DONE
        except asyncio.CancelledError:
            state = EntryState.CANCELLED
            raise
        except Exception as exc:  # noqa: BLE001 - the worker loop: a strategy is told of every failure
            self.was_rate_limited |= isinstance(exc, RateLimited)
            event = Failed(request.key, explained(f"request {request.key}", exc))
        finally:
            self._ledger.end(request.key, state, time.monotonic() - began)
            if state is EntryState.CANCELLED and not isinstance(request, Search):
                self._note_cancelled(request)
        number = self._next_number()
        finished = Finished(event, told=Told(number))
        if isinstance(request, Think):
            thinking = self._asker.thinkings[request.key]
            told = Told(number, tuple(thinking.chunks.numbers), thinking.rest)
            finished = Finished(event, thinking.prompt_ids, tuple(thinking.told), told)
        if isinstance(request, Search):
            self._observer.searched(request, finished)
        else:
            self._observer.ended(request, finished)
        self._events.put_nowait((number, event))

    def _tell(self, event: Event | None) -> int:
        """Have the strategy told of an event; return its number."""
        number = self._next_number()
        self._events.put_nowait((number, event))
        return number

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    async def _often(self, request: Request, model: ServedModel) -> Thought | Answered | Looked:
        for tries in range(1, self._tries + 1):
            before = self._ledger.entry(request.key).generated
            try:
                return await self._asker.once(request, model)
            except EngineError:
                self._ledger.waste(request.key, self._ledger.entry(request.key).generated - before)
                # A thinking that has been told cannot begin again; and another try needs tokens.
                is_told = isinstance(request, Think) and len(self._asker.thinkings[request.key].so_far) > 0
                if tries == self._tries or is_told or self._ledger.allowance(request.key) < 1:
                    raise
                await asyncio.sleep(_RETRY_SECONDS * 4 ** (tries - 1))
        raise AssertionError

    def _close(self, key: str, tokens: int) -> None:
        thinking = self._asker.thinkings.get(key)  # None if it was refused, and the strategy does not know yet.
        if thinking is not None:
            thinking.close(tokens)

    async def _settled(self, thinking: Thinking) -> None:
        """Wait until the strategy knows all that has happened, and has all that it then asked of the thinking."""
        await self._events.join()
        while not thinking.idle.is_set():
            await thinking.idle.wait()
            await self._events.join()

    def _cancel(self, key: str) -> None:
        self._dropped.add(key)
        self._ledger.release(key)
        task = self._tasks.get(key)
        if task is not None:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
