"""The ledger of a strategy's run: every token that was generated, inserted or read for it, by request.

Counts come from what the engine sends, delimiters, unreported tokens and cancelled requests included. What an engine
generates after the client has hung up is not known to the client; see docs/strategies. Pure.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from m1app.strategies.protocol import Purpose


class EntryState(StrEnum):
    """How a request ended."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    LOST = "lost"
    """Its process was gone before it ended; it was asked again."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request of a run."""

    key: str
    purpose: Purpose
    model: str
    """The app's name for the model that was asked; of a search the corpus, empty for all."""
    attempt: int = 0
    """Above 0 if the run was resumed and the request asked again."""
    state: EntryState = EntryState.RUNNING
    generated: int = 0
    """Tokens that the engine generated."""
    injected: int = 0
    """Tokens that were inserted: "Wait"s, closings, leads, prompts of the strategy's own are not."""
    prompt_new: int = 0
    """Prompt tokens that the engine computed; without word from the engine, those that were not sent before."""
    prompt_cached: int = 0
    """Prompt tokens that it had in its cache."""
    prompt_reported: int = 0
    """Prompt tokens of which the engine said whether it had them in its cache; the others are what the app expects."""
    cached_reported: int = 0
    """Of these, those that it had."""
    wasted: int = 0
    """Generated tokens of which nothing was used."""
    seconds: float = 0.0
    """Wall-clock time."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a run cost, in tokens."""

    generated: int = 0
    injected: int = 0
    prompt_new: int = 0
    prompt_cached: int = 0
    wasted: int = 0


def costs_of(entries: Iterable[Entry]) -> Costs:
    """Add up entries."""
    kept = list(entries)
    return Costs(
        sum(each.generated for each in kept),
        sum(each.injected for each in kept),
        sum(each.prompt_new for each in kept),
        sum(each.prompt_cached for each in kept),
        sum(each.wasted for each in kept),
    )


