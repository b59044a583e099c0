"""Writes the finished model as one GGUF file for the embedded engine: matrices in float16, vectors in float32.

Supports Llama and Qwen 2 and 3, with the layout of llama.cpp's convert_hf_to_gguf.py. The tokenizer of a GGUF base is
copied unchanged; for other bases it is built from tokenizer.json.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import PretrainedConfig, PreTrainedTokenizerBase

_ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
}
_PRE_TOKENIZERS = {"qwen2": "qwen2", "qwen3": "qwen2"}
_PRE_TOKENIZER_BY_VOCABULARY = {49152: "smollm", 128256: "llama-bpe"}
"""llama.cpp must be told how text is split before merging; for Llama, the vocabulary size identifies the tokenizer."""
_IDENTITY = ("general.architecture", "general.alignment", "general.file_type", "general.name", "GGUF.")
_ASKING = ("tokenizer.chat_template", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.add_bos_token")
"""How the model is asked. With `_IDENTITY`, the base's keys that are not copied; the new file has its own."""


class UnsupportedModel(Exception):
    """The embedded engine's format cannot be written for this model; the message says why."""


def write_gguf(
    path: Path,
    state: Mapping[str, torch.Tensor],
    config: PretrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    *,
    name: str,
    base: Path | None,
) -> None:
    """Write weights, sizes and tokenizer; the file appears complete or not at all.

    Args:
        path: the file to write.
        state: parameters by their names in transformers.
        config: config of the model.
        tokenizer: tokenizer of the model.
        name: what the file calls the model.
        base: GGUF file that training started from; None for other formats.

    Raises:
        UnsupportedModel: the model is not Llama or Qwen 2 or 3, or its tokenizer is unknown.
    """
    architecture = _ARCHITECTURES.get(config.model_type)
    if architecture is None:
        raise UnsupportedModel(
            f"GGUF files cannot be written for {config.model_type}, only for {', '.join(_ARCHITECTURES)}."
        )
    draft = path.with_name(path.name + ".new")
    writer = gguf.GGUFWriter(draft, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    if base is not None:
        _copy_facts(writer, base)
        _add_asking(writer, tokenizer)
    else:
        _add_sizes(writer, config)
        _add_tokenizer(writer, config, tokenizer)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for tensor_name, tensor in _tensors(state, config, names):
        writer.add_tensor(tensor_name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    draft.replace(path)


def _tensors(
    state: Mapping[str, torch.Tensor], config: PretrainedConfig, names: gguf.TensorNameMap
) -> Iterator[tuple[str, np.ndarray]]:
    for name, tensor in state.items():
        new_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if new_name is None:
            raise UnsupportedModel(f"GGUF has no place for the weights {name} of {config.model_type}.")
        values = tensor.detach().to("cpu", torch.float32).numpy()
        if config.model_type == "llama" and "self_attn.q_proj" in name:
            values = _paired(values, config.num_attention_heads)
        elif config.model_type == "llama" and "self_attn.k_proj" in name:
            values = _paired(values, config.num_key_value_heads)
        yield new_name, values.astype(np.float16) if values.ndim > 1 else values


def _paired(values: np.ndarray, heads: int) -> np.ndarray:
    """Reorder rows for llama.cpp's rotary embedding: transformers uses the halves of a head, llama.cpp pairs."""
    shape = values.shape
    return values.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def _copy_facts(writer: gguf.GGUFWriter, base: Path) -> None:
    for key, field in gguf.GGUFReader(base).fields.items():
        if key.startswith((*_IDENTITY, *_ASKING)):
            continue
        kind = field.types[0]
        writer.add_key_value(
            key, field.contents(), kind, sub_type=field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        )


def _add_sizes(writer: gguf.GGUFWriter, config: PretrainedConfig) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    head_width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_rope_dimension_count(head_width)
    writer.add_key_length(head_width)
    writer.add_value_length(head_width)
    rope = config.rope_parameters
    if rope.get("rope_type", "default") != "default":
        raise UnsupportedModel(f"GGUF files cannot be written for {rope['rope_type']} positions.")
    writer.add_rope_freq_base(rope["rope_theta"])


def _add_tokenizer(writer: gguf.GGUFWriter, config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    pre = _PRE_TOKENIZERS.get(config.model_type) or _PRE_TOKENIZER_BY_VOCABULARY.get(config.vocab_size)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if pre is None or model["type"] != "BPE":
        raise UnsupportedModel(
            "GGUF files cannot be written for this tokenizer, only for those of SmolLM, Qwen and Llama 3."
        )
    added = tokenizer.added_tokens_decoder
    words = {index: word for word, index in tokenizer.get_vocab().items()}
    tokens, kinds = [], []
    for index in range(config.vocab_size):
        tokens.append(words.get(index, f"[PAD{index}]"))
        kinds.append(_kind(index, words, added))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]])
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    _add_asking(writer, tokenizer)


def _add_asking(writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerBase) -> None:
    if tokenizer.eos_token_id is not None:
        writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(False)  # A template that begins with one writes it itself, as in training.
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _kind(index: int, words: Mapping[int, str], added: Mapping[int, Any]) -> gguf.TokenType:
    if index not in words:
        return gguf.TokenType.UNUSED
    if index not in added:
        return gguf.TokenType.NORMAL
    return gguf.TokenType.CONTROL if added[index].special else gguf.TokenType.USER_DEFINED
