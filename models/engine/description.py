"""How an engine describes itself: its models, their context length, its version. Pure: replies in, records out.

Names are shown, stored and compared, so they must be printable. What is optional is left out if it makes no sense.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from models.engine.json_text import shown
from models.engine.limits import EngineLimits
from models.engine.protocol import EngineInfo, EngineKind
from models.errors import BadEngineResponse, ModelNotServed

Json = Mapping[str, Any]

_KINDS = {"llamacpp": EngineKind.LLAMA_CPP, "vllm": EngineKind.VLLM, "sglang": EngineKind.SGLANG}
_NAMES_IN_MESSAGES = 20
_VERSION_CHARACTERS = 100
_NO_BUILD = "b0-unknown"
"""What llama.cpp says where it was not built from its repository, as in xllamacpp's wheels."""


def read_listing(reply: Json, base_url: str, limits: EngineLimits) -> list[Json]:
    """The entries of a `/v1/models` reply, each with a name; raises BadEngineResponse."""
    listing = reply.get("data")
    if not isinstance(listing, list) or not all(isinstance(e, dict) and "id" in e for e in listing):
        raise BadEngineResponse(f"{base_url}/v1/models lists no models. Is this an OpenAI-compatible server?")
    if len(listing) > limits.models:
        raise BadEngineResponse(f"The engine lists {len(listing):,} models; at most {limits.models:,} are allowed.")
    for entry in listing:
        _check_name(entry["id"], limits)
    return listing


def _check_name(name: object, limits: EngineLimits) -> None:
    if not isinstance(name, str):
        raise BadEngineResponse(f"The engine lists a model whose name is {type(name).__name__} instead of text.")
    if not name or len(name) > limits.name_characters or not name.isprintable():
        raise BadEngineResponse(
            f"The engine lists a model with the name {shown(ascii(name), 80)}; a name has 1 to "
            f"{limits.name_characters:,} printable characters. Rename it in the server."
        )


def choose_model(listing: Sequence[Json], model: str | None) -> Json:
    """The entry of `model`, by name or alias; None chooses the only one. Raises ModelNotServed."""
    if model is None and len(listing) == 1:
        return listing[0]
    if model is None:
        raise ModelNotServed(f"The engine serves several models; set M1_MODEL to one of: {_names(listing)}.")
    for entry in listing:
        aliases = entry.get("aliases")
        if model == entry["id"] or (isinstance(aliases, list) and model in aliases):
            return entry
    raise ModelNotServed(
        f"The engine does not serve {model!r}. It serves: {_names(listing)}. Set M1_MODEL to one of these."
    )


def _names(listing: Sequence[Json]) -> str:
    names = [str(entry["id"]) for entry in listing[:_NAMES_IN_MESSAGES]]
    more = len(listing) - len(names)
    return ", ".join(names or ["none"]) + (f" and {more:,} more" if more else "")


def with_base(entry: Json, listing: Sequence[Json]) -> Json:
    """An entry with the context length of its base: vLLM reports none for a LoRA that it serves over a model."""
    if entry.get("max_model_len") or not isinstance(entry.get("parent"), str):
        return entry
    base = next((each for each in listing if each["id"] == entry["parent"]), {})
    return {**entry, "max_model_len": base.get("max_model_len")}


def read_kind(entry: Json) -> EngineKind:
    """The server software, from a model's entry."""
    owner = entry.get("owned_by")
    return _KINDS.get(owner, EngineKind.OTHER) if isinstance(owner, str) else EngineKind.OTHER


def read_version(reply: Json, kind: EngineKind) -> str:
    """The version in a reply of `/props` (llama.cpp) or `/version`; empty if there is none."""
    version = reply.get("build_info" if kind is EngineKind.LLAMA_CPP else "version")
    return shown(version, _VERSION_CHARACTERS) if isinstance(version, str) and version != _NO_BUILD else ""


def read_slots(props: Json, limits: EngineLimits) -> int | None:
    """llama.cpp's number of parallel requests; None if it does not say."""
    slots = props.get("total_slots")
    return slots if type(slots) is int and 1 <= slots <= limits.slots else None


def read_info(entry: Json, version: str, parallel_requests: int | None, limits: EngineLimits) -> EngineInfo:
    """The description of the engine with one of its models; raises BadEngineResponse."""
    root = entry.get("root")
    return EngineInfo(
        kind=read_kind(entry),
        version=version,
        model=entry["id"],
        context_length=_context_length(entry, limits),
        parallel_requests=parallel_requests,
        model_source=root
        if isinstance(root, str) and len(root) <= limits.name_characters and root.isprintable()
        else "",
    )


def _context_length(entry: Json, limits: EngineLimits) -> int:
    meta = entry.get("meta")
    length = entry.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
    if type(length) is not int:
        raise BadEngineResponse("The engine does not report its context length (max_model_len or meta.n_ctx).")
    if not 1 <= length <= limits.context_length:
        raise BadEngineResponse(
            f"The engine reports a context length of {shown(str(length), 40)} tokens; 1 to {limits.context_length:,} "
            "are allowed."
        )
    return length
