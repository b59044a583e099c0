"""Which checkpoint is gone on from, and when only its weights are wanted."""

import json
import shutil
from pathlib import Path

import pytest

from m1app.training.sft.checkpoints import finished_weights, keep_weights, newest_checkpoint, step_of


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
    assert finished_weights(checkpoint(tmp_path, 19), 0, is_best_by_loss=False) is None
    last = checkpoint(tmp_path, 20)
    assert finished_weights(last, 0, is_best_by_loss=False) == last


def test_weights_are_the_best_ones_after_an_early_stop(tmp_path: Path) -> None:
    best = checkpoint(tmp_path, 4)
    last = checkpoint(tmp_path, 8, log_history=evaluated(1.0, 2.0), best_model_checkpoint=str(best))
    assert finished_weights(last, 1, is_best_by_loss=True) == best
    assert finished_weights(last, 2, is_best_by_loss=True) is None


def test_the_weights_that_are_asked_stay_when_their_checkpoint_is_removed(tmp_path: Path) -> None:
    source = checkpoint(tmp_path, 8)
    for name in ("adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "rng_state.pth", "scheduler.pt"):
        (source / name).write_text(name)
    target = tmp_path / "accuracy" / "step-8"
    target.parent.mkdir()
    (tmp_path / "accuracy" / "step-8.new").mkdir()  # A kill left it.
    keep_weights(source, target)
    assert (target / "adapter_model.safetensors").samefile(source / "adapter_model.safetensors")
    shutil.rmtree(source)
    assert sorted(path.name for path in target.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert [path.name for path in target.parent.iterdir()] == ["step-8"]


def test_weights_are_copied_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = checkpoint(tmp_path, 8)
    (source / "model.safetensors").write_text("weights")

    def refused(*_: object) -> None:
        raise OSError("Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    keep_weights(source, tmp_path / "step-8")
    assert (tmp_path / "step-8" / "model.safetensors").read_text() == "weights"
