"""Drives a strategy on stored passes instead of an engine, by the clock of tokens.

Every pass generates one token per tick, as if all ran at the same speed; so a race has the winner that it would have
had. The ledger charges what the strategy would have cost, cancelled tails too. What is not stored cannot be asked: a
strategy that judges, plans or debates needs an engine.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from m1app.strategies.drivers.ledger import EntryState, Ledger
from m1app.strategies.errors import NotInPool
from m1app.strategies.protocol import (
    LOOK_TOKENS,
    Answer,
    Answered,
    Cancel,
    Close,
    Event,
    Finish,
    Grew,
    Growth,
    Look,
    Looked,
    Refused,
    Request,
    Search,
    Show,
    Start,
    Strategy,
    Think,
    Thought,
    Verdict,
    asked_after,
    most_tokens,
    set_aside,
)


@dataclass(frozen=True, slots=True)
class PooledAnswer:
    """A stored answer after a part of a pass."""

    cut_tokens: int
    """Thinking tokens before it."""
    cut_characters: int
    """Characters of the thinking before it."""
    finish: Finish
    """Why the thinking ended there."""
    text: str
    letter: str | None
    tokens: int
    """Tokens that the answer generated, without the look at the options."""
    probabilities: Mapping[str, float] | None = None
    """Of the options as the next token at the end of the thinking."""
    is_whole: bool = True
    thinking_generated: int | None = None
    """Tokens that the thinking before it generated; None if these are just its tokens. With forced rounds, "Wait"s were
    inserted, and the delimiters that they overruled were generated."""
    budgets: tuple[int, ...] = ()
    """Thinking budgets of passes that end here; empty for that of its cut and, at a natural stop, all larger ones. With
    forced rounds, a stop can end a small budget, which has no room for a "Wait", and be overruled in a larger one."""

    def ends(self, budget_tokens: int) -> bool:
        """Whether a pass of this budget ends here."""
        if self.budgets:
            return budget_tokens in self.budgets
        is_natural = self.finish is Finish.NATURAL
        return self.cut_tokens == budget_tokens or (is_natural and self.cut_tokens <= budget_tokens)

    @property
    def generated_tokens(self) -> int:
        """Tokens that the thinking before it generated, without what ended it."""
        return self.cut_tokens if self.thinking_generated is None else self.thinking_generated


@dataclass(frozen=True, slots=True)
class PooledPass:
    """A stored pass."""

    seed: int
    temperature: float
    text: str = field(repr=False)
    """The thinking up to its last cut."""
    answers: tuple[PooledAnswer, ...]
    """At each cut, by tokens."""
    delimiter_tokens: int = 1
    """Tokens with which the model ended its thinking: generated, and part of no text."""
    confidences: tuple[float, ...] = ()
    """Of each thinking token; empty if they are not stored."""
    force_rounds: int = 0
    """Rounds that its answers were forced to."""

    _said: dict[tuple[str, int], Answered | Looked] = field(default_factory=dict, init=False, repr=False, compare=False)
    """By key and cut, as `_told`."""
    _told: dict[tuple[object, ...], "_Told"] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was told of the pass before: strategies that are compared ask for the same passes by the same keys."""

    def said(self, request: Answer | Look, answer: PooledAnswer) -> Answered | Looked:
        """What a strategy is told of an answer, or of a look at the options there."""
        key, wanted = request.key, (request.key, answer.cut_tokens)
        if (said := self._said.get(wanted)) is None:
            said = (
                Looked(key, answer.probabilities)
                if isinstance(request, Look)
                else Answered(key, answer.text, answer.letter, answer.tokens, answer.is_whole)
            )
            self._said[wanted] = said
        return said

    def told(self, request: Think) -> "_Told":
        """What a strategy is told while the pass thinks; raises NotInPool if it is not stored."""
        wanted = (request.key, request.budget_tokens, request.pause_at, request.growth)
        if (told := self._told.get(wanted)) is None:
            told = self._told[wanted] = self._tell(request)
        return told

    def _tell(self, request: Think) -> "_Told":
        end = self.end(request.budget_tokens)
        looks = {each.cut_tokens for each in self.answers} | set(request.pause_at)
        if request.growth is Growth.NOTHING:
            looks = set()
        is_natural = end.finish is Finish.NATURAL
        before, events = (0, 0), list[tuple[int, Event]]()
        for tokens in sorted(looks):
            if 0 < tokens <= end.cut_tokens:
                known = max((each.cut_characters for each in self.answers if each.cut_tokens <= tokens), default=0)
                text, confidences = self.text[before[1] : known], self.confidences[before[0] : tokens]
                ticks = max((each.generated_tokens for each in self.answers if each.cut_tokens <= tokens), default=0)
                ticks = ticks if self.force_rounds else tokens
                events.append((ticks, Grew(request.key, tokens, text, confidences)))
                before = (tokens, known)
        ticks = end.generated_tokens + (self.delimiter_tokens if is_natural else 0)
        stops = (end.cut_tokens,) if is_natural else ()
        text = self.text[: end.cut_characters]
        events.append((ticks, Thought(request.key, end.cut_tokens, text, end.finish, stops=stops)))
        return _Told(end, ticks, tuple(events))

    def end(self, budget_tokens: int) -> PooledAnswer:
        """Where a pass of this budget ends; raises NotInPool if it is not stored."""
        for each in self.answers:
            if each.ends(budget_tokens):
                return each
        raise NotInPool(f"The stored passes have no answer at {budget_tokens:,} thinking tokens.")


