"""Checks from its header alone whether a file is a complete GGUF model.

llama.cpp reports the same error for a missing, truncated or foreign file; this module tells them apart.
Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3).
"""

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_MOST_HEADER_BYTES = 128 << 20
"""Vocabularies of 300,000 tokens take 20 MB."""
_MOST_DIMENSIONS = 8
BLOCKS = {
    0: (1, 4),  # F32
    1: (1, 2),  # F16
    2: (32, 18),  # Q4_0
    3: (32, 20),  # Q4_1
    6: (32, 22),  # Q5_0
    7: (32, 24),  # Q5_1
    8: (32, 34),  # Q8_0
    10: (256, 84),  # Q2_K
    11: (256, 110),  # Q3_K
    12: (256, 144),  # Q4_K
    13: (256, 176),  # Q5_K
    14: (256, 210),  # Q6_K
    30: (1, 2),  # BF16
}
"""Tensor type to values per block and bytes per block."""

Value = int | float | bool | str | None


class BadModelFile(ValueError):
    """The file cannot be served; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file's header says."""

    metadata: dict[str, Value]
    """Scalar values by key; arrays are None."""
    size_bytes: int
    """Least size of the whole file."""

    def number(self, name: str) -> int | None:
        """A whole number of the model's architecture, such as `context_length`; None when it is not there."""
        value = self.metadata.get(f"{self.metadata.get('general.architecture')}.{name}")
        return value if isinstance(value, int) else None

    def cache_bytes_per_token(self) -> int:
        """Bytes one token takes in a 16-bit key-value cache; 0 when the header does not say."""
        layers, width, heads = (self.number(n) for n in ("block_count", "embedding_length", "attention.head_count"))
        if not (layers and width and heads):
            return 0
        shared_heads = self.number("attention.head_count_kv") or heads
        key = self.number("attention.key_length") or width // heads
        value = self.number("attention.value_length") or width // heads
        return layers * shared_heads * (key + value) * 2


def check_model_file(path: Path) -> GgufHeader:
    """Read the header of a model file and compare it with the file's size.

    Raises:
        BadModelFile: missing, unreadable, not GGUF, or shorter than its header says.
    """
    with _opened(path) as file:
        if file.read(4) != MAGIC:
            raise BadModelFile(f"{path} is not a GGUF model file (it does not begin with GGUF). Choose a .gguf file.")
        try:
            header = _read_header(file)
        except EOFError:
            raise BadModelFile(_truncated(path)) from None
        except (struct.error, KeyError, ValueError, OverflowError, MemoryError, RecursionError, OSError) as error:
            raise BadModelFile(f"{path} has a damaged GGUF header ({error}). Download it again.") from error
    if path.stat().st_size < header.size_bytes:
        raise BadModelFile(_truncated(path, header.size_bytes))
    return header


def read_beginning(content: bytes, size_bytes: int) -> GgufHeader | None:
    """What the first bytes of a GGUF file say about its architecture; None if they do not.

    Args:
        content: the first bytes.
        size_bytes: of the whole file.
    """
    file, metadata = io.BytesIO(content), dict[str, Value]()
    if file.read(4) != MAGIC:
        return None
    try:
        version, _, pairs = unpack(file, "IQQ")
        if version not in _VERSIONS:
            return None
        for _ in range(pairs):
            key = read_text(file)
            metadata[key] = read_value(file, _number(file, "I"))
    except (EOFError, struct.error, KeyError, ValueError, OverflowError, MemoryError, RecursionError):
        pass  # Most beginnings end inside the vocabulary.
    return GgufHeader(metadata, size_bytes) if "general.architecture" in metadata else None


