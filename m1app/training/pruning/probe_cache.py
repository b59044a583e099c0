"""Letter probes that were asked, kept in a file, so that a build that was stopped goes on where it was.

A line holds the hash of a request and the letters' probabilities. The hash is of all that the probabilities depend on:
the model's name and the token ids. Lines are only added; one that was cut off by a kill is left out.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from models.engine.protocol import TokenIds

_log = logging.getLogger(__name__)

Probabilities = Mapping[str, float]


def probe_key(model: str, context: TokenIds, letters: Iterable[str]) -> str:
    """SHA-256 (hex) of a letter probe: who is asked, what precedes the letter, which letters."""
    return hashlib.sha256(json.dumps([model, *letters, context]).encode("ascii")).hexdigest()


class ProbeCache:
    """The probes in one file. Methods read and write it: call them in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Probabilities] = {}
        self._before = ""
        """What comes before the next line: a line break after one that was cut off."""

    def read(self) -> None:
        """Read the file, if there is one; raises OSError."""
        if not self._path.is_file():
            return
        text = self._path.read_text(encoding="utf-8", errors="replace")
        self._before = "\n" if text and not text.endswith("\n") else ""
        self._known = dict(filter(None, map(_parsed, text.split("\n"))))
        _log.info("%d letter probes are known from an earlier build", len(self._known))

    def get(self, key: str) -> Probabilities | None:
        """The probabilities of a probe; None if it was not asked."""
        return self._known.get(key)

    def add(self, key: str, probabilities: Probabilities) -> None:
        """Keep a probe; raises OSError."""
        self._known[key] = probabilities
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{self._before}{json.dumps([key, dict(probabilities)])}\n")
        self._before = ""


def _parsed(line: str) -> tuple[str, Probabilities] | None:
    try:
        key, probabilities = json.loads(line)
        return str(key), {str(letter): float(value) for letter, value in probabilities.items()}
    except (ValueError, TypeError, AttributeError):
        return None
