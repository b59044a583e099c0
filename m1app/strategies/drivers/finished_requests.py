"""Requests that need not be asked: those that ended before a kill, and those that stored passes have made already."""

from dataclasses import dataclass, field
from typing import Protocol

from m1app.strategies.drivers.telling import Told
from m1app.strategies.protocol import Answered, Failed, Found, Looked, Request, Thought
from models.engine.protocol import TokenIds


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What a strategy left of a request that it cancelled. It is never told of it."""

    key: str
    tokens: int = 0
    """Of a thinking, with its text, tokens and natural stops up to there; other requests leave nothing."""
    text: str = field(default="", repr=False)
    stops: tuple[int, ...] = ()
    token_ids: TokenIds = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """A request that has ended, as it is kept for replay."""

    event: Thought | Answered | Looked | Found | Failed | Cancelled
    prompt_ids: TokenIds = ()
    """Of a thinking: what preceded it, the opening included."""
    confidences: tuple[float, ...] = ()
    """Of a thinking's tokens, as they were told; empty if they were not asked for."""
    told: Told = field(default_factory=Told)
    """When the strategy was told of it."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A request that a stored pass has made already."""

    finished: Finished
    generated: int
    """Tokens that it generated."""
    trace_id: str = ""
    """Of a thinking: where it is stored."""


class StoredRequests(Protocol):
    """What need not be asked, since passes of the same question are stored."""

    def take(self, request: Request) -> Shared | None:
        """What came of such a request; None if it has to be asked."""
        ...
