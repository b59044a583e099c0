"""Which checkpoint is gone on from, and when only its weights are wanted."""

import json
from pathlib import Path

import pytest

from m1app.training.sft.checkpoints import finished_weights, newest_checkpoint, step_of


def checkpoint(folder: Path, step: int, state: str | None = None, **more: object) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    content = {"global_step": step, "max_steps": 20, "log_history": [], "best_model_checkpoint": None} | more
    (path / "trainer_state.json").write_text(json.dumps(content) if state is None else state)
    return path


def evaluated(*losses: float) -> list[dict[str, float]]:
    """The base does not count, however good it is."""
    after = [{"eval_loss": loss, "loss": 1.0, "step": step} for step, loss in enumerate(losses, start=1)]
    return [{"eval_loss": 0.5, "step": 0}, *after, {"loss": 2.0, "step": len(losses)}]


def test_there_is_none_before_the_first(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "none") is None


def test_the_newest_is_the_one_with_the_most_steps(tmp_path: Path) -> None:
    checkpoint(tmp_path, 9)
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint-9"
    checkpoint(tmp_path, 10)
    found = newest_checkpoint(tmp_path)
    assert found is not None and step_of(found) == 10


@pytest.mark.parametrize("state", ["", '{"global_step": 1', "7"])
def test_a_checkpoint_that_a_kill_left_half_is_removed(tmp_path: Path, state: str) -> None:
    whole = checkpoint(tmp_path, 4)
    half = checkpoint(tmp_path, 8, state)
    empty = tmp_path / "checkpoint-12"
    empty.mkdir()
    assert newest_checkpoint(tmp_path) == whole
    assert not half.exists() and not empty.exists()


def test_what_is_no_checkpoint_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-mine").mkdir()
    assert newest_checkpoint(tmp_path) is None
    assert (tmp_path / "checkpoint-mine").is_dir()
    with pytest.raises(ValueError, match="not a checkpoint"):
        step_of(tmp_path / "checkpoint-mine")


def test_weights_are_final_after_the_last_step_alone(tmp_path: Path) -> None:
    assert finished_weights(checkpoint(tmp_path, 19), 0) is None
    last = checkpoint(tmp_path, 20)
    assert finished_weights(last, 0) == last


def test_weights_are_the_best_ones_after_an_early_stop(tmp_path: Path) -> None:
    best = checkpoint(tmp_path, 4)
    last = checkpoint(tmp_path, 8, log_history=evaluated(1.0, 2.0), best_model_checkpoint=str(best))
    assert finished_weights(last, 1) == best
    assert finished_weights(last, 2) is None
