"""Column types that behave the same on SQLite and PostgreSQL.

Their checks raise ValueError, which callers see as `InvalidRecord`. SQLite would accept what PostgreSQL rejects (NUL in
text, infinities in JSON), and would return times without a zone.
"""

import math
import re
import struct
import zlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Double, Enum, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

# PostgreSQL text cannot contain NUL, and UTF-8 cannot encode a lone surrogate.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def replace_unstorable(text: str) -> str:
    """`text` with each NUL and lone surrogate replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def check_storable(text: str, name: str) -> str:
    """Return `text` unchanged.

    Raises:
        ValueError: it contains a NUL or a lone surrogate; the message says where.
    """
    found = _UNSTORABLE.search(text)
    if found is None:
        return text
    raise ValueError(
        f"{name} contains the character U+{ord(found.group()):04X} at position {found.start()}, "
        "which cannot be stored; remove it"
    )


class PersonText(TypeDecorator[str]):
    """Text from a user or a setting: values that cannot be stored are rejected."""

    impl = Text
    cache_ok = True

    def __init__(self, name: str) -> None:
        """`name` identifies the text in error messages."""
        super().__init__()
        self.name = name

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Reject NUL and lone surrogates."""
        return None if value is None else check_storable(value, self.name)


class ModelText(TypeDecorator[str]):
    """Text from a model or a program: characters that cannot be stored become U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace NUL and lone surrogates."""
        return None if value is None else replace_unstorable(value)


def _packed(numbers: tuple[int, ...], name: str) -> bytes:
    try:
        return struct.pack(f"<{len(numbers)}I", *numbers)
    except struct.error as exc:
        raise ValueError(f"{name} must be whole numbers from 0 to {2**32 - 1} ({exc})") from exc


class PackedTokenIds(TypeDecorator[tuple[int, ...]]):
    """Token ids as packed little-endian unsigned 32-bit integers: 4 bytes each."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: tuple[int, ...] | None, dialect: Dialect) -> bytes | None:
        """Pack the ids."""
        return None if value is None else _packed(value, "token ids")

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> tuple[int, ...] | None:
        """Unpack the ids."""
        return None if value is None else struct.unpack(f"<{len(value) // 4}I", value)


class PackedNumbers(TypeDecorator[tuple[float, ...]]):
    """Numbers as packed little-endian doubles: 8 bytes each, read back as they were."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: tuple[float, ...] | None, dialect: Dialect) -> bytes | None:
        """Pack the numbers."""
        return None if value is None else struct.pack(f"<{len(value)}d", *value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> tuple[float, ...] | None:
        """Unpack the numbers."""
        return None if value is None else struct.unpack(f"<{len(value) // 8}d", value)


class ZippedCounts(TypeDecorator[tuple[int, ...]]):
    """Whole numbers from 0 to 2^32 - 1, compressed: small ones that repeat take about one byte each."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: tuple[int, ...] | None, dialect: Dialect) -> bytes | None:
        """Pack and compress the numbers."""
        if not value:
            return None if value is None else b""
        return zlib.compress(_packed(value, "counts"))

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> tuple[int, ...] | None:
        """Read the numbers."""
        if not value:
            return None if value is None else ()
        packed = zlib.decompress(value)
        return struct.unpack(f"<{len(packed) // 4}I", packed)


class JsonTuple(TypeDecorator[tuple[Any, ...]]):
    """A tuple of JSON values, nested ones as tuples too."""

    impl = JSON
    cache_ok = True

    def process_result_value(self, value: list[Any] | None, dialect: Dialect) -> tuple[Any, ...] | None:
        """Convert lists to tuples."""
        return None if value is None else _frozen(value)


def _frozen(values: list[Any]) -> tuple[Any, ...]:
    return tuple(_frozen(value) if isinstance(value, list) else value for value in values)


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware time, in UTC when stored and when read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Reject naive times; convert others to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the time {value.isoformat()} has no time zone; pass an aware datetime")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Restore the time zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class FiniteNumber(TypeDecorator[float]):
    """A finite double; SQLite would turn NaN into NULL."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """Reject infinities and NaN."""
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        return value


def word_of(enumeration: type[StrEnum]) -> Enum:
    """Column type for `enumeration`, stored as text so that members can be added later."""
    return Enum(
        enumeration,
        native_enum=False,
        length=16,
        validate_strings=True,
        values_callable=lambda words: [word.value for word in words],
    )
