"""Repositories worth trying on a machine without a large GPU: `suggestions.toml`."""

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_FILE = Path(__file__).with_name("suggestions.toml")


class Suggestion(BaseModel):
    """One repository of GGUF files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repo: str
    """ORG/REPO."""
    title: str
    typical_bytes: int
    """Of the file that most people would take."""
    about: str
    """One or two sentences for users."""


@cache
def load_suggestions() -> tuple[Suggestion, ...]:
    """All of them, smallest first."""
    return tuple(Suggestion.model_validate(each) for each in tomllib.loads(_FILE.read_text("utf-8"))["suggestion"])
