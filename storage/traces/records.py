"""Traces and their checkpoints as plain values: standard library only, no database.

`New...` holds what the caller knows at the start; the stored record adds ids and times. Summaries, filters and pages
for lists are in `listing.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from storage.questions.records import Question


class TraceState(StrEnum):
    """Lifecycle state of a trace."""

    RUNNING = "running"
    """Generating; `updated_at` is its heartbeat."""
    COMPLETED = "completed"
    """Finished, with an answer or at a cap."""
    STOPPED = "stopped"
    """Stopped by a user; what was generated is kept."""
    FAILED = "failed"
    """Ended by an error; what was generated is kept."""
    INTERRUPTED = "interrupted"
    """Its process disappeared; everything up to the last save is kept."""


class ThinkingFinishReason(StrEnum):
    """Why the thinking of a trace ended."""

    NATURAL = "natural"
    """The model stopped and no force round was left."""
    BUDGET = "budget"
    """The thinking budget was spent."""
    EARLY_EXIT = "early_exit"
    """A person had the model answer before the budget was spent."""
    STOPPED = "stopped"
    """Stopped by a user."""
    FAILED = "failed"
    """Ended by an error."""


class SegmentKind(StrEnum):
    """Kind of a segment."""

    THINK = "think"
    """Thinking written by the model."""
    WAIT = "wait"
    """Text injected at a natural stop to force another round."""
    EDIT = "edit"
    """Text that a person wrote into the thinking, from which the model went on."""
    CLOSE = "close"
    """Text injected between thinking and answer."""
    ANSWER = "answer"
    """Answer written by the model."""


COUNTED_AS_THINKING = (SegmentKind.THINK, SegmentKind.WAIT, SegmentKind.EDIT)
"""Kinds whose tokens count against the thinking budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment of a trace."""

    kind: SegmentKind
    text: str
    """Text of the tokens; NUL and lone surrogates are read back as U+FFFD."""
    token_ids: tuple[int, ...] = ()
    """The engine's ids, each 0 to 2**32 - 1; fewer than `token_count` if the engine withheld some."""
    token_count: int = 0
    """Number of tokens, including unreported ones."""
    seconds: float | None = None
    """Wall-clock time from its first to its last token; None if injected."""
    finish_reason: str | None = None
    """Why the engine or the controller ended it ("stop", "length", "budget", ...); None while it grows."""
    delimiter_ids: tuple[int, ...] = ()
    """Tokens with which the model ended it: generated, but neither in the text nor counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTrace:
    """A thinking pass that is about to start."""

    question_id: str
    thinking_budget_tokens: int
    """Maximum tokens between the thinking delimiters, including injected ones."""
    force_rounds: int
    """Maximum number of natural stops replaced with "Wait"."""
    temperature: float
    """0 is greedy."""
    top_p: float
    """Nucleus mass, 0 < top_p <= 1."""
    seed: int | None
    """Sampling seed; None if the engine chose one."""
    answer_cap_tokens: int
    """Maximum tokens of the answer."""
    system_prompt: str
    """Empty if there was none."""
    model: str
    """Model id, from the catalog or as the engine names it."""
    profile: str
    """Profile id; determines how thinking and answer are opened and closed."""
    profile_is_guess: bool
    """True if no profile was set for the model and one was assumed."""
    engine_kind: str
    """Server software: "llama.cpp", "vllm", "sglang" or "other"."""
    engine_version: str
    """Its version; empty if it does not report one."""
    engine_name: str
    """Which of the app's engines: "embedded", "vllm" or "remote"."""
    prompt_text: str
    """The complete prompt, special tokens spelled out."""
    prompt_token_ids: tuple[int, ...]
    """The token ids sent to the engine."""
    owner: str
    """"host:pid" of the process that runs it."""
    asked_by: str = ""
    """Id of the account that asked; empty for a person without one."""
    sweep_id: str | None = None
    """The sweep it is a pass of; such a trace has thinking only, and its answers are checkpoints."""
    pass_number: int = 0
    """Number of the pass within the sweep and model, or the strategy, from 0."""
    strategy_run_id: str | None = None
    """The run of strategies that it is a pass of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOutcome:
    """How a trace ended."""

    state: TraceState
    """Any state except running."""
    thinking_finish_reason: ThinkingFinishReason | None = None
    """None if the thinking never ended."""
    error: str = ""
    """Error message for the user; empty unless it failed."""
    note: str = ""
    """Notes for the reader, such as a budget cut short by the context length."""
    answer_letter: str | None = None
    """Letter read from the answer, if any."""
    is_correct: bool | None = None
    """None if unscored: no target, or no answer to score."""
    letter_rule: str | None = None
    """What the letter, or its absence, rests on, in the scoring rule's words; None if nothing was read."""
    letter_start: int | None = None
    """Start of the words it rests on, in code points of the answer; None if there are none."""
    letter_end: int | None = None
    strict_version: int | None = None
    """Version of the scoring rule `strict` that read it; None for the first one, which did not record it."""
    option_probabilities: Mapping[str, float] | None = None
    """Letter to probability, 0-1, with a sum of at most 1; None if not requested."""
    time_to_first_token_seconds: float | None = None
    """From the request to the first token."""
    seconds: float | None = None
    """Wall-clock time of the whole trace."""
    tokens_generated: int = 0
    """All tokens the engine generated for it, including cancelled ones."""
    tokens_per_second: float | None = None
    """Generated tokens divided by the time they took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace(NewTrace):
    """A stored thinking pass; the fields from `state` on are those of `TraceOutcome`."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    question: Question
    created_at: datetime
    """Start time, aware, UTC."""
    updated_at: datetime
    """Time of the last save (its heartbeat), aware, UTC."""
    prompt_sha256: str
    """SHA-256 (hex) of `prompt_text` in UTF-8."""
    segments: tuple[Segment, ...]
    """In order."""
    state: TraceState
    thinking_finish_reason: ThinkingFinishReason | None
    error: str
    note: str
    answer_letter: str | None
    is_correct: bool | None
    letter_rule: str | None = None
    letter_start: int | None = None
    letter_end: int | None = None
    strict_version: int | None = None
    option_probabilities: Mapping[str, float] | None
    time_to_first_token_seconds: float | None
    seconds: float | None
    tokens_generated: int
    tokens_per_second: float | None
    name: str = ""
    """What a person calls it; empty without a name. See `storage.naming`."""
    tags: tuple[str, ...] = ()

    @property
    def thinking_text(self) -> str:
        """The thinking as one text, including injected waits."""
        return "".join(part.text for part in self.segments if part.kind in COUNTED_AS_THINKING)

    @property
    def answer_text(self) -> str:
        """The answer as one text; empty if it has not started."""
        return "".join(part.text for part in self.segments if part.kind is SegmentKind.ANSWER)

    @property
    def letter_words(self) -> str:
        """The words of the answer that its letter rests on; empty if there are none."""
        return self.answer_text[self.letter_start or 0 : self.letter_end or 0]

    @property
    def thinking_tokens(self) -> int:
        """Tokens counted against the thinking budget."""
        return sum(part.token_count for part in self.segments if part.kind in COUNTED_AS_THINKING)


