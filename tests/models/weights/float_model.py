"""A model file with float16 weights, made from one whose matrices have four bits, for tests of quantizing."""

import struct
from pathlib import Path

import numpy as np

from models.weights.gguf_check import BLOCKS, MAGIC
from models.weights.quantize import _aligned, _read, _size_of, _text

_F16, _Q4_1, _Q8_0 = 1, 3, 8


def write_floats(path: Path, made: Path) -> Path:
    """Write the model `path`, of Q4_1, Q8_0 and float32, with float16 in place of the first two, and return `made`."""
    model, content = _read(path), path.read_bytes()
    parts, table, begin = [], b"", 0
    for each in model.tensors:
        raw = content[each.begin : each.begin + each.size]
        kind = _F16 if each.kind in _READERS else each.kind
        parts.append(_READERS[each.kind](raw).astype(np.float16).tobytes() if each.kind in _READERS else raw)
        shape = struct.pack(f"<I{len(each.shape)}Q", len(each.shape), *each.shape)
        table += _text(each.name) + shape + struct.pack("<IQ", kind, begin)
        begin = _aligned(begin + _size_of(kind, each.values), model.alignment)
    header = MAGIC + struct.pack("<IQQ", model.version, len(parts), len(model.pairs)) + b"".join(model.pairs) + table
    with made.open("wb") as file:
        file.write(header)
        for part in parts:
            file.write(bytes(_aligned(file.tell(), model.alignment) - file.tell()) + part)
    return made


def _of_four_bits(raw: bytes) -> np.ndarray:
    """Blocks with a scale, a least value and 32 times four bits."""
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, BLOCKS[_Q4_1][1])
    scales = blocks[:, :4].copy().view(np.float16).astype(np.float32)
    bits = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1)
    return bits * scales[:, :1] + scales[:, 1:]


def _of_eight_bits(raw: bytes) -> np.ndarray:
    """Blocks with a scale and 32 signed bytes."""
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, BLOCKS[_Q8_0][1])
    return blocks[:, 2:].copy().view(np.int8) * blocks[:, :2].copy().view(np.float16).astype(np.float32)


_READERS = {_Q4_1: _of_four_bits, _Q8_0: _of_eight_bits}
