"""A trace being generated: takes events, gives snapshots at any time.

The page, the saver and the command line read snapshots; only the run writes.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from m1app.runs.live_run import Changes
from models.thinking.budget_forcing import SegmentKind as PassKind
from models.thinking.budget_forcing import ThinkingFinish
from models.thinking.option_probabilities import OptionProbabilities
from models.thinking.thinking_pass import (
    PassEvent,
    PassFinished,
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    TokensGenerated,
)
from storage.naming import Naming
from storage.traces.records import (
    COUNTED_AS_THINKING,
    Progress,
    Segment,
    SegmentKind,
    ThinkingFinishReason,
    Trace,
    TraceOutcome,
    TraceState,
)


@dataclass(slots=True)
class LiveSegment:
    """A segment that may still grow."""

    kind: SegmentKind
    opened_at: float
    """In seconds of the monotonic clock."""
    pieces: list[str] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    seconds: float | None = None
    finish_reason: str | None = None
    delimiter_ids: tuple[int, ...] = ()
    _record: Segment | None = None
    """Cached result of `record`; None after a change."""

    @classmethod
    def of(cls, kept: Segment, opened_at: float) -> "LiveSegment":
        """Create one from a stored segment, to continue it."""
        return cls(
            kept.kind,
            opened_at,
            [kept.text],
            list(kept.token_ids),
            kept.seconds,
            kept.finish_reason,
            kept.delimiter_ids,
        )

    def grow(self, text: str, token_ids: Sequence[int]) -> None:
        """Append text and its tokens."""
        self.pieces.append(text)
        self.token_ids.extend(token_ids)
        self._record = None

    def close(self, seconds: float, closed: SegmentClosed) -> None:
        """Mark the segment as complete."""
        self.seconds = seconds
        self.finish_reason = _finish_of(closed).value
        self.delimiter_ids = closed.delimiter_ids
        self._record = None

    def keep(self, tokens: int, characters: int) -> None:
        """Drop all but the first tokens, and characters."""
        self.pieces = ["".join(self.pieces)[:characters]]
        self.token_ids = self.token_ids[:tokens]
        self.finish_reason, self.delimiter_ids = ThinkingFinish.EARLY_EXIT.value, ()
        self._record = None

    def record(self) -> Segment:
        """Return the segment's record."""
        if self._record is None:
            self.pieces = ["".join(self.pieces)]
            self._record = Segment(
                kind=self.kind,
                text=self.pieces[0],
                token_ids=tuple(self.token_ids),
                token_count=len(self.token_ids),
                seconds=self.seconds,
                finish_reason=self.finish_reason,
                delimiter_ids=self.delimiter_ids,
            )
        return self._record


