"""What a pass costs by its length, counted in copies and not in seconds."""

from collections import deque
from collections.abc import AsyncGenerator, Iterator

import pytest

from models.engine.protocol import CompletionChunk, CompletionRequest, FinishReason, TokenIds
from models.thinking.budget_forcing import SegmentKind
from models.thinking.think_parser import Delta, ThinkParser
from models.thinking.thinking_pass import (
    PassFinished,
    PassSettings,
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    TokensGenerated,
    run_pass,
)
from models.thinking.whole_pass import WholePass, run_whole_pass
from tests.models.thinking.test_sweep import PROMPT, ScriptedEngine, markers


class Copies:
    """How many tokens and characters were copied to join them with others."""

    def __init__(self) -> None:
        self.tokens = 0
        self.characters = 0


class CountedIds(tuple[int, ...]):
    """Token ids that count what is copied when they are added to others."""

    copies: Copies

    def __radd__(self, others: TokenIds) -> TokenIds:
        self.copies.tokens += len(others) + len(self)
        return tuple(others) + tuple(self)

    def __iter__(self) -> Iterator[int]:
        self.copies.tokens += len(self)
        return super().__iter__()


class CountedText(str):
    copies: Copies

    def __radd__(self, others: str) -> str:
        self.copies.characters += len(others) + len(self)
        return str(others) + str(self)


def counting_parser(copies: Copies) -> type[ThinkParser]:
    """A parser whose deltas count how they are joined."""

    class CountingParser(ThinkParser):
        def feed(self, *arguments: object, **named: object) -> Delta:
            delta = super().feed(*arguments, **named)
            text, ids = CountedText(delta.text), CountedIds(delta.token_ids)
            text.copies = ids.copies = copies
            return Delta(text, ids)

    return CountingParser


async def copies_of(monkeypatch: pytest.MonkeyPatch, budget_tokens: int) -> Copies:
    copies = Copies()
    monkeypatch.setattr("models.thinking.thinking_pass.ThinkParser", counting_parser(copies))
    engine = ScriptedEngine(seed=0, stop_share=0.0, is_spelled=False)
    settings = PassSettings(budget_tokens, force_rounds=0, answer_cap_tokens=1)
    outcome = None
    async for event in run_pass(engine, PROMPT, markers(1, is_spelled=False), settings):
        outcome = event.outcome if isinstance(event, PassFinished) else outcome
    assert outcome is not None and outcome.thinking_tokens == budget_tokens
    return copies


async def test_each_token_is_joined_once_however_long_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = await copies_of(monkeypatch, 100), await copies_of(monkeypatch, 800)
    assert 100 <= short.tokens <= 2 * 101
    assert 800 <= long.tokens <= 2 * 801
    assert long.characters <= 8 * max(short.characters, 1)


class SilentEngine(ScriptedEngine):
    """Generates tokens that have no text, as special tokens have none on llama.cpp."""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        for number in range(request.max_tokens):
            finish = FinishReason.LENGTH if number + 1 == request.max_tokens else None
            yield CompletionChunk((1000,), "", finish)


async def test_tokens_without_text_all_arrive_when_the_segment_ends() -> None:
    engine = SilentEngine(seed=0, stop_share=0.0, is_spelled=False)
    settings = PassSettings(50, force_rounds=0, answer_cap_tokens=1)
    events = run_pass(engine, PROMPT, markers(1, is_spelled=False), settings)
    grown = [event.token_ids async for event in events if isinstance(event, SegmentGrew)]
    assert (1000,) * 50 in grown


def test_held_tokens_without_text_are_not_read_again_with_each_token() -> None:
    class CountedHeld(deque[Delta]):
        reads = 0

        def __iter__(self) -> Iterator[Delta]:
            self.reads += len(self)
            return super().__iter__()

    parser = ThinkParser(stop_texts=("## Final",))
    parser._held = held = CountedHeld()
    for token in range(1000):
        assert parser.feed("", (token,)) == Delta("", ())
    assert parser.feed("é", (1000,)).token_ids == tuple(range(1001))
    assert held.reads <= 5 * 1001


async def test_a_whole_pass_has_the_parts_that_its_events_have() -> None:
    engine = ScriptedEngine(seed=3, stop_share=0.02, is_spelled=False)
    delimiters, settings = markers(2, is_spelled=False), PassSettings(40, 0, 12)
    kinds: dict[SegmentKind, str] = dict.fromkeys(SegmentKind, "")
    thinking, generated, kind, ends = 0, 0, SegmentKind.THINK, False
    async for event in run_pass(engine, PROMPT, delimiters, settings):
        if isinstance(event, SegmentOpened):
            kind = event.kind
        elif isinstance(event, SegmentGrew):
            kinds[kind] += event.text
            thinking += len(event.token_ids) if kind is SegmentKind.THINK else 0
        elif isinstance(event, SegmentClosed):
            ends = ends or (kind is SegmentKind.THINK and event.is_natural_stop)
        elif isinstance(event, TokensGenerated):
            generated += event.count
    found = await run_whole_pass(engine, PROMPT, delimiters, settings)
    assert found == WholePass(thinking, ends, kinds[SegmentKind.CLOSE], kinds[SegmentKind.ANSWER], generated)
    assert found.thinking_tokens > 0 and found.close and found.answer
