"""Versioned data sets on disk: FOLDER/NAME/vN/{samples.jsonl, card.json, card.md}.

A version is written to a temporary folder and renamed, so that readers see all of it or nothing; it is never changed
afterwards. Its card records the samples' sources and how they were curated.
"""

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from m1app.training.curation import FEW_SAMPLES, Curated, CurationPlan, StepReport
from m1app.training.errors import DataSetNotFound, DataSetRefused
from m1app.training.samples import TrainingSample, sample_of
from m1app.wording import percent

LICENCE_NOTE = (
    "Samples keep the licence of their source: look it up before you share this data set or a model trained on it. "
    "Reasoning that another model wrote may also be under that model's terms. Research use only; not medical advice."
)
NOT_COMPARED = "not compared"
"""Name of the step whose examples are evaluation sets that were not checked for overlap."""
_SHOWN_DOMAINS = 20


@dataclass(frozen=True, slots=True)
class DataSource:
    """A source of samples."""

    name: str
    """File name, hub address, or "own traces"."""
    sha256: str
    """SHA-256 (hex) of the file, or of the data read."""
    samples: int
    """Samples read from it, before curation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCard:
    """Metadata of one version of a data set."""

    name: str
    version: int
    created_at: datetime
    """Aware, UTC."""
    samples: int
    sha256: str
    """SHA-256 of samples.jsonl, hex."""
    plan: CurationPlan
    sources: tuple[DataSource, ...]
    reports: tuple[StepReport, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings to read before training on it."""
        found = []
        if self.samples < FEW_SAMPLES:
            found.append(
                f"Only {self.samples:,} samples: m1 was trained on 1,000 to 23,000. A model may learn the format "
                "from them but is unlikely to learn medicine."
            )
        if not self.plan.verified_only:
            found.append("Answers were not required to agree with their target: see the step verify.")
        if not self.plan.overlap_ngram:
            found.append("Overlap with evaluation sets was not checked: scores on them may be meaningless.")
        found += [
            f"Overlap with {', '.join(report.examples)} was not checked: scores there are meaningless for a "
            "model trained on this data."
            for report in self.reports
            if report.step == NOT_COMPARED
        ]
        return tuple(found)


def card_json(card: DataCard) -> str:
    """Return the card as a JSON object; `read_card` is the inverse."""
    content: dict[str, Any] = {
        "name": card.name,
        "version": card.version,
        "created_at": card.created_at.isoformat(),
        "samples": card.samples,
        "sha256": card.sha256,
        "seed": card.plan.seed,
        "plan": card.plan.model_dump(),
        "sources": [asdict(source) for source in card.sources],
        "steps": [asdict(report) for report in card.reports],
        "warnings": list(card.warnings),
        "licence_note": LICENCE_NOTE,
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def read_card(path: Path) -> DataCard:
    """Read a card written by `card_json`; raises DataSetRefused if it is invalid."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return DataCard(
            name=content["name"],
            version=content["version"],
            created_at=datetime.fromisoformat(content["created_at"]),
            samples=content["samples"],
            sha256=content["sha256"],
            plan=CurationPlan.model_validate(content["plan"]),
            sources=tuple(DataSource(**source) for source in content["sources"]),
            reports=tuple(_report(step) for step in content["steps"]),
        )
    except (OSError, KeyError, TypeError, ValueError, ValidationError) as exc:
        raise DataSetRefused(
            f"{path} is missing or damaged ({type(exc).__name__}). Delete the folder {path.parent} and build the data "
            "set again."
        ) from exc


def _report(step: dict[str, Any]) -> StepReport:
    pairs = tuple((str(here), str(there), float(share)) for here, there, share in step["pairs"])
    return StepReport(step["step"], step["title"], step["before"], step["kept"], tuple(step["examples"]), pairs)


def card_markdown(card: DataCard, samples: Sequence[TrainingSample]) -> str:
    """Return the card as Markdown.

    Args:
        card: the card.
        samples: the version's samples, for counts by domain and source.
    """
    parts = [
        f"# {card.name}, version {card.version}",
        f"{card.samples:,} samples, made on {card.created_at:%Y-%m-%d %H:%M} UTC with seed {card.plan.seed}.  \n"
        f"SHA-256 of `samples.jsonl`: `{card.sha256}`",
        *(f"**Note:** {warning}" for warning in card.warnings),
        "## Licence",
        LICENCE_NOTE,
        "## Sources",
        _table(("source", "samples read", "SHA-256"), [(s.name, f"{s.samples:,}", s.sha256) for s in card.sources]),
        "## Curation",
        _table(
            ("step", "before", "kept", "what it did"),
            [(r.step, f"{r.before:,}", f"{r.kept:,}", r.title) for r in card.reports],
        ),
        *(_details(report) for report in card.reports if report.examples),
        "## What is in it",
        _table(("source", "samples"), _counted(sample.source for sample in samples)),
        _table(("domain", "samples"), _counted(sample.domain or "none given" for sample in samples)),
        "## Plan",
        "```json\n" + json.dumps(card.plan.model_dump(), indent=2) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _details(report: StepReport) -> str:
    lines = "\n".join(f"- {_cell(example)}" for example in report.examples)
    found = f"### {report.step}: examples\n\n{lines}"
    if report.pairs:
        rows = [(here, there, percent(share, 0)) for here, there, share in report.pairs]
        found += "\n\n" + _table(("sample", "evaluation set: question", "shared"), rows)
    return found


def _counted(names: Any) -> list[tuple[str, str]]:
    counts = Counter(names).most_common()
    rows = [(name, f"{count:,}") for name, count in counts[:_SHOWN_DOMAINS]]
    rest = counts[_SHOWN_DOMAINS:]
    return [*rows, (f"{len(rest):,} others", f"{sum(count for _, count in rest):,}")] if rest else rows


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)])


def _cell(text: str) -> str:
    """Escape untrusted text for a Markdown table cell."""
    for mark in "\\`*[]<>|!&":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


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
