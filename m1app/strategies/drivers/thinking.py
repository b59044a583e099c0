"""A thinking of a run, as far as it has come."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from m1app.strategies.drivers.finished_requests import Cancelled, Finished
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.served_models import ServedModel
from m1app.strategies.drivers.telling import Chunks
from m1app.strategies.protocol import Finish, Grew, Growth, Stopped, Think, Thought
from models.engine.protocol import Engine, TokenIds
from models.thinking.budget_forcing import Marker, SegmentKind, ThinkingFinish, choose_wait, closing
from models.thinking.early_exit import EarlyExit
from models.thinking.going_on import Stretch
from models.thinking.sweep import Cut, Stop, thinking_ids_before
from models.thinking.thinking_pass import SegmentClosed
from models.thinking.thought import ThoughtSoFar

_FINISHES = {
    ThinkingFinish.NATURAL: Finish.NATURAL,
    ThinkingFinish.BUDGET: Finish.BUDGET,
    ThinkingFinish.EARLY_EXIT: Finish.CLOSED,
}


@dataclass(slots=True)
class Thinking:
    """A `Think` of the run."""

    request: Think
    model: ServedModel
    prompt_ids: TokenIds
    """Everything before its first token."""
    so_far: ThoughtSoFar = field(default_factory=ThoughtSoFar)
    finish: Finish | None = None
    forced_rounds: int = 0
    stops: list[Stop] = field(default_factory=list)
    exits: EarlyExit = field(default_factory=EarlyExit)
    close_at: int | None = None
    """Tokens at which the strategy closed it."""
    confidences: list[float] = field(default_factory=list)
    """Of generated tokens that have not been told yet."""
    told: list[float] = field(default_factory=list)
    """Those that have been told."""
    chunks: Chunks = field(default_factory=Chunks)
    """As they were told."""
    told_before: int = 0
    """Tokens of which an earlier process has told; they are not told again."""
    rest: str = ""
    """What was told and lies after the place where it was closed."""
    dependents: set[str] = field(default_factory=set)
    """Running requests that were made of it."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while there are none."""
    is_inserted: bool = False
    """Whether what grows is a "Wait"."""
    _stop_text: str = ""
    """With which the last stretch ended."""
    _is_open: bool = False
    """Whether a stretch has begun and not ended."""
    _last_text: str = ""
    """Of the open stretch; its end decides which "Wait" follows."""
    _lengths: list[int] = field(default_factory=list)
    """Lengths of `pause_at` that it has not reached, the next one last."""
    _untold: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.idle.set()
        self._last_text = self._text_before
        self._lengths = sorted(self.request.pause_at, reverse=True)

    @property
    def _text_before(self) -> str:
        return self.request.beginning.text if self.request.beginning else ""

    @classmethod
    def replayed(cls, request: Think, model: ServedModel, kept: Finished, end: Thought | Cancelled) -> "Thinking":
        """One that ended before."""
        finish = end.finish if isinstance(end, Thought) else None
        thinking = cls(request, model, kept.prompt_ids, finish=finish)
        thinking.stops = [Stop(tokens, (), 0) for tokens in end.stops]
        thinking.so_far.grow(end.text, end.token_ids)
        thinking.told = list(kept.confidences)
        return thinking

    @classmethod
    def told_in_part(cls, request: Think, model: ServedModel, prompt_ids: TokenIds, kept: Finished) -> "Thinking":
        """One that begins again, of which the strategy has been told what is kept: it is told what comes after."""
        chunks = Chunks.after(kept.told)
        told = list(kept.confidences)
        return cls(request, model, prompt_ids, told=told, chunks=chunks, told_before=chunks.tokens)

    @property
    def left(self) -> Cancelled:
        """What is left if it is cancelled now."""
        stops = tuple(stop.tokens for stop in self.stops)
        so_far = self.so_far
        return Cancelled(self.request.key, len(so_far), so_far.text, stops, tuple(so_far.token_ids))

    async def restore(self, stretches: Sequence[Stretch]) -> list[Grew | Stopped]:
        """Take what an earlier process has thought; return what is to be told of it. Raises EngineError."""
        told: list[Grew | Stopped | None] = []
        for each in stretches:
            self.open(each.kind)
            for text, ids in await _in_pieces(each, len(self.so_far), self.request.pause_at, self.model.engine):
                told.append(self.grow(text, ids))
            if not each.is_open:
                closed = SegmentClosed(each.finish is ThinkingFinish.NATURAL, each.delimiter_ids)
                told.append(self.stretch_ended(closed))
        return [each for each in told if each is not None]

    def open(self, kind: SegmentKind) -> None:
        """A stretch begins, or an interrupted one goes on."""
        self.is_inserted = kind is SegmentKind.WAIT
        self.forced_rounds += self.is_inserted
        if self.is_inserted or not self._is_open:
            self._last_text = "" if self.is_inserted or len(self.so_far) else self._text_before
        self._is_open = True

    def grow(self, text: str, token_ids: TokenIds) -> Grew | None:
        """Add a chunk; return the event that tells it, if it is told."""
        self.so_far.grow(text, token_ids)
        if self.request.growth is Growth.NOTHING:
            return None
        self._last_text = text or self._last_text
        if self.request.growth is Growth.CUTS:
            return self._reached(text)
        count = len(self.so_far)
        if (again := self.told_before - count + len(token_ids)) > 0:
            token_ids = token_ids[again:]
            if not self.is_inserted:
                del self.confidences[: again if token_ids else None]
            if not token_ids:
                return None
            text = self.so_far.text[self.so_far.characters_before(self.told_before) :]
        if self.is_inserted:
            return Grew(self.request.key, count, text, is_inserted=True)
        told = self.confidences[: len(token_ids)]
        del self.confidences[: len(token_ids)]
        self.told += told
        return Grew(self.request.key, count, text, tuple(told))

    def _reached(self, text: str) -> Grew | None:
        self._untold.append(text)
        count = len(self.so_far)
        if not self._lengths or count < self._lengths[-1]:
            return None
        while self._lengths and self._lengths[-1] <= count:
            self._lengths.pop()
        text = "".join(self._untold)
        self._untold.clear()
        return Grew(self.request.key, count, text)

    def stretch_ended(self, closed: SegmentClosed) -> Stopped | None:
        """Note that the model stopped, or that a stretch ended otherwise; return the event that tells it."""
        self.confidences.clear()
        self._is_open, self._stop_text = False, closed.stop_text
        if not closed.is_natural_stop:
            return None
        wait = choose_wait(self.model.markers, self._last_text)
        stop = Stop(len(self.so_far), closed.delimiter_ids, len(wait.token_ids))
        self.stops.append(stop)
        if self.request.growth is not Growth.CUTS:
            return None
        return Stopped(self.request.key, stop.tokens, stop.delimiter_ids, stop.wait_tokens)

    def end(self, finish: ThinkingFinish, ledger: Ledger) -> Thought:
        """Return what it came to; one that was closed loses what it went on to say."""
        self.finish = _FINISHES[finish]
        if self.finish is Finish.NATURAL and self._stop_text in self.request.stop_texts:
            self.finish = Finish.MARK
        count, text = len(self.so_far), self.so_far.text
        if self.close_at is not None and self.close_at < count:
            ledger.waste(self.request.key, count - self.close_at)
            count = self.close_at
            characters = self.so_far.characters_before(count)
            text, self.rest = text[:characters], text[characters:]
            self.finish = Finish.CLOSED
        ids = tuple(self.so_far.token_ids[:count])
        stops = tuple(stop.tokens for stop in self.stops if stop.tokens <= count)
        return Thought(self.request.key, count, text, self.finish, self.forced_rounds, stops, ids)

    def close(self, tokens: int) -> None:
        """End it after its first `tokens` tokens, unless it has ended."""
        if self.finish is None:
            self.close_at = tokens
            self.exits.ask()

    async def closed_after(self, tokens: int | None, cut: Cut | None) -> tuple[TokenIds, Marker]:
        """Everything up to an answer, and what closes the thinking there; see `Answer`. Raises EngineError."""
        if cut is None:
            ids, finish = self._after(tokens)
        else:
            so_far = tuple(self.so_far.token_ids[: cut.tokens])
            ids, finish = thinking_ids_before(cut, so_far, self.stops), cut.finish
        markers = self.model.markers
        ends_line = False
        if markers.line_break.text and ids:
            ends_line = await self.so_far.ends_line(ids, self.model.engine)
        elif markers.line_break.text:
            ends_line = self._text_before.endswith("\n")
        close = closing(markers, finish, ends_line=ends_line)
        return self.prompt_ids + ids + close.token_ids, close

    def _after(self, tokens: int | None) -> tuple[TokenIds, ThinkingFinish]:
        count = len(self.so_far) if tokens is None else min(tokens, len(self.so_far))
        if tokens is None and self.finish is Finish.CLOSED and self.close_at is not None:
            count = min(count, self.close_at)
        is_stop = any(stop.tokens == count for stop in self.stops)
        return tuple(self.so_far.token_ids[:count]), ThinkingFinish.NATURAL if is_stop else ThinkingFinish.BUDGET


async def _in_pieces(
    stretch: Stretch, begin: int, lengths: Sequence[int], engine: Engine
) -> list[tuple[str, TokenIds]]:
    """A stored stretch, divided where the thinking reaches these lengths, with the engine's own tokenizer.

    Args:
        stretch: text and tokens.
        begin: tokens of thinking before it.
        lengths: of thinking.
        engine: spells the tokens; may raise EngineError.
    """
    pieces: list[tuple[str, TokenIds]] = []
    at = characters = 0
    for end in sorted(each - begin for each in lengths if 0 < each - begin < len(stretch.token_ids)):
        before = len(await engine.detokenize(stretch.token_ids[:end]))
        pieces.append((stretch.text[characters:before], stretch.token_ids[at:end]))
        at, characters = end, min(before, len(stretch.text))
    return [*pieces, (stretch.text[characters:], stretch.token_ids[at:])]
