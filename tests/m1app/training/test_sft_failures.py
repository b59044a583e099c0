"""What the process that trains says of an error, and what it clears away."""

import errno
from pathlib import Path

import pytest

from m1app.training.errors import TrainingFailed
from m1app.training.events import read_events
from m1app.training.folder import TrainingFolder
from m1app.training.sft import __main__ as process

PYTORCH_SAYS = "[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"
SAFETENSORS_SAYS = "Error while serializing: I/O error: No space left on device (os error 28)"
FULL = [
    RuntimeError(PYTORCH_SAYS),
    Exception(SAFETENSORS_SAYS),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
]


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_a_full_disk_is_said_with_what_to_do(error: Exception) -> None:
    said = process.explanation(error)
    assert said.startswith("The disk is full") and "resume" in said


def test_a_full_disk_behind_another_error_is_said() -> None:
    error = TrainingFailed("The weights cannot be read.")
    error.__cause__ = FULL[2]
    assert process.explanation(error).startswith("The disk is full")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TrainingFailed("Choose another."), "Choose another."),
        (RuntimeError("CUDA out of memory. Tried"), "not enough memory"),
        (MemoryError(), "MemoryError"),
        (RuntimeError("unexpected pos"), ""),
        (KeyError("x"), ""),
    ],
)
def test_other_errors_are_said_as_before(error: Exception, said: str) -> None:
    found = process.explanation(error)
    assert said in found and bool(found) is bool(said)


def test_a_checkpoint_for_which_there_was_no_room_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = TrainingFolder(tmp_path)
    unfinished = folder.checkpoints / "checkpoint-8"

    def fill(*_: object) -> None:
        unfinished.mkdir(parents=True)
        folder.gguf.with_name("model.gguf.new").write_bytes(b"half")
        raise FULL[0]

    monkeypatch.setattr(process, "_train", fill)
    monkeypatch.setattr(process.StopRequest, "listen", lambda *_, **__: None)
    assert process.main([str(tmp_path)]) == 1
    (failed,) = read_events(folder.progress_file)
    assert failed["event"] == "failed" and failed["message"].startswith("The disk is full")
    assert not unfinished.exists() and not folder.gguf.with_name("model.gguf.new").exists()
