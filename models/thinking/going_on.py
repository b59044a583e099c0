"""Goes on with a thinking that was interrupted, with the tokens that it would have had anyway."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import chain

from models.engine.protocol import Engine, TokenIds
from models.thinking.budget_forcing import (
    Marker,
    Markers,
    PassOutcome,
    SegmentKind,
    ThinkingFinish,
    allowed_tokens,
    choose_wait,
    is_forced,
)
from models.thinking.early_exit import EarlyExit
from models.thinking.thinking_pass import (
    PassEvent,
    PassFinished,
    PassSettings,
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    run_thinking,
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A segment of a thinking, complete or interrupted."""

    kind: SegmentKind
    """Think or wait."""
    text: str
    token_ids: TokenIds
    finish: ThinkingFinish | None = None
    """Why it ended; None for one that was interrupted, and for a "Wait"."""
    delimiter_ids: TokenIds = ()

    @property
    def is_open(self) -> bool:
        """Whether the next stretch goes on with it."""
        return self.kind is SegmentKind.THINK and self.finish is None


def open_text(stretches: Sequence[Stretch]) -> str:
    """Text of the latest stretch of thinking, whose end decides which "Wait" follows; it may have been interrupted."""
    texts: list[str] = []
    for before, each in zip((None, *stretches), stretches, strict=False):
        if before is None or not before.is_open:
            texts.clear()
        if each.kind is SegmentKind.THINK:
            texts.append(each.text)
    return "".join(texts)


def go_on(
    engine: Engine,
    prompt_ids: TokenIds,
    markers: Markers,
    settings: PassSettings,
    stretches: Sequence[Stretch] = (),
    early_exit: EarlyExit | None = None,
    text_before: str = "",
) -> AsyncGenerator[PassEvent, None]:
    """Run the thinking of a pass from where `stretches` end; events, which tell only what is new, as `run_thinking`.

    Args:
        engine: generates.
        prompt_ids: everything before the first token of thinking, the opening included.
        markers: the family's delimiters.
        settings: budget, rounds and sampling of the whole thinking.
        stretches: what there is of it; empty to begin.
        early_exit: ends the thinking when it is asked to.
        text_before: text with which `prompt_ids` end inside of a thinking; empty if none has begun.
    """
    ids = tuple(chain.from_iterable(each.token_ids for each in stretches))
    waits = [len(each.token_ids) for each in stretches if each.kind is SegmentKind.WAIT]
    before = open_text(stretches) if stretches else text_before
    if (why := _end(stretches, len(ids), waits, markers, settings)) is not None:
        return _only(PassFinished(PassOutcome(why, len(ids), len(waits))))
    # It may have been interrupted between a natural stop and its "Wait".
    lacks_wait = bool(stretches) and stretches[-1].finish is ThinkingFinish.NATURAL
    wait = choose_wait(markers, before)
    if lacks_wait:
        ids, before, waits = ids + wait.token_ids, "", [*waits, len(wait.token_ids)]
    thinking = run_thinking(
        engine,
        prompt_ids + ids,
        markers,
        settings,
        used_tokens=len(ids),
        used_waits=waits,
        text_before=before,
        early_exit=early_exit,
    )
    return _after(wait, thinking) if lacks_wait else thinking


async def _only(event: PassEvent) -> AsyncGenerator[PassEvent, None]:
    yield event


async def _after(wait: Marker, thinking: AsyncGenerator[PassEvent, None]) -> AsyncGenerator[PassEvent, None]:
    async with aclosing(thinking) as events:
        yield SegmentOpened(SegmentKind.WAIT)
        yield SegmentGrew(wait.text, wait.token_ids)
        yield SegmentClosed(is_natural_stop=False)
        async for event in events:
            yield event


def _end(
    stretches: Sequence[Stretch], used: int, waits: Sequence[int], markers: Markers, settings: PassSettings
) -> ThinkingFinish | None:
    """Why a thinking that was stored is over; None if it goes on."""
    last = stretches[-1].finish if stretches else None
    if last is ThinkingFinish.EARLY_EXIT:
        return last
    if last is ThinkingFinish.NATURAL:
        wait = choose_wait(markers, open_text(stretches))
        goes_on = is_forced(
            markers.forcing,
            used,
            len(wait.token_ids),
            waits,
            budget_tokens=settings.budget_tokens,
            force_rounds=settings.force_rounds,
        )
        return None if goes_on else last
    is_spent = used >= allowed_tokens(markers.forcing, settings.budget_tokens, waits)
    return ThinkingFinish.BUDGET if is_spent else None
