"""Whether a model can fit: real models' numbers, on machines of several kinds."""

import re
from pathlib import Path
from typing import Any

import pytest

from models.servers.vllm_fit import GpuMemory, Place, estimate, said_gpus
from models.servers.vllm_options import VllmOptions
from models.weights.model_shape import NoShape, parse_config, read_folder, read_shape
from tests.models.servers.vllm_stand_in import write_folder

GIB = 1 << 30
# Of the published config.json of Qwen2.5-7B-Instruct, which m1-7B is tuned from, and of Qwen2.5-32B-Instruct.
QWEN_7B: dict[str, Any] = {
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18944,
    "vocab_size": 152064,
    "max_position_embeddings": 32768,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}
QWEN_32B = QWEN_7B | {
    "hidden_size": 5120,
    "num_hidden_layers": 64,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "intermediate_size": 27648,
}


def gpus(count: int, total_gib: int = 80, free_gib: float | None = None, name: str = "NVIDIA H100") -> Place:
    free = total_gib if free_gib is None else free_gib
    return Place((GpuMemory(name, total_gib * GIB, round(free * GIB)),) * count)


def problems(config: dict[str, Any], place: Place, stored: int | None = None, **options: Any) -> str:
    return " ".join(estimate(read_shape(config), stored, VllmOptions(**options), place).problems)


@pytest.mark.parametrize(("config", "billions"), [(QWEN_7B, 7.6), (QWEN_32B, 32.8)])
def test_parameters_are_those_of_the_published_models(config: dict[str, Any], billions: float) -> None:
    assert round(read_shape(config).parameters / 1e9, 1) == billions


def test_a_mixture_of_experts_counts_every_expert() -> None:
    # Qwen3-30B-A3B.
    config = {
        **{"hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4},
        **{"head_dim": 128, "intermediate_size": 6144, "moe_intermediate_size": 768, "num_experts": 128},
        **{"vocab_size": 151936, "tie_word_embeddings": False},
    }
    assert round(read_shape(config).parameters / 1e9, 1) == 30.5


def test_latent_attention_keeps_one_vector_a_token() -> None:
    shape = read_shape(QWEN_7B | {"kv_lora_rank": 512, "qk_rope_head_dim": 64})
    assert (shape.layers, shape.cache_values_per_layer) == (28, 576)


@pytest.mark.parametrize(
    ("changed", "windowed"),
    [
        ({"sliding_window": 1024, "sliding_window_pattern": 6}, 24),
        ({"sliding_window": 1024, "model_type": "gemma3_text"}, 24),
        ({"sliding_window": 128, "layer_types": ["sliding_attention", "full_attention"] * 14}, 14),
        ({"sliding_window": 4096}, 0),
        ({"sliding_window": 131072, "use_sliding_window": False, "sliding_window_pattern": 6}, 0),
        ({"sliding_window": None, "layer_types": ["full_attention"] * 28}, 0),
    ],
)
def test_layers_with_a_window_are_counted(changed: dict[str, Any], windowed: int) -> None:
    assert read_shape(QWEN_7B | changed).windowed_layers == windowed


def test_layers_with_a_window_need_no_cache_for_a_long_context() -> None:
    # The text part of MedGemma 4B; its weights are 8 GiB.
    config = {
        **{"model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 34, "num_attention_heads": 8},
        **{"num_key_value_heads": 4, "head_dim": 256, "intermediate_size": 10240, "vocab_size": 262208},
        **{"max_position_embeddings": 131072, "sliding_window": 1024, "tie_word_embeddings": True},
    }
    fit = estimate(read_shape(config), 8 * GIB, VllmOptions(), gpus(1, 24, name="NVIDIA L4"))
    assert (fit.problems, fit.cache_bytes) == ((), 2 * 4 * 256 * 2 * (5 * 131072 + 29 * 1024))
    said = problems(config, gpus(1, 12), 8 * GIB)
    context = int(re.search(r"Context to at most (\d+)", said)[1])  # type: ignore[index]
    assert problems(config, gpus(1, 12), 8 * GIB, context_tokens=context) == ""
    assert problems(config, gpus(1, 12), 8 * GIB, context_tokens=context + 256) != ""


def test_the_numbers_of_the_text_part_count() -> None:
    inner = {name: value for name, value in QWEN_7B.items() if name != "torch_dtype"}
    assert read_shape({"text_config": inner, "torch_dtype": "float16"}) == read_shape(
        QWEN_7B | {"torch_dtype": "float16"}
    )


def test_what_fits_has_no_problem() -> None:
    assert problems(QWEN_7B, gpus(1, 24)) == ""
    assert problems(QWEN_32B, gpus(1, 80)) == ""
    assert problems(QWEN_32B, gpus(2, 48), tensor_parallel=2) == ""


def test_the_message_says_the_numbers_and_what_would_fit() -> None:
    said = problems(QWEN_32B, gpus(2, 40))
    assert "needs about 70.0 GiB on each GPU (61.0 GiB weights, 8.0 GiB for one request of 32,768 tokens" in said
    assert "90% of NVIDIA H100 are 36.0 GiB" in said
    assert "fp8" in said
    assert "Tensor parallel to 2" in said
    assert problems(QWEN_32B, gpus(2, 40), quantisation="fp8") != ""
    assert problems(QWEN_32B, gpus(2, 40), quantisation="fp8", context_tokens=1024) == ""


def test_only_as_many_gpus_are_suggested_as_divide_the_heads() -> None:
    said = problems(QWEN_32B, gpus(3, 40))  # 40 heads
    assert "Tensor parallel to 2" in said
    assert "Tensor parallel" not in problems(QWEN_32B | {"num_attention_heads": 41}, gpus(3, 40))


def test_a_shorter_context_is_suggested_where_it_is_enough_and_then_fits() -> None:
    said = problems(QWEN_7B, gpus(1, 18))
    assert "Set Context to at most 18944" in said
    assert problems(QWEN_7B, gpus(1, 18), context_tokens=18944) == ""
    assert problems(QWEN_7B, gpus(1, 18), context_tokens=18944 + 256) != ""


def test_a_full_gpu_is_said_with_the_share_that_is_free() -> None:
    said = problems(QWEN_7B, gpus(1, 80, free_gib=40))
    assert "only 40.0 GiB are free" in said
    assert "set GPU memory to at most 0.5" in said
    assert problems(QWEN_7B, gpus(1, 80, free_gib=40), gpu_memory_share=0.5) == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tensor_parallel": 4}, "needs 4 GPUs; this machine has 2"),
        ({"tensor_parallel": 2, "data_parallel": 2}, "Tensor parallel 2 times data parallel 2 needs 4 GPUs"),
        ({"tensor_parallel": 3}, "28 attention heads, which cannot be divided among 3 GPUs.*1, 2, 4, 7, 14"),
        ({"context_tokens": 40_000}, "40,000 tokens is more than the model's own 32,768"),
        ({"quantisation": "awq"}, "not stored in awq.*choose fp8"),
    ],
)
def test_what_the_model_or_the_machine_lacks_is_said(options: dict[str, Any], words: str) -> None:
    assert re.search(words, problems(QWEN_7B, gpus(2, 80), **options))


