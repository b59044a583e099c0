"""Every thinking budget and number of force rounds from a single pass.

Pure. A trace at a small budget is a prefix of the trace at a large one, and a trace with r forced rounds is a prefix
of the one with r + 1. So one pass to the largest of both reaches every cell's end: natural stop number r, or the
budget, whichever comes first. This module determines where that is, exactly as a separate run of the cell would end
(`budget_forcing.think` at its budget and rounds); docs/one-pass.md has a figure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from models.engine.protocol import TokenIds
from models.profiles.forcing import Forcing
from models.thinking.budget_forcing import ThinkingFinish, allowed_tokens, is_forced


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One setting of a sweep's grid."""

    budget_tokens: int
    force_rounds: int


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """Where the thinking of a cell ends, and how it is closed. Cells with equal cuts have the same answer."""

    tokens: int
    """Thinking tokens before it, "Wait"s included."""
    finish: ThinkingFinish
    forced_rounds: int
    """"Wait"s before it."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A natural stop of the pass: the model wanted to end its thinking here."""

    tokens: int
    """Thinking tokens before it."""
    delimiter_ids: TokenIds
    """The delimiter; a run whose budget ends inside it does not see the stop."""
    wait_tokens: int
    """Tokens of the "Wait" that overrules this stop."""


def grid(budgets: Iterable[int], force_rounds: Iterable[int]) -> tuple[Cell, ...]:
    """All cells, by rounds and then budget, without repetition.

    Raises:
        ValueError: a budget below 1, rounds below 0, or none of one of them.
    """
    cells = {Cell(budget, rounds) for rounds in set(force_rounds) for budget in set(budgets)}
    if not cells:
        raise ValueError("a sweep needs at least one budget and one number of force rounds")
    if any(cell.budget_tokens < 1 or cell.force_rounds < 0 for cell in cells):
        raise ValueError("budgets must be at least 1 token and force rounds at least 0")
    return tuple(sorted(cells, key=lambda cell: (cell.force_rounds, cell.budget_tokens)))


def cut_of(cell: Cell, stops: Sequence[Stop], tokens: int, forcing: Forcing = Forcing.EXACT) -> Cut | None:
    """Where `cell` ends; None if the pass has not reached it yet.

    Args:
        cell: no larger than the pass in budget and rounds.
        stops: the pass's natural stops so far, in order.
        tokens: thinking tokens of the pass so far.
        forcing: how rounds are forced.
    """
    waits: list[int] = []
    for rounds, stop in enumerate(stops):
        allowed = allowed_tokens(forcing, cell.budget_tokens, waits)
        if stop.tokens + len(stop.delimiter_ids) > allowed:
            return Cut(allowed, ThinkingFinish.BUDGET, rounds)
        if not is_forced(
            forcing,
            stop.tokens,
            stop.wait_tokens,
            waits,
            budget_tokens=cell.budget_tokens,
            force_rounds=cell.force_rounds,
        ):
            return Cut(stop.tokens, ThinkingFinish.NATURAL, rounds)
        waits.append(stop.wait_tokens)
    allowed = allowed_tokens(forcing, cell.budget_tokens, waits)
    return Cut(allowed, ThinkingFinish.BUDGET, len(stops)) if tokens >= allowed else None


def budget_ends(cells: Iterable[Cell], wait_tokens: Iterable[int], forcing: Forcing) -> frozenset[int]:
    """Every number of thinking tokens at which the budget of a cell can end it.

    Args:
        cells: the grid.
        wait_tokens: how many tokens a "Wait" can have.
        forcing: how rounds are forced.
    """
    ends, lengths = set[int](), set(wait_tokens)
    for cell in cells:
        sums = {0}  # Of the "Wait"s that do not count.
        ends.add(cell.budget_tokens)
        for _ in range(1, cell.force_rounds if forcing is Forcing.AS_PUBLISHED else 0):
            sums = {each + length for each in sums for length in lengths}
            ends |= {cell.budget_tokens + each for each in sums}
    return frozenset(ends)


def thinking_ids_before(cut: Cut, thinking_ids: TokenIds, stops: Sequence[Stop]) -> TokenIds:
    """The thinking that is answered at `cut`.

    Args:
        thinking_ids: of the pass, "Wait"s included, at least up to the cut.
    """
    if cut.finish is ThinkingFinish.BUDGET and cut.forced_rounds < len(stops):
        stop = stops[cut.forced_rounds]
        if stop.tokens < cut.tokens:
            # The budget ends inside the delimiter: what there is of it was thinking to a run that never saw the rest.
            return thinking_ids[: stop.tokens] + stop.delimiter_ids[: cut.tokens - stop.tokens]
    return thinking_ids[: cut.tokens]


def thinking_tokens_generated(cut: Cut, stops: Sequence[Stop]) -> int:
    """Tokens that an engine generates to think up to `cut` in a separate run: delimiters count, "Wait"s do not."""
    passed = stops[: cut.forced_rounds]
    tokens = cut.tokens + sum(len(stop.delimiter_ids) - stop.wait_tokens for stop in passed)
    return tokens + (len(stops[cut.forced_rounds].delimiter_ids) if cut.finish is ThinkingFinish.NATURAL else 0)


@dataclass(slots=True)
class SweepPlan:
    """Follows one pass and returns at each step the cuts that have been reached."""

    cells: Sequence[Cell]
    forcing: Forcing = Forcing.EXACT
    stops: list[Stop] = field(default_factory=list)
    cuts: dict[Cell, Cut] = field(default_factory=dict)
    """Cut of each cell that has been reached."""

    @property
    def largest(self) -> Cell:
        """The one pass's budget and rounds."""
        return Cell(max(c.budget_tokens for c in self.cells), max(c.force_rounds for c in self.cells))

    def advance(self, tokens: int) -> list[Cut]:
        """The pass has `tokens` of thinking; returns the newly reached cuts, in order."""
        known = set(self.cuts.values())
        for cell in self.cells:
            if cell not in self.cuts and (cut := cut_of(cell, self.stops, tokens, self.forcing)):
                self.cuts[cell] = cut
        return sorted(set(self.cuts.values()) - known)

    def finish(self, tokens: int, why: ThinkingFinish = ThinkingFinish.BUDGET) -> list[Cut]:
        """The pass ended with `tokens`; cells that it did not reach end there too, as it did. Returns the new cuts.

        Args:
            tokens: of thinking.
            why: how it ended, for these cells.
        """
        known = set(self.cuts.values())
        for cell in self.cells:
            if cell not in self.cuts:
                end = cut_of(cell, self.stops, tokens, self.forcing)
                self.cuts[cell] = end or Cut(tokens, why, len(self.stops))
        return sorted(set(self.cuts.values()) - known)

    def stop(self, stop: Stop) -> list[Cut]:
        """The model stopped; returns the new cuts, as `advance` does."""
        self.stops.append(stop)
        return self.advance(stop.tokens)
