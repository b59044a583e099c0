"""Drives one thinking pass on an engine and yields events as it runs.

The controller (`budget_forcing`) decides, the parser (`think_parser`) finds the stops and the engine generates; this
module combines them into one stream of events for the page, the command line and the batch runner.
"""

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from models.engine.protocol import CompletionRequest, Engine, FinishReason, TokenIds
from models.thinking.budget_forcing import (
    Generate,
    Generated,
    Insert,
    Markers,
    PassOutcome,
    SegmentKind,
    Step,
    answer_step,
    think,
    thinking_pass,
)
from models.thinking.early_exit import EarlyExit
from models.thinking.think_parser import Delta, ThinkParser


@dataclass(frozen=True, slots=True)
class PassSettings:
    """The user's settings for one pass."""

    budget_tokens: int
    """Thinking budget, at least 1."""
    force_rounds: int
    """Natural stops to overrule, at least 0."""
    answer_cap_tokens: int
    """Maximum tokens of the answer, at least 1."""
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """A new segment begins."""

    kind: SegmentKind


@dataclass(frozen=True, slots=True)
class SegmentGrew:
    """Text and tokens were added to the open segment."""

    text: str
    token_ids: TokenIds


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """The open segment is complete."""

    is_natural_stop: bool
    """True if the model ended it, False if a token limit did or it was inserted."""
    delimiter_ids: TokenIds = ()
    """Tokens with which the model ended it; generated, but not part of the segment."""
    is_early_exit: bool = False
    """True if a person ended the thinking here."""
    stop_text: str = ""
    """The text with which the model ended it; empty for a token, and if it did not."""


@dataclass(frozen=True, slots=True)
class TokensGenerated:
    """The engine generated this many more tokens, whether they are shown or not."""

    count: int


@dataclass(frozen=True, slots=True)
class PassFinished:
    """The pass is over; the last event."""

    outcome: PassOutcome


PassEvent = SegmentOpened | SegmentGrew | SegmentClosed | TokensGenerated | PassFinished


def run_pass(
    engine: Engine,
    prompt_ids: TokenIds,
    markers: Markers,
    settings: PassSettings,
    early_exit: EarlyExit | None = None,
) -> AsyncGenerator[PassEvent, None]:
    """Run one thinking pass; closing the generator cancels what the engine is doing.

    Args:
        engine: generates.
        prompt_ids: the rendered chat prompt, up to the assistant's turn.
        markers: the family's delimiters.
        settings: budget, rounds and sampling.
        early_exit: ends the thinking when it is asked to.

    Raises:
        EngineError: the engine failed; events already yielded remain valid.
        ValueError: a value in `settings` is out of range.
    """
    steps = thinking_pass(
        prompt_ids,
        markers,
        budget_tokens=settings.budget_tokens,
        force_rounds=settings.force_rounds,
        answer_cap_tokens=settings.answer_cap_tokens,
    )
    return _drive(engine, steps, markers, settings, early_exit or EarlyExit(), is_beginning=True)


def run_thinking(
    engine: Engine,
    context: TokenIds,
    markers: Markers,
    settings: PassSettings,
    *,
    used_tokens: int = 0,
    used_waits: Sequence[int] = (),
    text_before: str = "",
    early_exit: EarlyExit | None = None,
) -> AsyncGenerator[PassEvent, None]:
    """Run the thinking of a pass, without an answer; events and errors as `run_pass`.

    Args:
        context: everything up to the next token of thinking.
        used_tokens: thinking tokens that `context` holds already; fewer than are allowed.
        used_waits: tokens of each "Wait" among them.
        text_before: text of the open stretch of thinking, when `context` ends inside one.
        early_exit: ends the thinking when it is asked to.
    """
    steps = think(
        context,
        markers,
        budget_tokens=settings.budget_tokens,
        force_rounds=settings.force_rounds,
        used_tokens=used_tokens,
        used_waits=used_waits,
        text_before=text_before,
    )
    return _drive(engine, steps, markers, settings, early_exit or EarlyExit(), is_beginning=used_tokens == 0)


