"""The chat template of a model's folder, and the special tokens that it names."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.weights.gguf_check import BadModelFile

TEMPLATE_FILE, TOKENIZER_FILE = "chat_template.jinja", "tokenizer_config.json"
_MOST_BYTES = 32 << 20


def template_in(folder: Path) -> str:
    """The model's own Jinja template; empty if it has none. Raises BadModelFile if a file cannot be read."""
    own_file = folder / TEMPLATE_FILE
    if own_file.is_file():
        return _text(own_file)
    template = _json_if_there(folder / TOKENIZER_FILE).get("chat_template", "")
    if isinstance(template, list):  # Several by name; transformers uses this one when no tools are passed.
        named = {each.get("name"): each.get("template") for each in template if isinstance(each, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else ""


def special_tokens_in(folder: Path) -> dict[str, str]:
    """Spellings by name, such as bos_token; raises BadModelFile."""
    found = {**_json_if_there(folder / "special_tokens_map.json"), **_json_if_there(folder / TOKENIZER_FILE)}
    # A token is either a string or an object with its content.
    spelled = {name: each.get("content") if isinstance(each, dict) else each for name, each in found.items()}
    return {name: each for name, each in spelled.items() if name.endswith("_token") and isinstance(each, str)}


def added_tokens_in(folder: Path) -> frozenset[str]:
    """Spellings of the tokens that were added to the vocabulary; empty if the folder does not say."""
    added = _json_if_there(folder / TOKENIZER_FILE).get("added_tokens_decoder", {})
    contents = [each.get("content") for each in added.values() if isinstance(each, dict)] if added else []
    return frozenset(each for each in contents if isinstance(each, str))


def _json_if_there(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError) as exc:
        raise BadModelFile(f"{path} cannot be read as JSON ({exc}); save the model again.") from exc
    return content if isinstance(content, dict) else {}


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise BadModelFile(
                f"{path} is larger than {_MOST_BYTES >> 20} MB, which is too large. Choose another file."
            )
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadModelFile(f"{path} cannot be read ({exc}); save the model again.") from exc
