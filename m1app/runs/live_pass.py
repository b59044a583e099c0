"""One running thinking pass of a sweep, with an answer forked at each cut.

The pass and its forks are separate requests with the same token ids, to make use of the engine's prefix cache. vLLM
shares prefixes among all requests, so there the pass continues alongside its answers. llama.cpp shares them only within
a slot, and batches concurrent requests, which changes rounding: there the pass pauses at each cut while the answer runs
on the pass's own slot (`models.engine.piecewise`).
"""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import aclosing

from m1app.background import reported, start_task
from m1app.runs.forked_answer import ForkedAnswer, kept_in_memory
from m1app.runs.live_run import Changes, to_the_end
from m1app.runs.live_trace import LiveTrace
from m1app.runs.pass_plan import PassPlan
from m1app.runs.sweep_reading import PassSnapshot, ReachedCut
from models.engine.piecewise import PiecewiseEngine
from models.engine.protocol import Engine, EngineKind, TokenIds
from models.errors import RateLimited
from models.thinking.budget_forcing import (
    PassOutcome,
    SegmentKind,
    ThinkingFinish,
    allowed_tokens,
    choose_wait,
    closing,
    is_forced,
)
from models.thinking.early_exit import EarlyExit
from models.thinking.sweep import (
    Cell,
    Cut,
    Stop,
    SweepPlan,
    budget_ends,
    thinking_ids_before,
    thinking_tokens_generated,
)
from models.thinking.thinking_pass import (
    PassEvent,
    PassFinished,
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    run_thinking,
)
from storage.database import Database, Session
from storage.traces.records import Checkpoint, NewCheckpoint, Progress, Segment, TraceOutcome, TraceState
from storage.traces.records import SegmentKind as StoredKind
from storage.traces.repository import TraceRepository

_FORKS_AT_ONCE = 4
_PASSES_AT_ONCE = 8


