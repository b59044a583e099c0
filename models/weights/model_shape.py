"""What a model's `config.json` says about its size: parameters, cache per token, heads, context. Pure but for `read`.

The form is that of the transformers library; models for images and text have the numbers of the text part in
`text_config`. The parameters are counted as in a dense or mixture-of-experts decoder with gated feed-forward layers,
which is what the families of the catalog are; small parts (norms, biases) are left out.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MOST_BYTES = 4 << 20
_BYTES_OF = {"float32": 4, "float16": 2, "bfloat16": 2, "half": 2}
_GEMMA_3_PATTERN = 6
_MOST = 10**9
"""Above every number of a real model's configuration."""


class NoShape(ValueError):
    """The configuration does not say enough; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The numbers that decide what a model needs."""

    parameters: int
    layers: int
    heads: int
    shared_heads: int
    """Key-value heads."""
    cache_values_per_layer: int
    """Numbers that one token adds to the key-value cache of a layer."""
    windowed_layers: int
    """Layers that keep only the latest `window_tokens` tokens in the cache."""
    window_tokens: int
    context_length: int | None
    """Tokens; None if it does not say."""
    dtype: str
    """Of the stored weights: "bfloat16", "float16" or "float32"."""
    quantisation: str
    """In which the weights are stored, such as "awq" or "fp8"; empty if they are not quantised."""

    @property
    def full_layers(self) -> int:
        """Layers that keep every token in the cache."""
        return self.layers - self.windowed_layers

    @property
    def stored_bytes_each(self) -> int:
        """Bytes of a parameter as it is stored, if it is not quantised."""
        return _BYTES_OF[self.dtype]


def read_folder(folder: Path) -> tuple[ModelShape, int]:
    """Shape and bytes of the safetensors files in a folder. Blocks.

    Raises:
        NoShape: there is no usable config.json, or no safetensors file.
        OSError: it cannot be read.
    """
    shape = read_shape(parse_config((folder / "config.json").read_bytes()))
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if not weights:
        raise NoShape(f"{folder} has no .safetensors file")
    return shape, weights


def parse_config(content: bytes) -> Mapping[str, Any]:
    """The content of a config.json; raises NoShape."""
    try:
        config = json.loads(content) if len(content) <= _MOST_BYTES else None
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise NoShape("config.json is not a model's configuration")
    return config


def read_shape(config: Mapping[str, Any]) -> ModelShape:
    """The shape that a configuration describes; raises NoShape."""
    inner = config.get("text_config")
    text: Mapping[str, Any] = {**config, **inner} if isinstance(inner, dict) else config
    layers, width, heads = (_need(text, name) for name in ("num_hidden_layers", "hidden_size", "num_attention_heads"))
    shared = _number(text, "num_key_value_heads") or heads
    head_width = _number(text, "head_dim") or max(1, width // heads)
    compressed = _number(text, "kv_lora_rank")
    # DeepSeek's latent attention keeps one compressed vector a token.
    cache = (compressed + (_number(text, "qk_rope_head_dim") or 0)) if compressed else 2 * shared * head_width
    attention = 2 * width * heads * head_width + 2 * width * shared * head_width
    embedding = _need(text, "vocab_size") * width * (1 if text.get("tie_word_embeddings") else 2)
    stored = config.get("quantization_config")
    method = stored.get("quant_method") if isinstance(stored, dict) else None
    dtype = text.get("dtype") or text.get("torch_dtype")
    return ModelShape(
        parameters=embedding + layers * (attention + _feed_forward(text, width)),
        layers=layers,
        heads=heads,
        shared_heads=shared,
        cache_values_per_layer=cache,
        windowed_layers=_windowed_layers(text, layers),
        window_tokens=_number(text, "sliding_window") or 0,
        context_length=_number(text, "max_position_embeddings"),
        dtype=dtype if isinstance(dtype, str) and dtype in _BYTES_OF else "bfloat16",
        quantisation=method[:40] if isinstance(method, str) else "",
    )


def _windowed_layers(text: Mapping[str, Any], layers: int) -> int:
    """Layers with sliding-window attention; 0 where the configuration does not say which they are."""
    # Qwen2.5 names a window that it does not use.
    if not _number(text, "sliding_window") or text.get("use_sliding_window") is False:
        return 0
    kinds = text.get("layer_types")
    if isinstance(kinds, list):
        return min(layers, kinds.count("sliding_attention"))
    # Every n-th layer keeps all; Gemma 3 leaves out what is its default in transformers.
    default = _GEMMA_3_PATTERN if str(text.get("model_type")).startswith("gemma3") else None
    every = _number(text, "sliding_window_pattern") or default
    return layers - layers // every if every else 0


def _feed_forward(text: Mapping[str, Any], width: int) -> int:
    """Parameters of a layer's feed-forward part."""
    experts = next(
        (count for name in ("num_experts", "num_local_experts", "n_routed_experts") if (count := _number(text, name))),
        0,
    )
    if not experts:
        return 3 * width * _need(text, "intermediate_size")
    inner = _number(text, "moe_intermediate_size") or _need(text, "intermediate_size")
    return 3 * width * inner * (experts + (_number(text, "n_shared_experts") or 0))


def _number(text: Mapping[str, Any], name: str) -> int | None:
    value = text.get(name)
    return value if type(value) is int and 0 < value < _MOST else None


def _need(text: Mapping[str, Any], name: str) -> int:
    value = _number(text, name)
    if value is None:
        raise NoShape(f"config.json does not say its {name}")
    return value