async def run_answer(
    engine: Engine, context: TokenIds, markers: Markers, settings: PassSettings
) -> AsyncGenerator[PassEvent, None]:
    """Answer after `context`, which ends with the closing; events and errors as `run_pass`, without `PassFinished`."""
    step, segment = answer_step(context, markers, settings.answer_cap_tokens), _Segment()
    yield SegmentOpened(step.kind)
    async with aclosing(_generate(engine, step, markers, settings, segment, EarlyExit())) as events:
        async for event in events:
            yield event
    yield SegmentClosed(segment.is_natural_stop, segment.delimiter_ids)


async def _drive(
    engine: Engine,
    steps: Generator[Step, Generated | None, PassOutcome],
    markers: Markers,
    settings: PassSettings,
    early_exit: EarlyExit,
    *,
    is_beginning: bool,
) -> AsyncGenerator[PassEvent, None]:
    reply: Generated | None = None
    is_fresh = is_beginning
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as stop:
            yield PassFinished(stop.value)
            return
        yield SegmentOpened(step.kind)
        if isinstance(step, Insert):
            reply = None
            yield SegmentGrew(step.marker.text, step.marker.token_ids)
            yield SegmentClosed(is_natural_stop=False)
            continue
        segment = _Segment()
        # Only thinking can end early: an answer has its own cap.
        exits = early_exit if step.kind is SegmentKind.THINK else EarlyExit()
        async with aclosing(_generate(engine, step, markers, settings, segment, exits, is_fresh=is_fresh)) as events:
            async for event in events:
                yield event
        is_fresh = False
        reply = segment.generated()
        yield SegmentClosed(segment.is_natural_stop, segment.delimiter_ids, segment.is_early_exit, segment.stop_text)


@dataclass(slots=True)
class _Segment:
    """What has been generated of the open segment; joined once, when the segment is complete."""

    texts: list[str] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    is_natural_stop: bool = False
    delimiter_ids: TokenIds = ()
    is_early_exit: bool = False
    stop_text: str = ""

    def grow(self, delta: Delta) -> SegmentGrew | None:
        if not delta.text and not delta.token_ids:
            return None
        self.texts.append(delta.text)
        self.token_ids.extend(delta.token_ids)
        return SegmentGrew(delta.text, delta.token_ids)

    def generated(self) -> Generated:
        text, ids = "".join(self.texts), tuple(self.token_ids)
        return Generated(text, ids, self.is_natural_stop, self.delimiter_ids, self.is_early_exit)


async def _generate(
    engine: Engine,
    step: Generate,
    markers: Markers,
    settings: PassSettings,
    segment: _Segment,
    early_exit: EarlyExit,
    *,
    is_fresh: bool = False,
) -> AsyncGenerator[PassEvent, None]:
    parser = ThinkParser(step.stop_token_ids, step.stop_texts, markers.stop_token_texts)
    request = CompletionRequest(
        prompt_ids=step.prompt_ids,
        max_tokens=step.max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=settings.seed,
        stop_token_ids=step.stop_token_ids,
        stop_texts=step.stop_texts,
        is_fresh=is_fresh,
    )
    is_stop = is_over = False
    async with aclosing(engine.stream(request)) as chunks:
        while (chunk := await early_exit.next_of(chunks)) is not None:
            if count := len(chunk.token_ids) + chunk.tokens_unreported:
                yield TokensGenerated(count)
            is_stop, is_over = chunk.finish_reason is FinishReason.STOP, chunk.finish_reason is not None
            if grown := segment.grow(parser.feed(chunk.text, chunk.token_ids, is_stop=is_stop)):
                yield grown
            if parser.has_ended:
                break
    if grown := segment.grow(parser.flush()):
        yield grown
    segment.is_natural_stop = parser.has_ended
    segment.is_early_exit = early_exit.is_asked and not parser.has_ended and not is_over
    segment.delimiter_ids, segment.stop_text = parser.delimiter_ids, parser.stop_text
