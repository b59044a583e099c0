"""The experiment as a strategy: a generator without I/O, so that stop, kill, resume and the ledger are the driver's.

Seeds go round by round through the arms, so that what has been answered is comparable at any time. Keys: "B/look" for
the probabilities right after the insertion, "B/3" for the thinking of the fourth seed, "B/3/answer" for its answer.

Picture "arms": {"B": {"looks": {"A": 0.2, ...} or null, "seeds": [{"state": "open" | "answered" | "failed", "letter":
"C" or null, "is_right": true, "error": ""}, ...]}, ...}. Picture "verdict": see `verdict_value`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from m1app.fact_tests.design import COMPARED, Arm, Design
from m1app.fact_tests.verdict import FactVerdict, Outcome, judge
from m1app.strategies.methods.passes import normalized
from m1app.strategies.methods.rollouts import Rollouts
from m1app.strategies.protocol import (
    Action,
    Event,
    Failed,
    Growth,
    Look,
    Looked,
    Refused,
    Show,
    Start,
    Strategy,
    Task,
    Think,
    Verdict,
)


class _Test:
    """The arms, as far as they have come."""

    def __init__(self, design: Design, letters: tuple[str, ...]) -> None:
        self._design = design
        self._letters = letters
        self._rollouts = Rollouts(
            [arm.value for arm in design.arms], design.seeds, design.answer_cap_tokens, lambda _: self.shown()
        )
        self._looks: dict[str, dict[str, float] | None] = {}
        """By arm: probability of each option right after the insertion, with a sum of 1; None if it is not known."""
        self._looking: set[str] = set()
        """Keys of looks that have not ended."""

    @property
    def is_running(self) -> bool:
        return bool(self._looking or self._rollouts.running)

    def begin(self) -> list[Action]:
        looks = [
            Look(key=f"{arm}/look", after=self._design.beginning(arm), choices=self._letters)
            for arm in self._design.arms
        ]
        self._looking = {each.key for each in looks}
        return [self.shown(), *map(Start, looks), *self._rollouts.begin(self._think)]

    def _think(self, arm: str, seed: int) -> Think:
        design = self._design
        return Think(
            key=f"{arm}/{seed}",
            beginning=design.beginning(Arm(arm)),
            budget_tokens=design.thinking_tokens,
            seed=design.first_seed + seed,
            force_rounds=design.force_rounds,
            temperature=design.temperature,
            growth=Growth.NOTHING,
        )

    def take(self, event: Event) -> list[Action]:
        if event.key not in self._looking:
            return self._rollouts.take(event)
        if not isinstance(event, Looked | Failed | Refused):
            return []
        self._looking.discard(event.key)
        arm, _ = event.key.split("/")
        self._looks[arm] = (normalized(event.probabilities) or None) if isinstance(event, Looked) else None
        return [self.shown()]

    def shown(self) -> Show:
        return Show(
            "arms",
            {
                arm: {
                    "seeds": [{**asdict(each), "is_right": self._is_right(each.letter)} for each in seeds],
                    "looks": self._looks.get(arm),
                }
                for arm, seeds in self._rollouts.of.items()
            },
        )

    def _is_right(self, letter: str | None) -> bool:
        return letter == self._design.target

    def verdict(self) -> Verdict:
        """Of the seeds that all compared arms have answered."""
        compared = zip(*(self._rollouts.of[arm.value] for arm in COMPARED), strict=True)
        outcomes: list[Outcome] = [
            (self._is_right(nothing.letter), self._is_right(fact.letter), self._is_right(unrelated.letter))
            for nothing, fact, unrelated in compared
            if all(each.state == "answered" for each in (nothing, fact, unrelated))
        ]
        found = judge(outcomes)
        letter = self._rollouts.letter_of(Arm.FACT.value)
        return Verdict(letter, "", found.sentence, last_shown=(self.shown(), Show("verdict", verdict_value(found))))


def fact_test(task: Task, design: Design) -> Strategy:
    """Ask all arms with all seeds; the verdict's letter is what most seeds answer with the fact.

    Args:
        task: with options.
        design: with the arms A, B and C at least.
    """
    test = _Test(design, task.letters)
    actions: Sequence[Action] = test.begin()
    while test.is_running:
        event = yield actions
        actions = test.take(event)
    return test.verdict()


def verdict_value(found: FactVerdict) -> dict[str, Any]:
    """A verdict of JSON's types, with the fields of `FactVerdict`."""
    return {**asdict(found), "kind": found.kind.value, "right": list(found.right)}
