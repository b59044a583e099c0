"""What a reading process could do if a file took it over; each is a producer of `reading_process`."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

SETS = {
    "sha256": "0" * 64,
    "sets": [{"name": "s", "layout": "m1", "count": 3, "left_out": 0, "sha256": "0" * 64}],
}


def question(number: int) -> dict[str, Any]:
    return {"stem": f"Question {number}?", "options": {"A": "x", "B": "y"}, "target": "A", "tags": [], "title": ""}


def messages(*numbers: int) -> Iterator[dict[str, Any]]:
    yield SETS
    yield {"index": 0, "questions": [question(number) for number in numbers]}


def honest(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    return messages(1, 2, 3)


def too_many(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    return messages(1, 2, 3, 4)


def too_few(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    return messages(1, 2)


def of_no_set(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    yield SETS
    yield {"index": 7, "questions": [question(1)]}


def killed(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    yield from messages(1, 2)
    os.kill(os.getpid(), signal.SIGKILL)


def crashed(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    yield from messages(1, 2)
    ctypes.string_at(0)


def left(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    yield from messages(1, 2)
    os._exit(0)


def failed(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    yield from messages(1, 2)
    raise LookupError("the words of a patient")


def other_fields(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    yield SETS | {"admin": True}


def other_types(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    yield SETS
    yield {"index": 0, "questions": [question(1) | {"stem": 7}]}


def nothing(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    yield from ()


def raw(content: bytes) -> Iterator[dict[str, Any]]:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
    yield from messages(1, 2, 3)


def no_json(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    return raw(b"\xff\x00{\n")


def nested(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    return raw(b"[" * 1_000_000 + b"\n")


def endless_line(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    while True:
        sys.stdout.buffer.write(b"x" * 1_000_000)
        yield from ()


def silent(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    yield from messages(1, 2)
    time.sleep(1000)


def spoken_then_silent(file: BinaryIO, file_name: str, layout: str = "", options: str = "") -> Iterator[dict[str, Any]]:
    """The first message says which process this is."""
    yield {"texts": [{"stem": str(os.getpid()), "options": []}]}
    time.sleep(1000)


def out_of_memory(file: BinaryIO, file_name: str) -> Iterator[dict[str, Any]]:
    yield from ()
    bytearray(1 << 40)
