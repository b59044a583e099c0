"""The rollouts as a strategy: a generator without I/O, so that stop, kill, resume and the ledger are the driver's.

Seeds go round by round through both sides, so that what has been answered is comparable at any time. Keys: "before/3"
for the thinking of the fourth seed from before the sentence, "before/3/answer" for its answer; "after/3" with the
sentence.

Picture "rollouts": {"before": [{"state": "open" | "answered" | "failed", "letter": "C" or null, "error": ""}, ...],
"after": [...]}.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from m1app.strategies.methods.rollouts import Rollouts
from m1app.strategies.protocol import Action, Beginning, Growth, Show, Strategy, Task, Think, Verdict
from storage.resamplings.records import NewResampling

Side = Literal["before", "after"]
SIDES: tuple[Side, Side] = ("before", "after")


@dataclass(frozen=True, slots=True)
class Resampled:
    """What is asked; everything that needed an engine is known."""

    of: NewResampling
    first_seed: int
    budget_tokens: int
    """Thinking budget of the case; each side has what it leaves."""
    temperature: float
    answer_cap_tokens: int

    def think(self, side: str, number: int) -> Think:
        """One thinking."""
        of = self.of
        ids, text, rounds = (
            (of.before_ids, of.before_text, of.before_rounds)
            if side == "before"
            else (of.after_ids, of.after_text, of.after_rounds)
        )
        return Think(
            key=f"{side}/{number}",
            beginning=Beginning(kept_ids=ids, text=text),
            budget_tokens=self.budget_tokens - len(ids),
            seed=self.first_seed + number,
            force_rounds=rounds,
            temperature=self.temperature,
            growth=Growth.NOTHING,
        )

    @property
    def most_tokens(self) -> int:
        """The most that all of it generates."""
        return most_tokens(self.of.seeds, self.budget_tokens, len(self.of.before_ids), self.answer_cap_tokens)


def most_tokens(seeds: int, budget_tokens: int, before_tokens: int, answer_cap_tokens: int) -> int:
    """The most that rollouts of both sides generate, with a budget of which so much is used before the sentence."""
    return 2 * seeds * (max(0, budget_tokens - before_tokens) + answer_cap_tokens)


def resample(task: Task, resampled: Resampled) -> Strategy:
    """Go on from both sides with all seeds; the verdict's letter is the one most often answered with the sentence.

    Args:
        task: with options.
        resampled: what is asked.
    """
    rollouts = Rollouts(SIDES, resampled.of.seeds, resampled.answer_cap_tokens, _shown)
    actions: Sequence[Action] = [_shown(rollouts), *rollouts.begin(resampled.think)]
    while rollouts.running:
        event = yield actions
        actions = rollouts.take(event)
    return Verdict(rollouts.letter_of("after"), "", "", last_shown=(_shown(rollouts),))


def _shown(rollouts: Rollouts) -> Show:
    return Show("rollouts", {side: [asdict(each) for each in found] for side, found in rollouts.of.items()})
