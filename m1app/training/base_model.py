"""The base model of a training: where it is, how large it is, how it is prompted.

Read from a GGUF header or a config.json, without the weights. The only download is `with_hub_template`'s: the chat
template of a model whose weights are not here.
"""

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from m1app.training.errors import RecipeRefused
from models.errors import DownloadError, SourceRefused, SourceUnreachable, UnknownModel
from models.weights.catalog import Catalog, CatalogModel
from models.weights.download import local_path
from models.weights.download_progress import ProgressMeter
from models.weights.gguf_check import BadModelFile, GgufHeader, check_model_file
from models.weights.hub_download import HubFile, download_hub_file
from models.weights.sources import FileSource
from models.weights.template_files import TEMPLATE_FILE, TOKENIZER_FILE, special_tokens_in, template_in

BaseKind = Literal["gguf", "folder", "hub"]
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[MBmb])")
_DEFAULT_CONTEXT_LENGTH = 2048
_PATIENCE_SECONDS = 10.0
"""Short, because a user is waiting for the plan."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes that determine memory; assumes a decoder with gated feed-forward layers."""

    parameters: int
    layers: int
    width: int
    feed_forward: int
    vocabulary: int
    embeddings: int
    """Parameters of the embeddings, and of a head with weights of its own."""

    @classmethod
    def of(
        cls,
        *,
        layers: int,
        width: int,
        feed_forward: int,
        vocabulary: int,
        heads: tuple[int, int],
        is_tied: bool = True,
    ) -> "ModelShape":
        """Return the shape with its parameter count; `heads` are query and key heads, `is_tied` says whether the head
        uses the embeddings' weights."""
        attention = 2 * width * width + 2 * width * width * heads[1] // max(1, heads[0])
        embeddings = vocabulary * width * (1 if is_tied else 2)
        parameters = embeddings + layers * (attention + 3 * width * feed_forward)
        return cls(parameters, layers, width, feed_forward, vocabulary, embeddings)


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model named by a recipe."""

    id: str
    """Catalog id, or a name derived from the path."""
    kind: BaseKind
    location: str
    """Absolute path of the file or folder; ORG/REPO for a model that training downloads from the hub."""
    revision: str
    """Revision of a hub repository; otherwise empty."""
    parameters: int | None
    """None if neither file nor catalog says."""
    shape: ModelShape | None
    """None if the weights are not here yet, or have an unknown format."""
    context_length: int
    chat_template: str
    """The model's own Jinja template; empty if it has none or it is not here yet, see `template_missing`."""
    entry: CatalogModel | None
    """Its catalog entry; None for a path."""
    special_tokens: Mapping[str, str] = field(default_factory=dict)
    """Special tokens for its template, such as bos_token; empty if unknown, as for a GGUF file."""
    template_missing: str = ""
    """Why it is not known whether it has a template, and what to do; empty if it is known."""

    @property
    def is_here(self) -> bool:
        """Whether its weights are on this machine."""
        return self.kind != "hub" and Path(self.location).exists()


@dataclass(frozen=True, slots=True)
class HubAccess:
    """How to access the hub."""

    url: str
    token: str = field(default="", repr=False)
    """Sent only to `url`; empty for none."""
    is_offline: bool = False
    """True allows only what was downloaded before."""
    cache: Path | None = None
    """Cache of transformers and vLLM; None uses huggingface_hub's default."""


def find_base(name: str, catalog: Catalog, models_directory: Path) -> BaseModel:
    """Return the base model named by a recipe.

    Raises:
        RecipeRefused: there is no catalog entry or path with that name, or the path is not a model.
    """
    path = Path(name).expanduser()
    try:
        entry = catalog.get(name)
    except UnknownModel as exc:
        if not path.exists():
            raise RecipeRefused("base", f"{exc} A .gguf file or a folder of safetensors works too.") from exc
        return _at(path.absolute(), _slug(path), None)
    if entry.is_downloaded_by_engine:
        parameters = parse_size(entry.parameters)
        revision, repo = entry.revision, str(entry.hub_repo)
        missing = "its weights are on the hub."
        return BaseModel(
            entry.id, "hub", repo, revision, parameters, None, entry.context_length, "", entry, template_missing=missing
        )
    try:
        return _at(local_path(entry, models_directory), entry.id, entry)
    except DownloadError as exc:
        raise RecipeRefused("base", str(exc)) from exc


