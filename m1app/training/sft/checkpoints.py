"""Which checkpoint a training goes on from.

The trainer does not write them in one step: after a kill the newest one may be half there. Its trainer_state.json is
written last, so that a directory without a whole one is not a checkpoint.
"""

import json
import re
import shutil
from pathlib import Path

from m1app.training.events import evaluation_losses, should_stop_early

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


def finished_weights(checkpoint: Path, patience: int) -> Path | None:
    """Whose weights are the result when the training was over at this checkpoint; None when steps are left.

    Args:
        checkpoint: the newest one, whole.
        patience: the recipe's, of early stopping.
    """
    state = json.loads((checkpoint / _LAST_FILE).read_text(encoding="utf-8"))
    losses = evaluation_losses(state["log_history"])
    if state["global_step"] < state["max_steps"] and not should_stop_early(losses, patience):
        return None
    best = Path(state.get("best_model_checkpoint") or checkpoint)
    return best if patience and best.is_dir() else checkpoint


def step_of(checkpoint: Path) -> int:
    """Optimizer steps that a checkpoint holds; raises ValueError for a directory that is none."""
    found = _NAME.fullmatch(checkpoint.name)
    if not found:
        raise ValueError(f"{checkpoint} is not a checkpoint")
    return int(found[1])


def _is_whole(path: Path) -> bool:
    try:
        return isinstance(json.loads((path / _LAST_FILE).read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False