class LivePass:
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
        self._early_exit = EarlyExit()
        self._has_begun = False
        self._sweep = SweepPlan(cells, plan.markers.forcing)
        self._checkpoints = {_cut_of(each): each for each in kept}
        self._reached: dict[Cut, ReachedCut] = {}
        self._forks: asyncio.Queue[Cut] = asyncio.Queue()
        self._thinking_ids: list[int] = []
        self._token_marks, self._character_marks, self._line_marks = [0], [0], [False]
        """Where chunks end: tokens, characters, and whether the text up to there ends in a line break."""
        self._tokens_of_lost_forks = 0
        self._unsaved: list[NewCheckpoint] = []
        self._outcome: TraceOutcome | None = None
        """How the pass ended, until that is saved."""
        self._errors: list[str] = []
        """Why the pass failed; the first error is shown."""
        self._rounds = 0
        self._stretch: list[str] = []
        """Text of the open thinking segment; determines which "Wait" follows."""

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
        self._has_begun = True
        self.live.begin_now()
        workers = [start_task(self._answer_cuts(), "answers of a pass") for _ in range(self._forks_at_once)]
        try:
            with reported(f"pass {self.live.id}", self._errors.append):
                await self._think_and_answer()
                state = TraceState.FAILED if self._errors else TraceState.COMPLETED
        except asyncio.CancelledError:
            state = TraceState.STOPPED
            raise
        finally:
            await to_the_end(self._close(workers, state))
        return state

    def answer_now(self) -> bool:
        """End the thinking if it goes on; False if it has ended, or has not begun and so has nothing to answer from."""
        if not self._has_begun or not self.live.is_thinking:
            return False
        self._early_exit.ask()
        return True

    async def _think_and_answer(self) -> None:
        try:
            await self._restore()
            await self._think()
            await self._forks.join()
        except RateLimited:
            self.was_rate_limited = True
            raise

    async def close_unstarted(self) -> None:
        """Close the pass of a sweep that was stopped before the pass started."""
        await self._close([], TraceState.STOPPED)

    async def _close(self, workers: Sequence[asyncio.Task[None]], state: TraceState) -> None:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await self._end(state)

    async def _think(self) -> None:
        """Continue from the stored thinking to the end of the largest cell."""
        largest, markers = self._sweep.largest, self._plan.markers
        last = self.live.segments()[-1] if self.live.segments() else None
        used, wait = len(self._thinking_ids), choose_wait(markers, "".join(self._stretch))
        if last and last.finish_reason == "natural":
            if not is_forced(
                markers.forcing,
                used,
                len(wait.token_ids),
                self._waits,
                budget_tokens=largest.budget_tokens,
                force_rounds=largest.force_rounds,
            ):
                self._take(PassFinished(PassOutcome(ThinkingFinish.NATURAL, used, self._rounds)))
                return
            # It was interrupted between a natural stop and its "Wait".
            self._take(SegmentOpened(SegmentKind.WAIT))
            self._take(SegmentGrew(wait.text, wait.token_ids))
            self._take(SegmentClosed(is_natural_stop=False))
        elif last and last.finish_reason == ThinkingFinish.EARLY_EXIT:
            self._take(PassFinished(PassOutcome(ThinkingFinish.EARLY_EXIT, used, self._rounds)))
            return
        elif used >= allowed_tokens(markers.forcing, largest.budget_tokens, self._waits):
            self._take(PassFinished(PassOutcome(ThinkingFinish.BUDGET, used, self._rounds)))
            return
        thinking = run_thinking(
            self._engine,
            self._base_ids + tuple(self._thinking_ids),
            markers,
            self._plan.settings,
            used_tokens=len(self._thinking_ids),
            used_waits=self._waits,
            text_before="".join(self._stretch) if last and last.finish_reason is None else "",
            early_exit=self._early_exit,
        )
        async with aclosing(thinking) as events:
            async for event in events:
                self._take(event)

    def _take(self, event: PassEvent) -> None:
        """Apply one event to the trace and to the plan, which reports newly reached cuts."""
        self.live.apply(event)
        match event:
            case SegmentOpened(kind):
                self._open(kind, self.live.segments()[:-1])
            case SegmentGrew(text, token_ids):
                self._grow(text, token_ids)
                self._fork(self._sweep.advance(len(self._thinking_ids)))
            case SegmentClosed(True, delimiter_ids):
                self._fork(self._sweep.stop(self._stop_here(delimiter_ids)))
            case PassFinished(outcome):
                self._fork(self._sweep.finish(len(self._thinking_ids), outcome.thinking_finish))
        self._changes.note()

    def _open(self, kind: SegmentKind, before: Sequence[Segment]) -> None:
        """Open a segment; an interrupted thinking segment that is resumed counts as the same one."""
        is_same_stretch = bool(before) and before[-1].kind is StoredKind.THINK and before[-1].finish_reason is None
        if not is_same_stretch or kind is SegmentKind.WAIT:
            self._stretch = []
        self._rounds += kind is SegmentKind.WAIT

    def _grow(self, text: str, token_ids: TokenIds) -> None:
        self._thinking_ids.extend(token_ids)
        self._stretch.append(text)
        self._token_marks.append(len(self._thinking_ids))
        self._character_marks.append(self._character_marks[-1] + len(text))
        self._line_marks.append(text.endswith("\n") if text else self._line_marks[-1])

    def _stop_here(self, delimiter_ids: TokenIds) -> Stop:
        wait = choose_wait(self._plan.markers, "".join(self._stretch))
        return Stop(len(self._thinking_ids), delimiter_ids, len(wait.token_ids))

    def _fork(self, cuts: Sequence[Cut]) -> None:
        """Start answering these cuts, unless they are already answered."""
        for cut in cuts:
            if cut not in self._checkpoints:
                cells = tuple(cell for cell in self._sweep.cells if self._sweep.cuts.get(cell) == cut)
                self._reached[cut] = ReachedCut(cut, self._characters_before(cut), cells)
                self._forks.put_nowait(cut)

    def _characters_before(self, cut: Cut) -> int:
        """Whole characters of the thinking before `cut`."""
        return self._character_marks[bisect_right(self._token_marks, cut.tokens) - 1]

    async def _ends_line(self, thinking_ids: TokenIds) -> bool:
        """Whether thinking that ends with these tokens ends in a line break."""
        if not self._plan.markers.line_break.text or not thinking_ids:
            return False
        mark = bisect_right(self._token_marks, len(thinking_ids)) - 1
        if (
            self._token_marks[mark] == len(thinking_ids)
            and self._thinking_ids[len(thinking_ids) - 1] == thinking_ids[-1]
        ):
            return self._line_marks[mark]
        return (await self._plan.engine.detokenize(thinking_ids[-1:])).endswith("\n")

    async def _restore(self) -> None:
        """Restore the stored thinking and start answering its unanswered cuts."""
        segments = self.live.segments()
        for number, segment in enumerate(segments):
            self._open(SegmentKind(segment.kind.value), segments[:number])
            await self._grow_to_each_budget(segment)
            self._fork(self._sweep.advance(len(self._thinking_ids)))
            if segment.kind is StoredKind.THINK and segment.finish_reason == "natural":
                self._fork(self._sweep.stop(self._stop_here(segment.delimiter_ids)))

    async def _grow_to_each_budget(self, segment: Segment) -> None:
        """Locate the grid's budgets in a stored text with the engine's own tokenizer."""
        begin, text = len(self._thinking_ids), segment.text
        ends = sorted(each - begin for each in self._budget_ends)
        at = characters = 0
        for end in [end for end in ends if 0 < end < segment.token_count]:
            before = len(await self._plan.engine.detokenize(segment.token_ids[:end]))
            self._grow(text[characters:before], segment.token_ids[at:end])
            at, characters = end, min(before, len(text))
        self._grow(text[characters:], segment.token_ids[at:])

    async def _answer_cuts(self) -> None:
        while True:
            cut = await self._forks.get()
            try:
                # A failed answer must not end its worker: the cuts queued behind it would wait forever.
                with reported(f"answer at {cut.tokens} tokens of pass {self.live.id}", self._errors.append):
                    await self._answer(cut)
            finally:
                self._forks.task_done()
                self._changes.note()

    async def _answer(self, cut: Cut) -> None:
        """Answer one cut and store the answer, failed or not."""
        thinking_ids = thinking_ids_before(cut, tuple(self._thinking_ids), self._sweep.stops)
        close = closing(self._plan.markers, cut.finish, ends_line=await self._ends_line(thinking_ids))
        answer = ForkedAnswer(self._plan, self._base_ids + thinking_ids, close)
        try:
            await answer.generate()
        except asyncio.CancelledError:
            self._tokens_of_lost_forks += answer.tokens_generated
            raise
        self.was_rate_limited |= answer.was_rate_limited
        reached = self._reached[cut]
        thinking_tokens = thinking_tokens_generated(cut, self._sweep.stops)
        await self._keep(answer.checkpoint(self.live.id, reached, thinking_tokens))

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

    @property
    def _engine(self) -> Engine:
        """The engine for the pass itself: llama.cpp pauses at each cut until the answer is complete."""
        plan, base_tokens = self._plan, len(self._base_ids)
        if plan.info.kind is EngineKind.LLAMA_CPP:
            return PiecewiseEngine(plan.engine, base_tokens, self._budget_ends, pause=self._forks.join)
        return plan.in_pieces(base_tokens, self._budget_ends)

    @property
    def _budget_ends(self) -> frozenset[int]:
        markers = self._plan.markers
        lengths = (len(markers.wait.token_ids), len(markers.spaced_wait.token_ids))
        return budget_ends(self._sweep.cells, lengths, markers.forcing)

    @property
    def _waits(self) -> tuple[int, ...]:
        """Tokens of each "Wait" so far."""
        return tuple(stop.wait_tokens for stop in self._sweep.stops[: self._rounds])

    @property
    def _base_ids(self) -> TokenIds:
        return self._plan.prompt.token_ids + self._plan.markers.opening.token_ids

    @property
    def _forks_at_once(self) -> int:
        return 1 if self._plan.info.kind is EngineKind.LLAMA_CPP else _FORKS_AT_ONCE


def _cut_of(kept: Checkpoint) -> Cut:
    return Cut(kept.cut_tokens, ThinkingFinish(kept.thinking_finish_reason.value), kept.forced_rounds)
