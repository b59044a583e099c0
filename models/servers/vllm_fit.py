"""Whether a vLLM server with these options can fit this machine, before minutes are spent on a start that fails. Pure.

An estimate: weights, plus the key-value cache of one request of the longest length, plus what vLLM itself takes. It is
meant to refuse what cannot fit, not to promise that something does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from models.servers.vllm_options import VllmOptions
from models.weights.model_shape import ModelShape

_GIB = 1 << 30
_RUNTIME_BYTES = 1 * _GIB
"""Of vLLM on each GPU beside weights and cache: activations and the CUDA context."""
_CPU_RUNTIME_BYTES = 1 * _GIB
_BYTES_OF = {"bfloat16": 2.0, "float16": 2.0, "float32": 4.0, "fp8": 1.0, "int8_per_channel_weight_only": 1.0}
_ONLINE = ("fp8", "int8_per_channel_weight_only")
"""Quantisations that vLLM computes while it loads; the others need weights that are stored so."""
_ROUND_TOKENS = 256
_LEAST_TOKENS = 1024
"""The shortest context that is suggested."""


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """One GPU."""

    name: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server would run."""

    gpus: tuple[GpuMemory, ...] = ()
    """Empty for vLLM's CPU build."""
    free_bytes: int = 0
    """Of the machine's memory; used without GPUs."""
    cpu_cache_bytes: int = 0
    """Key-value cache of the CPU build (VLLM_CPU_KVCACHE_SPACE)."""
    cpu_dtype: str = "bfloat16"
    """Number type that the CPU build uses if none is chosen."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What was estimated."""

    problems: tuple[str, ...]
    """Why it cannot run, and what would; empty if nothing speaks against it."""
    weights_bytes: int
    """On each GPU, or in the machine's memory."""
    cache_bytes: int
    """Of one request of the longest length, likewise."""
    context_tokens: int | None
    """The longest length; None if neither options nor model say one."""


def estimate(shape: ModelShape, stored_bytes: int | None, options: VllmOptions, place: Place) -> Fit:
    """Estimate what a server needs.

    Args:
        shape: the model.
        stored_bytes: of its files; None if they are not here.
        options: the chosen ones.
        place: the machine.
    """
    weights = _weights_bytes(shape, stored_bytes, options, place) // options.tensor_parallel
    context = options.context_tokens or shape.context_length
    per_token = _cache_bytes_per_token(shape, options, place)
    problems = [*_shape_problems(shape, options), *_count_problems(options, place)]
    if not problems:
        problems += _memory_problems(weights, per_token, context, options, place)
    return Fit(tuple(problems), weights, per_token * (context or 0), context)


def _weights_bytes(shape: ModelShape, stored_bytes: int | None, options: VllmOptions, place: Place) -> int:
    dtype = options.dtype if options.dtype != "auto" else (shape.dtype if place.gpus else place.cpu_dtype)
    stored = stored_bytes if stored_bytes is not None else shape.parameters * shape.stored_bytes_each
    if shape.quantisation:
        return stored
    kind = options.quantisation if options.quantisation in _ONLINE else dtype
    return round(stored * _BYTES_OF[kind] / shape.stored_bytes_each)


