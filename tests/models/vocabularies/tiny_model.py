"""A Llama of two layers with random weights over a real vocabulary, for llama.cpp and for vLLM.

The head is random too, except that some tokens are followed by others for certain: so a model that knows nothing ends
its thinking and its answer where a test wants it to.
"""

import json
import shutil
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tests.models.vocabularies.real_vocabulary import Vocabulary

CONTEXT_LENGTH = 1024
_WIDTH, _HEADS, _KEY_HEADS, _HEAD_WIDTH, _LAYERS = 64, 2, 1, 32, 2  # vLLM on a CPU knows no smaller heads.
_EPSILON, _ROPE = 1e-5, 10_000.0
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6
_PRE_TOKENIZERS = {"qwen3": "qwen2", "llama3_1": "llama-bpe", "deepseek_v3": "deepseek-v3"}
_ALIGNMENT = 32

Weights = dict[str, np.ndarray]


def make_weights(vocabulary_size: int, followers: Mapping[int, int]) -> Weights:
    """Random weights by their names in transformers.

    Args:
        vocabulary_size: tokens.
        followers: for some tokens, the one that always comes next.
    """
    random = np.random.default_rng(0)

    def matrix(rows: int, columns: int, size: float = 0.02) -> np.ndarray:
        return random.standard_normal((rows, columns), dtype=np.float32) * np.float32(size)

    embedding = matrix(vocabulary_size, _WIDTH, 1.0)
    head = matrix(vocabulary_size, _WIDTH)
    for token, follower in followers.items():
        head[follower] += embedding[token] / 4
    weights = {"model.embed_tokens.weight": embedding, "lm_head.weight": head}
    weights["model.norm.weight"] = np.ones(_WIDTH, np.float32)
    for layer in range(_LAYERS):
        for name, shape in {
            "self_attn.q_proj": (_HEADS * _HEAD_WIDTH, _WIDTH),
            "self_attn.k_proj": (_KEY_HEADS * _HEAD_WIDTH, _WIDTH),
            "self_attn.v_proj": (_KEY_HEADS * _HEAD_WIDTH, _WIDTH),
            "self_attn.o_proj": (_WIDTH, _HEADS * _HEAD_WIDTH),
            "mlp.gate_proj": (_WIDTH, _WIDTH),
            "mlp.up_proj": (_WIDTH, _WIDTH),
            "mlp.down_proj": (_WIDTH, _WIDTH),
        }.items():
            weights[f"model.layers.{layer}.{name}.weight"] = matrix(*shape)
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights[f"model.layers.{layer}.{name}.weight"] = np.ones(_WIDTH, np.float32)
    return weights


def write_folder(folder: Path, vocabulary: Vocabulary, weights: Weights) -> None:
    """Write what vLLM loads: config, tokenizer with its chat template, safetensors."""
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(vocabulary.directory / name, folder / name)
    (folder / "config.json").write_text(json.dumps(_config(vocabulary)), encoding="utf-8")
    header: dict[str, Any] = {}
    position = 0
    contents = {name: values.astype("<f2").tobytes() for name, values in weights.items()}
    for name, content in contents.items():
        end = position + len(content)
        header[name] = {"dtype": "F16", "shape": weights[name].shape, "data_offsets": [position, end]}
        position = end
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(contents.values())


def _config(vocabulary: Vocabulary) -> dict[str, Any]:
    (eos,) = vocabulary.encode(vocabulary.token("eos_token"))
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary.size,
        "hidden_size": _WIDTH,
        "intermediate_size": _WIDTH,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": _KEY_HEADS,
        "head_dim": _HEAD_WIDTH,
        "max_position_embeddings": CONTEXT_LENGTH,
        "rms_norm_eps": _EPSILON,
        "rope_theta": _ROPE,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "eos_token_id": eos,
    }


def write_gguf(path: Path, vocabulary: Vocabulary, weights: Weights) -> None:
    """Write what llama.cpp loads, with the vocabulary as llama.cpp's own converter writes it."""
    tensors = {_gguf_name(name): _gguf_values(name, values) for name, values in weights.items()}
    pairs = _sizes(vocabulary) | _tokenizer(vocabulary)
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)))
        for key, value in pairs.items():
            _write_text(file, key)
            _write_value(file, value)
        position = 0
        for name, values in tensors.items():
            _write_text(file, name)
            file.write(struct.pack(f"<I{values.ndim}Q", values.ndim, *reversed(values.shape)))
            file.write(struct.pack("<IQ", 1 if values.dtype == np.float16 else 0, position))
            position += _padded(values.nbytes)
        file.write(bytes(-file.tell() % _ALIGNMENT))
        for values in tensors.values():
            file.write(values.tobytes() + bytes(-values.nbytes % _ALIGNMENT))


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _gguf_name(name: str) -> str:
    for found, instead in {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "lm_head": "output",
        "model.layers.": "blk.",
        "self_attn.o_proj": "attn_output",
        "self_attn.": "attn_",
        "mlp.": "ffn_",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "_proj": "",
    }.items():
        name = name.replace(found, instead)
    return name


