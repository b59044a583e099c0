"""Train in a folder that the app prepared, or go on with what was begun there.

Exit status: 0 finished, or stopped with a checkpoint; 1 failed (progress.jsonl and standard error say why).
"""

import fcntl
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from m1app.training.errors import TrainingError
from m1app.training.sft.stop_request import StopRequest
from m1app.training.training_events import EventWriter, read_events, summarise
from m1app.training.training_folder import TrainingFolder

_LOCK_SECONDS = 300.0


def main(arguments: Sequence[str]) -> int:
    """Train in the folder that is the only argument; gives the exit status."""
    if len(arguments) != 1:
        sys.stderr.write("use: python -m m1app.training.sft FOLDER\n")
        return 2
    folder = TrainingFolder(Path(arguments[0]).absolute())
    is_main = os.environ.get("RANK", "0") == "0"
    writer = EventWriter(folder.progress_file, is_silent=not is_main)
    stop = StopRequest()
    stop.listen()
    lock = None
    try:
        # Under torchrun there are several processes of one training; the first one holds the lock.
        lock = _take(folder.lock_file) if is_main else None  # Held until this process ends.
        _train(folder, writer, stop)
    except (TrainingError, OSError, MemoryError) as exc:
        return _fail(folder, writer, str(exc) or type(exc).__name__)
    except Exception as exc:
        if is_out_of_memory(exc):
            return _fail(folder, writer, f"There was not enough memory ({_first_line(exc)}). {_MEMORY_ADVICE}")
        _fail(folder, writer, f"An unexpected error ended the training ({type(exc).__name__}: {_first_line(exc)}).")
        raise
    finally:
        if lock is not None:
            lock.close()
    return 0


_MEMORY_ADVICE = "Use more gradient_accumulation, a smaller block_size, gradient_checkpointing, or method lora."


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether PyTorch says, in one of its ways, that memory ran out."""
    text = str(exc).lower()
    return isinstance(exc, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def _train(folder: TrainingFolder, writer: EventWriter, stop: StopRequest) -> None:
    recipe, run = folder.recipe(), folder.run()
    threads = str(run.threads)
    # Libraries read these once, when they are imported.
    os.environ.update({"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads})
    os.environ.update({"TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"})
    if run.base_kind != "hub":
        os.environ["HF_HUB_OFFLINE"] = "1"
    if recipe.niceness:
        os.nice(max(0, recipe.niceness - os.nice(0)))
    from m1app.training.sft.training import train

    train(folder, recipe, run, writer, stop)


def _take(path: Path) -> TextIO:
    """Hold the folder alone; a process that was told to stop may still be writing its checkpoint."""
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


def _fail(folder: TrainingFolder, writer: EventWriter, message: str) -> int:
    writer.write("failed", summarise(read_events(folder.progress_file)).steps, message=message)
    sys.stderr.write(message + "\n")
    return 1


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip().splitlines() or [""])[0][:300]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
