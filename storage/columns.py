"""Column types that hold the same on SQLite and PostgreSQL.

Their checks raise ValueError, which leaves the package as `InvalidRecord`. SQLite would take what PostgreSQL refuses
(NUL in text, an infinite number in JSON), and would give back a time without its zone.
"""

import math
import re
import struct
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Double, Enum, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

# PostgreSQL's text cannot hold NUL, and UTF-8 cannot hold half a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def replace_unstorable(text: str) -> str:
    """`text` with each NUL and lone surrogate replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def check_storable(text: str, name: str) -> str:
    """`text` itself.

    Raises:
        ValueError: it holds a NUL or a lone surrogate; the message says where.
    """
    found = _UNSTORABLE.search(text)
    if found is None:
        return text
    raise ValueError(
        f"{name} contains the character U+{ord(found.group()):04X} at position {found.start()}, "
        "which cannot be stored; remove it"
    )


class PersonText(TypeDecorator[str]):
    """Text that a person or a setting gave: what cannot be stored is refused."""

    impl = Text
    cache_ok = True

    def __init__(self, name: str) -> None:
        """`name` is what the error message calls the text."""
        super().__init__()
        self.name = name

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse NUL and lone surrogates."""
        return None if value is None else check_storable(value, self.name)


class ModelText(TypeDecorator[str]):
    """Text that a model or a program wrote: what cannot be stored becomes U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace NUL and lone surrogates."""
        return None if value is None else replace_unstorable(value)


class PackedTokenIds(TypeDecorator[tuple[int, ...]]):
    """Token ids as packed little-endian unsigned 32-bit integers: 4 bytes each."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: tuple[int, ...] | None, dialect: Dialect) -> bytes | None:
        """Pack the ids."""
        if value is None:
            return None
        try:
            return struct.pack(f"<{len(value)}I", *value)
        except struct.error as exc:
            raise ValueError(f"token ids must be whole numbers from 0 to {2**32 - 1} ({exc})") from exc

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> tuple[int, ...] | None:
        """Unpack the ids."""
        return None if value is None else struct.unpack(f"<{len(value) // 4}I", value)


class JsonTuple(TypeDecorator[tuple[Any, ...]]):
    """A tuple of JSON values, nested ones as tuples too."""

    impl = JSON
    cache_ok = True

    def process_result_value(self, value: list[Any] | None, dialect: Dialect) -> tuple[Any, ...] | None:
        """Lists as tuples."""
        return None if value is None else _frozen(value)


def _frozen(values: list[Any]) -> tuple[Any, ...]:
    return tuple(_frozen(value) if isinstance(value, list) else value for value in values)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, aware and in UTC in both directions."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone; turn others to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the time {value.isoformat()} has no time zone; pass an aware datetime")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class FiniteNumber(TypeDecorator[float]):
    """A double that is neither infinite nor NaN (which SQLite would turn into NULL)."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """Refuse what is not finite."""
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        return value


def word_of(enumeration: type[StrEnum]) -> Enum:
    """Column type for one of the words of `enumeration`, stored as text so that a word can be added later."""
    return Enum(
        enumeration,
        native_enum=False,
        length=16,
        validate_strings=True,
        values_callable=lambda words: [word.value for word in words],
    )
