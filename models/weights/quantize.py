"""Quantizes a GGUF model with llama.cpp's own kernels: `python -m models.weights.quantize SOURCE TARGET KIND`.

xllamacpp has the kernels (`ggml_quantize_chunk`), but not llama.cpp's tool around them. Which tensor gets which type
follows `llama_tensor_get_type` in llama.cpp's src/llama-quant.cpp for Llama and Qwen, without an importance matrix. The
kernels are native code: the app starts this as a process of its own, which prints a line of JSON for each tensor.
"""

import ctypes
import json
import os
import re
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from models.weights.gguf_check import (
    BLOCKS,
    DEFAULT_ALIGNMENT,
    MAGIC,
    BadModelFile,
    check_model_file,
    read_text,
    read_value,
    unpack,
)

_F32, _F16, _Q5_0, _Q5_1, _Q8_0, _Q4_K, _Q5_K, _Q6_K, _BF16 = 0, 1, 6, 7, 8, 12, 13, 14, 30
_FALLBACKS = {_Q4_K: _Q5_0, _Q5_K: _Q5_1, _Q6_K: _Q8_0}
"""Types for rows that are no multiple of 256 values."""
_LAYER = re.compile(r"blk\.(\d+)\.")
_FILE_TYPE, _VERSION = "general.file_type", "general.quantization_version"
_U32 = 4
_QUANTIZATION_VERSION = 2
_CHUNK_VALUES = 1 << 22
Report = Callable[[int, int], None]
"""Is told the bytes of the source that are done, and all of them."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """A mix of types as llama.cpp names it."""

    name: str
    file_type: int
    """As llama.cpp numbers it in `general.file_type`."""
    matrix: int
    """Type of most matrices."""
    has_better: bool = False
    """Whether values and down projections of some layers get six bits."""


QUANTIZATIONS = {
    "q8_0": Quantization("Q8_0", 7, _Q8_0),
    "q6_k": Quantization("Q6_K", 18, _Q6_K),
    "q5_k_m": Quantization("Q5_K_M", 17, _Q5_K, has_better=True),
    "q4_k_m": Quantization("Q4_K_M", 15, _Q4_K, has_better=True),
}
"""By name, from the most exact to the smallest."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    """The length of a row first."""
    kind: int
    begin: int
    """Of its data in the file."""

    @property
    def values(self) -> int:
        return prod(self.shape)

    @property
    def size(self) -> int:
        return _size_of(self.kind, self.values)


@dataclass(frozen=True, slots=True)
class _Source:
    version: int
    pairs: tuple[bytes, ...]
    """Metadata as in the file, without what quantizing changes."""
    tensors: tuple[_Tensor, ...]
    alignment: int
    layers: int


def quantize(source: Path, target: Path, kind: str, report: Report = lambda done, total: None) -> None:
    """Write a quantized copy of a model; the file appears complete or not at all. Blocks.

    Args:
        source: a GGUF file whose matrices are in float32, float16 or bfloat16.
        target: the file to write.
        kind: a key of `QUANTIZATIONS`.
        report: see `Report`.

    Raises:
        BadModelFile: the source is not such a file.
        OSError: it cannot be read, or the copy cannot be written.
    """
    mix, model = QUANTIZATIONS[kind], _read(source)
    if quantized := next((each for each in model.tensors if each.kind not in (_F32, _F16, _BF16)), None):
        raise BadModelFile(
            f"{source} is quantized already ({quantized.name}); quantize the file with float16 weights instead."
        )
    kinds = _kinds(model, mix)
    draft = target.with_name(f"{target.name}.new")
    try:
        with draft.open("wb") as file:
            _write_header(file, model, mix, kinds)
            _write_tensors(file, source, model, kinds, report)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def quantized_bytes(source: Path, kind: str) -> int:
    """Size of the copy that `quantize` writes, but for the header; raises BadModelFile."""
    model = _read(source)
    return sum(
        _size_of(to, each.values) for each, to in zip(model.tensors, _kinds(model, QUANTIZATIONS[kind]), strict=True)
    )


def _read(path: Path) -> _Source:
    header = check_model_file(path)
    with path.open("rb") as file:
        file.seek(len(MAGIC))
        version, count, pairs = unpack(file, "IQQ")
        kept = tuple(_pairs(file, pairs))
        tensors = [_tensor(file) for _ in range(count)]
        alignment = int(header.metadata.get("general.alignment") or DEFAULT_ALIGNMENT)
        data = _aligned(file.tell(), alignment)
    moved = tuple(_Tensor(each.name, each.shape, each.kind, data + each.begin) for each in tensors)
    return _Source(version, kept, moved, alignment, header.number("block_count") or 0)


def _pairs(file: BinaryIO, count: int) -> Iterator[bytes]:
    for _ in range(count):
        begin = file.tell()
        key = read_text(file)
        read_value(file, unpack(file, "I")[0])
        end = file.tell()
        file.seek(begin)
        pair = file.read(end - begin)
        if key not in (_FILE_TYPE, _VERSION):
            yield pair


def _tensor(file: BinaryIO) -> _Tensor:
    name = read_text(file)
    shape = unpack(file, f"{unpack(file, 'I')[0]}Q")
    kind, begin = unpack(file, "IQ")
    return _Tensor(name, tuple(shape), kind, begin)


def _kinds(model: _Source, mix: Quantization) -> list[int]:
    """The new type of each tensor."""
    has_output = any(each.name == "output.weight" for each in model.tensors)
    return [_kind(each, model, mix, has_output) for each in model.tensors]


def _kind(tensor: _Tensor, model: _Source, mix: Quantization, has_output: bool) -> int:
    if len(tensor.shape) < 2 or not tensor.name.endswith(".weight") or "_norm" in tensor.name:
        return tensor.kind
    wanted = mix.matrix
    # Without a matrix of its own, the output uses the embeddings.
    is_output = tensor.name == ("output.weight" if has_output else "token_embd.weight")
    if (is_output and wanted != _Q8_0) or (mix.has_better and _needs_more(tensor.name, model.layers)):
        wanted = _Q6_K
    if tensor.shape[0] % BLOCKS[wanted][0]:
        wanted = _FALLBACKS.get(wanted, _F16)
    return wanted if not tensor.shape[0] % BLOCKS[wanted][0] else _F16


def _needs_more(name: str, layers: int) -> bool:
    """Whether a matrix is one of those that lose most, in a layer that llama.cpp gives more bits."""
    found = _LAYER.match(name)
    if not found or not name.endswith(("attn_v.weight", "ffn_down.weight")):
        return False
    layer, eighth = int(found[1]), layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _write_header(file: BinaryIO, model: _Source, mix: Quantization, kinds: Sequence[int]) -> None:
    pairs = [*model.pairs, _number(_FILE_TYPE, mix.file_type), _number(_VERSION, _QUANTIZATION_VERSION)]
    file.write(MAGIC + struct.pack("<IQQ", model.version, len(model.tensors), len(pairs)) + b"".join(pairs))
    begin = 0
    for tensor, kind in zip(model.tensors, kinds, strict=True):
        shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        file.write(_text(tensor.name) + shape + struct.pack("<IQ", kind, begin))
        begin = _aligned(begin + _size_of(kind, tensor.values), model.alignment)


def _write_tensors(file: BinaryIO, source: Path, model: _Source, kinds: Sequence[int], report: Report) -> None:
    content = np.memmap(source, dtype=np.uint8, mode="r")
    done, total = 0, sum(each.size for each in model.tensors)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for tensor, kind in zip(model.tensors, kinds, strict=True):
            file.write(bytes(_aligned(file.tell(), model.alignment) - file.tell()))
            raw = content[tensor.begin : tensor.begin + tensor.size]
            if kind == tensor.kind:
                file.write(raw.data)
            else:
                file.writelines(pool.map(_Converter(tensor, kind), _chunks(raw, tensor)))
            done += tensor.size
            report(done, total)


def _chunks(raw: npt.NDArray[np.uint8], tensor: _Tensor) -> list[npt.NDArray[np.uint8]]:
    """Whole rows, about four million values at a time."""
    row = _size_of(tensor.kind, tensor.shape[0])
    size = max(1, _CHUNK_VALUES // tensor.shape[0]) * row
    return [raw[begin : begin + size] for begin in range(0, len(raw), size)]


class _Converter:
    """Converts rows of a tensor."""

    def __init__(self, tensor: _Tensor, kind: int) -> None:
        self._tensor = tensor
        self._kind = kind

    def __call__(self, raw: npt.NDArray[np.uint8]) -> bytes:
        values = _floats(raw, self._tensor.kind)
        if self._kind == _F16:
            return values.astype(np.float16).tobytes()
        rows = values.size // self._tensor.shape[0]
        made = np.empty(_size_of(self._kind, values.size), np.uint8)
        _kernel()(self._kind, values.ctypes.data, made.ctypes.data, 0, rows, self._tensor.shape[0], None)
        return made.tobytes()


def _floats(raw: npt.NDArray[np.uint8], kind: int) -> npt.NDArray[np.float32]:
    if kind == _BF16:  # The upper half of a float32.
        return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return np.ascontiguousarray(raw.view(np.float16 if kind == _F16 else np.float32), dtype=np.float32)


def _kernel() -> Callable[..., int]:
    import xllamacpp.xllamacpp as library

    found: Callable[..., int] = ctypes.CDLL(library.__file__).ggml_quantize_chunk
    rows, pointer = ctypes.c_int64, ctypes.c_void_p
    found.argtypes = [ctypes.c_int, pointer, pointer, rows, rows, rows, pointer]  # type: ignore[attr-defined]
    found.restype = ctypes.c_size_t  # type: ignore[attr-defined]
    return found


def _size_of(kind: int, values: int) -> int:
    per_block, size = BLOCKS[kind]
    return values // per_block * size


def _number(key: str, value: int) -> bytes:
    return _text(key) + struct.pack("<II", _U32, value)


def _text(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<Q", len(content)) + content


def _aligned(place: int, alignment: int) -> int:
    return -(-place // alignment) * alignment


def main(arguments: Sequence[str]) -> int:
    """Quantize; return the exit status. What went wrong is on standard error."""
    if len(arguments) != 3 or arguments[2] not in QUANTIZATIONS:
        sys.stderr.write(f"usage: python -m models.weights.quantize SOURCE TARGET {'|'.join(QUANTIZATIONS)}\n")
        return 2

    def report(done: int, total: int) -> None:
        sys.stdout.write(json.dumps({"done": done, "total": total}) + "\n")
        sys.stdout.flush()

    try:
        quantize(Path(arguments[0]), Path(arguments[1]), arguments[2], report)
    except (BadModelFile, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