class LiveTrace:
    """One running trace."""

    def __init__(self, begun: Trace, started_at: float) -> None:
        """Args:
        begun: the stored trace; one with segments is resumed.
        started_at: when the engine was called, in seconds of the monotonic clock.
        """
        self._begun = begun
        self._segments = [LiveSegment.of(segment, started_at) for segment in begun.segments]
        self._started_at = started_at
        self._first_token_at: float | None = None
        self._last_token_at = self._started_at
        self._thinking_finish: ThinkingFinishReason | None = None
        self._outcome: TraceOutcome | None = None
        self.tokens_generated = begun.tokens_generated
        """All tokens the engine generated for this trace."""
        self.changes = Changes()
        self.is_over = False
        """Whether the outcome is known and has been saved, or failed to save."""

    @property
    def id(self) -> str:
        """Id of the trace."""
        return self._begun.id

    @property
    def tokens_per_second(self) -> float | None:
        """Rate from the first to the last token; None before the second token."""
        if self._first_token_at is None or self._last_token_at <= self._first_token_at:
            return None
        return (self.tokens_generated_here - 1) / (self._last_token_at - self._first_token_at)

    @property
    def tokens_generated_here(self) -> int:
        """Tokens generated in this process; a resumed trace has older ones."""
        return self.tokens_generated - self._begun.tokens_generated

    @property
    def first_token_seconds(self) -> Sequence[float]:
        """Time to the first token, if that came in this process."""
        is_here = self._first_token_at is not None and self._begun.time_to_first_token_seconds is None
        seconds = self._time_to_first_token()
        return [seconds] if is_here and seconds is not None else []

    @property
    def is_thinking(self) -> bool:
        """Whether its thinking goes on, or is still to begin."""
        return self._thinking_finish is None and self._outcome is None

    def apply(self, event: PassEvent) -> None:
        """Apply one event of the thinking pass."""
        now = time.monotonic()
        match event:
            case SegmentOpened(kind):
                self._open(kind, now)
            case SegmentGrew(text, token_ids):
                self._segments[-1].grow(text, token_ids)
            case SegmentClosed():
                self._close(event, now)
            case TokensGenerated(count):
                self._count(count, now)
            case PassFinished(outcome):
                self._thinking_finish = ThinkingFinishReason(outcome.thinking_finish.value)
        self.changes.note()

    def end(
        self, state: TraceState, error: str = "", probabilities: OptionProbabilities | None = None, **verdict: object
    ) -> TraceOutcome:
        """End the trace; return its outcome."""
        if probabilities:
            self.tokens_generated += probabilities.tokens_generated
        self._outcome = TraceOutcome(
            state=state,
            thinking_finish_reason=self._thinking_finish or _unfinished(state),
            error=error,
            option_probabilities=probabilities.by_letter if probabilities else None,
            time_to_first_token_seconds=self._time_to_first_token(),
            seconds=time.monotonic() - self._started_at,
            tokens_generated=self.tokens_generated,
            tokens_per_second=self.tokens_per_second,
            **verdict,  # type: ignore[arg-type]
        )
        return self._outcome

    def cut(self, tokens: int, characters: int) -> None:
        """Keep only the first tokens of the thinking, which has ended; what follows was not used."""
        kept: list[LiveSegment] = []
        for segment in self._segments:
            if tokens <= 0:
                break
            record = segment.record()
            if record.token_count > tokens:
                segment.keep(tokens, characters)
            kept.append(segment)
            tokens, characters = tokens - record.token_count, characters - len(record.text)
        self._segments = kept
        self._thinking_finish = ThinkingFinishReason.EARLY_EXIT
        self.changes.note()

    def drop_all(self) -> None:
        """Forget every segment: the whole trace is asked for again."""
        self._segments = []
        self.changes.note()

    def drop_answer(self) -> None:
        """Forget the answer, which is asked for again, and its closing."""
        self._segments = [segment for segment in self._segments if segment.kind in COUNTED_AS_THINKING]
        self.changes.note()

    def set_naming(self, naming: Naming) -> None:
        """Note a name and tags that have been stored."""
        self._begun = replace(self._begun, name=naming.name, tags=naming.tags)
        self.changes.note()

    def mark_over(self) -> None:
        """Record that the outcome is known and has been saved, or failed to save."""
        self.is_over = True
        self.changes.note()

    def segments(self) -> tuple[Segment, ...]:
        """The segments so far."""
        return tuple(segment.record() for segment in self._segments)

    def progress(self) -> Progress:
        """The progress so far, to be saved."""
        return Progress(self.id, self.segments(), self.tokens_generated, self._time_to_first_token())

    def snapshot(self) -> Trace:
        """Return the trace in its current state."""
        outcome = self._outcome or TraceOutcome(
            state=TraceState.RUNNING,
            thinking_finish_reason=self._thinking_finish,
            time_to_first_token_seconds=self._time_to_first_token(),
            seconds=time.monotonic() - self._started_at,
            tokens_generated=self.tokens_generated,
            tokens_per_second=self.tokens_per_second,
        )
        return with_outcome(self._begun, self.segments(), outcome)

    def _open(self, kind: PassKind, now: float) -> None:
        if kind is PassKind.CLOSE:
            self._thinking_finish = ThinkingFinishReason(self._segments[-1].finish_reason or "budget")
        self._segments.append(LiveSegment(SegmentKind(kind.value), now))

    def _close(self, closed: SegmentClosed, now: float) -> None:
        segment = self._segments[-1]
        if segment.kind in (SegmentKind.THINK, SegmentKind.ANSWER):
            segment.close(now - segment.opened_at, closed)

    def _count(self, count: int, now: float) -> None:
        self.tokens_generated += count
        self._first_token_at = self._first_token_at or now
        self._last_token_at = now

    def begin_now(self) -> None:
        """Start the clock of a resumed or queued trace; seconds it ran before are kept."""
        self._started_at = self._last_token_at = time.monotonic() - (self._begun.seconds or 0.0)

    def _time_to_first_token(self) -> float | None:
        if self._begun.time_to_first_token_seconds is not None:
            return self._begun.time_to_first_token_seconds
        return None if self._first_token_at is None else self._first_token_at - self._started_at


def with_outcome(trace: Trace, segments: tuple[Segment, ...], outcome: TraceOutcome) -> Trace:
    """Return `trace` with these segments and this outcome."""
    return replace(
        trace,
        segments=segments,
        state=outcome.state,
        thinking_finish_reason=outcome.thinking_finish_reason,
        error=outcome.error,
        note=outcome.note,
        answer_letter=outcome.answer_letter,
        is_correct=outcome.is_correct,
        letter_rule=outcome.letter_rule,
        letter_start=outcome.letter_start,
        letter_end=outcome.letter_end,
        strict_version=outcome.strict_version,
        option_probabilities=outcome.option_probabilities,
        time_to_first_token_seconds=outcome.time_to_first_token_seconds,
        seconds=outcome.seconds,
        tokens_generated=outcome.tokens_generated,
        tokens_per_second=outcome.tokens_per_second,
    )


def _finish_of(closed: SegmentClosed) -> ThinkingFinish:
    if closed.is_natural_stop:
        return ThinkingFinish.NATURAL
    return ThinkingFinish.EARLY_EXIT if closed.is_early_exit else ThinkingFinish.BUDGET


def _unfinished(state: TraceState) -> ThinkingFinishReason | None:
    reasons = {TraceState.STOPPED: ThinkingFinishReason.STOPPED, TraceState.FAILED: ThinkingFinishReason.FAILED}
    return reasons.get(state)
