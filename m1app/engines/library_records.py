"""What the model library says about models: those known here, those a repository offers, those suggested."""

from dataclasses import dataclass
from enum import StrEnum

from models.weights.catalog import CatalogModel
from models.weights.download_progress import DownloadProgress
from models.weights.hub_listing import ListedFile, ListedRepository
from models.weights.suggestions import Suggestion


class Presence(StrEnum):
    """Whether a model's weights are here."""

    HERE = "here"
    PARTLY = "partly here"
    """A download was interrupted; fetching again resumes it."""
    AWAY = "not here"
    BY_ENGINE = "vLLM downloads it"
    MISSING = "file missing"


class Use(StrEnum):
    """What a model is doing."""

    DEFAULT = "default"
    """Asked when no model is named."""
    LOADED = "loaded"
    IDLE = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """A download under way, or how the last one ended."""

    progress: DownloadProgress | None = None
    is_running: bool = True
    error: str = ""
    """Why it ended; empty if it is running or succeeded."""


@dataclass(frozen=True, slots=True)
class LibraryModel:
    """One known model on this machine."""

    model: CatalogModel
    presence: Presence
    use: Use
    bytes_here: int
    """On disk, also of a part."""
    memory_bytes: int | None
    """Estimated to run it with the settings' context and parallel requests; None if unknown."""
    fits: bool | None
    """Whether that much memory is available; None if unknown."""
    is_own: bool
    """Whether its entry is in the user's catalog, and can be removed."""
    fetch: Fetch | None = None


@dataclass(frozen=True, slots=True)
class OfferedFile:
    """A file of a hub repository, with what it would take to run it."""

    file: ListedFile
    memory_bytes: int
    fits: bool
    problem: str
    """Why it cannot be used; empty if it can."""
    is_preferred: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """What a hub repository offers to the embedded engine."""

    repository: ListedRepository
    files: tuple[OfferedFile, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggested:
    """A repository that was looked up for machines like this one."""

    suggestion: Suggestion
    memory_bytes: int
    """Estimated for its typical file."""
    fits: bool
    is_best: bool = False
    """The largest that fits and answers without much patience."""
