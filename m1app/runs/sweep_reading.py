"""Derive a sweep's cells and answer trajectory; where the answer changes is in `flips.py`.

Pure: works on snapshots, running or stored.
"""

from dataclasses import dataclass
from enum import StrEnum

from m1app.question.answers.scoring import lead_in
from models.profiles import Profile
from models.thinking.sweep import Cell, Cut, grid
from storage.sweeps.records import Sweep
from storage.traces.records import Checkpoint, ThinkingFinishReason, Trace, TraceState


@dataclass(frozen=True, slots=True)
class ReachedCut:
    """A cut that a running pass has reached; its answer is pending."""

    cut: Cut
    characters: int
    """Length of the thinking text before it, in code points."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class PassSnapshot:
    """One pass at one moment."""

    trace: Trace
    """Thinking only: segments think and wait."""
    checkpoints: tuple[Checkpoint, ...]
    """Answers so far, ordered by cut; failed ones have an `error`."""
    reached: tuple[ReachedCut, ...] = ()
    """Cuts whose answers are pending."""


@dataclass(frozen=True, slots=True)
class SweepSnapshot:
    """A sweep at one moment."""

    sweep: Sweep
    """Its numbers are current even while it is running."""
    passes: tuple[PassSnapshot, ...]
    save_error: str = ""
    """Why it could not be saved; empty if it was."""
    was_rate_limited: bool = False
    """Whether the engine kept rate-limiting it; only known in the process that ran it."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The grid's cells, by rounds, then budget."""
        return grid(self.sweep.budgets, self.sweep.force_rounds)

    @property
    def is_over(self) -> bool:
        """Whether it is no longer running."""
        return self.sweep.state is not TraceState.RUNNING


class CellState(StrEnum):
    """State of a cell."""

    WAITING = "waiting"
    """The pass has not reached its cut yet."""
    ANSWERING = "answering"
    ANSWERED = "answered"
    FAILED = "failed"
    MISSING = "missing"
    """The sweep ended before reaching it."""


@dataclass(frozen=True, slots=True)
class CellReading:
    """One cell of one pass."""

    cell: Cell
    state: CellState
    cut_tokens: int | None
    """Thinking tokens of the cell; None before the cut is reached."""
    cut_characters: int | None
    finish: ThinkingFinishReason | None
    """Natural or budget; None before the cut is reached."""
    checkpoint: Checkpoint | None
    """Its answer; None until there is one."""


def cell_readings(sweep: SweepSnapshot, run: PassSnapshot) -> tuple[CellReading, ...]:
    """All cells of one pass, in grid order."""
    by_cell: dict[Cell, CellReading] = {}
    for reached in run.reached:
        finish = ThinkingFinishReason(reached.cut.finish.value)
        for cell in reached.cells:
            by_cell[cell] = CellReading(cell, CellState.ANSWERING, reached.cut.tokens, reached.characters, finish, None)
    for kept in run.checkpoints:
        state = CellState.FAILED if kept.error else CellState.ANSWERED
        for budget, rounds in kept.cells:
            cell = Cell(budget, rounds)
            by_cell[cell] = CellReading(
                cell, state, kept.cut_tokens, kept.cut_characters, kept.thinking_finish_reason, kept
            )
    unreached = CellState.MISSING if sweep.is_over else CellState.WAITING
    return tuple(by_cell.get(cell) or CellReading(cell, unreached, None, None, None, None) for cell in sweep.cells)


def trajectory(run: PassSnapshot) -> tuple[Checkpoint, ...]:
    """The answered cuts of a pass by thinking tokens, one per position.

    If a position was closed both ways, the natural one is used.
    """
    by_tokens: dict[int, Checkpoint] = {}
    for kept in run.checkpoints:
        is_natural = kept.thinking_finish_reason is ThinkingFinishReason.NATURAL
        if not kept.error and (is_natural or kept.cut_tokens not in by_tokens):
            by_tokens[kept.cut_tokens] = kept
    return tuple(by_tokens[tokens] for tokens in sorted(by_tokens))


def leading_of(finish: ThinkingFinishReason, profile: Profile) -> str:
    """What an answer continues, after thinking that ended so, and what is scored with it."""
    is_natural = finish is ThinkingFinishReason.NATURAL
    return lead_in(profile.thinking.natural_close if is_natural else profile.thinking.overrun_close)
