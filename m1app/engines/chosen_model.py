"""The default model that somebody chose on the Admin page or the command line, kept in the home."""

from contextlib import suppress
from pathlib import Path


class ChosenModel:
    """The choice as it was when this process started, or as it was made here."""

    def __init__(self, home: Path) -> None:
        self._path = home / "model.txt"
        self.id = ""
        """Empty if none was chosen, or the file cannot be read."""
        with suppress(OSError, UnicodeDecodeError):
            self.id = self._path.read_text(encoding="utf-8").strip()[:200]

    def choose(self, model_id: str) -> None:
        """Keep a choice; blocks and raises OSError."""
        draft = self._path.with_name(self._path.name + ".new")
        draft.write_text(model_id + "\n", encoding="utf-8")
        draft.replace(self._path)
        self.id = model_id