def _cache_bytes_per_token(shape: ModelShape, options: VllmOptions, place: Place) -> int:
    # Heads that do not divide are repeated on each GPU.
    share = min(options.tensor_parallel, shape.shared_heads)
    is_small = "--kv-cache-dtype fp8" in options.more.replace("=", " ")
    is_large = (options.dtype if options.dtype != "auto" else "" if place.gpus else place.cpu_dtype) == "float32"
    return -(-shape.cache_values_per_token * (1 if is_small else 4 if is_large else 2) // share)


def _shape_problems(shape: ModelShape, options: VllmOptions) -> list[str]:
    problems = []
    if shape.heads % options.tensor_parallel:
        fitting = [str(n) for n in range(1, 17) if shape.heads % n == 0]
        problems.append(
            f"The model has {shape.heads} attention heads, which cannot be divided among {options.tensor_parallel} "
            f"GPUs. Set Tensor parallel to one of: {', '.join(fitting)}."
        )
    if options.context_tokens and shape.context_length and options.context_tokens > shape.context_length:
        problems.append(
            f"A context of {options.context_tokens:,} tokens is more than the model's own {shape.context_length:,}. "
            f"Set Context to at most {shape.context_length}."
        )
    if options.quantisation and options.quantisation not in _ONLINE:
        if not shape.quantisation:
            problems.append(
                f"The weights are not stored in {options.quantisation}. Leave Quantisation as stored, choose fp8, or "
                f"choose a model whose weights are in {options.quantisation}."
            )
    elif options.quantisation and shape.quantisation and options.quantisation != shape.quantisation:
        problems.append(f"The weights are already quantised ({shape.quantisation}). Leave Quantisation as stored.")
    return problems


def _count_problems(options: VllmOptions, place: Place) -> list[str]:
    wanted, there = options.tensor_parallel * options.data_parallel, len(place.gpus)
    if not there and wanted > 1:
        return ["Tensor and data parallel are for GPUs, and vLLM runs on the CPU here. Set both to 1."]
    if there and wanted > there:
        return [
            f"Tensor parallel {options.tensor_parallel} times data parallel {options.data_parallel} needs {wanted} "
            f"GPUs; this machine has {there}. Set them so that their product is at most {there}."
        ]
    return []


def _memory_problems(
    weights: int, per_token: int, context: int | None, options: VllmOptions, place: Place
) -> list[str]:
    if not place.gpus:
        return _cpu_problems(weights, per_token, context, place)
    used = place.gpus[: options.tensor_parallel * options.data_parallel]
    least = min(used, key=lambda gpu: gpu.total_bytes)
    share = round(least.total_bytes * options.gpu_memory_share)
    cache = per_token * (context or 0)
    problems = []
    if weights + cache + _RUNTIME_BYTES > share:
        problems.append(
            f"It needs about {gib(weights + cache + _RUNTIME_BYTES)} on each GPU ({gib(weights)} weights, "
            f"{gib(cache)} for one request of {context or 0:,} tokens, {gib(_RUNTIME_BYTES)} for vLLM), but "
            f"{options.gpu_memory_share:.0%} of {least.name} are {gib(share)}. "
            + _advice(weights, per_token, share - _RUNTIME_BYTES, options, len(place.gpus))
        )
    fullest = min(used, key=lambda gpu: gpu.free_bytes - gpu.total_bytes)
    wanted = round(fullest.total_bytes * options.gpu_memory_share)
    if fullest.free_bytes < wanted:
        fitting = int(fullest.free_bytes / fullest.total_bytes * 100) / 100
        problems.append(
            f"{options.gpu_memory_share:.0%} of {fullest.name} are {gib(wanted)}, but only "
            f"{gib(fullest.free_bytes)} are free. End what uses the GPU, or set GPU memory to at most {fitting:g}."
        )
    return problems


def _cpu_problems(weights: int, per_token: int, context: int | None, place: Place) -> list[str]:
    cache = per_token * (context or 0)
    if cache > place.cpu_cache_bytes:
        return [
            f"One request of {context or 0:,} tokens needs {gib(cache)} of key-value cache, and vLLM has "
            f"{gib(place.cpu_cache_bytes)} on the CPU. {_shorter(place.cpu_cache_bytes, per_token)}"
        ]
    needed = weights + place.cpu_cache_bytes + _CPU_RUNTIME_BYTES
    if needed > place.free_bytes:
        return [
            f"It needs about {gib(needed)} of memory ({gib(weights)} weights, {gib(place.cpu_cache_bytes)} cache, "
            f"{gib(_CPU_RUNTIME_BYTES)} for vLLM), but {gib(place.free_bytes)} are free. Choose a smaller model."
        ]
    return []


def _advice(weights: int, per_token: int, room: int, options: VllmOptions, gpus: int) -> str:
    """What would fit."""
    ways = []
    if room - weights >= per_token * _LEAST_TOKENS:
        ways.append(_shorter(room - weights, per_token).rstrip("."))
    if not options.quantisation and weights // 2 + per_token * _LEAST_TOKENS <= room:
        ways.append("set Quantisation to fp8")
    more = gpus // options.data_parallel
    if more > options.tensor_parallel and weights * options.tensor_parallel // more + per_token <= room:
        ways.append(f"set Tensor parallel to {more}")
    said = "; or ".join(ways) or "choose a smaller model, or weights that are stored with fewer bits"
    return f"{said[0].upper()}{said[1:]}."


def _shorter(room: int, per_token: int) -> str:
    tokens = room // max(1, per_token) // _ROUND_TOKENS * _ROUND_TOKENS
    return f"Set Context to at most {tokens}." if tokens >= _ROUND_TOKENS else "Choose a smaller model."


def gib(size: int) -> str:
    """Bytes as \"1.5 GiB\", as nvidia-smi and vLLM count memory."""
    return f"{size / _GIB:.1f} GiB"


def said_gpus(gpus: Sequence[GpuMemory]) -> str:
    """The GPUs in words, such as "2 × NVIDIA H200"."""
    names = [gpu.name for gpu in gpus]
    return ", ".join(f"{names.count(n)} × {n}" if names.count(n) > 1 else n for n in dict.fromkeys(names))
