"""Adds entries to the user's own catalog file, and takes them out; what else is in the file stays as it was written."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import filelock

from models.errors import CatalogError
from models.weights.catalog import Catalog

_LOCK_SECONDS = 30.0
_ENTRY = re.compile(r"^\[\[model\]\][^\S\n]*(?:#.*)?$", re.MULTILINE)


def add_entries(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Add those entries whose id the file does not have yet; all of them or none. Blocks.

    Raises:
        CatalogError: the file is broken, or an entry would break it; nothing was changed.
        OSError: it cannot be written.
    """
    with _locked(path):
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        known = {model.id for model in Catalog.load(extra=path).models}
        new = [_text_of(entry) for entry in entries if entry["id"] not in known]
        _replace(path, "\n".join([text.rstrip("\n"), *new]).lstrip("\n"))


def remove_entry(path: Path, model_id: str) -> bool:
    """Take an entry out; False if the file does not have it. Blocks and raises as `add_entries`."""
    with _locked(path):
        Catalog.load(extra=path)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        begins = [found.start() for found in _ENTRY.finditer(text)]
        for begin, end in pairwise([*begins, len(text)]):
            if tomllib.loads(text[begin:end])["model"][0].get("id") == model_id:
                _replace(path, text[:begin] + text[end:])
                return True
    return False


def _locked(path: Path) -> filelock.BaseFileLock:
    return filelock.FileLock(path.with_name(path.name + ".lock"), timeout=_LOCK_SECONDS)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".new")
    draft.write_text(text, encoding="utf-8")
    try:
        Catalog.load(extra=draft)
    except CatalogError:
        draft.unlink()
        raise
    draft.replace(path)


def _text_of(entry: Mapping[str, Any]) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's as well.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in entry.items()]
    return "\n".join(["[[model]]", *lines, ""])
