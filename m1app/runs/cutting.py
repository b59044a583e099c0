"""Where a stored thinking is cut: at the last border of tokens before a place of its text, on the stored token ids.

The text is never tokenized again: the same text can be other tokens, which the model would go on from differently. The
engine spells the stored ids; if they no longer say what is stored, its tokenizer has changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from m1app.runs.errors import CutRefused
from models.engine.protocol import Engine, TokenIds
from models.thinking.budget_forcing import SegmentKind as PassKind
from models.thinking.budget_forcing import ThinkingFinish
from models.thinking.going_on import Stretch
from storage.traces.records import COUNTED_AS_THINKING, Segment, SegmentKind, Trace

_TEXT_BEFORE = 400
"""Characters before the cut that are kept with a test."""
_MOST_BYTES_OF_A_CHARACTER = 8
"""A border inside of a character is at most so many tokens from one that is none."""


@dataclass(frozen=True, slots=True)
class KeptThinking:
    """The part of a thinking before a cut."""

    segments: tuple[Segment, ...] = field(repr=False)
    """The last one is open: it may have been cut, and the thinking goes on with it."""

    @property
    def token_ids(self) -> TokenIds:
        """Its tokens."""
        return tuple(chain.from_iterable(each.token_ids for each in self.segments))

    @property
    def text(self) -> str:
        """Its text."""
        return "".join(each.text for each in self.segments)

    @property
    def characters(self) -> int:
        """Of its text, in code points."""
        return len(self.text)

    @property
    def text_before(self) -> str:
        """The last 400 characters of its text."""
        return self.text[-_TEXT_BEFORE:]

    @property
    def waits(self) -> tuple[int, ...]:
        """Tokens of each "Wait" that began in it."""
        return tuple(len(each.token_ids) for each in self.segments if each.kind is SegmentKind.WAIT)


def require_same_prompt(token_ids: TokenIds, trace: Trace, what_to_do: str) -> None:
    """Raise CutRefused, which ends with `what_to_do`, if the prompt of a trace now has other tokens than these."""
    if token_ids != trace.prompt_token_ids:
        raise CutRefused(
            "The engine now builds a different prompt for this question than when it was answered: its tokenizer or "
            f"its chat template has changed. {what_to_do}"
        )


async def cut_before(engine: Engine, segments: Sequence[Segment], start: int) -> KeptThinking:
    """Keep of a thinking what comes before a place of its text.

    Args:
        engine: spells tokens.
        segments: of a trace.
        start: code points of the thinking's text before the place.

    Raises:
        CutRefused: tokens are missing, or the engine spells them differently.
        EngineError: the engine does not answer.
    """
    kept: list[Segment] = []
    at = 0
    for segment in segments:
        if segment.kind not in COUNTED_AS_THINKING or at >= start:
            continue
        if len(segment.token_ids) != segment.token_count:
            raise CutRefused(
                "The engine did not report the ids of some tokens of this thinking, so it cannot be cut. Choose "
                "another trace."
            )
        count, length = await _tokens_before(engine, segment, start - at)
        if count:
            kept.append(_beginning_of(segment, count, length))
        at += len(segment.text)
        if count < len(segment.token_ids):
            break
    if kept:
        kept[-1] = replace(kept[-1], finish_reason=None, delimiter_ids=())
    return KeptThinking(tuple(kept))


def stretches_of(segments: Sequence[Segment]) -> list[Stretch]:
    """The thinking in these segments, to go on with. What a person wrote is a part of the stretch that goes on."""
    return [_stretch_of(each) for each in segments if each.kind in COUNTED_AS_THINKING]


def _stretch_of(kept: Segment) -> Stretch:
    kind = PassKind.WAIT if kept.kind is SegmentKind.WAIT else PassKind.THINK
    finish = ThinkingFinish(kept.finish_reason) if kept.finish_reason else None
    return Stretch(kind, kept.text, kept.token_ids, finish, kept.delimiter_ids)


def _beginning_of(segment: Segment, tokens: int, characters: int) -> Segment:
    if tokens == len(segment.token_ids):
        return segment
    return Segment(
        kind=segment.kind,
        text=segment.text[:characters],
        token_ids=segment.token_ids[:tokens],
        token_count=tokens,
        seconds=None,
    )


async def _tokens_before(engine: Engine, segment: Segment, characters: int) -> tuple[int, int]:
    """Most tokens of a segment whose text is at most so long, and the length of that text."""
    ids, text = segment.token_ids, segment.text
    missing = await _left_out(engine, segment)
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high + 1) // 2
        if missing + len(await engine.detokenize(ids[:middle])) <= characters:
            low = middle
        else:
            high = middle - 1
    for count in range(low, max(0, low - _MOST_BYTES_OF_A_CHARACTER), -1):
        spelled = await engine.detokenize(ids[:count])
        if text.startswith(spelled, missing):
            return count, missing + len(spelled)
    if low < _MOST_BYTES_OF_A_CHARACTER:
        return 0, 0
    raise _changed()


async def _left_out(engine: Engine, segment: Segment) -> int:
    """1 where the engine leaves out a space at the beginning of a text; else 0. Raises CutRefused."""
    spelled = (await engine.detokenize(segment.token_ids)).rstrip("\ufffd")
    for missing in (0, 1):
        # The end may be a part of a character.
        if segment.text[missing:].rstrip("\ufffd") == spelled and not segment.text[:missing].strip():
            return missing
    raise _changed()


def _changed() -> CutRefused:
    return CutRefused(
        "The engine spells the stored tokens of this thinking differently from its stored text: its tokenizer has "
        "changed. Ask the question again, and continue from the new trace."
    )
