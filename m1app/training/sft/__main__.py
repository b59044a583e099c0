"""Train in a folder that the app prepared, or resume there.

Exit status: 0 finished, or stopped with a checkpoint; 1 failed (progress.jsonl and standard error say why).
"""

import errno
import fcntl
import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from m1app.training.errors import DataTooLong, TrainingError
from m1app.training.events import EventWriter, read_events, summarise
from m1app.training.folder import TrainingFolder
from m1app.training.sft.checkpoints import newest_checkpoint
from m1app.training.sft.stop_request import StopRequest

_LOCK_SECONDS = 300.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


def main(arguments: Sequence[str]) -> int:
    """Train in the folder given as the only argument; return the exit status."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m m1app.training.sft FOLDER\n")
        return 2
    folder = TrainingFolder(Path(arguments[0]).absolute())
    is_main = os.environ.get("RANK", "0") == "0"
    writer = EventWriter(folder.progress_file, is_silent=not is_main)
    stop = StopRequest(folder.stop_file)
    stop.listen(is_launched="WORLD_SIZE" in os.environ)
    lock = None
    try:
        # Under torchrun, the first of several processes holds the lock.
        lock = _take(folder.lock_file) if is_main else None  # Held until this process ends.
        _train(folder, writer, stop)
    except Exception as exc:
        if is_main and is_disk_full(exc):
            _remove_unfinished(folder)
        if message := explanation(exc):
            return _fail(folder, writer, message, is_final=isinstance(exc, DataTooLong))
        _fail(folder, writer, f"An unexpected error ended the training ({type(exc).__name__}: {_first_line(exc)}).")
        raise
    finally:
        if lock is not None:
            lock.close()
    return 0


_MEMORY_ADVICE = "Use more gradient_accumulation, a smaller block_size, gradient_checkpointing, or method lora."
_DISK_ADVICE = "Free some space, then resume the job; it continues from its last checkpoint."


def explanation(exc: BaseException) -> str:
    """Explain a known error; empty for unknown ones."""
    if is_disk_full(exc):
        return f"The disk is full ({_first_line(exc)}). {_DISK_ADVICE}"
    if is_out_of_memory(exc):
        return f"There was not enough memory ({_first_line(exc)}). {_MEMORY_ADVICE}"
    return (str(exc) or type(exc).__name__) if isinstance(exc, (TrainingError, OSError, MemoryError)) else ""


def is_disk_full(exc: BaseException | None) -> bool:
    """Whether the cause is a full disk, including as reported by PyTorch or safetensors."""
    while exc is not None:
        text = str(exc).lower()
        # PyTorch's checkpoint writer gives no cause: it only reports fewer bytes than it wrote.
        is_short = "inline_container" in text and ("unexpected pos" in text or "file write failed" in text)
        if is_short or "no space left on device" in text or getattr(exc, "errno", None) in _FULL:
            return True
        exc = exc.__cause__ or exc.__context__
    return False


def _remove_unfinished(folder: TrainingFolder) -> None:
    """Remove partly written files, which take the space that the last event needs."""
    newest_checkpoint(folder.checkpoints)
    folder.gguf.with_name(f"{folder.gguf.name}.new").unlink(missing_ok=True)
    shutil.rmtree(folder.model.with_name(f"{folder.model.name}.unfinished"), ignore_errors=True)


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether PyTorch reported, in any form, that memory ran out."""
    text = str(exc).lower()
    return isinstance(exc, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def _train(folder: TrainingFolder, writer: EventWriter, stop: StopRequest) -> None:
    recipe, run = folder.recipe(), folder.run()
    threads = str(run.threads)
    # Libraries read these on import.
    os.environ.update({"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads})
    os.environ.update({"TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"})
    if run.base_kind != "hub":
        os.environ["HF_HUB_OFFLINE"] = "1"
    if recipe.niceness:
        os.nice(max(0, recipe.niceness - os.nice(0)))
    # It would advise, in every job's log, to install a package that downloads code.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    from m1app.training.sft.training import train

    train(folder, recipe, run, writer, stop)


def _take(path: Path) -> TextIO:
    """Lock the folder; a process that was told to stop may still be writing its checkpoint."""
    file = path.open("a")
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise OSError("Another process is training in this folder; stop it first.") from None
            time.sleep(0.5)
        else:
            return file


def _fail(folder: TrainingFolder, writer: EventWriter, message: str, *, is_final: bool = False) -> int:
    with suppress(OSError):  # The disk may be too full even for this.
        step = summarise(read_events(folder.progress_file)).steps
        writer.write("failed", step, message=message, is_final=is_final)
    sys.stderr.write(message + "\n")
    return 1


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip().splitlines() or [""])[0][:300]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
