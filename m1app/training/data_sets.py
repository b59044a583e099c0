"""Versioned data sets on disk: FOLDER/NAME/vN/{samples.jsonl, dropped.jsonl, card.json, card.md}, and pruning.jsonl if
steps of the reasoning were pruned. A version with preference pairs has pairs.jsonl instead of samples.jsonl.

A version is written to a temporary folder and renamed, so that readers see all of it or nothing; it is never changed
afterwards. Its card records the samples' sources and how they were curated. FOLDER/NAME/probes.jsonl keeps what a model
was asked, over the versions of a name.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from m1app.training.changes import NO_HISTORY, History
from m1app.training.curation import Curated, CurationPlan, DataKind
from m1app.training.curation_steps import DroppedSample, StepReport
from m1app.training.data_card import DataCard, DataSource, card_json, card_markdown, read_card
from m1app.training.errors import DataSetNotFound, DataSetRefused
from m1app.training.preferences.pairs import PreferencePair, pair_of
from m1app.training.pruning.pruner import Pruned
from m1app.training.pruning.records import SamplePruning, sample_pruning_of
from m1app.training.samples import TrainingSample, sample_of

SAMPLES_FILE = "samples.jsonl"
PAIRS_FILE = "pairs.jsonl"
CARD_FILE = "card.json"
CARD_TEXT_FILE = "card.md"
DROPPED_FILE = "dropped.jsonl"
PRUNING_FILE = "pruning.jsonl"
PROBES_FILE = "probes.jsonl"
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
    """Samples, or preference pairs."""
    sha256: str
    """SHA-256 of samples.jsonl or pairs.jsonl, hex."""
    created_at: datetime
    """Aware, UTC."""
    reports: tuple[StepReport, ...]
    """Reports of the curation steps."""
    kind: DataKind = "samples"

    @property
    def id(self) -> str:
        """NAME:vN, as used in recipes and commands."""
        return f"{self.name}:v{self.version}"


class DataSets:
    """The data sets in one folder. Every method may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def probes_file(self, name: str) -> Path:
        """Where the letter probes of a name's builds are kept; raises DataSetRefused."""
        check_name(name)
        return self._folder / name / PROBES_FILE

    def add(
        self,
        name: str,
        curated: Curated,
        plan: CurationPlan,
        sources: Sequence[DataSource],
        pruned: Pruned | None = None,
        made_from: Callable[[int], History] | None = None,
    ) -> DataSetVersion:
        """Store curated samples, or preference pairs, as the next version of `name`.

        Args:
            name: letters, digits, dot, dash, underscore; up to 64.
            curated: the samples or pairs, and their curation reports.
            plan: the curation plan.
            sources: where the samples came from.
            pruned: what was done to their reasoning; None if nothing was.
            made_from: takes the number of the new version, and returns where it comes from; None if it was built from
                its sources.

        Raises:
            DataSetRefused: the name cannot be used.
        """
        check_name(name)
        content = _lines(each.as_row() for each in curated.pairs or curated.samples)
        draft = self._folder / name / f".new-{uuid4().hex}"
        draft.mkdir(parents=True)
        try:
            _write(draft / (PAIRS_FILE if curated.pairs else SAMPLES_FILE), content)
            _write(draft / DROPPED_FILE, _lines(_dropped_row(each) for each in curated.dropped))
            if pruned:
                _write(draft / PRUNING_FILE, _lines(each.as_row() for each in pruned.records))
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
                    pruning=pruned.summary if pruned else None,
                    history=made_from(version) if made_from else NO_HISTORY,
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
            DataSetRefused: it holds preference pairs, or the file was changed or damaged.
        """
        if version.kind != "samples":
            raise DataSetRefused(
                f"{version.id} holds preference pairs, not samples. Choose a data set of samples, or train with "
                "objective dpo."
            )
        return tuple(map(sample_of, _rows(version, SAMPLES_FILE)))

    def pairs(self, version: DataSetVersion) -> tuple[PreferencePair, ...]:
        """Return the preference pairs of a version, in order.

        Raises:
            DataSetRefused: it holds samples, or the file was changed or damaged.
        """
        if version.kind != "pairs":
            raise DataSetRefused(
                f"{version.id} holds samples, not preference pairs. Build a data set of pairs, on the Admin page or "
                "with `dataset build --pairs`."
            )
        return tuple(map(pair_of, _rows(version, PAIRS_FILE)))

    def dropped(self, version: DataSetVersion) -> tuple[DroppedSample, ...]:
        """Return what the steps of its curation, and people, left out; empty for versions built before that was kept.

        Raises:
            DataSetRefused: the file was changed or damaged.
        """
        path = version.path / DROPPED_FILE
        if not path.is_file():
            return ()
        try:
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
            return tuple(DroppedSample(sample_of(row["sample"]), row["step"], row["why"]) for row in rows)
        except (KeyError, TypeError, ValueError) as exc:
            raise DataSetRefused(
                f"{path} is damaged ({type(exc).__name__}). The samples are not: delete this file to go on without "
                "what was left out."
            ) from exc

    def prunings(self, version: DataSetVersion) -> tuple[SamplePruning, ...]:
        """What was done to the reasoning of each sample, in order; empty if nothing was.

        Raises:
            DataSetRefused: the file was changed or damaged.
        """
        path = version.path / PRUNING_FILE
        if not path.is_file():
            return ()
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
            return tuple(sample_pruning_of(json.loads(line)) for line in lines if line)
        except (KeyError, TypeError, ValueError) as exc:
            raise DataSetRefused(
                f"{path} is damaged ({type(exc).__name__}). The samples are not: build a new version to see again what "
                "was pruned."
            ) from exc

    def pruned(self, version: DataSetVersion) -> Pruned | None:
        """What was pruned of a version, to be stored with another one of the same samples; None if nothing was.

        Raises:
            DataSetRefused: a file was changed or damaged.
        """
        summary = self.card(version).pruning
        return Pruned(self.samples(version), self.prunings(version), summary) if summary else None

    def delete(self, name: str, version: int) -> None:
        """Delete one version; the others keep their numbers. The last one takes the name's letter probes with it.

        Raises:
            DataSetNotFound: no such version.
        """
        versions = self._versions(name) if _NAME.fullmatch(name) else set()
        if version not in versions:
            raise DataSetNotFound(_not_found(name, version, versions, self._names()))
        doomed = self._folder / name / f".old-{uuid4().hex}"
        (self._folder / name / f"v{version}").rename(doomed)
        shutil.rmtree(doomed)
        if not self._versions(name):
            (self._folder / name / PROBES_FILE).unlink(missing_ok=True)
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
        return DataSetVersion(name, version, path, card.samples, card.sha256, card.created_at, card.reports, card.kind)


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


def _lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _dropped_row(each: DroppedSample) -> dict[str, Any]:
    return {"step": each.step, "why": each.why, "sample": each.sample.as_row()}


def _rows(version: DataSetVersion, file: str) -> Iterator[Any]:
    content = (version.path / file).read_bytes()
    if hashlib.sha256(content).hexdigest() != version.sha256:
        raise DataSetRefused(
            f"{version.path / file} has changed since {version.id} was built. Build a new version instead."
        )
    # Not splitlines: texts may contain U+2028 and similar characters.
    return (json.loads(line) for line in content.decode().split("\n") if line)


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
