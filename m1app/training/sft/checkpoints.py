"""Which checkpoint a training goes on from.

The trainer does not write them in one step: after a kill the newest one may be half there. Its trainer_state.json is
written last, so that a directory without a whole one is no checkpoint.
"""

import json
import re
import shutil
from pathlib import Path

_NAME = re.compile(r"checkpoint-(\d+)")
_LAST_FILE = "trainer_state.json"


def newest_checkpoint(folder: Path) -> Path | None:
    """The whole checkpoint with the most steps; None when there is none. Unfinished ones are removed."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        if not _NAME.fullmatch(path.name):
            continue
        if _is_whole(path):
            whole.append(path)
        else:
            shutil.rmtree(path, ignore_errors=True)
    return max(whole, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """Optimizer steps that a checkpoint holds; raises ValueError for a directory that is none."""
    found = _NAME.fullmatch(checkpoint.name)
    if not found:
        raise ValueError(f"{checkpoint} is no checkpoint")
    return int(found[1])


def _is_whole(path: Path) -> bool:
    try:
        return isinstance(json.loads((path / _LAST_FILE).read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False
