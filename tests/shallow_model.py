"""The default model with the first few of its layers: the same vocabulary, template and kinds of tokens, for less work.

A token takes a quarter of the processor time, and a prompt a twentieth. What it writes is nonsense, but no test may
depend on a small model's words anyway: they depend on how the processor rounds. Layout of the file: see
`models/weights/gguf_check.py`.
"""

import io
import struct
from dataclasses import dataclass
from pathlib import Path

from models.weights import gguf_check

_LAYERS = 2
_ALIGNMENT = 32
_COUNT = "llama.block_count"


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    description: bytes
    """Its dimensions and type, as in the file."""
    begin: int
    """Of its data, counted from the start of all data."""


def write_shallow(path: Path, made: Path) -> Path:
    """Write the first layers of the model file `path` to `made`, and return that.

    Args:
        path: a model of llama's architecture, its tensors in the order of their offsets.
        made: the new file.
    """
    made.write_bytes(_shallow(path.read_bytes()))
    return made


def _shallow(content: bytes) -> bytes:
    version, tensor_count, pairs = struct.unpack_from("<IQQ", content, 4)
    file = io.BytesIO(content)
    file.seek(24)
    metadata = bytearray()
    for _ in range(pairs):
        begin = file.tell()
        key = gguf_check.read_text(file)
        gguf_check.read_value(file, gguf_check._number(file, "I"))
        pair = content[begin : file.tell()]
        metadata += pair[:-4] + struct.pack("<I", _LAYERS) if key == _COUNT else pair
    tensors = [_tensor(file, content) for _ in range(tensor_count)]
    data = content[_aligned(file.tell()) :]
    ends = [*(each.begin for each in tensors[1:]), len(data)]
    table, kept = bytearray(), bytearray()
    for each, end in zip(tensors, ends, strict=True):
        if _layer(each.name) < _LAYERS:
            table += each.description + struct.pack("<Q", len(kept))
            kept += data[each.begin : end]
            kept += bytes(_aligned(len(kept)) - len(kept))
    count = sum(_layer(each.name) < _LAYERS for each in tensors)
    header = gguf_check.MAGIC + struct.pack("<IQQ", version, count, pairs) + metadata + table
    return header + bytes(_aligned(len(header)) - len(header)) + kept


def _tensor(file: io.BytesIO, content: bytes) -> _Tensor:
    begin = file.tell()
    name = gguf_check.read_text(file)
    dimensions = gguf_check._number(file, "I")
    file.seek(8 * dimensions + 4, 1)
    description = content[begin : file.tell()]
    return _Tensor(name, description, gguf_check._number(file, "Q"))


def _layer(name: str) -> int:
    """The number of a tensor's layer; -1 for those that belong to none."""
    block, _, rest = name.partition(".")
    return int(rest.partition(".")[0]) if block == "blk" else -1


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