@dataclass(frozen=True, slots=True)
class MeasuredLength:
    """How long one trace became."""

    thinking_tokens: int
    force_rounds: int
    is_natural: bool
    """Whether the model stopped by itself; else its budget was spent, and it would have gone on."""
    answer_tokens: int | None
    """None for a pass of a sweep, which has several answers."""


@dataclass(frozen=True, slots=True)
class MeasuredRate:
    """How fast one trace was generated, and how long it became."""

    model: str
    engine_name: str
    is_pass: bool
    """Whether it is a pass of a sweep."""
    tokens_per_second: float
    """Above 0."""
    length: MeasuredLength | None = None
    """None if a person ended it, or something failed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a running trace. One marked interrupted becomes running again."""

    trace_id: str
    segments: Sequence[Segment]
    """All segments so far, in order."""
    tokens_generated: int
    """All tokens the engine generated for it."""
    time_to_first_token_seconds: float | None
    """From the request to the first token; None before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCheckpoint:
    """An answer forked from a trace at a cut; shared by all cells of the sweep that end there."""

    trace_id: str
    cells: tuple[tuple[int, int], ...]
    """(thinking budget in tokens, force rounds) of each cell that ends at this cut."""
    cut_tokens: int
    """Thinking tokens available to the answer."""
    cut_characters: int
    """The same position in the thinking text, in code points."""
    thinking_finish_reason: ThinkingFinishReason
    """How the thinking was closed there: natural or budget."""
    forced_rounds: int
    """"Wait"s before the cut."""
    text: str
    """The answer."""
    letter: str | None
    """Letter read from it, if any."""
    option_probabilities: Mapping[str, float] | None
    """Letter to probability; None if not requested."""
    is_correct: bool | None
    """None if unscored."""
    finish_reason: str | None
    """"natural" or "budget" (the answer's cap); None when it was cancelled or failed."""
    token_count: int
    """Tokens of the answer."""
    tokens_generated: int
    """All tokens the engine generated for it, including delimiters and option probabilities."""
    tokens_if_separate: int
    """Tokens that running such a cell alone would generate, including its thinking."""
    error: str = ""
    """Why there is no answer; empty if there is one."""
    letter_rule: str | None = None
    """What the letter, or its absence, rests on, in the scoring rule's words; None if nothing was read."""
    letter_start: int | None = None
    """Start of the words it rests on, in code points of the answer; None if there are none."""
    letter_end: int | None = None
    strict_version: int | None = None
    """Version of the scoring rule `strict` that read it; None for the first one, which did not record it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(NewCheckpoint):
    """A stored checkpoint."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    created_at: datetime
    """Aware, UTC."""

    @property
    def letter_words(self) -> str:
        """The words of the answer that its letter rests on; empty if there are none."""
        return self.text[self.letter_start or 0 : self.letter_end or 0]