@dataclass(frozen=True, slots=True)
class _Told:
    """A pass as a strategy is told of it."""

    end: PooledAnswer
    ticks: int
    """Tokens that it generates in all."""
    events: tuple[tuple[int, Event], ...]
    """Ticks from its beginning, and what is told then; `Thought` is the last."""


@dataclass(slots=True)
class _Running:
    """A request under way."""

    request: Request
    began: int
    """Tick."""
    ticks: int
    """Tokens that it generates in all."""
    stored: PooledPass
    end: PooledAnswer
    charged: int = 0
    """Of these, those that the ledger has."""
    is_over: bool = False


class PoolDriver:
    """Runs one strategy once."""

    def __init__(self, strategy: Strategy, passes: Sequence[PooledPass], ledger: Ledger, model: str = "") -> None:
        """Args:
        strategy: a fresh generator.
        passes: of the question.
        ledger: with the budget.
        model: the app's name for the model, for the ledger.
        """
        self.shown: dict[str, object] = {}
        """The strategy's picture."""
        self._strategy = strategy
        self._passes = {(each.seed, each.temperature, each.force_rounds): each for each in passes}
        self._delimiter_tokens = max((each.delimiter_tokens for each in passes), default=0)
        self._ledger = ledger
        self._model = model
        self._now = self._number = 0
        self._due: list[tuple[int, int, Event, _Running | None]] = []
        """Events to come: tick, number, event, of what."""
        self._requests: dict[str, _Running] = {}
        self._refused: dict[str, Request] = {}
        """Requests that did not fit, until the strategy is told so."""

    def run(self) -> Verdict:
        """Drive the strategy to its verdict.

        Raises:
            NotInPool: it asked for what is not stored.
            RuntimeError: it waits for an event although nothing is running.
        """
        try:
            self._perform(next(self._strategy))
            while True:
                self._perform(self._strategy.send(self._next()))
        except StopIteration as stop:
            verdict: Verdict = stop.value
            self._perform(verdict.last_shown)
            return verdict
        finally:
            self._strategy.close()
            for key, running in self._requests.items():
                if not running.is_over:
                    self._cancel(key)

    def _next(self) -> Event:
        while self._due:
            self._now, _, event, running = heapq.heappop(self._due)
            if running is None:
                if (refused := self._still_refused(event.key)) is None:
                    continue
                return refused
            if running.is_over:
                continue  # Cancelled, or closed before.
            if not isinstance(event, Grew):
                running.is_over = True
                self._ledger.count(event.key, running.ticks - running.charged)
                self._ledger.end(event.key, EntryState.DONE, 0.0)
            return event
        raise RuntimeError("the strategy waits, but nothing is running")

    def _still_refused(self, key: str) -> Refused | None:
        """What to tell of a request that did not fit; None if it was cancelled, or fits now and was started: what has
        ended at the same tick is told first, and gives back its tokens only then."""
        request = self._refused.pop(key, None)
        if request is None:
            return None
        needed = most_tokens(request, self._delimiter_tokens) + set_aside(request)
        left = self._ledger.left_after(asked_after(request))
        if needed > left:
            return Refused(key, needed, left)
        self._start(request)
        return None

    def _perform(self, actions: Sequence[Start | Cancel | Close | Show]) -> None:
        for action in actions:
            if isinstance(action, Start):
                self._start(action.request)
            elif isinstance(action, Show):
                self.shown[action.name] = action.value
            elif isinstance(action, Cancel):
                self._cancel(action.key)
            else:
                self._close(action.key, action.tokens)

    def _start(self, request: Request | Search) -> None:
        if isinstance(request, Search):
            raise NotInPool("Stored passes have no searches.")
        tokens, aside, after = most_tokens(request, self._delimiter_tokens), set_aside(request), asked_after(request)
        if not self._ledger.begin(request.key, request.purpose, self._model, tokens, after=after, set_aside=aside):
            self._refused[request.key] = request
            self._tell(0, Refused(request.key, tokens + aside, self._ledger.left_after(after)), None)
            return
        if isinstance(request, Think):
            self._think(request)
        else:
            self._at_a_cut(request)

    def _think(self, request: Think) -> None:
        stored = self._passes.get((request.seed, request.temperature or 0.0, request.force_rounds))
        if request.chat is not None or request.beginning is not None or stored is None:
            raise NotInPool(f"The stored passes have none of seed {request.seed} at this temperature and force rounds.")
        if request.wants_confidence and not stored.confidences:
            raise NotInPool("The stored passes have no confidence for each token.")
        told = stored.told(request)
        running = self._begin(request, told.ticks, stored, told.end)
        for ticks, event in told.events:
            self._tell(ticks, event, running)

    def _begin(self, request: Request, ticks: int, stored: PooledPass, end: PooledAnswer) -> _Running:
        running = self._requests[request.key] = _Running(request, self._now, ticks, stored, end)
        return running

    def _at_a_cut(self, request: Answer | Look) -> None:
        of = self._requests.get(request.after) if isinstance(request.after, str) else None
        if of is None or (isinstance(request, Look) and request.lead is not None):
            raise NotInPool("The stored passes have no answers to prompts of a strategy's own.")
        answer = of.end if request.tokens is None else self._answer_at(of, request.tokens)
        ticks = LOOK_TOKENS if isinstance(request, Look) else answer.tokens
        self._tell(ticks, of.stored.said(request, answer), self._begin(request, ticks, of.stored, answer))

    @staticmethod
    def _answer_at(of: _Running, tokens: int) -> PooledAnswer:
        found = next((each for each in of.stored.answers if each.cut_tokens == tokens), None)
        if found is None:
            raise NotInPool(f"The stored passes have no answer at {tokens:,} thinking tokens.")
        return found

    def _close(self, key: str, tokens: int) -> None:
        running = self._requests.get(key)  # None if it was refused, and the strategy does not know yet.
        if running is None or running.is_over:
            return
        self._charge(running)
        running.is_over, so_far = True, running.charged
        self._ledger.waste(key, so_far - tokens)
        end = self._answer_at(running, tokens)
        self._requests[key] = _Running(running.request, running.began, so_far, running.stored, end, so_far)
        text = running.stored.text[: end.cut_characters]
        self._tell(0, Thought(key, tokens, text, Finish.CLOSED), self._requests[key])

    def _cancel(self, key: str) -> None:
        self._ledger.release(key)
        self._refused.pop(key, None)
        running = self._requests.get(key)
        if running is not None and not running.is_over:
            self._charge(running)
            running.is_over = True
            self._ledger.end(key, EntryState.CANCELLED, 0.0)

    def _charge(self, running: _Running) -> None:
        """Count what a request has generated up to now."""
        so_far = min(self._now - running.began, running.ticks)
        self._ledger.count(running.request.key, so_far - running.charged)
        running.charged = so_far

    def _tell(self, in_ticks: int, event: Event, of: _Running | None) -> None:
        self._number = number = self._number + 1
        heapq.heappush(self._due, (self._now + in_ticks, number, event, of))
