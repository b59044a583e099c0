"""One running thinking pass of a sweep, with an answer forked at each cut: the strategy `budget_grid`, kept as it goes.

The pass and its forks are separate requests with the same token ids, to make use of the engine's prefix cache. vLLM
shares prefixes among all requests, so there the pass continues alongside its answers. llama.cpp shares them only within
a slot, and batches concurrent requests, which changes rounding: there the driver pauses the pass at each cut while the
answer runs on the pass's own slot.
"""

import asyncio
from collections.abc import Mapping, Sequence

from m1app.background import reported, start_task
from m1app.runs.cutting import stretches_of
from m1app.runs.forked_answer import ForkedAnswer, kept_in_memory
from m1app.runs.live_run import Changes, to_the_end
from m1app.runs.live_trace import LiveTrace
from m1app.runs.pass_plan import PassPlan
from m1app.runs.sweep_reading import PassSnapshot, ReachedCut
from m1app.strategies.drivers.driver import Driver
from m1app.strategies.drivers.finished_requests import Finished
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.observer import Observer
from m1app.strategies.drivers.served_models import OneModel, ServedModel
from m1app.strategies.methods.budget_grid import THINK_KEY, answer_key, budget_grid, look_key
from m1app.strategies.protocol import Answer, Answered, Failed, Look, Looked, Request, Task, Think
from models.engine.protocol import EngineKind, TokenIds
from models.thinking.budget_forcing import Marker, ThinkingFinish
from models.thinking.sweep import Cell, Cut, SweepPlan, budget_ends, thinking_tokens_generated
from models.thinking.thinking_pass import PassEvent
from storage.database import Database, Session
from storage.traces.records import Checkpoint, NewCheckpoint, Progress, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository

_FORKS_AT_ONCE = 4
_PASSES_AT_ONCE = 8


