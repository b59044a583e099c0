"""What a model replied, by sample, in a file that a job which was stopped or killed goes on from."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model replied about one sample."""

    answer: str
    reasoning: str = ""
    is_whole: bool = True
    """False if the reasoning ended at its budget, or the answer at its cap."""
    generated: int = 0
    """Tokens."""


class Replies:
    """The replies in one file. Methods read and write it: call them in a thread."""

    def __init__(self, path: Path) -> None:
        """Reads the file, if there is one; raises OSError. A line that a kill has cut off is left out."""
        self._path = path
        self._known: dict[str, Reply] = {}
        self._before = ""
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            self._before = "\n" if text and not text.endswith("\n") else ""
            for line in text.split("\n"):
                self._read(line)
            _log.info("%d replies are known from an earlier attempt", len(self._known))

    def _read(self, line: str) -> None:
        try:
            row = json.loads(line)
            key = str(row.pop("key"))
            self._known[key] = Reply(**row)
        except (ValueError, TypeError, KeyError, AttributeError):
            return

    @property
    def known(self) -> Mapping[str, Reply]:
        """All replies, by key."""
        return self._known

    def add(self, key: str, reply: Reply) -> None:
        """Keep a reply; raises OSError."""
        self._known[key] = reply
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{self._before}{json.dumps({'key': key} | asdict(reply), ensure_ascii=False)}\n")
        self._before = ""
