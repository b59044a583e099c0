"""The process that reads one file from a user: `python -m m1app.question_sets.reading_process PRODUCER REQUEST`.

A file can be made to take any amount of memory or to crash the library that reads it, so this does not happen in the
app's process. PRODUCER is "module:function"; the function takes the open file (standard input) and the fields of
REQUEST, a JSON object with a `file_name`. It yields JSON-compatible messages. Each is printed as one line,
`{"message": ...}`; the last line is `{"is_end": true}`, or `{"refused": "why"}`. `file_reading` starts it.

It ends with its parent, and its memory and processor time are limited. It imports neither Gradio nor the database.
"""

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from m1app.errors import AppError

MAX_MEMORY_BYTES = 1 << 30
"""What a file may take to be read. Address space would also count the libraries and the files that Arrow maps."""
MAX_PROCESSOR_SECONDS = 600
_MESSAGE_CHARACTERS = 10_000
_PR_SET_PDEATHSIG = 1


def main(producer: str, request: str, parent: str) -> None:
    """Print the messages of a file.

    Args:
        producer: "module:function".
        request: the function's arguments besides the file, as a JSON object.
        parent: process id of the process that started this one.
    """
    end_with(int(parent))
    module, _, name = producer.partition(":")
    produce = getattr(importlib.import_module(module), name)
    limit_resources(MAX_MEMORY_BYTES)
    _send(_last_line(produce, json.loads(request)))


def _last_line(produce: Callable[..., Iterator[Any]], request: dict[str, Any]) -> dict[str, Any]:
    """Send the messages; return what comes last."""
    try:
        for message in produce(sys.stdin.buffer, **request):
            _send({"message": message})
    except AppError as exc:
        # Half of a surrogate pair, as a file may have it in a name, has no place in a message.
        return {"refused": str(exc)[:_MESSAGE_CHARACTERS].encode(errors="backslashreplace").decode()}
    except MemoryError:
        return {"refused": _too_much_memory(str(request["file_name"]))}
    except Exception as exc:  # noqa: BLE001 - the end of a process
        # The type and the place only: the text of an exception may quote the file.
        frame = traceback.extract_tb(exc.__traceback__)[-1]
        return {"failed": f"{type(exc).__name__} in {Path(frame.filename).name}, line {frame.lineno}"}
    return {"is_end": True}


def _too_much_memory(file_name: str) -> str:
    return (
        f"{file_name}: reading this file takes more memory than a file may take ({MAX_MEMORY_BYTES // 2**20:,} MB). "
        "Split it into smaller files, or save it as JSON lines (.jsonl), which are read one at a time."
    )


def _send(line: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(line).encode("ascii") + b"\n")
    sys.stdout.buffer.flush()


def end_with(parent: int) -> None:
    """Let the system kill this process when its parent, which has this process id, ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It ended before the line above could take effect.
        sys.exit(1)


def limit_resources(memory_bytes: int) -> None:
    """Limit this process's memory and processor time, and let it leave no core file, which would hold the file."""
    # RLIMIT_DATA is what the process can write to: heap, private mappings, thread stacks.
    for kind, limit in (
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_CPU, MAX_PROCESSOR_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(kind)
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    main(*sys.argv[1:])