def test_quantised_weights_count_as_they_are_stored() -> None:
    config = QWEN_32B | {"quantization_config": {"quant_method": "awq"}}
    assert problems(config, gpus(1, 40), stored=19 * GIB) == ""
    assert "already quantised (awq)" in problems(config, gpus(1, 80), stored=19 * GIB, quantisation="fp8")


def test_on_a_cpu_the_cache_and_the_memory_are_limits() -> None:
    place = Place(free_bytes=32 * GIB, cpu_cache_bytes=2 * GIB)
    assert problems(QWEN_7B, place) == ""
    assert "Set both to 1" in problems(QWEN_7B, place, tensor_parallel=2)
    said = problems(QWEN_7B, Place(free_bytes=32 * GIB, cpu_cache_bytes=1 * GIB))
    assert "needs 1.8 GiB of key-value cache" in said
    assert "Set Context to at most 18688" in said
    said = problems(QWEN_7B, Place(free_bytes=8 * GIB, cpu_cache_bytes=2 * GIB))
    assert "14.2 GiB weights" in said
    # A CPU that cannot multiply bfloat16 needs twice the memory for everything.
    slow = Place(free_bytes=32 * GIB, cpu_cache_bytes=4 * GIB, cpu_dtype="float32")
    assert "28.4 GiB weights" in problems(QWEN_7B, slow)
    assert problems(QWEN_7B, slow, dtype="bfloat16") == ""


def test_a_folder_is_measured(tmp_path: Path) -> None:
    shape, size = read_folder(write_folder(tmp_path / "m"))
    assert (shape.layers, size) == (2, 1000)
    (tmp_path / "m" / "model.safetensors").unlink()
    with pytest.raises(NoShape, match=r"no \.safetensors file"):
        read_folder(tmp_path / "m")


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"[" * 100_000, b'{"hidden_size": 1e3}', b'{"hidden_size": -5, "num_hidden_layers": true}'],
)
def test_a_configuration_that_says_nothing_is_none(content: bytes) -> None:
    with pytest.raises(NoShape):
        read_shape(parse_config(content))


def test_gpus_are_put_in_words() -> None:
    assert said_gpus(gpus(2).gpus) == "2 × NVIDIA H100"
    assert said_gpus((*gpus(1).gpus, *gpus(1, name="RTX 4090").gpus)) == "NVIDIA H100, RTX 4090"
