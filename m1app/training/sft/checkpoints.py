"""Finds the checkpoint that a training resumes from, and keeps the weights of those that are asked.

The trainer does not write checkpoints atomically: after a kill the newest may be incomplete. trainer_state.json is
written last, so that a directory without a whole one is not a checkpoint.
"""

import json
import os
import re
import shutil
from pathlib import Path

from m1app.training.events import evaluation_losses, should_stop_early

_NAME = re.compile(r"checkpoint-(\d+)")
STATE_FILE = "trainer_state.json"
"""The last file that the trainer writes of a checkpoint."""
_ONLY_TO_RESUME = ("optimizer*", "scheduler*", "rng_state*", "trainer_state*", "training_args*")


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


def finished_weights(checkpoint: Path, patience: int, *, is_best_by_loss: bool) -> Path | None:
    """Return the checkpoint with the final weights if training had ended at this one; None if steps are left.

    Args:
        checkpoint: the newest complete one.
        patience: the recipe's early stopping patience.
        is_best_by_loss: whether the one with the lowest loss is wanted, not the last.
    """
    state = json.loads((checkpoint / STATE_FILE).read_text(encoding="utf-8"))
    losses = evaluation_losses(state["log_history"])
    if state["global_step"] < state["max_steps"] and not should_stop_early(losses, patience):
        return None
    best = Path(state.get("best_model_checkpoint") or checkpoint)
    return best if is_best_by_loss and best.is_dir() else checkpoint


def keep_weights(checkpoint: Path, target: Path) -> None:
    """Keep a checkpoint's weights in another folder of the same disk, without a copy; it appears when it is complete.

    Raises OSError.
    """
    draft = target.with_name(f"{target.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(checkpoint, draft, ignore=shutil.ignore_patterns(*_ONLY_TO_RESUME), copy_function=_link)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # Not every file system has links.
        shutil.copy2(source, target)


def step_of(checkpoint: Path) -> int:
    """Optimizer steps of a checkpoint; raises ValueError for other directories."""
    found = _NAME.fullmatch(checkpoint.name)
    if not found:
        raise ValueError(f"{checkpoint} is not a checkpoint")
    return int(found[1])


def _is_whole(path: Path) -> bool:
    try:
        return isinstance(json.loads((path / STATE_FILE).read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False
