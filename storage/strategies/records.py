"""Runs of strategies as plain values: standard library only.

A run asks one question by several strategies; each has a result, and a result has requests: its ledger. Passes of the
question itself are traces of their own (`StrategyRequest.trace_id`); what else was generated stands in the requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage.questions.records import Question
from storage.traces.records import TraceState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStrategyRun:
    """One question to be asked by strategies."""

    question_id: str
    choices: tuple[str, ...]
    """As they are written, such as "vote:k=8"; each once."""
    model: str
    """The app's name for the model."""
    profile: str
    """Requested profile; empty uses the one that matches."""
    system_prompt: str | None
    """None uses the profile's own."""
    budget_tokens: int
    """Most tokens that each strategy may generate."""
    thinking_tokens: int | None
    """Thinking budget of each pass; None shares the budget among a strategy's passes."""
    force_rounds: int
    temperature: float
    """Of the passes; 0 is greedy."""
    top_p: float
    seed: int
    """Of the first pass of each strategy; later ones count on."""
    answer_cap_tokens: int
    engine_kind: str
    engine_version: str
    engine_name: str
    prompt_sha256: str
    """SHA-256 (hex) of the question's prompt as token ids; a run goes on only with the same."""
    owner: str
    """"host:pid" of the process that runs it."""
    asked_by: str = ""
    """Id of the account that asked; empty for a person without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRunState:
    """State of a run."""

    state: TraceState
    error: str = ""
    """For people; empty unless it failed."""
    seconds: float = 0.0
    """Wall-clock time, including before it was resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyResult:
    """What one strategy came to, or has come to so far."""

    choice: str
    state: TraceState
    letter: str | None = None
    answer: str = ""
    is_correct: bool | None = None
    """None if unscored."""
    why: str = ""
    """How the answer was chosen, for people."""
    of_key: str = ""
    """Key of the request that the answer comes from."""
    error: str = ""
    generated: int = 0
    injected: int = 0
    prompt_new: int = 0
    prompt_cached: int = 0
    wasted: int = 0
    """See `m1app.strategies.drivers.ledger`."""
    seconds: float = 0.0
    picture: Mapping[str, Any] = field(default_factory=dict)
    """What the strategy shows, by name; of JSON's types."""

    @property
    def computed(self) -> int:
        """Generated tokens and those of prompts that no cache had."""
        return self.generated + self.prompt_new


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRequest:
    """One request of a strategy: its entry in the ledger, and what came of it."""

    position: int
    """From 0, within the result."""
    key: str
    attempt: int
    purpose: str
    model: str
    state: str
    generated: int
    injected: int
    prompt_new: int
    prompt_cached: int
    wasted: int
    seconds: float
    trace_id: str | None = None
    """The trace that it is a part of; the text then stands there."""
    prompt: str = ""
    """The user's turn of a prompt of the strategy's own; of a search, what was searched for."""
    text: str = ""
    """Of a search, what was found as JSON: {"passages": [...], "inserted": "text that was inserted"}."""
    token_ids: tuple[int, ...] = ()
    """Of a thinking without a trace; of a search, those that were inserted."""
    prompt_ids: tuple[int, ...] = ()
    """What preceded it, the opening included."""
    confidences: tuple[float, ...] = ()
    """Of each token of a thinking, where they were asked for; see `m1app.strategies.drivers.metering`."""
    told: tuple[int, ...] = ()
    """When the strategy was told of it: number and chunks, see `m1app.strategies.drivers.telling`. Empty for requests
    that have not ended."""
    rest: str = ""
    """Of a thinking that was closed: what the strategy had been told of it beyond that place."""
    letter: str | None = None
    tokens: int = 0
    """Tokens of the text."""
    finish: str = ""
    """Of a thinking: "natural", "mark", "budget" or "closed"; of an answer: "whole" or "cap"; of a search: "found";
    "cancelled" if the strategy did so; empty for others."""
    forced_rounds: int = 0
    stops: tuple[int, ...] = ()
    """Of a thinking: tokens before each natural stop."""
    probabilities: Mapping[str, float] | None = None
    """Of the choices that it looked at."""
    is_shared: bool = False
    """Whether it was taken from a stored pass instead of asked; its tokens are counted as if it had been."""
    error: str = ""
    prompt_reported: int = 0
    """Prompt tokens of which the engine said whether it had them in its cache; 0 if it says nothing, and for requests
    that an earlier version of the app has stored."""
    cached_reported: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRun(NewStrategyRun):
    """A stored run; the fields from `state` on are those of `StrategyRunState`."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    question: Question
    created_at: datetime
    """Aware, UTC."""
    updated_at: datetime
    """Last heartbeat, aware, UTC."""
    state: TraceState
    error: str
    seconds: float
    results: tuple[StrategyResult, ...]
    """In the order of `choices`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRunSummary:
    """A run as shown in lists."""

    id: str
    created_at: datetime
    stem: str
    """The beginning of the question."""
    target: str | None
    choices: tuple[str, ...]
    letters: tuple[str | None, ...]
    """Of the results, in the order of the choices."""
    verdicts: tuple[bool | None, ...]
    model: str
    budget_tokens: int
    state: TraceState
    generated: int
    """Tokens of all results."""
    owner: str
    updated_at: datetime
    asked_by: str
    """Id of the account that asked; empty for a person without one."""
