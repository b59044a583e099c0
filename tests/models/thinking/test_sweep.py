"""One pass against separate runs, on an engine that is deterministic: every cell, token for token."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.engine.protocol import ChatMessage, CompletionChunk, CompletionRequest, EngineInfo, FinishReason, TokenIds
from models.profiles.forcing import Forcing
from models.thinking.budget_forcing import Marker, Markers, SegmentKind, ThinkingFinish, choose_wait, closing
from models.thinking.sweep import (
    Cell,
    Cut,
    Stop,
    SweepPlan,
    cut_of,
    grid,
    thinking_ids_before,
    thinking_tokens_generated,
)
from models.thinking.thinking_pass import (
    PassEvent,
    PassFinished,
    PassSettings,
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    TokensGenerated,
    run_answer,
    run_pass,
    run_thinking,
)

STOP = 99
SPELLED = ("## ", "Final ", "Response")
SPELLING_IDS = (90, 91, 92)
PROMPT: TokenIds = (1, 2, 3)


@dataclass(frozen=True)
class ScriptedEngine:
    """Generates a function of everything before it: the same prefix always goes on in the same way."""

    seed: int
    stop_share: float
    """How often the model wants to stop."""
    is_spelled: bool
    """Whether it spells its delimiter in three tokens."""
    tokens_per_chunk: int = 1

    async def describe(self) -> EngineInfo:
        raise NotImplementedError

    async def tokenize(self, text: str, *, parse_special: bool) -> TokenIds:
        raise NotImplementedError

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        raise NotImplementedError

    async def apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        context = list(request.prompt_ids)
        for number in range(request.max_tokens):
            token = self._next(context)
            context.append(token)
            is_stop = token in request.stop_token_ids
            finish = FinishReason.STOP if is_stop else FinishReason.LENGTH if number + 1 == request.max_tokens else None
            yield CompletionChunk((token,), "" if is_stop else self.text_of(token), finish, ())
            if is_stop:
                return

    def _next(self, context: list[int]) -> int:
        if self.is_spelled and context[-1] in SPELLING_IDS[:2]:
            return context[-1] + 1
        choice = random.Random(hash((self.seed, *context)))
        if choice.random() < self.stop_share:
            return SPELLING_IDS[0] if self.is_spelled else STOP
        return choice.randrange(1000, 1010)

    def text_of(self, token: int) -> str:
        if token < SPELLING_IDS[0]:
            return "Wait"
        if token in SPELLING_IDS:
            return SPELLED[token - SPELLING_IDS[0]]
        return " word" if token % 2 else "word " if token % 4 else "word\n"


def markers(wait_tokens: int, *, is_spelled: bool, forcing: Forcing = Forcing.EXACT) -> Markers:
    return Markers(
        forcing=forcing,
        line_break=Marker("\n", (60,)),
        opening=Marker("<think>", (10,)),
        wait=Marker("Wait", tuple(range(20, 20 + wait_tokens))),
        spaced_wait=Marker(" Wait", tuple(range(30, 30 + wait_tokens + 1))),
        natural_close=Marker("</think>", (40,)),
        overrun_close=Marker("Final Answer:", (41, 42)),
        stop_token_ids=() if is_spelled else (STOP,),
        stop_texts=("## Final Response",) if is_spelled else (),
        stop_token_texts=(),
        answer_stop_token_ids=(STOP, SPELLING_IDS[0]),
        option_prefix=Marker("Answer:", (50,)),
    )


@dataclass(frozen=True)
class Run:
    """What one run came to."""

    thinking: TokenIds
    finish: ThinkingFinish
    answer: TokenIds
    generated: int
    """Tokens that the engine generated."""


async def separate(engine: ScriptedEngine, marks: Markers, wanted: PassSettings) -> Run:
    """The cell in a run of its own."""
    thinking: TokenIds = ()
    answer: TokenIds = ()
    generated, kind = 0, SegmentKind.THINK
    async for event in run_pass(engine, PROMPT, marks, wanted):
        match event:
            case SegmentOpened():
                kind = event.kind
            case SegmentGrew() if kind is SegmentKind.ANSWER:
                answer += event.token_ids
            case SegmentGrew() if kind is not SegmentKind.CLOSE:
                thinking += event.token_ids
            case TokensGenerated():
                generated += event.count
            case PassFinished():
                finish = event.outcome.thinking_finish
    return Run(thinking, finish, answer, generated)


class Together:
    """All cells from one pass."""

    def __init__(self, engine: ScriptedEngine, marks: Markers, cells: Sequence[Cell], wanted: PassSettings) -> None:
        self.plan = SweepPlan(cells, marks.forcing)
        self.generated = 0
        """Tokens that the engine generated."""
        self.answers: dict[Cut, Run] = {}
        self._engine, self._marks = engine, marks
        largest = self.plan.largest
        self._wanted = replace(wanted, budget_tokens=largest.budget_tokens, force_rounds=largest.force_rounds)
        self._base = PROMPT + marks.opening.token_ids
        self._thinking: TokenIds = ()
        self._text = ""

    async def run(self) -> dict[Cell, Run]:
        async for event in run_thinking(self._engine, self._base, self._marks, self._wanted):
            for cut in self._take(event):
                await self._fork(cut)
        return {cell: self.answers[self.plan.cuts[cell]] for cell in self.plan.cells}

    def _take(self, event: PassEvent) -> list[Cut]:
        match event:
            case SegmentOpened(SegmentKind.THINK):
                self._text = ""
            case SegmentGrew(text, token_ids):
                self._thinking += token_ids
                self._text += text
                return self.plan.advance(len(self._thinking))
            case SegmentClosed(True, delimiter_ids):
                wait = choose_wait(self._marks, self._text)
                return self.plan.stop(Stop(len(self._thinking), delimiter_ids, len(wait.token_ids)))
            case TokensGenerated(count):
                self.generated += count
        return []

    async def _fork(self, cut: Cut) -> None:
        assert cut not in self.answers
        ids = thinking_ids_before(cut, self._thinking, self.plan.stops)
        ends_line = bool(ids) and self._engine.text_of(ids[-1]).endswith("\n")
        context = self._base + ids + closing(self._marks, cut.finish, ends_line=ends_line).token_ids
        answer: TokenIds = ()
        tokens = 0
        async for event in run_answer(self._engine, context, self._marks, self._wanted):
            if isinstance(event, SegmentGrew):
                answer += event.token_ids
            elif isinstance(event, TokensGenerated):
                tokens += event.count
        self.generated += tokens
        self.answers[cut] = Run(ids, cut.finish, answer, thinking_tokens_generated(cut, self.plan.stops) + tokens)


@settings(deadline=None, max_examples=300)
@given(
    seed=st.integers(0, 10_000),
    stop_share=st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.8]),
    is_spelled=st.booleans(),
    wait_tokens=st.integers(1, 3),
    forcing=st.sampled_from(Forcing),
    budgets=st.lists(st.integers(1, 80), min_size=1, max_size=6),
    rounds=st.lists(st.integers(0, 5), min_size=1, max_size=4),
)
def test_every_cell_equals_a_run_of_its_own(
    seed: int,
    stop_share: float,
    is_spelled: bool,
    wait_tokens: int,
    forcing: Forcing,
    budgets: list[int],
    rounds: list[int],
) -> None:
    engine = ScriptedEngine(seed, stop_share, is_spelled)
    marks = markers(wait_tokens, is_spelled=is_spelled, forcing=forcing)
    cells = grid(budgets, rounds)
    wanted = PassSettings(budget_tokens=1, force_rounds=0, answer_cap_tokens=5)

    async def both() -> None:
        together = Together(engine, marks, cells, wanted)
        swept = await together.run()
        apart = {
            cell: await separate(
                engine, marks, replace(wanted, budget_tokens=cell.budget_tokens, force_rounds=cell.force_rounds)
            )
            for cell in cells
        }
        assert swept == apart
        answered = len(together.answers)
        assert answered == len({(run.thinking, run.finish) for run in apart.values()})
        largest = max(run.generated - len(run.answer) for run in apart.values())
        assert together.generated <= largest + answered * (wanted.answer_cap_tokens + 1)

    asyncio.run(both())


STOPS = (Stop(10, (STOP,), 2), Stop(30, (STOP,), 2))


@pytest.mark.parametrize(
    ("budget", "rounds", "cut"),
    [
        (5, 0, Cut(5, ThinkingFinish.BUDGET, 0)),
        (10, 0, Cut(10, ThinkingFinish.BUDGET, 0)),
        (11, 0, Cut(10, ThinkingFinish.NATURAL, 0)),
        (12, 3, Cut(10, ThinkingFinish.NATURAL, 0)),
        (13, 3, Cut(13, ThinkingFinish.BUDGET, 1)),
        (64, 0, Cut(10, ThinkingFinish.NATURAL, 0)),
        (64, 1, Cut(30, ThinkingFinish.NATURAL, 1)),
        (32, 2, Cut(30, ThinkingFinish.NATURAL, 1)),
    ],
    ids=[
        "before the stop",
        "no room for the stop token",
        "just room for it",
        "no room for a Wait and one more token",
        "one token after the Wait",
        "the first stop",
        "the second stop",
        "no room for the second Wait",
    ],
)
def test_cut_is_where_a_run_of_the_cell_alone_ends(budget: int, rounds: int, cut: Cut) -> None:
    assert cut_of(Cell(budget, rounds), STOPS, 40) == cut


def test_cut_is_unknown_while_the_pass_has_not_come_so_far() -> None:
    assert cut_of(Cell(64, 2), STOPS, 40) is None
    assert cut_of(Cell(64, 2), STOPS, 64) == Cut(64, ThinkingFinish.BUDGET, 2)


def test_cells_with_one_cut_are_answered_once() -> None:
    plan = SweepPlan(grid([16, 32, 64], [0]))
    assert plan.advance(10) == []
    assert plan.stop(STOPS[0]) == [Cut(10, ThinkingFinish.NATURAL, 0)]
    assert set(plan.cuts) == set(plan.cells)


def test_pass_that_ended_early_ends_its_unreached_cells_there() -> None:
    plan = SweepPlan(grid([16, 32], [0]))
    plan.advance(16)
    assert plan.finish(31) == [Cut(31, ThinkingFinish.BUDGET, 0)]
    assert plan.cuts == {Cell(16, 0): Cut(16, ThinkingFinish.BUDGET, 0), Cell(32, 0): Cut(31, ThinkingFinish.BUDGET, 0)}


def test_tokens_of_a_run_of_its_own_count_delimiters_and_no_waits() -> None:
    assert thinking_tokens_generated(Cut(30, ThinkingFinish.NATURAL, 1), STOPS) == 30 - 2 + 1 + 1
    assert thinking_tokens_generated(Cut(5, ThinkingFinish.BUDGET, 0), STOPS) == 5


def test_grid_is_ordered_without_repetition() -> None:
    assert grid([64, 8, 64], [1, 0]) == (Cell(8, 0), Cell(64, 0), Cell(8, 1), Cell(64, 1))


@pytest.mark.parametrize(("budgets", "rounds"), [([], [0]), ([8], []), ([0], [0]), ([8], [-1])])
def test_grid_that_cannot_be_run_is_refused(budgets: list[int], rounds: list[int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        grid(budgets, rounds)
