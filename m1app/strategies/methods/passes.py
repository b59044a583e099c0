"""Independent passes of the question, as many strategies use them: think, close, answer, look at the options."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from m1app.strategies.errors import StrategyRefused
from m1app.strategies.protocol import (
    Action,
    Answer,
    Answered,
    Cancel,
    Event,
    Failed,
    Found,
    Grew,
    Growth,
    Look,
    Looked,
    Refused,
    Start,
    Stopped,
    Task,
    Think,
    Thought,
    most_generated,
)

_ANSWER, _LETTERS = "/answer", "/letters"
"""Ends of the keys of answers, and of looks at the options."""


@dataclass(slots=True)
class Pass:
    """One pass, as far as it has come."""

    number: int
    """From 0, in the order of their beginning."""
    think: Think
    tokens: int = 0
    """Of thinking so far."""
    thought: Thought | None = None
    answer: str = ""
    letter: str | None = None
    answer_tokens: int = 0
    probabilities: dict[str, float] | None = None
    """Of the options at the end of the thinking; None if they were not asked for, or not known."""
    is_done: bool = False
    is_cancelled: bool = False
    error: str = ""
    cut: int | None = None
    """Tokens of the thinking after which it is answered; None for all of it."""

    @property
    def key(self) -> str:
        """Key of its thinking."""
        return self.think.key

    @property
    def said(self) -> str | None:
        """What it votes for: its letter, or the answer to an open question without case and full stops."""
        if self.letter is not None:
            return self.letter
        return plain_answer(self.answer) if self.is_open else None

    is_open: bool = False
    """Whether the question has no options."""


def _keys(of: Pass) -> tuple[str, str, str]:
    """Keys of its thinking, its answer and its look."""
    key = of.think.key
    return key, key + _ANSWER, key + _LETTERS


_MOST_CHARACTERS_COMPARED = 200


def plain_answer(text: str) -> str | None:
    """The answer to an open question as votes compare it, without case and full stops; None if nothing is left."""
    return " ".join(text.casefold().split()).strip(" .")[:_MOST_CHARACTERS_COMPARED] or None


def normalized(probabilities: Mapping[str, float] | None) -> dict[str, float]:
    """Probabilities of the options with a sum of 1; empty if all are 0, or none are known."""
    total = sum((probabilities or {}).values())
    return {option: value / total for option, value in (probabilities or {}).items()} if total > 0 else {}


def thinking_share(task: Task, passes: int, besides_tokens: int = 0) -> int:
    """Thinking budget of each of `passes` passes, answers and looks at the options paid for.

    Args:
        task: with the budget; its own thinking budget, if it has one, is taken, as far as one pass with its answer
            fits in the budget.
        passes: how many share the budget.
        besides_tokens: what is needed besides the passes.

    Raises:
        StrategyRefused: the budget is too small for one token of thinking each.
    """
    # What ends a thinking has at least one token, and is generated besides it where it is overruled.
    each = most_generated(overruled=task.force_rounds, answer=task.answer_cap_tokens, looks=bool(task.options))
    if task.thinking_tokens is not None:
        passes, besides_tokens = 1, 0
    share = (task.budget_tokens - besides_tokens) // passes - each
    if share < 1:
        least = passes * (each + 1) + besides_tokens
        what = f"{passes:,} passes" if passes > 1 else "one pass"
        fewer = "fewer passes or shorter" if passes > 1 else "shorter"
        raise StrategyRefused(
            f"A budget of {task.budget_tokens:,} tokens is too small for {what} with answers of up to "
            f"{task.answer_cap_tokens:,} tokens. Allow at least {least:,} tokens, or ask for {fewer} answers."
        )
    if task.thinking_tokens is not None:
        return min(task.thinking_tokens, share)
    return share if task.most_thinking_tokens is None else min(share, task.most_thinking_tokens)


@dataclass(slots=True)
class Passes:
    """Follows passes: give it every event, and do what it returns."""

    task: Task
    budget_tokens: int
    """Thinking budget of each."""
    wants_probabilities: bool = False
    wants_confidence: bool = False
    pause_at: tuple[int, ...] = ()
    growth: Growth = Growth.CHUNKS
    all: list[Pass] = field(default_factory=list)
    refused: dict[int, Refused] = field(default_factory=dict)
    """By the number of a pass that waits for tokens to come back."""
    name: str = "pass"
    """First part of their keys."""
    _by_key: dict[str, Pass] = field(default_factory=dict)
    """The pass of each of its requests."""

    def begin(self, temperature: float | None = None) -> list[Action]:
        """Start one more pass, with the next seed."""
        number = len(self.all)
        think = Think(
            key=f"{self.name}/{number}",
            budget_tokens=self.budget_tokens,
            seed=self.task.seed + number,
            force_rounds=self.task.force_rounds,
            temperature=self.task.temperature if temperature is None else temperature,
            pause_at=self.pause_at,
            growth=self.growth,
            wants_confidence=self.wants_confidence,
            set_aside_tokens=most_generated(answer=self.task.answer_cap_tokens, looks=self._looks),
        )
        new = Pass(number, think, is_open=not self.task.options)
        self.all.append(new)
        for key in _keys(new):
            self._by_key[key] = new
        return [Start(think)]

    def take(self, event: Event) -> list[Action]:
        """Take an event of a pass; events of other requests are ignored."""
        found = self._by_key.get(event.key)
        if found is None or found.is_cancelled:
            return []
        match event:
            case Grew():
                found.tokens = event.tokens
                return []
            case Thought():
                found.thought, found.tokens = event, event.tokens
                return [Start(self._answer(found)), *self.again()]
            case Answered():
                found.answer, found.letter, found.answer_tokens = event.text, event.letter, event.tokens
                if self._looks:
                    return [Start(self._look(found)), *self.again()]
                found.is_done = True
                return self.again()
            case Looked():
                # What a letter is worth says nothing about a set of them.
                is_known = event.probabilities is not None and not self.task.are_several
                found.probabilities = dict(event.probabilities or {}) if is_known else None
                found.is_done = True
                return self.again()
            case Failed():
                # An answer counts without the probabilities.
                found.error = "" if event.key.endswith(_LETTERS) else event.error
                found.is_done = True
                return self.again()
            case Refused():
                return self._refuse(found, event)
            case Stopped() | Found():
                return []

    def cancel(self, which: Callable[[Pass], bool]) -> list[Action]:
        """Cancel the passes for which `which` says so, unless they are done."""
        actions: list[Action] = []
        for each in self.running:
            if which(each):
                each.is_cancelled = True
                self.refused.pop(each.number, None)
                actions += [Cancel(key) for key in _keys(each)]
        return actions

    def again(self) -> list[Action]:
        """Ask for what was refused, now that a request has ended."""
        waiting = [self.all[number] for number in self.refused]
        self.refused.clear()
        return [Start(self._next_of(each)) for each in waiting]

    def give_up(self) -> None:
        """Ask no more for what was refused."""
        for number, event in self.refused.items():
            each = self.all[number]
            each.is_done = True
            each.error = (
                f"Not enough of the budget was left: {event.needed_tokens:,} tokens needed, {event.left_tokens:,} left."
            )
        self.refused.clear()

    def of(self, key: str) -> Pass | None:
        """The pass to which a request belongs."""
        return self._by_key.get(key)

    @property
    def answered(self) -> Sequence[Pass]:
        """Passes that are done, without an error."""
        return [each for each in self.all if each.is_done and not each.error]

    @property
    def running(self) -> Sequence[Pass]:
        """Passes that are neither done nor cancelled."""
        return [each for each in self.all if not each.is_done and not each.is_cancelled]

    @property
    def _looks(self) -> bool:
        return self.wants_probabilities and bool(self.task.options)

    def _next_of(self, of: Pass) -> Think | Answer:
        """What a pass that was refused asks for."""
        return of.think if of.thought is None else self._answer(of)

    def _answer(self, of: Pass) -> Answer:
        return Answer(key=of.key + _ANSWER, after=of.key, cap_tokens=self.task.answer_cap_tokens, tokens=of.cut)

    def _look(self, of: Pass) -> Look:
        return Look(key=of.key + _LETTERS, after=of.key, choices=self.task.letters)

    def _refuse(self, found: Pass, event: Refused) -> list[Action]:
        """Wait for tokens that come back; without any other pass running there are none."""
        if event.key.endswith(_LETTERS):
            found.is_done = True
            return self.again()
        self.refused[found.number] = event
        if any(each.number not in self.refused for each in self.running):
            return []
        shorter = None if self.answered else self._shortened()
        self.give_up()
        return [Start(shorter)] if shorter else []

    def _shortened(self) -> Think | Answer | None:
        """Of the first pass that waits, what is left pays for: where there would be no answer at all, since a stop or
        a kill has wasted the rest. One that has thought comes first."""
        number = min(self.refused, key=lambda each: (self.all[each].thought is None, each))
        found, event = self.all[number], self.refused[number]
        missing = event.needed_tokens - event.left_tokens
        if found.thought is not None:
            answer = self._answer(found)
            shorter: Think | Answer = replace(answer, cap_tokens=answer.cap_tokens - missing)
            is_possible = answer.cap_tokens > missing
        else:
            shorter = found.think = replace(found.think, budget_tokens=found.think.budget_tokens - missing)
            is_possible = found.think.budget_tokens > 0
        if not is_possible:
            return None
        del self.refused[number]
        return shorter
