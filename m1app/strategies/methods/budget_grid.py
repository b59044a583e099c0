"""One pass that is answered wherever a smaller budget or fewer forced rounds would have ended it: Compare's sweep.

Each distinct cut is answered once, after which the options' probabilities are asked for; docs/one-pass.md has a figure.

Picture "cuts": [{"tokens": 64, "finish": "budget", "forced_rounds": 0, "cells": [[64, 0], [64, 1]]}, ...], all that
have been reached, in order; the cells as budget and rounds.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from m1app.strategies.protocol import (
    Action,
    Answer,
    Answered,
    Event,
    Failed,
    Finish,
    Grew,
    Growth,
    Look,
    Refused,
    Show,
    Start,
    Stopped,
    Strategy,
    Task,
    Think,
    Thought,
    Verdict,
)
from models.thinking.budget_forcing import ThinkingFinish
from models.thinking.sweep import Cut, Stop, SweepPlan

THINK_KEY = "pass/0"
_FINISHES = {
    Finish.NATURAL: ThinkingFinish.NATURAL,
    Finish.BUDGET: ThinkingFinish.BUDGET,
    Finish.CLOSED: ThinkingFinish.EARLY_EXIT,
}


def answer_key(cut: Cut) -> str:
    """Key of the answer at a cut."""
    return f"{THINK_KEY}/{cut.tokens}-{cut.finish.value}-{cut.forced_rounds}/answer"


def look_key(cut: Cut) -> str:
    """Key of the look at the options at a cut."""
    return answer_key(cut).removesuffix("answer") + "letters"


@dataclass(slots=True)
class _Grid:
    """The cuts of a pass, and how far their answers are."""

    task: Task
    plan: SweepPlan
    at_once: int
    looks: bool
    waiting: deque[Cut] = field(default_factory=deque)
    running: dict[str, Cut] = field(default_factory=dict)
    """By key of the request that runs for it."""
    is_thinking: bool = True
    error: str = ""
    """Why there is no more thinking; empty unless it failed."""

    @property
    def is_over(self) -> bool:
        return not (self.is_thinking or self.waiting or self.running)

    def take(self, event: Event) -> list[Action]:
        """Take an event; return what to do."""
        if event.key == THINK_KEY:
            return self._went_on(event)
        cut = self.running.pop(event.key)
        if isinstance(event, Answered) and self.looks:
            key = look_key(cut)
            self.running[key] = cut
            return [Start(Look(key=key, after=THINK_KEY, choices=self.task.letters, cut=cut))]
        if isinstance(event, Failed) and self.error:
            self.waiting.clear()  # The engine is gone.
        return self._next()

    def _went_on(self, event: Event) -> list[Action]:
        cuts: Sequence[Cut] = ()
        match event:
            case Grew(_, tokens):
                cuts = self.plan.advance(tokens)
            case Stopped(_, tokens, delimiter_ids, wait_tokens):
                cuts = self.plan.stop(Stop(tokens, delimiter_ids, wait_tokens))
            case Thought(_, tokens, _, finish):
                self.is_thinking = False
                cuts = self.plan.finish(tokens, _FINISHES[finish])
            case Failed(_, error):
                self.is_thinking, self.error = False, error
            case Refused(_, needed, left):
                self.is_thinking = False
                self.error = f"Not enough of the budget was left: {needed:,} tokens needed, {left:,} left."
        if not cuts:
            return []
        self.waiting.extend(cuts)
        return [self.shown(), *self._next()]

    def _next(self) -> list[Action]:
        actions: list[Action] = []
        while self.waiting and len(self.running) < self.at_once:
            cut = self.waiting.popleft()
            key = answer_key(cut)
            self.running[key] = cut
            answer = Answer(key=key, after=THINK_KEY, cap_tokens=self.task.answer_cap_tokens, cut=cut)
            actions.append(Start(answer))
        return actions

    def shown(self) -> Show:
        cells: dict[Cut, list[list[int]]] = {}
        for cell, cut in self.plan.cuts.items():
            cells.setdefault(cut, []).append([cell.budget_tokens, cell.force_rounds])
        drawn = [
            {"tokens": cut.tokens, "finish": cut.finish.value, "forced_rounds": cut.forced_rounds, "cells": of_cut}
            for cut, of_cut in sorted(cells.items())
        ]
        return Show("cuts", drawn)


def budget_grid(
    task: Task, plan: SweepPlan, *, ends: frozenset[int] = frozenset(), at_once: int = 1, looks: bool = True
) -> Strategy:
    """Think to the largest cell; answer each cut as soon as it is reached.

    Args:
        task: with or without options.
        plan: the cells; fresh.
        ends: tokens of thinking at which a budget may end it, see `models.thinking.sweep.budget_ends`.
        at_once: cuts that are answered at once.
        looks: whether the options' probabilities are asked for.
    """
    grid = _Grid(task, plan, at_once, looks and bool(task.options))
    think = Think(
        key=THINK_KEY,
        budget_tokens=plan.largest.budget_tokens,
        seed=task.seed,
        force_rounds=plan.largest.force_rounds,
        temperature=task.temperature,
        pause_at=tuple(sorted(ends)),
        growth=Growth.CUTS,
    )
    actions: list[Action] = [Start(think)]
    while not grid.is_over:
        event = yield actions
        actions = grid.take(event)
    if grid.error:
        return Verdict(None, "", grid.error)
    return Verdict(None, "", f"{len(set(plan.cuts.values())):,} answers.", THINK_KEY, (grid.shown(),))
