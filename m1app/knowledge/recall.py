"""Whether a search finds the facts that questions need: by the question's text, as strategies search.

What each question needs is said in a TOML file of this form:

    [[needed]]
    question = "toxicology-osmolar-gap"     # its id in the library, or its title in a question set
    sheets = ["methanol-and-ethylene-glycol.md"]
    sentence = "Formate poisons ..."        # may be left out

A passage is the needed one if its source is one of the sheets; without sheets, if it has the sentence. Of a corrected
fact of an annotation, it is the passage of the corpus that fits the fact best.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from m1app.knowledge.errors import KnowledgeError
from storage.corpora.records import Passage

RANKS = (1, 3, 5)
"""How many passages are looked at."""
MAX_BYTES = 16 * 2**20
_Text = Annotated[str, Field(min_length=1, max_length=5_000)]


class Needed(BaseModel):
    """What a question needs."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    question: _Text
    sheets: list[_Text] = Field([], max_length=100)
    """Sources, one of which has to be found."""
    sentence: str = Field("", max_length=5_000)
    """Of such a sheet, word for word."""

    @model_validator(mode="after")
    def _has_something(self) -> "Needed":
        if not self.sheets and not self.sentence.strip():
            raise ValueError("sheets or a sentence are missing")
        return self

    @property
    def words(self) -> str:
        """What is needed, in a few words."""
        return ", ".join(self.sheets)[:200] or self.sentence[:80]

    def is_in(self, passage: Passage) -> bool:
        """Whether this passage is the needed one."""
        if self.sheets:
            return passage.source in self.sheets
        return _plain(self.sentence) in _plain(passage.text)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    needed: list[Needed] = Field(min_length=1, max_length=100_000)


@dataclass(frozen=True, slots=True)
class Rank:
    """Where the needed passage of a question came."""

    question: str
    """Its id or title; of a corrected fact, the id of the annotation."""
    needed: str
    """What was needed, in a few words; empty if the corpus has nothing that fits a corrected fact."""
    rank: int | None
    """From 1; None if it was not among the passages that were looked at."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Of all questions, in the order of the file."""

    ranks: tuple[Rank, ...]
    notes: tuple[str, ...] = ()
    """How the passages were found, if by meaning too or if that could not be; see `meaning.Findings.note`."""

    def found_at(self, most: int) -> int:
        """Questions whose needed passage is among the first `most`."""
        return sum(each.rank is not None and each.rank <= most for each in self.ranks)

    def missed_at(self, most: int) -> tuple[Rank, ...]:
        """The others."""
        return tuple(each for each in self.ranks if each.rank is None or each.rank > most)


def read_needed(path: Path) -> tuple[Needed, ...]:
    """Read the file that says what questions need; blocks. Raises KnowledgeError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise KnowledgeError(f"{path.name}: found more than {MAX_BYTES // 2**20} MB, which is the limit.")
        return tuple(_File.model_validate(tomllib.loads(content.decode())).needed)
    except OSError as exc:
        raise KnowledgeError(f"{path.name}: the file cannot be read ({exc.strerror}). Check its name.") from exc
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as exc:
        raise KnowledgeError(f"{path.name}: the file is not valid TOML ({str(exc)[:200]}). Correct it.") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise KnowledgeError(
            f"{path.name}: {where}: {first['msg'][:200]}. Expected [[needed]] entries with question and sheets, or "
            "sentence."
        ) from exc


def asked_of(needed: Sequence[Needed], stems: Mapping[str, str]) -> list[tuple[Needed, str]]:
    """Each with its question's stem.

    Args:
        needed: what questions need.
        stems: by id or title.

    Raises:
        KnowledgeError: a question is not there.
    """
    unknown = [each.question for each in needed if each.question not in stems]
    if unknown:
        raise KnowledgeError(
            f"{len(unknown):,} of {len(needed):,} questions are not among those asked, such as {unknown[0][:80]!r}. "
            "Use --questions to name the set that the file is about."
        )
    return [(each, stems[each.question]) for each in needed]


def rank_of(needed: Needed, found: Sequence[Passage]) -> Rank:
    """Where the needed passage came among those that were found."""
    places = (place for place, each in enumerate(found, 1) if needed.is_in(each))
    return Rank(needed.question, needed.words, next(places, None))


def rank_of_fact(annotation_id: str, fitting: Sequence[Passage], found: Sequence[Passage]) -> Rank:
    """Where the passage came that fits a corrected fact best.

    Args:
        annotation_id: of the fact.
        fitting: passages that fit it, the best first.
        found: by the text of the question.
    """
    if not fitting:
        return Rank(annotation_id, "", None)
    best = fitting[0]
    places = (place for place, each in enumerate(found, 1) if each.id == best.id)
    return Rank(annotation_id, best.heading[:200] or best.source, next(places, None))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
