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


@dataclass(frozen=True, slots=True)
class _Cache:
    """The key-value cache of one request, on each GPU."""

    bytes_per_token: int
    window_bytes_per_token: int
    """Of layers that keep the latest tokens only."""
    window_tokens: int

    def bytes_of(self, tokens: int) -> int:
        return self.bytes_per_token * tokens + self.window_bytes_per_token * min(tokens, self.window_tokens)

    def tokens_in(self, room: int) -> int:
        """The longest request that has room, in steps."""
        whole = self.bytes_per_token + self.window_bytes_per_token
        tokens = room // max(1, whole)
        if tokens > self.window_tokens:
            tokens = (room - self.window_bytes_per_token * self.window_tokens) // max(1, self.bytes_per_token)
        return tokens // _ROUND_TOKENS * _ROUND_TOKENS


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
    cache = _cache(shape, options, place)
    problems = [*_shape_problems(shape, options), *_count_problems(options, place)]
    if not problems and place.gpus:
        problems += _share_problems(weights, cache, context, shape, options, place)
        problems += _free_problems(options, place)
    elif not problems:
        problems += _cpu_problems(weights, cache, context, place)
    return Fit(tuple(problems), weights, cache.bytes_of(context or 0), context)


def _weights_bytes(shape: ModelShape, stored_bytes: int | None, options: VllmOptions, place: Place) -> int:
    dtype = options.dtype if options.dtype != "auto" else (shape.dtype if place.gpus else place.cpu_dtype)
    stored = stored_bytes if stored_bytes is not None else shape.parameters * shape.stored_bytes_each
    if shape.quantisation:
        return stored
    kind = options.quantisation if options.quantisation in _ONLINE else dtype
    return round(stored * _BYTES_OF[kind] / shape.stored_bytes_each)


def _cache(shape: ModelShape, options: VllmOptions, place: Place) -> _Cache:
    # Heads that do not divide are repeated on each GPU.
    share = min(options.tensor_parallel, shape.shared_heads)
    is_small = "--kv-cache-dtype fp8" in options.more.replace("=", " ")
    is_large = (options.dtype if options.dtype != "auto" else "" if place.gpus else place.cpu_dtype) == "float32"
    layer = shape.cache_values_per_layer * (1 if is_small else 4 if is_large else 2)
    full, windowed = (-(-layers * layer // share) for layers in (shape.full_layers, shape.windowed_layers))
    return _Cache(full, windowed, shape.window_tokens)


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


def _share_problems(
    weights: int, cache: _Cache, context: int | None, shape: ModelShape, options: VllmOptions, place: Place
) -> list[str]:
    """What does not fit vLLM's share of a GPU."""
    least = min(_used(options, place), key=lambda gpu: gpu.total_bytes)
    share = round(least.total_bytes * options.gpu_memory_share)
    cached = cache.bytes_of(context or 0)
    if weights + cached + _RUNTIME_BYTES <= share:
        return []
    return [
        f"It needs about {gib(weights + cached + _RUNTIME_BYTES)} on each GPU ({gib(weights)} weights, "
        f"{gib(cached)} for one request of {context or 0:,} tokens, {gib(_RUNTIME_BYTES)} for vLLM), but "
        f"{options.gpu_memory_share:.0%} of {least.name} are {gib(share)}. "
        + _advice(weights, cache, share - _RUNTIME_BYTES, options, _larger_parallel(shape, options, place))
    ]


def _free_problems(options: VllmOptions, place: Place) -> list[str]:
    """What other programs have taken of a GPU."""
    fullest = min(_used(options, place), key=lambda gpu: gpu.free_bytes - gpu.total_bytes)
    wanted = round(fullest.total_bytes * options.gpu_memory_share)
    if fullest.free_bytes >= wanted:
        return []
    fitting = int(fullest.free_bytes / fullest.total_bytes * 100) / 100
    return [
        f"{options.gpu_memory_share:.0%} of {fullest.name} are {gib(wanted)}, but only "
        f"{gib(fullest.free_bytes)} are free. Close programs that use the GPU, or set GPU memory to at most "
        f"{fitting:g}."
    ]


def _used(options: VllmOptions, place: Place) -> Sequence[GpuMemory]:
    return place.gpus[: options.tensor_parallel * options.data_parallel]


def _larger_parallel(shape: ModelShape, options: VllmOptions, place: Place) -> int | None:
    """The most GPUs among which the weights can be divided, if those are more than now."""
    most = len(place.gpus) // options.data_parallel
    return next((n for n in range(most, options.tensor_parallel, -1) if shape.heads % n == 0), None)


def _cpu_problems(weights: int, cache: _Cache, context: int | None, place: Place) -> list[str]:
    cached = cache.bytes_of(context or 0)
    if cached > place.cpu_cache_bytes:
        return [
            f"One request of {context or 0:,} tokens needs {gib(cached)} of key-value cache, and vLLM has "
            f"{gib(place.cpu_cache_bytes)} on the CPU. {_shorter(cache, place.cpu_cache_bytes)}"
        ]
    needed = weights + place.cpu_cache_bytes + _CPU_RUNTIME_BYTES
    if needed > place.free_bytes:
        return [
            f"It needs about {gib(needed)} of memory ({gib(weights)} weights, {gib(place.cpu_cache_bytes)} cache, "
            f"{gib(_CPU_RUNTIME_BYTES)} for vLLM), but only {gib(place.free_bytes)} are free. Choose a smaller model."
        ]
    return []


def _advice(weights: int, cache: _Cache, room: int, options: VllmOptions, parallel: int | None) -> str:
    """What would fit."""
    ways, least = [], cache.bytes_of(_LEAST_TOKENS)
    if room - weights >= least:
        ways.append(_shorter(cache, room - weights).rstrip("."))
    if not options.quantisation and weights // 2 + least <= room:
        ways.append("set Quantisation to fp8")
    if parallel and weights * options.tensor_parallel // parallel + cache.bytes_of(1) <= room:
        ways.append(f"set Tensor parallel to {parallel}")
    said = "; or ".join(ways) or "choose a smaller model, or weights that are stored with fewer bits"
    return f"{said[0].upper()}{said[1:]}."


def _shorter(cache: _Cache, room: int) -> str:
    tokens = cache.tokens_in(room)
    return f"Set Context to at most {tokens}." if tokens >= _ROUND_TOKENS else "Choose a smaller model."


def gib(size: int) -> str:
    """Bytes as \"1.5 GiB\", as nvidia-smi and vLLM count memory."""
    return f"{size / _GIB:.1f} GiB"


def said_gpus(gpus: Sequence[GpuMemory]) -> str:
    """The GPUs in words, such as "2 × NVIDIA H200"."""
    names = [gpu.name for gpu in gpus]
    return ", ".join(f"{names.count(n)} × {n}" if names.count(n) > 1 else n for n in dict.fromkeys(names))
