"""Versioned data sets on disk: FOLDER/NAME/vN/{samples.jsonl, card.json, card.md}.

A version is written to a temporary folder and renamed, so that readers see all of it or nothing; it is never changed
afterwards. Its card records the samples' sources and how they were curated.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from m1app.training.curation import Curated, CurationPlan
from m1app.training.curation_steps import StepReport
from m1app.training.data_card import DataCard, DataSource, card_json, card_markdown, read_card
from m1app.training.errors import DataSetNotFound, DataSetRefused
from m1app.training.samples import TrainingSample, sample_of

SAMPLES_FILE = "samples.jsonl"
CARD_FILE = "card.json"
CARD_TEXT_FILE = "card.md"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"v([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class DataSetVersion:
    """One version of a data set."""

    name: str
    version: int
    """Starts at 1."""
    path: Path
    """Its folder."""
    samples: int
    sha256: str
    """SHA-256 of samples.jsonl, hex."""
    created_at: datetime
    """Aware, UTC."""
    reports: tuple[StepReport, ...]
    """Reports of the curation steps."""

    @property
    def id(self) -> str:
        """NAME:vN, as used in recipes and commands."""
        return f"{self.name}:v{self.version}"


class DataSets:
    """The data sets in one folder. Every method may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str, curated: Curated, plan: CurationPlan, sources: Sequence[DataSource]) -> DataSetVersion:
        """Store curated samples as the next version of `name`.

        Args:
            name: letters, digits, dot, dash, underscore; up to 64.
            curated: the samples and their curation reports.
            plan: the curation plan.
            sources: where the samples came from.

        Raises:
            DataSetRefused: the name cannot be used.
        """
        check_name(name)
        content = "".join(json.dumps(sample.as_row(), ensure_ascii=False) + "\n" for sample in curated.samples).encode()
        draft = self._folder / name / f".new-{uuid4().hex}"
        draft.mkdir(parents=True)
        try:
            _write(draft / SAMPLES_FILE, content)
            while True:
                version = max(self._versions(name), default=0) + 1
                card = DataCard(
                    name=name,
                    version=version,
                    created_at=datetime.now(UTC),
                    samples=len(curated.samples),
                    sha256=hashlib.sha256(content).hexdigest(),
                    plan=plan,
                    sources=tuple(sources),
                    reports=curated.reports,
                )
                _write(draft / CARD_FILE, card_json(card).encode())
                _write(draft / CARD_TEXT_FILE, card_markdown(card, curated.samples).encode())
                if _moved(draft, self._folder / name / f"v{version}"):
                    return self.get(name, version)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def all(self) -> tuple[DataSetVersion, ...]:
        """Every version of every data set: by name, the newest version first.

        Raises:
            DataSetRefused: a card cannot be read.
        """
        if not self._folder.is_dir():
            return ()
        names = sorted(each.name for each in self._folder.iterdir() if each.is_dir() and _NAME.fullmatch(each.name))
        return tuple(self._read(name, version) for name in names for version in sorted(self._versions(name))[::-1])

    def get(self, name: str, version: int = 0) -> DataSetVersion:
        """Return one version; 0 is the newest.

        Raises:
            DataSetNotFound: no such version.
            DataSetRefused: its card cannot be read.
        """
        versions = self._versions(name) if _NAME.fullmatch(name) else set()
        wanted = version or max(versions, default=0)
        if wanted not in versions:
            raise DataSetNotFound(_not_found(name, version, versions, self._names()))
        return self._read(name, wanted)

    def card(self, version: DataSetVersion) -> DataCard:
        """Return the full card; raises DataSetRefused if it cannot be read."""
        return read_card(version.path / CARD_FILE)

    def samples(self, version: DataSetVersion) -> tuple[TrainingSample, ...]:
        """Return the samples of a version, in order.

        Raises:
            DataSetRefused: the file was changed or damaged.
        """
        content = (version.path / SAMPLES_FILE).read_bytes()
        if hashlib.sha256(content).hexdigest() != version.sha256:
            raise DataSetRefused(
                f"{version.path / SAMPLES_FILE} has changed since {version.id} was built. Build a new version instead."
            )
        # Not splitlines: texts may contain U+2028 and similar characters.
        return tuple(sample_of(json.loads(line)) for line in content.decode().split("\n") if line)

    def delete(self, name: str, version: int) -> None:
        """Delete one version; the others keep their numbers.

        Raises:
            DataSetNotFound: no such version.
        """
        versions = self._versions(name) if _NAME.fullmatch(name) else set()
        if version not in versions:
            raise DataSetNotFound(_not_found(name, version, versions, self._names()))
        doomed = self._folder / name / f".old-{uuid4().hex}"
        (self._folder / name / f"v{version}").rename(doomed)
        shutil.rmtree(doomed)
        if not any((self._folder / name).iterdir()):
            (self._folder / name).rmdir()

    def _names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return sorted(each.name for each in self._folder.iterdir() if each.is_dir() and self._versions(each.name))

    def _versions(self, name: str) -> set[int]:
        folder = self._folder / name
        found = [_VERSION.fullmatch(each.name) for each in folder.iterdir()] if folder.is_dir() else []
        return {int(match[1]) for match in found if match}

    def _read(self, name: str, version: int) -> DataSetVersion:
        path = self._folder / name / f"v{version}"
        card = read_card(path / CARD_FILE)
        return DataSetVersion(name, version, path, card.samples, card.sha256, card.created_at, card.reports)


def check_name(name: str) -> None:
    """Reject names that are not valid folder names; raises DataSetRefused."""
    if not _NAME.fullmatch(name):
        raise DataSetRefused(
            f"{name[:80]!r} is not a data set name: use up to 64 letters, digits, dots, dashes or underscores, and "
            "begin with a letter or digit."
        )


def parse_reference(text: str) -> tuple[str, int]:
    """Parse "NAME" or "NAME:vN" into name and version, 0 for the newest. Raises DataSetNotFound."""
    name, _, version = text.partition(":")
    match = _VERSION.fullmatch(version) if version else None
    if version and match is None:
        raise DataSetNotFound(f"{text!r} does not name a data set: write NAME, or NAME:v2 for its second version.")
    return name, int(match[1]) if match else 0


def _not_found(name: str, version: int, versions: set[int], names: Iterable[str]) -> str:
    if versions:
        here = ", ".join(f"v{each}" for each in sorted(versions))
        return f"Data set {name!r} has no version {version}; available: {here}."
    known = ", ".join(names)
    advice = f"Available: {known}." if known else "Build one with `python -m m1app dataset build`."
    return f"Data set {name[:80]!r} not found. {advice}"


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _moved(draft: Path, place: Path) -> bool:
    """Rename into place; False if the version was taken meanwhile."""
    try:
        draft.rename(place)
    except OSError:
        if place.exists():
            return False
        raise
    return True