def _gguf_values(name: str, values: np.ndarray) -> np.ndarray:
    if values.ndim == 1:
        return values
    if "q_proj" in name or "k_proj" in name:
        # llama.cpp rotates pairs of numbers, transformers the halves of a head.
        values = values.reshape(-1, 2, _HEAD_WIDTH // 2, _WIDTH).swapaxes(1, 2).reshape(values.shape)
    return values.astype(np.float16)


def _sizes(vocabulary: Vocabulary) -> dict[str, Any]:
    return {
        "general.architecture": "llama",
        "general.name": f"tiny {vocabulary.name}",
        "llama.block_count": _LAYERS,
        "llama.context_length": CONTEXT_LENGTH,
        "llama.embedding_length": _WIDTH,
        "llama.feed_forward_length": _WIDTH,
        "llama.attention.head_count": _HEADS,
        "llama.attention.head_count_kv": _KEY_HEADS,
        "llama.attention.layer_norm_rms_epsilon": _EPSILON,
        "llama.rope.dimension_count": _HEAD_WIDTH,
        "llama.rope.freq_base": _ROPE,
        "llama.vocab_size": vocabulary.size,
    }


def _tokenizer(vocabulary: Vocabulary) -> dict[str, Any]:
    words = {index: word for word, index in vocabulary.description["model"]["vocab"].items()}
    is_pieces = vocabulary.description["model"]["byte_fallback"]
    words |= {each["id"]: _added_word(each) for each in vocabulary.added}
    pairs: dict[str, Any] = {
        "tokenizer.ggml.model": "llama" if is_pieces else "gpt2",
        "tokenizer.ggml.tokens": [words.get(index, f"[PAD{index}]") for index in range(vocabulary.size)],
        "tokenizer.ggml.token_type": _token_types(vocabulary, words),
        "tokenizer.ggml.add_bos_token": vocabulary.begins_texts,
        "tokenizer.chat_template": vocabulary.config["chat_template"],
    }
    if is_pieces:
        # Pieces are numbered in the order in which they are merged, and the score puts the first one first.
        pairs["tokenizer.ggml.scores"] = np.arange(0, -vocabulary.size, -1, dtype=np.float32)
        pairs["tokenizer.ggml.pre"] = "default"
        pairs["tokenizer.ggml.add_space_prefix"] = False
    else:
        pairs["tokenizer.ggml.pre"] = _PRE_TOKENIZERS[vocabulary.name]
        merges = vocabulary.description["model"]["merges"]
        pairs["tokenizer.ggml.merges"] = [each if isinstance(each, str) else " ".join(each) for each in merges]
    for name in ("bos", "eos"):
        if spelled := vocabulary.token(f"{name}_token"):
            (pairs[f"tokenizer.ggml.{name}_token_id"],) = vocabulary.encode(spelled)
    return pairs


def _token_types(vocabulary: Vocabulary, words: Mapping[int, str]) -> list[int]:
    added = {each["id"]: each for each in vocabulary.added}
    return [_token_type(words.get(index), added.get(index)) for index in range(vocabulary.size)]


def _is_control(added: Mapping[str, Any]) -> bool:
    """As `does_token_look_special` of llama.cpp's convert_hf_to_gguf.py."""
    word = added["content"]
    return added["special"] or (word.startswith(("<|", "<｜", "<unused")) and word.endswith(">"))


def _added_word(added: Mapping[str, Any]) -> str:
    return str(added["content"] if _is_control(added) else added["content"].replace("▁", " "))


def _token_type(word: str | None, added: Mapping[str, Any] | None) -> int:
    if word is None:
        return _UNUSED
    if added is not None:
        return _CONTROL if _is_control(added) else _USER_DEFINED
    return _BYTE if len(word) == 6 and word.startswith("<0x") else _NORMAL


def _write_value(file: BinaryIO, value: Any) -> None:
    match value:
        case bool():
            file.write(struct.pack("<I?", 7, value))
        case int():
            file.write(struct.pack("<II", 4, value))
        case float():
            file.write(struct.pack("<If", 6, value))
        case str():
            file.write(struct.pack("<I", 8))
            _write_text(file, value)
        case np.ndarray():
            file.write(struct.pack("<IIQ", 9, 6, len(value)) + value.astype("<f4").tobytes())
        case [int(), *_]:
            file.write(struct.pack("<IIQ", 9, 5, len(value)) + np.array(value, "<i4").tobytes())
        case _:
            file.write(struct.pack("<IIQ", 9, 8, len(value)))
            _write_texts(file, value)


def _write_texts(file: BinaryIO, texts: Iterable[str]) -> None:
    for text in texts:
        _write_text(file, text)


def _write_text(file: BinaryIO, text: str) -> None:
    content = text.encode()
    file.write(struct.pack("<Q", len(content)) + content)