class LivePass(Observer):
    """Runs one pass of a sweep, from the start or from where it left off."""

    def __init__(
        self,
        plan: PassPlan,
        cells: Sequence[Cell],
        live: LiveTrace,
        kept: Sequence[Checkpoint],
        database: Database,
        changes: Changes,
    ) -> None:
        """Args:
        plan: plan of the pass at the largest cell.
        cells: the sweep's grid.
        live: the pass's trace; has segments when the pass is resumed.
        kept: answers that are already stored.
        database: stores the answers and the end of the pass.
        changes: notified of every change.
        """
        self.live = live
        self.save_error = ""
        """Why an answer could not be saved; empty if all were."""
        self.was_rate_limited = False
        """Whether the pass or an answer was rate-limited by the engine."""
        self._plan = plan
        self._database = database
        self._changes = changes
        self._sweep = SweepPlan(cells, plan.markers.forcing)
        """Advanced by the strategy, and only read here."""
        self._ledger = Ledger(None)
        self._driver: Driver | None = None
        """None until the pass begins."""
        self._checkpoints = {_cut_of(each): each for each in kept}
        self._reached: dict[Cut, ReachedCut] = {}
        self._forks: dict[Cut, ForkedAnswer] = {}
        """Answers that run."""
        self._made: asyncio.Queue[NewCheckpoint] = asyncio.Queue()
        """Answers to be stored."""
        self._tokens_of_lost_forks = 0
        self._unsaved: list[NewCheckpoint] = []
        self._outcome: TraceOutcome | None = None
        """How the pass ended, until that is saved."""
        self._errors: list[str] = []
        """Why the pass failed; the first error is shown."""

    @property
    def model(self) -> str:
        """The model's name."""
        return self._plan.model

    @property
    def room(self) -> int:
        """Number of such passes that the engine runs concurrently."""
        parallel = self._plan.info.parallel_requests
        return min(_PASSES_AT_ONCE, parallel or _PASSES_AT_ONCE)

    @property
    def tokens_generated(self) -> int:
        """All tokens of the pass and its answers, including cancelled ones."""
        answers = sum(each.tokens_generated for each in self._checkpoints.values())
        return self.live.tokens_generated + answers + self._tokens_of_lost_forks

    @property
    def tokens_if_separate(self) -> int:
        """Tokens that separate runs of the answered cells would have generated."""
        return sum(each.tokens_if_separate * len(each.cells) for each in self._checkpoints.values() if not each.error)

    def snapshot(self) -> PassSnapshot:
        """Return the current state of the pass."""
        checkpoints = tuple(self._checkpoints[cut] for cut in sorted(self._checkpoints))
        reached = tuple(each for cut, each in sorted(self._reached.items()) if cut not in self._checkpoints)
        return PassSnapshot(self.live.snapshot(), checkpoints, reached)

    async def run(self) -> TraceState:
        """Think up to the largest cell and answer every cut; return the outcome.

        Never raises engine or database errors. When cancelled, it closes the trace and re-raises.
        """
        state = TraceState.FAILED
        self.live.begin_now()
        saver = start_task(self._save_answers(), "answers of a pass")
        try:
            with reported(f"pass {self.live.id}", self._errors.append):
                self._driver = self._new_driver()
                await self._driver.run()
                state = TraceState.FAILED if self._errors else TraceState.COMPLETED
        except asyncio.CancelledError:
            state = TraceState.STOPPED
            raise
        finally:
            await to_the_end(self._close(saver, state))
        return state

    def answer_now(self) -> bool:
        """End the thinking if it goes on; False if it has ended, or has not begun and so has nothing to answer from."""
        if self._driver is None or not self.live.is_thinking:
            return False
        self._driver.answer_now()
        return True

    async def close_unstarted(self) -> None:
        """Close the pass of a sweep that was stopped before the pass started."""
        await self._end(TraceState.STOPPED)

    async def _close(self, saver: asyncio.Task[None], state: TraceState) -> None:
        # Answered, and stopped before the look at its options began.
        self._tokens_of_lost_forks += sum(self._ledger.generated_by(answer_key(cut)) for cut in self._forks)
        await self._made.join()
        saver.cancel()
        await asyncio.gather(saver, return_exceptions=True)
        await self._end(state)

    def _new_driver(self) -> Driver:
        plan, markers = self._plan, self._plan.markers
        lengths = (len(markers.wait.token_ids), len(markers.spaced_wait.token_ids))
        strategy = budget_grid(
            _task(plan),
            self._sweep,
            ends=budget_ends(self._sweep.cells, lengths, markers.forcing),
            at_once=1 if plan.info.kind is EngineKind.LLAMA_CPP else _FORKS_AT_ONCE,
            looks=plan.request.asks_probabilities,
        )
        return Driver(
            strategy,
            OneModel(plan.served),
            self._ledger,
            plan.prompt.token_ids,
            options=plan.request.options,
            temperature=plan.settings.temperature,
            top_p=plan.settings.top_p,
            observer=self,
            kept=_finished(self._checkpoints),
            begun={THINK_KEY: stretches_of(self.live.segments())},
            is_watched=plan.is_watched,
        )

    # What the driver tells.

    def began(self, request: Request, model: ServedModel, prompt_ids: TokenIds, close: Marker | None = None) -> None:
        """See `Observer.began`."""
        if isinstance(request, Think) and not any(each.token_ids for each in self.live.segments()):
            self.live.drop_all()  # The engine failed before its first token.
        if not isinstance(request, Answer) or request.cut is None:
            return
        if (fork := self._forks.get(request.cut)) is not None:
            fork.begin()
            return
        thinking_tokens = thinking_tokens_generated(request.cut, self._sweep.stops)
        closing = close.text if close else ""
        self._forks[request.cut] = ForkedAnswer(self._reached[request.cut], closing, thinking_tokens)

    def took(self, request: Request, event: PassEvent) -> None:
        """See `Observer.took`."""
        if isinstance(request, Think):
            self.live.apply(event)
        elif isinstance(request, Answer) and request.cut is not None:
            self._forks[request.cut].take(event)
        self._changes.note()

    def ended(self, request: Request, finished: Finished) -> None:
        """See `Observer.ended`."""
        event = finished.event
        self.was_rate_limited |= self._driver is not None and self._driver.was_rate_limited
        if isinstance(request, Think):
            if isinstance(event, Failed):
                self._errors.append(event.error)
        elif request.cut is not None:
            self._fork_went_on(request, request.cut, event)
        self._changes.note()

    def _fork_went_on(self, request: Answer | Look, cut: Cut, event: object) -> None:
        fork = self._forks[cut]
        match event:
            case Failed() if isinstance(request, Answer):
                fork.error = event.error
            case Looked():
                fork.probabilities = event.probabilities
        looks = self._plan.request.asks_probabilities and bool(self._plan.request.options)
        if isinstance(event, Answered) and looks:
            return  # It is complete with the look at the options.
        del self._forks[cut]
        look = self._ledger.entry(request.key) if isinstance(request, Look) else None
        # An error here must not keep the strategy from going on: others wait for it.
        with reported(f"answer at {cut.tokens} tokens of pass {self.live.id}", self._errors.append):
            cost = self._ledger.entry(answer_key(cut))
            self._made.put_nowait(fork.checkpoint(self.live.id, self._plan.request, cost, look))

    def cancelled(self, request: Request, finished: Finished | None) -> None:
        """See `Observer.cancelled`."""
        if isinstance(request, Think) or request.cut is None:
            return
        self._forks.pop(request.cut, None)
        keys = (answer_key(request.cut), look_key(request.cut)) if isinstance(request, Look) else (request.key,)
        self._tokens_of_lost_forks += sum(map(self._ledger.generated_by, keys))

    def shown(self, name: str, value: object) -> None:
        """See `Observer.shown`."""
        for cut in sorted(set(self._sweep.cuts.values())):
            if cut not in self._checkpoints and cut not in self._reached and self._driver is not None:
                cells = tuple(cell for cell in self._sweep.cells if self._sweep.cuts.get(cell) == cut)
                characters = self._driver.characters_before(THINK_KEY, cut.tokens)
                self._reached[cut] = ReachedCut(cut, characters, cells)

    # What is stored.

    async def _save_answers(self) -> None:
        while True:
            made = await self._made.get()
            try:
                await self._keep(made)
            finally:
                self._made.task_done()
                self._changes.note()

    async def _keep(self, made: NewCheckpoint) -> None:
        kept, problems = kept_in_memory(made), list[str]()
        with reported(f"saving an answer of pass {self.live.id}", problems.append):
            kept = await self._add_checkpoint(made, self.live.progress())
        if problems:
            self.save_error = problems[0]
            self._unsaved.append(made)
        self._checkpoints[_cut_of(kept)] = kept

    async def _add_checkpoint(self, made: NewCheckpoint, progress: Progress) -> Checkpoint:
        """Store an answer and the thinking before it in one transaction, so that neither exists without the other."""

        def store(session: Session) -> Checkpoint:
            traces = TraceRepository(session)
            traces.save_all([progress])
            return traces.add_checkpoint(made)

        return await self._database.write(store)

    async def _end(self, state: TraceState) -> None:
        problems: list[str] = []
        self._outcome = self.live.end(state, next(iter(self._errors), ""))
        with reported(f"saving pass {self.live.id}", problems.append):
            await self.save_end()
        self.save_error = "".join(problems)
        self.live.mark_over()
        self._changes.note()

    async def save_end(self) -> None:
        """Store what is not stored yet: answers, then how the pass ended; raises what the database raises."""
        outcome, segments, progress = self._outcome, self.live.segments(), self.live.progress()
        while self._unsaved:
            kept = await self._add_checkpoint(self._unsaved[0], progress)
            self._checkpoints[_cut_of(kept)] = kept
            del self._unsaved[0]
        if outcome is not None:
            await self._database.write(lambda s: TraceRepository(s).close(self.live.id, outcome, segments))
            self._outcome = None
        self.save_error = ""


def _task(plan: PassPlan) -> Task:
    request, settings = plan.request, plan.settings
    return Task(
        stem=request.stem,
        options=request.options,
        prompt=plan.prompt.text,
        budget_tokens=settings.budget_tokens,
        answer_cap_tokens=settings.answer_cap_tokens,
        temperature=settings.temperature,
        seed=settings.seed or 0,
    )


def _finished(checkpoints: Mapping[Cut, Checkpoint]) -> dict[str, Finished]:
    """Stored answers as requests that need not be made again."""
    found: dict[str, Finished] = {}
    for cut, kept in checkpoints.items():
        is_whole = kept.finish_reason == "natural"
        answered = Answered(answer_key(cut), kept.text, kept.letter, kept.token_count, is_whole)
        found[answered.key] = Finished(answered)
        found[look_key(cut)] = Finished(Looked(look_key(cut), kept.option_probabilities))
    return found


def _cut_of(kept: Checkpoint) -> Cut:
    return Cut(kept.cut_tokens, ThinkingFinish(kept.thinking_finish_reason.value), kept.forced_rounds)
