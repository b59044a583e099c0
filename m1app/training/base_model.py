"""The model that training starts from: where it lies, how large it is, how it is addressed.

Read from a GGUF header or a config.json; weights stay unread, and nothing is fetched.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from m1app.training.errors import RecipeRefused
from models.catalog import Catalog, CatalogModel
from models.download import local_path
from models.errors import DownloadError, UnknownModel
from models.gguf_check import BadModelFile, GgufHeader, check_model_file

BaseKind = Literal["gguf", "folder", "hub"]
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[MBmb])")
_DEFAULT_CONTEXT_LENGTH = 2048


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes that memory depends on; a decoder with gated feed-forward layers is assumed."""

    parameters: int
    layers: int
    width: int
    feed_forward: int
    vocabulary: int

    @classmethod
    def of(cls, *, layers: int, width: int, feed_forward: int, vocabulary: int, heads: tuple[int, int]) -> "ModelShape":
        """The shape with its parameters counted; `heads` are those of queries and of keys, embeddings are tied."""
        attention = 2 * width * width + 2 * width * width * heads[1] // max(1, heads[0])
        parameters = vocabulary * width + layers * (attention + 3 * width * feed_forward)
        return cls(parameters, layers, width, feed_forward, vocabulary)


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model as a recipe names it."""

    id: str
    """Catalog id, or a name made of the path."""
    kind: BaseKind
    location: str
    """Absolute path of the file or folder; ORG/REPO for a model that the training fetches from the hub."""
    revision: str
    """Of a hub repository; else empty."""
    parameters: int | None
    """None when neither file nor catalog tells."""
    shape: ModelShape | None
    """None when the weights are not here yet, or are of an unknown form."""
    context_length: int
    chat_template: str
    """The model's own, in Jinja; empty when it has none, or the weights are not here yet."""
    entry: CatalogModel | None
    """Its catalog entry; None for a path."""

    @property
    def is_here(self) -> bool:
        """Whether its weights lie on this machine."""
        return self.kind != "hub" and Path(self.location).exists()


def find_base(name: str, catalog: Catalog, models_directory: Path) -> BaseModel:
    """The base model that a recipe names.

    Raises:
        RecipeRefused: no catalog entry and no path has that name, or what lies there is no model.
    """
    path = Path(name).expanduser()
    try:
        entry = catalog.get(name)
    except UnknownModel as exc:
        if not path.exists():
            raise RecipeRefused("base", f"{exc} A .gguf file or a folder of safetensors is taken as well.") from exc
        return _at(path.absolute(), _slug(path), None)
    if entry.is_fetched_by_engine:
        parameters = parse_size(entry.parameters)
        revision, repo = entry.revision, str(entry.hub_repo)
        return BaseModel(entry.id, "hub", repo, revision, parameters, None, entry.context_length, "", entry)
    try:
        return _at(local_path(entry, models_directory), entry.id, entry)
    except DownloadError as exc:
        raise RecipeRefused("base", str(exc)) from exc


def parse_size(text: str) -> int | None:
    """Parameters from "135M" or "1.5B"; None when the text does not tell."""
    found = _SIZE.search(text)
    if not found:
        return None
    return round(float(found["number"]) * {"m": 1e6, "b": 1e9}[found["unit"].lower()])


def _at(path: Path, name: str, entry: CatalogModel | None) -> BaseModel:
    if path.is_dir():
        return _from_folder(path, name, entry)
    if entry is not None and not path.exists():  # It is fetched when the job begins.
        parameters = parse_size(entry.parameters)
        return BaseModel(name, "gguf", str(path), "", parameters, None, entry.context_length, "", entry)
    try:
        header = check_model_file(path)
    except BadModelFile as exc:
        raise RecipeRefused("base", str(exc)) from exc
    shape = _shape_of(header)
    length = header.number("context_length") or (entry.context_length if entry else _DEFAULT_CONTEXT_LENGTH)
    template = header.metadata.get("tokenizer.chat_template")
    parameters = shape.parameters if shape else parse_size(entry.parameters) if entry else None
    template = template if isinstance(template, str) else ""
    return BaseModel(name, "gguf", str(path), "", parameters, shape, length, template, entry)


def _shape_of(header: GgufHeader) -> ModelShape | None:
    names = ("block_count", "embedding_length", "feed_forward_length", "vocab_size", "attention.head_count")
    layers, width, feed_forward, vocabulary, heads = (header.number(name) for name in names)
    if not (layers and width and feed_forward and vocabulary and heads):
        return None
    shared = header.number("attention.head_count_kv") or heads
    return ModelShape.of(
        layers=layers, width=width, feed_forward=feed_forward, vocabulary=vocabulary, heads=(heads, shared)
    )


def _from_folder(folder: Path, name: str, entry: CatalogModel | None) -> BaseModel:
    config = _json(folder / "config.json")
    if not list(folder.glob("*.safetensors")):
        raise RecipeRefused("base", f"{folder} holds no .safetensors file; name a folder with a whole model.")
    shape = None
    if {"num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size", "num_attention_heads"} <= config.keys():
        heads = config["num_attention_heads"]
        shape = ModelShape.of(
            layers=config["num_hidden_layers"],
            width=config["hidden_size"],
            feed_forward=config["intermediate_size"],
            vocabulary=config["vocab_size"],
            heads=(heads, config.get("num_key_value_heads") or heads),
        )
    length = config.get("max_position_embeddings") or _DEFAULT_CONTEXT_LENGTH
    parameters = shape.parameters if shape else None
    return BaseModel(name, "folder", str(folder), "", parameters, shape, length, _template_in(folder), entry)


def _template_in(folder: Path) -> str:
    own_file = folder / "chat_template.jinja"
    if own_file.is_file():
        return own_file.read_text(encoding="utf-8")
    tokenizer = folder / "tokenizer_config.json"
    template = _json(tokenizer).get("chat_template", "") if tokenizer.is_file() else ""
    return template if isinstance(template, str) else ""


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise RecipeRefused("base", f"{path.parent} has no {path.name}; name a folder with a whole model.") from exc
    except (OSError, ValueError) as exc:
        raise RecipeRefused("base", f"{path} cannot be read as JSON ({exc}); save the model again.") from exc
    return content if isinstance(content, dict) else {}


def _slug(path: Path) -> str:
    name = path.stem if path.is_file() else path.name
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "model"
