"""Asks a judge whether solutions are correct, and reads how probable its Yes is.

A verification is one thought of the judge about a prompt of its own, and then one token after a fixed question:
P(yes) / (P(yes) + P(no)), as Multi-RM's generative verifier has it (arXiv 2510.00492). What the judge answers with
neither Yes nor No counts as `UNDECIDED`, as there. The judge never sees the target.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush

from m1app.question.prompt_text import format_options
from m1app.strategies.methods.passes import Pass
from m1app.strategies.protocol import (
    Action,
    Chat,
    Event,
    Failed,
    Look,
    Looked,
    Purpose,
    Refused,
    Start,
    Task,
    Think,
    Thought,
    most_generated,
)

UNDECIDED = 0.5
"""Score of a verification without a Yes or a No."""
LEAST_DECIDED = 0.01
"""Below this, P(yes) + P(no) says nothing about the solution: the judge wants to say something else."""
JUDGE_TEMPERATURE = 0.6
MOST_CHARACTERS = 6_000
"""Of a solution in a judge's prompt: its end is kept, where the conclusion is."""
_CUT = "[the beginning is left out]\n"
_YES = ("Yes", "yes", "YES")
_NO = ("No", "no", "NO")
_AT_ONCE = 32
"""Verifications that are under way together at most."""
_SEEDS_APART = 1_000
"""The judge's seeds begin this far from those of the passes."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Who verifies, and how much it may think."""

    model: str = ""
    """A served model; empty for the run's own."""
    thinking_tokens: int = 128
    """Of each verification; 0 reads the verdict without thinking."""
    force_rounds: int = 0

    @property
    def cost_tokens(self) -> int:
        """The most that a verification generates; a forced round overrules a delimiter, which was generated too."""
        overruled = self.force_rounds if self.thinking_tokens else 0
        return most_generated(thinking=self.thinking_tokens, overruled=overruled, looks=1)


class State(StrEnum):
    """How far a verification is."""

    WAITING = "waiting"
    READ = "read"
    NEITHER = "neither"
    """The judge said neither Yes nor No."""
    FAILED = "failed"
    UNPAID = "unpaid"
    """The budget was spent before."""


@dataclass(slots=True)
class Verification:
    """One judgement of one solution, or of one paragraph of it."""

    solution: int
    """Number of its pass."""
    number: int
    """From 0, among those of the solution."""
    prompt: str
    question: str
    """What the judge's Yes or No answers."""
    state: State = State.WAITING
    has_thought: bool = False
    """Whether only its Yes or No is left to be read."""
    thinking: str = field(default="", repr=False)
    """What the judge thought."""
    score: float | None = None
    """0-1; None until it has ended, and where it was not paid for."""
    error: str = ""

    @property
    def key(self) -> str:
        """Key of its thinking."""
        return f"verify/{self.solution}/{self.number}"

    @property
    def order(self) -> tuple[int, int]:
        """All solutions are verified once before any is verified twice."""
        return (self.number, self.solution)


def score_of(probabilities: Mapping[str, float] | None) -> float | None:
    """P(yes) / (P(yes) + P(no)); None where the judge says neither, or nothing is known."""
    if probabilities is None:
        return None
    yes = sum(probabilities.get(each, 0.0) for each in _YES)
    no = sum(probabilities.get(each, 0.0) for each in _NO)
    if not math.isfinite(yes + no) or yes + no < LEAST_DECIDED:
        return None
    return yes / (yes + no)


def bounded(text: str, most: int = MOST_CHARACTERS) -> str:
    """The end of a text that is too long for a judge."""
    return text if len(text) <= most else _CUT + text[len(text) - most :]


def posed(task: Task) -> str:
    """The question as a judge reads it: the stem and the options."""
    return f"{task.stem}\n{format_options(task.options)}" if task.options else task.stem


def solution_text(of: Pass) -> str:
    """What a pass thought and answered."""
    thinking = of.thought.text.strip() if of.thought else ""
    return f"{thinking}\n\nAnswer: {of.answer.strip()}".strip()


