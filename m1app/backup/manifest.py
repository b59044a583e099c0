"""What a backup contains: its list of parts with their hashes, and what a restored database must have.

A backup comes from outside when it is restored, so nothing of it is used before it has passed these rules.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

DATABASE_PARTS: Mapping[str, str] = {"sqlite": "database.sqlite3", "postgresql": "database.pgdump"}
"""Name of the database's part, by dialect."""
FILES = ("labels.toml", "catalog.toml")
"""Files of a home that every backup has, if they exist."""
FOLDERS = ("training-data", "profiles", "policies", "studies")
"""Folders of a home that every backup has."""
MODEL_FOLDERS = ("models", "jobs")
"""Folders that only a backup with models has: of `models`, those of fine-tuned models."""
_MOST_CHARACTERS = 1024


def _checked_name(name: str) -> str:
    """Return the name of a part if it leads to where such a part belongs."""
    path = PurePosixPath(name)
    is_plain = str(path) == name and not path.is_absolute() and ".." not in path.parts and name.isprintable()
    is_file = name in (*DATABASE_PARTS.values(), *FILES)
    is_below = len(path.parts) > 1 and path.parts[0] in (*FOLDERS, *MODEL_FOLDERS)
    if not (is_plain and (is_file or is_below)):
        raise ValueError("leads outside the folders of a home")
    return name


class Part(BaseModel):
    """One file of a backup."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(max_length=_MOST_CHARACTERS), AfterValidator(_checked_name)]
    """Path within the home, or the database's part."""
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """The description of a backup."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    app_version: str
    created_at: str
    """UTC, as 2026-11-29T10:15:00+00:00."""
    home: str
    """The folder that was backed up."""
    dialect: Literal["sqlite", "postgresql"]
    server_version: str
    """Version of SQLite or of the PostgreSQL server."""
    revision: str
    """Version of the tables."""
    counts: dict[str, int]
    """Number of records in each table."""
    parts: tuple[Part, ...]

    @model_validator(mode="after")
    def _one_database_and_no_name_twice(self) -> "Manifest":
        names = [part.name for part in self.parts]
        if len(set(names)) != len(names):
            raise ValueError("a part is listed twice")
        if [name for name in names if name in DATABASE_PARTS.values()] != [self.database_part]:
            raise ValueError(f"there must be one database part, {self.database_part}")
        return self

    @property
    def database_part(self) -> str:
        """Name of the database's part."""
        return DATABASE_PARTS[self.dialect]

    @property
    def has_models(self) -> bool:
        """Whether it has fine-tuned models or files of jobs."""
        return any(part.name.startswith(tuple(f"{folder}/" for folder in MODEL_FOLDERS)) for part in self.parts)
