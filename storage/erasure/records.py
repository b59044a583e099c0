"""What an erasure removes, as plain values: standard library only, no database."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureExtent:
    """The records that an erasure removes, whether they are in the trash or not."""

    traces: tuple[str, ...] = ()
    """Ids of traces, with their segments, answers and search words."""
    sweeps: tuple[str, ...] = ()
    """Ids of sweeps that have no pass left."""
    strategy_runs: tuple[str, ...] = ()
    """Ids of strategy runs, with everything that they asked and were answered."""
    items: tuple[str, ...] = ()
    """Ids of benchmark items, with their results."""
    questions: tuple[str, ...] = ()
    """Ids of questions."""
    memberships: int = 0
    """In question sets."""
    annotations: int = 0
    """Annotations of these traces, of any state."""
    assessments: int = 0
    """Assessments of these traces, also those that were only begun."""
    is_running: bool = False
    """Whether one of the traces, sweeps or runs has not ended."""
    passages: tuple[str, ...] = ()
    """Texts of the questions and what was thought, to look for in files. What the app inserts is left out, and answers,
    which are much the same for many questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedPerson:
    """What was erased of a person."""

    removed_annotations: int
    removed_assessments: int
    removed_strategy_runs: int
    """Runs that had read facts which the person wrote; their tests not counted."""
    renamed_annotations: int
    renamed_assessments: int
    renamed_revisions: int
    accounts: int