@dataclass(slots=True)
class Verifications:
    """Follows verifications: give it every event, and do what it returns."""

    judge: Judge
    seed: int
    sure_rounds: int = 1
    """Rounds that are surely paid for: these are asked at once, and each further one when the one before has ended, so
    that none takes the tokens of an earlier one."""
    all: list[Verification] = field(default_factory=list)
    _queue: list[tuple[tuple[int, int], int]] = field(default_factory=list)
    """Places in `all` of those that are to be asked, first the first round."""
    _by_key: dict[str, int] = field(default_factory=dict)
    _under_way: set[int] = field(default_factory=set)

    def begin(self, verifications: Sequence[Verification]) -> list[Action]:
        """Ask for these."""
        for each in verifications:
            self._by_key[each.key] = len(self.all)
            heappush(self._queue, (each.order, len(self.all)))
            self.all.append(each)
        return self._more()

    @property
    def are_running(self) -> bool:
        """Whether an event is to come."""
        return bool(self._under_way)

    def of(self, solution: int) -> list[Verification]:
        """Those of one solution, in their order."""
        return sorted((each for each in self.all if each.solution == solution), key=lambda each: each.number)

    def count(self, *states: State) -> int:
        """How many are in one of these states."""
        return sum(each.state in states for each in self.all)

    @property
    def error(self) -> str:
        """Why one could not be asked; empty if all could."""
        return next((each.error for each in self.all if each.error), "")

    def take(self, event: Event) -> list[Action]:
        """Take an event of a verification; events of other requests are ignored."""
        place = self._by_key.get(event.key.removesuffix("/verdict"))
        if place is None or place not in self._under_way:
            return []
        found = self.all[place]
        match event:
            case Thought():
                found.has_thought, found.thinking = True, event.text
                return [Start(self._request(found))]
            case Looked(_, probabilities):
                found.score = score_of(probabilities)
                found.state = State.NEITHER if found.score is None else State.READ
                if probabilities is None:
                    found.state = State.FAILED
                    found.error = "The judge's engine does not report token probabilities."
            case Failed(_, error):
                found.state, found.error = State.FAILED, error
            case Refused():
                return self._refuse(place)
            case _:
                return []
        found.score = UNDECIDED if found.score is None else found.score
        self._under_way.discard(place)
        return self._more()

    def _refuse(self, place: int) -> list[Action]:
        """Wait for tokens that come back; without any other verification under way there are none."""
        self._under_way.discard(place)
        heappush(self._queue, (self.all[place].order, place))
        if not self._under_way:
            self._end()
        return []

    def _end(self) -> None:
        for _, place in self._queue:
            self.all[place].state = State.UNPAID
        self._queue.clear()

    def _more(self) -> list[Action]:
        if self._is_judge_gone():
            self._end()
        actions: list[Action] = []
        while self._queue and len(self._under_way) < _AT_ONCE:
            (number, _), place = self._queue[0]
            if number >= self.sure_rounds and self._is_waiting_before(number):
                break
            heappop(self._queue)
            self._under_way.add(place)
            actions.append(Start(self._request(self.all[place])))
        return actions

    def _is_waiting_before(self, number: int) -> bool:
        return any(each.state is State.WAITING and each.number < number for each in self.all)

    def _is_judge_gone(self) -> bool:
        """A judge that failed a whole round, and everything else too, is not asked again."""
        first_round = sum(each.number == 0 for each in self.all)
        ended = len(self.all) - self.count(State.WAITING)
        return ended >= first_round > 0 and self.count(State.FAILED) == ended

    def _request(self, of: Verification) -> Think | Look:
        chat = Chat(of.prompt, system="")
        if of.has_thought or not self.judge.thinking_tokens:
            return Look(
                key=f"{of.key}/verdict",
                after=of.key if of.has_thought else chat,
                choices=(*_YES, *_NO),
                lead=f"\n{of.question}",
                purpose=Purpose.VERIFY,
                model=self.judge.model,
            )
        return Think(
            key=of.key,
            budget_tokens=self.judge.thinking_tokens,
            seed=self.seed + _SEEDS_APART * (of.number + 1) + of.solution,
            purpose=Purpose.VERIFY,
            chat=chat,
            model=self.judge.model,
            force_rounds=self.judge.force_rounds,
            temperature=JUDGE_TEMPERATURE,
            set_aside_tokens=most_generated(looks=1),
        )
