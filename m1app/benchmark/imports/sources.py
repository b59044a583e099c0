"""Which files of a folder are logs to import, and what lies beside each of them.

A log is named as its tool names it: `samples_TASK_DATE.jsonl` beside `results_DATE.json` (lm-evaluation-harness),
`*.eval` and `*.json` (Inspect), `*.json` beside `config.yaml` and `*.scored.json` (m1).
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from m1app.question.errors import InvalidAnswers

MAX_FILES = 500
"""Most logs of one import."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file that may be a log."""

    path: Path
    is_named: bool
    """Whether a person named it, not only its folder."""
    facts: Path | None
    """The file beside it that names the model and the settings."""
    verdicts: Path | None
    """The file beside it that has its verdicts."""

    @property
    def name(self) -> str:
        """Its name without its folder, as it can be stored and shown."""
        return shown(self.path.name)


@dataclass(frozen=True, slots=True)
class Digests:
    """SHA-256 as hex digests; equal for the same log, wherever it lies."""

    log: str
    beside: str
    """Of the file that says its settings; empty without one."""


def find_sources(paths: Sequence[Path]) -> tuple[Source, ...]:
    """The logs among some files and below some folders, by path; blocks.

    Raises:
        InvalidAnswers: there is none, there are too many, or a path does not exist.
    """
    found: dict[Path, Source] = {}
    for path in paths:
        if not path.exists():
            raise InvalidAnswers(f"{shown(str(path))}: there is no such file or folder. Check its name.")
        if not path.is_file() and not path.is_dir():
            raise InvalidAnswers(f"{shown(str(path))}: found a pipe or a device, expected a file or folder.")
        for each in _below(path) if path.is_dir() else (path,):
            if _may_be_log(each):
                found.setdefault(each.resolve(), _source(each, is_named=each == path))
            if len(found) > MAX_FILES:
                raise InvalidAnswers(f"Found more than {MAX_FILES} logs. Import a part of the folder at a time.")
    if not found:
        raise InvalidAnswers(
            f"{', '.join(shown(str(path)) for path in paths[:5])}: found no log, expected samples_*.jsonl of "
            "lm-evaluation-harness (--log_samples), .eval or .json of Inspect, or a result file of m1 (.json)."
        )
    return tuple(found.values())


def digests_of(source: Source) -> Digests:
    """The digests of a log and of the file that says its settings; blocks. Raises InvalidAnswers."""
    return Digests(_digest(source.path), _digest(source.facts) if source.facts else "")


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                found.update(chunk)
    except OSError as exc:
        raise InvalidAnswers(f"{shown(path.name)}: the file cannot be read ({exc.strerror}). Check its name.") from exc
    return found.hexdigest()


def shown(text: str) -> str:
    """A path as it can be shown: it may have bytes that are no text."""
    return text.encode(errors="backslashreplace").decode()


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names) if Path(parent, name).is_file())


def _may_be_log(path: Path) -> bool:
    name = path.name
    if name.endswith(".eval"):
        return True
    if name.endswith(".jsonl"):
        return name.startswith("samples_")
    is_beside = name.startswith("results_") or name.endswith(".scored.json") or name == "metrics.json"
    return name.endswith(".json") and not is_beside


def _source(path: Path, *, is_named: bool) -> Source:
    scored = path.with_suffix(".scored.json")
    facts = _results_beside(path) if path.suffix == ".jsonl" else path.with_name("config.yaml")
    return Source(
        path,
        is_named,
        facts if facts is not None and facts.is_file() else None,
        scored if path.suffix == ".json" and scored.is_file() else None,
    )


def _results_beside(path: Path) -> Path | None:
    """The results with the date of the samples; otherwise the only ones in the folder."""
    moment = path.stem.rpartition("_")[2]
    beside = sorted(each for each in path.parent.iterdir() if each.suffix == ".json" and "_" in each.name)
    dated = [each for each in beside if each.stem.endswith(f"_{moment}")]
    results = dated or [each for each in beside if each.name.startswith("results_")]
    return results[0] if len(results) == 1 else None
