"""Rollouts: a thinking goes on from several places with the same seeds, and each is answered.

Keys: "B/3" for the thinking of the fourth seed of the side "B", "B/3/answer" for its answer. Which sides there are, and
what begins them, is the strategy's business.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from m1app.strategies.protocol import Action, Answer, Answered, Event, Failed, Refused, Show, Start, Think, Thought


@dataclass(slots=True)
class Rollout:
    """One seed of a side."""

    state: Literal["open", "answered", "failed"] = "open"
    letter: str | None = None
    error: str = ""


class Rollouts:
    """All of them, as far as they have come."""

    def __init__(
        self, sides: Sequence[str], seeds: int, answer_cap_tokens: int, shown: Callable[["Rollouts"], Show]
    ) -> None:
        """Args:
        sides: their names.
        seeds: rollouts of each side.
        answer_cap_tokens: most tokens of an answer.
        shown: what is shown whenever a rollout has ended.
        """
        self.of = {side: [Rollout() for _ in range(seeds)] for side in sides}
        self._cap_tokens = answer_cap_tokens
        self._shown = shown
        self.running: set[str] = set()
        """Keys of what has been asked for and has not ended."""

    def begin(self, think: Callable[[str, int], Think]) -> list[Action]:
        """Ask for all thinkings, made for a side and a number; seeds go round by round through the sides."""
        seeds = range(max(map(len, self.of.values()), default=0))
        thinks = [think(side, number) for number in seeds for side in self.of]
        self.running |= {each.key for each in thinks}
        return [Start(each) for each in thinks]

    def take(self, event: Event) -> list[Action]:
        """Ask for the answer of what has thought, and note what has ended."""
        if event.key not in self.running:
            return []
        if isinstance(event, Thought):
            self.running.discard(event.key)
            answer = Answer(key=f"{event.key}/answer", after=event.key, cap_tokens=self._cap_tokens)
            self.running.add(answer.key)
            return [Start(answer)]
        if not isinstance(event, Answered | Failed | Refused):
            return []
        self.running.discard(event.key)
        side, number = event.key.split("/")[:2]
        self.of[side][int(number)] = _ended(event)
        return [self._shown(self)]

    def letter_of(self, side: str) -> str | None:
        """The letter that most seeds of a side answer, the first in the alphabet among equals; None without any."""
        letters = [each.letter for each in self.of[side] if each.letter is not None]
        return max(sorted(set(letters)), key=letters.count) if letters else None


def _ended(event: Answered | Failed | Refused) -> Rollout:
    match event:
        case Answered():
            return Rollout("answered", event.letter)
        case Failed():
            return Rollout("failed", error=event.error)
        case Refused():
            return Rollout("failed", error=f"Not enough of the budget was left ({event.left_tokens:,} tokens).")
