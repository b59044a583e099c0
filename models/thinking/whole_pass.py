"""One thinking pass whose parts are wanted when it is over, and not while it runs."""

from contextlib import aclosing
from dataclasses import dataclass

from models.engine.protocol import Engine, TokenIds
from models.thinking.budget_forcing import Markers, SegmentKind
from models.thinking.thinking_pass import (
    PassSettings,
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    TokensGenerated,
    run_pass,
)


@dataclass(frozen=True, slots=True)
class WholePass:
    """What a pass came to."""

    thinking_tokens: int
    """Of all stretches of thinking, without what was inserted."""
    ends_thinking: bool
    """Whether the model ended its thinking by itself."""
    close: str
    """The text between thinking and answer."""
    answer: str
    tokens_generated: int
    """Of thinking and answer, delimiters included."""


async def run_whole_pass(engine: Engine, prompt_ids: TokenIds, markers: Markers, settings: PassSettings) -> WholePass:
    """Run one pass to its end; see `run_pass`. Raises EngineError."""
    kind, thinking, generated, ends = SegmentKind.THINK, 0, 0, False
    texts = {SegmentKind.CLOSE: "", SegmentKind.ANSWER: ""}
    async with aclosing(run_pass(engine, prompt_ids, markers, settings)) as events:
        async for event in events:
            match event:
                case SegmentOpened(opened):
                    kind = opened
                case SegmentGrew(grown, token_ids):
                    thinking += len(token_ids) if kind is SegmentKind.THINK else 0
                    if kind in texts:
                        texts[kind] += grown
                case SegmentClosed(is_natural):
                    ends = ends or (kind is SegmentKind.THINK and is_natural)
                case TokensGenerated(count):
                    generated += count
    return WholePass(thinking, ends, texts[SegmentKind.CLOSE], texts[SegmentKind.ANSWER], generated)