def read_tokens(path: Path) -> tuple[str, ...]:
    """Spellings of the vocabulary's tokens by id; empty if the file has none. Blocks.

    Raises:
        BadModelFile: as `check_model_file`.
    """
    check_model_file(path)
    with _opened(path) as file:
        file.seek(len(MAGIC))
        _, _, pairs = unpack(file, "IQQ")
        for _ in range(pairs):
            key, kind = read_text(file), _number(file, "I")
            if key == "tokenizer.ggml.tokens" and kind == _ARRAY:
                item, length = unpack(file, "IQ")
                return tuple(read_text(file) for _ in range(length)) if item == _STRING else ()
            read_value(file, kind)
    return ()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise BadModelFile(f"Model file {path} not found. Download the model, or correct the path.") from None
    except OSError as error:
        raise BadModelFile(f"The model file {path} cannot be read: {error.strerror}.") from error
    with file:
        yield file


def _truncated(path: Path, expected: int | None = None) -> str:
    found = f"it has {path.stat().st_size:,} bytes"
    wanted = f", its header asks for {expected:,}" if expected else " and ends inside its header"
    return f"The model file {path} is truncated: {found}{wanted}. Delete it and download it again."


def _read_header(file: BinaryIO) -> GgufHeader:
    version, tensors, pairs = unpack(file, "IQQ")
    if version not in _VERSIONS:
        raise ValueError(f"version {version} is not one of 2 and 3")
    metadata: dict[str, Value] = {}
    for _ in range(pairs):
        key = read_text(file)
        metadata[key] = read_value(file, _number(file, "I"))
    if tensors == 0:
        return GgufHeader(metadata, file.tell())
    end_of_data = max(_tensor_end(file) for _ in range(tensors))
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(f"alignment {alignment!r} is not a positive number")
    start_of_data = -(-file.tell() // alignment) * alignment
    return GgufHeader(metadata, start_of_data + end_of_data)


def _tensor_end(file: BinaryIO) -> int:
    """Where the next tensor's data ends, counted from the start of all data; a lower bound for unknown types."""
    _skip_text(file)
    dimensions = _number(file, "I")
    if dimensions > _MOST_DIMENSIONS:
        raise ValueError(f"a tensor has {dimensions:,} dimensions")
    shape = unpack(file, f"{dimensions}Q")
    kind, offset = unpack(file, "IQ")
    values, size = BLOCKS.get(kind, (max(prod(shape), 1), 1))
    return int(offset) + prod(shape) // values * size


def read_value(file: BinaryIO, kind: int) -> Value:
    """Read a value of a kind as the format numbers them; arrays are read over, as None."""
    if kind == _STRING:
        return read_text(file)
    if kind == _ARRAY:
        _skip_array(file)
        return None
    value: Value = unpack(file, _SCALARS[kind])[0]
    return value


def _skip_array(file: BinaryIO) -> None:
    kind, length = unpack(file, "IQ")
    if kind in _SCALARS:
        file.seek(length * struct.calcsize(f"<{_SCALARS[kind]}"), 1)
        return
    skip: Callable[[BinaryIO], None] = {_STRING: _skip_text, _ARRAY: _skip_array}[kind]
    for _ in range(length):
        skip(file)


def read_text(file: BinaryIO) -> str:
    """Read a string."""
    return _read(file, _number(file, "Q")).decode("utf-8", "replace")


def _skip_text(file: BinaryIO) -> None:
    _read(file, _number(file, "Q"))


def _number(file: BinaryIO, code: str) -> int:
    return int(unpack(file, code)[0])


def unpack(file: BinaryIO, code: str) -> tuple[int, ...]:
    """Read numbers, as `struct` codes them; raises EOFError at the end of the file."""
    layout = struct.Struct(f"<{code}")
    return layout.unpack(_read(file, layout.size))


def _read(file: BinaryIO, size: int) -> bytes:
    # A file with holes is as long as it likes, and takes no space.
    if size > _MOST_HEADER_BYTES or file.tell() > _MOST_HEADER_BYTES:
        raise ValueError(f"it is larger than {_MOST_HEADER_BYTES >> 20} MB")
    found = file.read(size)
    if len(found) < size:
        raise EOFError
    return found
