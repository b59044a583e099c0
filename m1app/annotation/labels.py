"""The labels and severities of annotations: versioned data that can be extended.

`labels.toml` ships the taxonomy; `M1_HOME/labels.toml` in the same format adds or retires entries.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from m1app.annotation.errors import LabelsError

_T = TypeVar("_T")
_SHIPPED = Path(__file__).with_name("labels.toml")


@dataclass(frozen=True, slots=True)
class Label:
    """A label for a mark."""

    id: str
    group: str
    name: str
    definition: str
    example: str
    source: str
    retired: bool = False
    """True: existing marks keep it, but it is not offered for new ones."""


@dataclass(frozen=True, slots=True)
class Severity:
    """A severity level."""

    id: str
    definition: str


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """All labels and severities."""

    version: int
    labels: tuple[Label, ...]
    severities: tuple[Severity, ...]
    """From harmless to worst."""

    @property
    def offered(self) -> tuple[Label, ...]:
        """Labels offered for new marks."""
        return tuple(label for label in self.labels if not label.retired)

    def label(self, label_id: str) -> Label | None:
        """Return the label with this id, or None."""
        return next((label for label in self.labels if label.id == label_id), None)

    def rank(self, severity_id: str) -> int | None:
        """Rank of a severity, from 0 (harmless); None for an unknown id."""
        return next((n for n, each in enumerate(self.severities) if each.id == severity_id), None)


@cache
def shipped_taxonomy() -> Taxonomy:
    """The taxonomy shipped with the app."""
    return _read(_SHIPPED)


def load_taxonomy(extra: Path | None = None) -> Taxonomy:
    """Load the shipped taxonomy with the labels of `extra`, which replace those with the same id.

    Raises:
        LabelsError: `extra` is not valid TOML, or an entry is incomplete.
    """
    shipped = shipped_taxonomy()
    if extra is None:
        return shipped
    own = _read(extra)
    labels = {label.id: label for label in (*shipped.labels, *own.labels)}
    return Taxonomy(max(shipped.version, own.version), tuple(labels.values()), shipped.severities)


def _read(path: Path) -> Taxonomy:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise LabelsError(f"{path}: {exc}") from exc
    labels = tuple(_entry(path, Label, entry) for entry in content.get("label", []))
    severities = tuple(_entry(path, Severity, entry) for entry in content.get("severity", []))
    ids = [each.id for each in labels]
    if doubled := {each for each in ids if ids.count(each) > 1}:
        raise LabelsError(f"{path}: label {min(doubled)!r} appears twice; keep one of them.")
    return Taxonomy(int(content.get("version", 1)), labels, severities)


def _entry(path: Path, kind: type[_T], entry: dict[str, Any]) -> _T:
    try:
        return kind(**entry)
    except TypeError as exc:
        raise LabelsError(f"{path}: entry {entry.get('id', '?')!r} is incomplete ({exc}).") from exc
