"""Answers of checkpoints, one line of JSON for each: what was answered before a kill is not asked again."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CheckpointAnswer:
    """What a checkpoint answered to one question."""

    step: int
    question: int
    """Its number among those asked, from 0."""
    letter: str | None
    """What the rule strict read; None if the answer names no option."""
    is_correct: bool
    thinking_tokens: int
    tokens_generated: int
    answer: str
    error: str = ""
    """Why it could not be asked; it then counts as wrong."""


class AnswerFile:
    """Appends answers and finds those that are there. Methods block, and raise OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of_step(self, step: int) -> dict[int, CheckpointAnswer]:
        """The answers of a checkpoint, by number of the question."""
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return {}
        found = (_read(line) for line in lines)
        return {each.question: each for each in found if each is not None and each.step == step}

    def add(self, answer: CheckpointAnswer) -> None:
        """Append one answer."""
        line = json.dumps(asdict(answer), ensure_ascii=False)
        with self._path.open("a", encoding="utf-8") as file:
            # A process that was killed may have left half a line.
            file.write(f"\n{line}\n")


def _read(line: str) -> CheckpointAnswer | None:
    try:
        return CheckpointAnswer(**json.loads(line))
    except (ValueError, TypeError):
        return None
