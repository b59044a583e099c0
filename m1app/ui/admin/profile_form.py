"""A profile as the form on the Admin page shows it: texts as they are, lists with one entry a line."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from models.errors import CatalogError

_TEXTS = {
    "title": ("title",),
    "reference": ("reference",),
    "default_system": ("chat", "default_system"),
    "template": ("chat", "template"),
    "template_without_system": ("chat", "template_without_system"),
    "with_options": ("prompt", "with_options"),
    "with_several": ("prompt", "with_several"),
    "open": ("prompt", "open"),
    "opening": ("thinking", "opening"),
    "natural_close": ("thinking", "natural_close"),
    "overrun_close": ("thinking", "overrun_close"),
    "option_prefix": ("answer", "option_prefix"),
}
_LISTS = {
    "models": ("models",),
    "hints": ("hints",),
    "stop_tokens": ("thinking", "stop_tokens"),
    "stop_texts": ("thinking", "stop_texts"),
    "answer_stop_tokens": ("answer", "stop_tokens"),
}
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MOST_CHARACTERS = 70_000
"""Of a field: more than what a chat template may write."""


def form_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The form's fields.

    Args:
        values: a profile's fields, as in its file.
    """
    texts = {name: str(_at(values, path, "")) for name, path in _TEXTS.items()}
    return texts | {name: "\n".join(map(_escaped, _at(values, path, []))) for name, path in _LISTS.items()}


def values_of(fields: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """A profile's fields, as in its file.

    Args:
        fields: the form's; what is missing counts as empty.
        base: what the form does not show.

    Raises:
        CatalogError: a field is too long.
    """
    values: dict[str, Any] = {name: dict(each) if isinstance(each, Mapping) else each for name, each in base.items()}
    for name, path in _TEXTS.items():
        _put(values, path, _typed(fields, name))
    for name, path in _LISTS.items():
        lines = [line.strip() if name != "stop_texts" else line for line in _typed(fields, name).split("\n")]
        _put(values, path, [_unescaped(line) for line in lines if line])
    chat = values["chat"]
    chat["source"] = "profile" if chat["template"] or chat["template_without_system"] else chat.get("source", "profile")
    chat["reference"] = values["reference"]
    return values


def _typed(fields: Mapping[str, Any], name: str) -> str:
    typed = str(fields.get(name, ""))
    if len(typed) > _MOST_CHARACTERS:  # Cutting it would save a prompt without its end.
        raise CatalogError(f"{name} has {len(typed):,} characters; the limit is {_MOST_CHARACTERS:,}. Shorten it.")
    return typed.replace("\r\n", "\n")


def _at(values: Mapping[str, Any], path: Sequence[str], missing: Any) -> Any:
    for name in path:
        values = values.get(name, missing)
        if not isinstance(values, Mapping):
            return values
    return values


def _put(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    values[path[-1]] = value


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([\\nrt])", lambda found: {"n": "\n", "r": "\r", "t": "\t"}.get(found[1], found[1]), text)