class Ledger:
    """Keeps the entries of a run, and the budget.

    Tokens are reserved when a request begins; what it has not used is free again when it ends. A thinking sets tokens
    aside besides, for what is asked after it: they stay reserved until that is asked, or cannot be asked any more.
    """

    def __init__(self, budget_tokens: int | None, before: Sequence[Entry] = ()) -> None:
        """Args:
        budget_tokens: most tokens that may be generated; None for any number, which each request bounds for itself.
        before: entries of the run before it was resumed; those that ran are lost, and their tokens wasted.
        """
        self.budget_tokens = sys.maxsize if budget_tokens is None else budget_tokens
        self._is_bounded = budget_tokens is not None
        self._entries = [replace(each) for each in before]
        for each in self._entries:
            if each.state is EntryState.RUNNING:
                each.state, each.wasted = EntryState.LOST, each.generated
        self._latest = {each.key: each for each in self._entries}
        self._reserved: dict[str, int] = {}
        """What each running request may still generate."""
        self._reserved_in_all = 0
        self._aside: dict[str, int] = {}
        """What is set aside for requests after this one, above 0 each."""
        self._aside_in_all = 0
        self._after: dict[str, str] = {}
        """Of running requests that are asked after another one: its key."""
        self._generated = sum(each.generated for each in self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries as they are now, in the order of their beginning."""
        return tuple(replace(each) for each in self._entries)

    @property
    def costs(self) -> Costs:
        """What the run has cost so far."""
        return costs_of(self._entries)

    @property
    def generated(self) -> int:
        """Tokens generated so far."""
        return self._generated

    @property
    def left_tokens(self) -> int:
        """Tokens that a new request may still generate; never below 0."""
        return self.left_after("")

    def left_after(self, key: str) -> int:
        """Tokens that a new request after this one may still generate; never below 0."""
        return max(0, self._left + self._aside_for(key))

    @property
    def _left(self) -> int:
        """Below 0 if an engine has sent more than it was asked for."""
        return self.budget_tokens - self._generated - self._reserved_in_all - self._aside_in_all

    def _aside_for(self, after: str) -> int:
        """What is set aside is for the end of a thinking: while it runs, nothing may use it."""
        return 0 if after in self._reserved else self._aside.get(after, 0)

    def _put_aside(self, key: str, tokens: int) -> None:
        self._aside_in_all += tokens - self._aside.pop(key, 0)
        if tokens:
            self._aside[key] = tokens

    def begin(
        self, key: str, purpose: Purpose, model: str, tokens: int, *, after: str = "", set_aside: int = 0
    ) -> bool:
        """Reserve `tokens` for a request and open its entry; False if they are not left.

        Args:
            key: of the request.
            purpose: what it is for.
            model: the app's name for the model.
            tokens: the most that it generates.
            after: key of the request after which it is asked: it uses what that one has set aside first.
            set_aside: for requests after it.

        Raises:
            ValueError: a request of this key is running.
        """
        if key in self._reserved:
            raise ValueError(f"request {key!r} is running")
        own = self._aside_for(after)
        if tokens + set_aside > self._left + own:
            return False
        if own:
            self._put_aside(after, max(0, own - tokens - set_aside))
        self._put_aside(key, set_aside)
        self._after[key] = after
        before = self._latest.get(key)
        entry = Entry(key=key, purpose=purpose, model=model, attempt=before.attempt + 1 if before else 0)
        self._latest[key] = entry
        self._entries.append(entry)
        self._reserved[key] = tokens
        self._reserved_in_all += tokens
        return True

    def repeat(self, key: str, tokens: int, *, after: str = "", set_aside: int = 0) -> None:
        """Note a request that an earlier process has made, of which the entries before tell: as `begin`, except that
        no more is set aside than is left."""
        if own := self._aside_for(after):
            self._put_aside(after, max(0, own - tokens - set_aside))
        self._put_aside(key, min(set_aside, self.left_tokens))

    def release(self, key: str) -> None:
        """Nothing more is asked after this request."""
        self._put_aside(key, 0)

    def is_running(self, key: str) -> bool:
        """Whether a request of this key is under way."""
        return key in self._reserved

    def allowance(self, key: str) -> int:
        """Tokens that a running request may still generate."""
        return max(0, self._reserved[key]) if self._is_bounded else sys.maxsize

    def add(self, key: str, *, generated: int = 0, injected: int = 0, prompt_new: int = 0, cached: int = 0) -> None:
        """Count tokens of a running request; `report` counts what the engine says of its cache."""
        entry = self._latest[key]
        entry.generated += generated
        entry.injected += injected
        entry.prompt_new += prompt_new
        entry.prompt_cached += cached
        self._generated += generated
        self._reserved[key] -= generated
        self._reserved_in_all -= generated

    def report(self, key: str, prompt: int, cached: int) -> None:
        """Count the engine's word on a prompt of a running request: `cached` of its tokens were in the cache."""
        entry = self._latest[key]
        entry.prompt_reported += prompt
        entry.cached_reported += cached

    def count(self, key: str, tokens: int) -> None:
        """Count generated tokens of a running request: `add` for every chunk of a stream."""
        self._latest[key].generated += tokens
        self._generated += tokens
        self._reserved[key] -= tokens
        self._reserved_in_all -= tokens

    def waste(self, key: str, tokens: int) -> None:
        """Count generated tokens of a request, running or ended, as wasted; not more than it has generated."""
        entry = self._latest[key]
        entry.wasted = min(entry.generated, entry.wasted + tokens)

    def end(self, key: str, state: EntryState, seconds: float) -> None:
        """Close a running request's entry and free what it has not used; all of one that is not done is wasted."""
        entry = self._latest[key]
        entry.state, entry.seconds = state, seconds
        after = self._after.pop(key)
        if state is not EntryState.DONE:
            entry.wasted = entry.generated
            self.release(key)
            if after not in self._reserved:
                self.release(after)
        self._reserved_in_all -= self._reserved.pop(key)

    def generated_by(self, key: str) -> int:
        """Tokens of a request's latest entry; raises KeyError if it never began."""
        return self._latest[key].generated

    def entry(self, key: str) -> Entry:
        """The latest entry of a request as it is now; raises KeyError if it never began."""
        return replace(self._latest[key])
