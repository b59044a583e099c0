"""What people did to single samples of a data set, as its card records it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class ChangeKind(StrEnum):
    """What was done to a sample."""

    EXCLUDE = "exclude"
    RESTORE = "restore"
    EDIT = "edit"
    DOMAIN = "domain"
    """A person has read which domain it was given, and accepts or changes it."""


@dataclass(frozen=True, slots=True)
class SampleChange:
    """One change of one sample."""

    version: int
    """The version that it made."""
    kind: ChangeKind
    key: str
    """`sample_key` of the sample before the change."""
    new_key: str
    """And after it; empty for an excluded sample."""
    reason: str
    question: str
    """On one line, shortened."""
    doubt: str = ""
    """What spoke against it, and was kept deliberately; empty if nothing did."""
    is_accepted: bool = False
    """Of a domain: whether it was right as it was."""

    def as_row(self) -> dict[str, Any]:
        """The change as a JSON-compatible dict; `change_of` is the inverse."""
        return asdict(self)


def change_of(row: Mapping[str, Any]) -> SampleChange:
    """Read a change written by `as_row`; raises KeyError, TypeError or ValueError if it is none."""
    return SampleChange(**(dict(row) | {"kind": ChangeKind(row["kind"])}))


@dataclass(frozen=True, slots=True)
class History:
    """Where a version comes from, if it was made from another one."""

    parent: str = ""
    """NAME:vN of the version that it was made from; empty if it was built from sources."""
    changes: tuple[SampleChange, ...] = ()
    """All of them, those of the versions before included."""


NO_HISTORY = History()
