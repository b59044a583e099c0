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


class TrainingCheck(BaseModel):
    """Questions that the sets share with fine-tuning data: with what one of the models has learned from, or with a data
    set that is here."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    role: str = ""
    """Of the model; empty for a data set that none of them is known to have learned from."""
    model: str = ""
    """As served; or the model that it was made from, which has learned from the data."""
    data: str = ""
    """NAME:vN of a data set, or the name of a file; empty if it is not known."""
    note: str = ""
    """Why nothing was compared; empty if it was."""
    shared: dict[str, int] = {}
    """The study's name of a set -> its questions that the data have too, exactly or nearly; sets without any are left
    out."""


class TriedFact(BaseModel):
    """What became of one of the study's own facts, for one role."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    role: str
    fact: int
    """Its place in the file, from 0."""
    run_id: str = ""
    """Of its test; empty without one."""
    note: str = ""
    """Why there is no test; empty if there is one."""


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
    training: tuple[TrainingCheck, ...] = ()
    """None for a study that an earlier version started."""
    fact_tests: int = 0
    """Tests of the study's own facts that are to be made."""
    tested: tuple[TriedFact, ...] = ()
    """Those that are over."""

    @classmethod
    def of(cls, stored: object) -> Self:
        """Read what a study keeps."""
        return cls.model_validate(stored)
