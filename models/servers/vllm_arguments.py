"""Which further arguments of vLLM's server may be set by people who cannot otherwise change files of the machine.

Only those that run no code, read or write no file, open no port, and change neither address, key nor model. Whoever
starts the app can set any argument in `M1_VLLM_ARGS`. Names and values are those of vLLM 0.32; a test compares them
with the installed vLLM.
"""

import re
import shlex
from collections.abc import Sequence

from models.errors import ServerRefused

_WHOLE, _NONE = r"\d{1,12}", ""

ALLOWED = {
    "--block-size": _WHOLE,
    "--disable-custom-all-reduce": _NONE,
    "--disable-sliding-window": _NONE,
    "--async-scheduling": _NONE,
    "--no-async-scheduling": _NONE,
    "--enable-chunked-prefill": _NONE,
    "--no-enable-chunked-prefill": _NONE,
    "--enable-expert-parallel": _NONE,
    "--enforce-eager": _NONE,
    "--fully-sharded-loras": _NONE,
    "--generation-config": "auto|vllm",
    "--kv-cache-dtype": "auto|bfloat16|fp8|fp8_e4m3|fp8_e5m2",
    "--language-model-only": _NONE,
    "--load-format": "auto|safetensors",
    "--long-prefill-token-threshold": _WHOLE,
    "--max-cpu-loras": _WHOLE,
    "--max-logprobs": _WHOLE,
    "--max-lora-rank": _WHOLE,
    "--max-loras": _WHOLE,
    "--max-num-batched-tokens": _WHOLE,
    "--max-num-seqs": _WHOLE,
    "--optimization-level": "[0-3]",
    "--performance-mode": "balanced|interactivity|throughput",
    "--prefix-caching-hash-algo": "sha256|sha256_cbor|xxhash|xxhash_cbor",
    "--safetensors-load-strategy": "lazy|eager|prefetch",
    "--scheduling-policy": "fcfs|priority",
    "--seed": _WHOLE,
    "--stream-interval": _WHOLE,
}
"""By argument, the form of its value; empty for one without a value."""

_FIELDS = {
    "--dtype": "Number type",
    "--quantization": "Quantisation",
    "-q": "Quantisation",
    "--max-model-len": "Context",
    "--gpu-memory-utilization": "GPU memory",
    "--tensor-parallel-size": "Tensor parallel",
    "-tp": "Tensor parallel",
    "--data-parallel-size": "Data parallel",
    "-dp": "Data parallel",
    "--enable-prefix-caching": "Prefix caching",
    "--no-enable-prefix-caching": "Prefix caching",
    "--enable-lora": "LoRA",
    "--speculative-config": "N-gram speculation",
    "--model": "Model",
}
"""Arguments that have a field of their own."""
_MOST_CHARACTERS = 2000


def read_arguments(text: str) -> tuple[str, ...]:
    """Take typed arguments apart, and check each.

    Raises:
        ServerRefused: one is not allowed here, or has no such value; the message names it.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ServerRefused(
            f"More arguments has {len(text):,} characters; the limit is {_MOST_CHARACTERS:,}. Shorten it."
        )
    try:
        words = shlex.split(text)
    except ValueError as exc:
        raise ServerRefused(f"The further arguments cannot be taken apart ({exc}). Check the quotes.") from exc
    arguments: list[str] = []
    while words:
        flag, has_value, value = words.pop(0).partition("=")
        flag = _checked(flag)
        arguments.append(flag)
        if not ALLOWED[flag]:
            if has_value:
                raise ServerRefused(f"{flag} takes no value; remove what follows the equals sign.")
            continue
        value = value if has_value else _next(words)
        if not re.fullmatch(ALLOWED[flag], value, re.ASCII):
            raise ServerRefused(f"{flag} has the value {value[:60]!r}; expected {_form(ALLOWED[flag])}.")
        arguments.append(value)
    return tuple(arguments)


def _checked(written: str) -> str:
    # vLLM takes names with underscores, too.
    flag = written if not written.startswith("--") else "--" + written[2:].replace("_", "-")
    if flag in ALLOWED:
        return flag
    if flag in _FIELDS:
        raise ServerRefused(f"{written} has its own field: {_FIELDS[flag]}. Set it there.")
    if not written.startswith("-"):
        raise ServerRefused(f"{written[:60]!r} is not an argument; arguments start with --.")
    raise ServerRefused(
        f"{written[:60]} cannot be set here: only arguments that run no code, use no files and open no ports can. "
        "Whoever runs the machine can set it in M1_VLLM_ARGS."
    )


def _next(words: Sequence[str]) -> str:
    return words.pop(0) if isinstance(words, list) and words and not words[0].startswith("--") else ""


def _form(pattern: str) -> str:
    if pattern == _WHOLE:
        return "a whole number"
    if pattern == "[0-3]":
        return "0, 1, 2 or 3"
    return "one of " + ", ".join(pattern.split("|"))