def with_hub_template(base: BaseModel, hub: HubAccess) -> BaseModel:
    """Return the base with its hub repository's chat template; unchanged if its weights are here. Blocks.

    The two files that contain it are small. Cached ones are read, others downloaded but not kept. On failure,
    `template_missing` of the result says why.
    """
    if base.kind != "hub":
        return base
    try:
        with tempfile.TemporaryDirectory(prefix="m1-template-") as folder:
            for name in (TEMPLATE_FILE, TOKENIZER_FILE):
                _take_hub_file(base, name, hub, Path(folder))
            template, tokens = _template_in(Path(folder)), _special_tokens_in(Path(folder))
    except _NotHere as exc:
        return replace(base, template_missing=str(exc))
    return replace(base, chat_template=template, special_tokens=tokens, template_missing="")


class _NotHere(Exception):
    """A hub file is not available; the message says why and what to do."""


def _take_hub_file(base: BaseModel, name: str, hub: HubAccess, folder: Path) -> None:
    """Put a file of the base's repository into `folder`, if the repository has it."""
    # Imported late: it reads the environment on import.
    from huggingface_hub import try_to_load_from_cache

    kept = try_to_load_from_cache(base.location, name, cache_dir=hub.cache, revision=base.revision or None)
    if isinstance(kept, str):
        (folder / name).write_bytes(Path(kept).read_bytes())
        return
    if hub.is_offline:
        if name == TOKENIZER_FILE:
            raise _NotHere(
                f"M1_HUB_OFFLINE is set and {name} of {base.location} was not downloaded before. Unset "
                "M1_HUB_OFFLINE and download the model once."
            )
        return
    wanted = HubFile(hub.url, base.location, name, base.revision or "main", hub.token)
    part = folder / f"{name}.part"
    try:
        download_hub_file(wanted, part, ProgressMeter(None), _PATIENCE_SECONDS)
    except SourceUnreachable as exc:
        raise _NotHere(f"{hub.url} is not responding. Check the network and M1_HUB_URL, then plan again.") from exc
    except SourceRefused as exc:
        if name == TOKENIZER_FILE:
            raise _NotHere(str(exc)) from exc
    except DownloadError as exc:
        raise _NotHere(str(exc)) from exc
    else:
        part.rename(folder / name)


def parse_size(text: str) -> int | None:
    """Parse a parameter count such as "135M" or "1.5B"; None if the text has none."""
    found = _SIZE.search(text)
    if not found:
        return None
    return round(float(found["number"]) * {"m": 1e6, "b": 1e9}[found["unit"].lower()])


def _at(path: Path, name: str, entry: CatalogModel | None) -> BaseModel:
    if path.is_dir():
        return _from_folder(path, name, entry)
    if entry is not None and not path.exists():  # It is downloaded when the job starts.
        is_own = isinstance(entry.source, FileSource)
        downloading = f"Download them with `python -m models.weights.download {name} --directory {path.parent.parent}`."
        missing = f"its weights are not in {path}. {'Put them there.' if is_own else downloading}"
        parameters = parse_size(entry.parameters)
        return BaseModel(
            name, "gguf", str(path), "", parameters, None, entry.context_length, "", entry, template_missing=missing
        )
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
        raise RecipeRefused("base", f"{folder} has no .safetensors file; name a folder with a complete model.")
    shape = None
    if {"num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size", "num_attention_heads"} <= config.keys():
        heads = config["num_attention_heads"]
        shape = ModelShape.of(
            layers=config["num_hidden_layers"],
            width=config["hidden_size"],
            feed_forward=config["intermediate_size"],
            vocabulary=config["vocab_size"],
            heads=(heads, config.get("num_key_value_heads") or heads),
            is_tied=bool(config.get("tie_word_embeddings")),
        )
    length = config.get("max_position_embeddings") or _DEFAULT_CONTEXT_LENGTH
    parameters = shape.parameters if shape else None
    template, tokens = _template_in(folder), _special_tokens_in(folder)
    return BaseModel(name, "folder", str(folder), "", parameters, shape, length, template, entry, tokens)


def _template_in(folder: Path) -> str:
    try:
        return template_in(folder)
    except BadModelFile as exc:
        raise RecipeRefused("base", str(exc)) from exc


def _special_tokens_in(folder: Path) -> dict[str, str]:
    try:
        return special_tokens_in(folder)
    except BadModelFile as exc:
        raise RecipeRefused("base", str(exc)) from exc


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise RecipeRefused("base", f"{path.parent} has no {path.name}; name a folder with a complete model.") from exc
    except (OSError, ValueError) as exc:
        raise RecipeRefused("base", f"{path} cannot be read as JSON ({exc}); save the model again.") from exc
    return content if isinstance(content, dict) else {}


def _slug(path: Path) -> str:
    name = path.stem if path.is_file() else path.name
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "model"
