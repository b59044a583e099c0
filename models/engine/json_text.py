"""JSON and texts of an engine, made safe to keep: parsed strictly, storable, and printable where messages quote them.

Pure. A text has no place in UTF-8 or in a database if it contains unpaired surrogates or NUL: these become U+FFFD.
"""

import json
import re
from typing import Any, NoReturn

from models.errors import BadEngineResponse

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_SHOWN_CHARACTERS = 300


def shown(text: str, characters: int = _SHOWN_CHARACTERS) -> str:
    """An engine's text as a message may show it: one line, printable, at most `characters` long."""
    line = "".join(c if c.isprintable() else " " for c in text[: characters + 1]).strip()
    return line if len(text) <= characters else f"{line[: characters - 1]}…"


def json_object(raw: bytes | bytearray) -> dict[str, Any]:
    """Parse one JSON object; every text in it can be stored. Raises BadEngineResponse."""
    try:
        content = _DECODER.decode(raw.decode("utf-8", "replace"))
        # Unpaired surrogates and NUL can only come as escapes.
        if b"\\u" in raw:
            content = _storable(content)
    except json.JSONDecodeError as exc:
        raise BadEngineResponse(
            f"The engine sent something that is not JSON: {_excerpt(raw)!r}. Is this an OpenAI-compatible server?"
        ) from exc
    except ValueError as exc:
        raise BadEngineResponse(
            f"The engine sent a number that is not finite, or has thousands of digits: {_excerpt(raw)!r}."
        ) from exc
    except RecursionError as exc:
        raise BadEngineResponse(f"The engine sent JSON that is nested too deeply: {_excerpt(raw)!r}.") from exc
    if not isinstance(content, dict):
        raise BadEngineResponse(f"The engine sent {type(content).__name__} instead of an object.")
    return content


def _excerpt(raw: bytes | bytearray) -> str:
    return shown(raw[:200].decode("utf-8", "replace"), 80)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return value
