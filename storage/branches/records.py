"""Branches as plain values: standard library only.

A branch is a trace whose thinking begins with a part of another's, and a text that somebody wrote after it. The trace
has everything else; this has where it comes from.
"""

from dataclasses import dataclass
from datetime import datetime

from storage.traces.records import TraceState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBranch:
    """Where a trace comes from."""

    parent_id: str | None
    """The trace whose thinking it begins with; None once that is gone."""
    checkpoint_id: str | None
    """The answer of the parent's sweep that it was made from; None for the trace's own answer."""
    kept_tokens: int
    """Tokens of the parent's thinking that it begins with."""
    kept_characters: int
    """The same in code points."""
    inserted_tokens: int
    """Tokens of what was written after them."""
    replaced: str
    """The stretch of the parent that was edited; empty if something was only inserted."""
    written: str
    """What stands there instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch(NewBranch):
    """A stored branch."""

    trace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNode:
    """A trace in a tree of branches."""

    trace_id: str
    branch: Branch | None
    """None for the trace that the tree grows from, which is no branch, or whose parent is gone."""
    sweep_id: str | None
    """The sweep that it is a pass of."""
    created_at: datetime
    """Aware, UTC."""
    state: TraceState
    letter: str | None
    is_correct: bool | None
    has_options: bool
    name: str
    model: str
    thinking_tokens: int
