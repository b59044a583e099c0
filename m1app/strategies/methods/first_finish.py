"""First Finish Search (arXiv 2505.18149): several passes race, and the first that ends its thinking by itself answers.

The others are cancelled, and what they had generated is charged. A pass that is ended by its budget has not finished:
it waits for the others, and if none of them finishes, the first pass answers.

Picture "race": {"bars": [{"pass": 0, "tokens": 120, "state": "runs" | "won" | "cancelled" | "budget" | "failed"}, ...],
"budget": most thinking tokens of each}.
"""

from collections.abc import Sequence
from functools import partial
from operator import is_not
from typing import Any

from m1app.strategies.methods.passes import Pass, Passes, thinking_share
from m1app.strategies.protocol import Action, Finish, Grew, Growth, Show, Strategy, Task, Thought, Verdict

_SHOWN_EVERY = 16
"""Thinking tokens of a pass between two pictures."""


def first_finish(task: Task, n: int = 4) -> Strategy:
    """The answer of the pass that finishes first.

    Args:
        task: with or without options.
        n: passes that race.
    """
    growth = Growth.CHUNKS if task.is_watched else Growth.NOTHING
    passes = Passes(task, thinking_share(task, n), wants_probabilities=True, growth=growth)
    actions: list[Action] = [action for _ in range(n) for action in passes.begin()]
    winner: Pass | None = None
    held: list[Thought] = []
    """Passes that their budget ended."""
    race = _Race(passes)
    while winner is None or not winner.is_done:
        event = yield actions
        if winner is not None:
            actions = passes.take(event)
        elif isinstance(event, Thought) and event.finish is not Finish.BUDGET:
            winner, actions = _won(passes, event)
        else:
            actions = _hold(passes, held, event) if isinstance(event, Thought) else passes.take(event)
            if (last := _only_budget_ends(passes, held)) is not None:
                winner, actions = _won(passes, last)
            elif not passes.running:
                return Verdict(None, "", passes.all[0].error, last_shown=(race.shown(None),))
        if isinstance(event, Grew):
            actions += race.grown(event)
        elif task.is_watched:
            actions.append(race.shown(winner))
    return _verdict(passes, winner, race)


def _won(passes: Passes, event: Thought) -> tuple[Pass | None, list[Action]]:
    """The pass that has ended so answers; the others are cancelled first, since it may need their tokens."""
    winner = passes.of(event.key)
    passes.give_up()
    return winner, [*passes.cancel(partial(is_not, winner)), *passes.take(event)]


def _hold(passes: Passes, held: list[Thought], event: Thought) -> list[Action]:
    """A pass that its budget ended waits; what was refused may fit now."""
    found = passes.of(event.key)
    assert found is not None
    found.thought, found.tokens = event, event.tokens
    held.append(event)
    return passes.again()


def _only_budget_ends(passes: Passes, held: list[Thought]) -> Thought | None:
    """The thinking of the first pass that was ended by its budget, if no other one thinks."""
    if not held or any(each.thought is None and each.number not in passes.refused for each in passes.running):
        return None
    return min(held, key=lambda each: passes.of(each.key).number)  # type: ignore[union-attr]


class _Race:
    """The picture, of which only the bar that has grown is made anew."""

    def __init__(self, passes: Passes) -> None:
        self._passes = passes
        self._bars = [_bar(each, None) for each in passes.all]

    def shown(self, winner: Pass | None) -> Show:
        """All as it is now."""
        self._bars = [_bar(each, winner) for each in self._passes.all]
        return self._picture()

    def grown(self, event: Grew) -> Sequence[Show]:
        """The picture, if a person would see that the pass has grown."""
        found = self._passes.of(event.key)
        if found is None or event.tokens < self._bars[found.number]["tokens"] + _SHOWN_EVERY:
            return []
        self._bars[found.number] = {**self._bars[found.number], "tokens": event.tokens}
        return [self._picture()]

    def _picture(self) -> Show:
        return Show("race", {"bars": list(self._bars), "budget": self._passes.budget_tokens})


def _bar(each: Pass, winner: Pass | None) -> dict[str, Any]:
    return {"pass": each.number, "tokens": each.tokens, "state": _state(each, winner)}


def _state(each: Pass, winner: Pass | None) -> str:
    if each is winner:
        return "won"
    if each.error:
        return "failed"
    if each.thought is not None and each.thought.finish is Finish.BUDGET:
        return "budget"
    return "cancelled" if each.is_cancelled else "runs"


def _verdict(passes: Passes, winner: Pass, race: _Race) -> Verdict:
    assert winner.thought is not None
    tokens, others = winner.thought.tokens, sum(not each.error for each in passes.all if each is not winner)
    if winner.thought.finish is Finish.BUDGET:
        why = f"No pass finished within {tokens:,} thinking tokens, so the first one answered."
    else:
        why = (
            f"Pass {winner.number + 1:,} finished first, after {tokens:,} thinking tokens, ahead of {others:,} others."
        )
    failed = [each for each in passes.all if each.error]
    if failed:
        why += f" {len(failed):,} could not be asked: {failed[0].error}"
    return Verdict(winner.letter, winner.answer, why, winner.key, (race.shown(winner),))
