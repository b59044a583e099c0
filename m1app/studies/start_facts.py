"""What was so when a study was started, kept with it: sets may be deleted and models replaced later."""

from typing import Self

from pydantic import BaseModel, ConfigDict


class SetFacts(BaseModel):
    """A set as it was."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str
    questions: int
    sha256: str
    """Of its file; empty if there was none."""
    md5: str = ""
    """Of the same file; empty if that was no longer here."""


class OverlapFacts(BaseModel):
    """Questions that a set shares with another, or with fine-tuning data."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    first: str
    """Name of the set of this installation."""
    second: str
    """The same, or the name of a file."""
    sentence: str


class StartFacts(BaseModel):
    """Unknown fields are left out: a later version may have noted more."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    limit: int | None = None
    """Most questions per set, in place of the file's; None keeps that."""
    look: int = 1
    """1, and one more for each extension with questions."""
    is_demo: bool = False
    """Whether it is a toy study, or the demo model plays a role."""
    sets: dict[str, SetFacts] = {}
    """By the study's name."""
    overlaps: tuple[OverlapFacts, ...] = ()
    overlap_note: str = ""
    """Why overlaps are not known; empty if they are."""

    @classmethod
    def of(cls, stored: object) -> Self:
        """Read what a study keeps."""
        return cls.model_validate(stored)
