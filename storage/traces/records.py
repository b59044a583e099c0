"""Traces and their checkpoints as plain values: standard library only, no database.

`New...` is what the caller knows when a record begins; the record that comes back adds what storage gives it. What a
list needs of traces (summaries, filter, page) is in `listing.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from storage.questions.records import Question


class TraceState(StrEnum):
    """Where a trace is in its life."""

    RUNNING = "running"
    """Tokens are coming; `updated_at` is its heartbeat."""
    COMPLETED = "completed"
    """Ended by itself, with an answer or at a cap."""
    STOPPED = "stopped"
    """A person stopped it; what had come is kept."""
    FAILED = "failed"
    """An error ended it; what had come is kept."""
    INTERRUPTED = "interrupted"
    """Its process went away; the last saved second is kept."""


class ThinkingFinishReason(StrEnum):
    """Why the thinking of a trace ended."""

    NATURAL = "natural"
    """The model ended it by itself and no force round was left."""
    BUDGET = "budget"
    """The thinking budget was spent."""
    STOPPED = "stopped"
    """A person stopped it."""
    FAILED = "failed"
    """An error ended it."""


class SegmentKind(StrEnum):
    """What a stretch of a trace is."""

    THINK = "think"
    """Thinking that the model wrote."""
    WAIT = "wait"
    """The text injected in place of a natural stop to force another round."""
    CLOSE = "close"
    """What was injected between thinking and answer."""
    ANSWER = "answer"
    """The answer that the model wrote."""


COUNTED_AS_THINKING = (SegmentKind.THINK, SegmentKind.WAIT)
"""Segments whose tokens the thinking budget counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One stretch of a trace."""

    kind: SegmentKind
    text: str
    """Readable text of the tokens; NUL and lone surrogates come back as U+FFFD."""
    token_ids: tuple[int, ...] = ()
    """The engine's ids, each 0 to 2**32 - 1; may be fewer than `token_count` when the engine hid some."""
    token_count: int = 0
    """Tokens of this segment, unreported ones included."""
    seconds: float | None = None
    """Wall-clock time from its first to its last token; None when it was injected."""
    finish_reason: str | None = None
    """Why the engine or the controller ended it ("stop", "length", "budget", ...); None while it grows."""
    delimiter_ids: tuple[int, ...] = ()
    """Tokens by which the model ended it: generated, and neither in the text nor counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTrace:
    """One thinking pass that is about to begin."""

    question_id: str
    thinking_budget_tokens: int
    """Most tokens between the thinking delimiters, injected ones included."""
    force_rounds: int
    """How many natural stops are turned into "Wait", at most."""
    temperature: float
    """0 is greedy."""
    top_p: float
    """Nucleus mass, 0 < top_p <= 1."""
    seed: int | None
    """Sampling seed; None when the engine chose."""
    answer_cap_tokens: int
    """Most tokens of the answer."""
    system_prompt: str
    """Empty when there was none."""
    model: str
    """Model id, of the catalog or as the engine names it."""
    profile: str
    """Profile id: how thinking and answer were opened and closed."""
    profile_is_guess: bool
    """True when no profile was named for the model and one was assumed."""
    engine_kind: str
    """Server software: "llama.cpp", "vllm", "sglang" or "other"."""
    engine_version: str
    """Its version; empty when it does not tell."""
    engine_name: str
    """Which of the app's engines: "embedded", "vllm" or "remote"."""
    prompt_text: str
    """The whole prompt, special tokens spelled out."""
    prompt_token_ids: tuple[int, ...]
    """The ids that were sent."""
    owner: str
    """"host:pid" of the process that runs it."""
    sweep_id: str | None = None
    """The sweep that it is a pass of; such a trace has thinking only, its answers are checkpoints."""
    pass_number: int = 0
    """Which of the sweep's passes of this model, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOutcome:
    """How a trace ended."""

    state: TraceState
    """Any but running."""
    thinking_finish_reason: ThinkingFinishReason | None = None
    """None when the thinking never ended."""
    error: str = ""
    """Error message for the user; empty unless it failed."""
    note: str = ""
    """What a reader should know beside, such as a budget that the context cut short."""
    answer_letter: str | None = None
    """Letter read from the answer; None when there is none."""
    is_correct: bool | None = None
    """None is unscored: no target, or no answer to score."""
    option_probabilities: Mapping[str, float] | None = None
    """Letter to probability, 0-1, together at most 1; None when not asked for."""
    time_to_first_token_seconds: float | None = None
    """From the request to the first token."""
    seconds: float | None = None
    """Wall-clock time of the whole trace."""
    tokens_generated: int = 0
    """Every token that the engine produced for it, cancelled ones too."""
    tokens_per_second: float | None = None
    """Generated tokens over the time they took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace(NewTrace):
    """One thinking pass as it is kept; the fields from `state` on are those of `TraceOutcome`."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    question: Question
    created_at: datetime
    """When it began, aware, UTC."""
    updated_at: datetime
    """When it was last saved (its heartbeat), aware, UTC."""
    prompt_sha256: str
    """SHA-256 (hex) of `prompt_text` in UTF-8."""
    segments: tuple[Segment, ...]
    """In the order in which they came."""
    state: TraceState
    thinking_finish_reason: ThinkingFinishReason | None
    error: str
    note: str
    answer_letter: str | None
    is_correct: bool | None
    option_probabilities: Mapping[str, float] | None
    time_to_first_token_seconds: float | None
    seconds: float | None
    tokens_generated: int
    tokens_per_second: float | None

    @property
    def thinking_text(self) -> str:
        """Thinking as one text, injected waits included."""
        return "".join(part.text for part in self.segments if part.kind in COUNTED_AS_THINKING)

    @property
    def answer_text(self) -> str:
        """The answer as one text; empty when it has not begun."""
        return "".join(part.text for part in self.segments if part.kind is SegmentKind.ANSWER)

    @property
    def thinking_tokens(self) -> int:
        """Tokens that the thinking budget counts."""
        return sum(part.token_count for part in self.segments if part.kind in COUNTED_AS_THINKING)


@dataclass(frozen=True, slots=True)
class Progress:
    """What has come so far of a running trace."""

    trace_id: str
    segments: Sequence[Segment]
    """All of the trace, in order."""
    tokens_generated: int
    """Every token that the engine produced for it."""
    time_to_first_token_seconds: float | None
    """None before there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCheckpoint:
    """An answer forked from a trace at a cut; all cells of a sweep that end there share it."""

    trace_id: str
    cells: tuple[tuple[int, int], ...]
    """(thinking budget in tokens, force rounds) of each cell that ends at this cut."""
    cut_tokens: int
    """Thinking tokens that the answer was given."""
    cut_characters: int
    """The same position in the thinking text, in code points."""
    thinking_finish_reason: ThinkingFinishReason
    """Natural or budget: how the thinking was closed there."""
    forced_rounds: int
    """"Wait"s before the cut."""
    text: str
    """The answer."""
    letter: str | None
    """Letter read from it; None when there is none."""
    option_probabilities: Mapping[str, float] | None
    """Letter to probability; None when not asked for."""
    is_correct: bool | None
    """None is unscored."""
    finish_reason: str | None
    """"natural" or "budget" (the answer's cap); None when it was cancelled or failed."""
    token_count: int
    """Tokens of the answer."""
    tokens_generated: int
    """Every token that the engine produced for it, delimiters and option probabilities included."""
    tokens_if_separate: int
    """Tokens that one run of such a cell alone generates, its thinking included."""
    error: str = ""
    """Why there is no answer; empty when there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(NewCheckpoint):
    """A checkpoint that is kept."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    created_at: datetime
    """Aware, UTC."""
