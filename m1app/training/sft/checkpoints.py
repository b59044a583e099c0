"""Finds the checkpoint that a training resumes from.

The trainer does not write checkpoints atomically: after a kill the newest may be incomplete. trainer_state.json is
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
    """Return the complete checkpoint with the most steps, if any. Incomplete ones are removed."""
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
    """Return the checkpoint with the final weights if training had ended at this one; None if steps are left.

    Args:
        checkpoint: the newest complete one.
        patience: the recipe's early stopping patience.
    """
    state = json.loads((checkpoint / _LAST_FILE).read_text(encoding="utf-8"))
    losses = evaluation_losses(state["log_history"])
    if state["global_step"] < state["max_steps"] and not should_stop_early(losses, patience):
        return None
    best = Path(state.get("best_model_checkpoint") or checkpoint)
    return best if patience and best.is_dir() else checkpoint


def step_of(checkpoint: Path) -> int:
    """Optimizer steps of a checkpoint; raises ValueError for other directories."""
    found = _NAME.fullmatch(checkpoint.name)
    if not found:
        raise ValueError(f"{checkpoint} is not a checkpoint")
    return int(found[1])


def _is_whole(path: Path) -> bool:
    try:
        return isinstance(json.loads((path / _LAST_FILE).read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False
