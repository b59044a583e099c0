"""Reads a manifest from a file that may be anything: bounded, and checked field by field."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from m1app.studies.report.errors import ManifestRefused
from m1app.studies.report.manifest import FORMAT, VERSION, Manifest
from m1app.wording import size

MOST_BYTES = 32 << 20
"""Of a manifest; one of 1,260 cells has less than half a megabyte."""
FILE_NAME = "manifest.json"
_MOST_MISTAKES = 5
_SHOWN_CHARACTERS = 80
_HEAD_CHARACTERS = 200


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; blocks.

    Args:
        path: the file, or the folder of a report that has it.

    Raises:
        ManifestRefused: it is no manifest that this version can read; the message says why.
    """
    file = path / FILE_NAME if path.is_dir() else path
    return parse_manifest(_content(file), str(file))


def parse_manifest(content: bytes, file_name: str) -> Manifest:
    """Read a manifest from a file's content; raises ManifestRefused.

    Args:
        content: at most `MOST_BYTES`.
        file_name: its name in messages.
    """
    document = _document(content, file_name)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ManifestRefused(
            f'{file_name}: not a manifest of a study. It is JSON, but has no "format": "{FORMAT}". Choose the '
            f"{FILE_NAME} of a study's report."
        )
    _check_version(document, file_name)
    try:
        return Manifest.model_validate(document)
    except ValidationError as exc:
        mistakes = [_described(error) for error in exc.errors()[:_MOST_MISTAKES]]
        raise ManifestRefused(
            "\n".join(f"{file_name}: {each}." for each in mistakes)
            + "\nThe file was edited or damaged. Get a new copy."
        ) from exc


def _content(file: Path) -> bytes:
    try:
        # A pipe or a device would have no end.
        if file.exists() and not file.is_file():
            raise ManifestRefused(f"{file}: not a file. Choose the {FILE_NAME} of a study's report.")
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                found = size(file.stat().st_size)
                raise ManifestRefused(
                    f"{file}: found {found}; a manifest has at most {size(MOST_BYTES)}. Choose another file."
                )
            return content
    except OSError as exc:
        raise ManifestRefused(f"{file}: cannot be read ({exc.strerror}). Check its name.") from exc


def _document(content: bytes, file_name: str) -> Any:
    # A file may be cut off within a letter.
    text = content.decode("utf-8-sig", errors="replace")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        if FORMAT in text[:_HEAD_CHARACTERS] and _is_at_end(exc, text):
            raise ManifestRefused(
                f"{file_name}: it ends in the middle, after {len(text):,} characters: it was truncated. Get a new copy."
            ) from exc
        raise ManifestRefused(
            f"{file_name}: not a manifest of a study: it is not JSON (line {exc.lineno}). Choose the {FILE_NAME} of a "
            "study's report."
        ) from exc
    except (ValueError, RecursionError) as exc:  # A number without end, lists within lists.
        raise ManifestRefused(
            f"{file_name}: not a manifest of a study: its numbers or lists are too large. Choose the {FILE_NAME} of a "
            "study's report."
        ) from exc


def _is_at_end(error: json.JSONDecodeError, text: str) -> bool:
    """Whether what is wrong is that the text ends: within a string, or a word of JSON, or before a bracket."""
    return error.msg.startswith("Unterminated") or error.pos >= len(text.rstrip()) - len("false")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _check_version(document: dict[str, Any], file_name: str) -> None:
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ManifestRefused(
            f"{file_name}: field version: found {_shown(version)}, expected {VERSION}. Get a new copy."
        )
    if version > VERSION:
        written_by = document.get("software")
        by = _shown(written_by.get("m1app")) if isinstance(written_by, dict) else "unknown"
        raise ManifestRefused(
            f"{file_name}: this is manifest version {version:,}, written by a newer m1app ({by}). This m1app reads "
            f"version {VERSION}; update it."
        )


def _described(error: Any) -> str:
    place = ".".join(str(step)[:_SHOWN_CHARACTERS] for step in error["loc"])
    if error["type"] == "missing":
        return f"field {place}: missing"
    if error["type"] == "extra_forbidden":
        return f"field {place}: unknown"
    return f"field {place}: found {_shown(error['input'])}; {error['msg'].removeprefix('Value error, ')}"


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}..."
