"""What people choose about the managed vLLM server; as its arguments, and as kept in a file."""

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import ServerRefused
from models.servers.vllm_arguments import read_arguments

_SPECULATION = {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4, "prompt_lookup_min": 2}
_LABELS = {
    "model": "Model",
    "dtype": "Number type",
    "quantisation": "Quantisation",
    "context_tokens": "Context",
    "gpu_memory_share": "GPU memory",
    "tensor_parallel": "Tensor parallel",
    "data_parallel": "Data parallel",
    "more": "Further arguments",
}

Dtype = Literal["auto", "bfloat16", "float16", "float32"]
Quantisation = Literal["", "fp8", "int8_per_channel_weight_only", "awq", "gptq", "compressed-tensors"]


class VllmOptions(BaseModel):
    """The options, with vLLM's own defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=1000)] = ""
    """Catalog id, hub repository of the catalog, or folder; empty if none was chosen."""
    dtype: Dtype = "auto"
    """Type of the weights and of what is computed."""
    quantisation: Quantisation = ""
    """Empty leaves the weights as they are stored."""
    context_tokens: Annotated[int, Field(ge=128, le=10_000_000)] | None = None
    """Prompt and completion together; None for the model's own."""
    gpu_memory_share: Annotated[float, Field(ge=0.05, le=1.0)] = 0.9
    """Of each GPU's memory; not used on a CPU."""
    tensor_parallel: Annotated[int, Field(ge=1, le=64)] = 1
    """GPUs that share the weights."""
    data_parallel: Annotated[int, Field(ge=1, le=64)] = 1
    """Copies of the model, each on GPUs of its own."""
    has_prefix_caching: bool = True
    has_lora: bool = False
    has_speculation: bool = False
    """Guess tokens from what was generated before."""
    more: str = ""
    """Further arguments, as typed; see `vllm_arguments`."""
    is_kept: bool = False
    """Whether the server goes on when the app ends."""

    def arguments(self, *, is_cpu: bool) -> tuple[str, ...]:
        """The arguments of vLLM's server; raises ServerRefused."""
        chosen: list[str] = []
        if self.dtype != "auto":
            chosen += ["--dtype", self.dtype]
        if self.quantisation:
            chosen += ["--quantization", self.quantisation]
        if self.context_tokens is not None:
            chosen += ["--max-model-len", str(self.context_tokens)]
        if not is_cpu:
            chosen += ["--gpu-memory-utilization", f"{self.gpu_memory_share:g}"]
        for flag, count in (("tensor", self.tensor_parallel), ("data", self.data_parallel)):
            chosen += [f"--{flag}-parallel-size", str(count)] if count > 1 else []
        chosen += [] if self.has_prefix_caching else ["--no-enable-prefix-caching"]
        chosen += ["--enable-lora"] if self.has_lora else []
        chosen += ["--speculative-config", json.dumps(_SPECULATION)] if self.has_speculation else []
        return (*chosen, *read_arguments(self.more))


def read_options(values: object) -> VllmOptions:
    """Options from outside.

    Raises:
        ServerRefused: a value is wrong; the message names the field and what goes there.
    """
    try:
        options = VllmOptions.model_validate(values)
    except ValidationError as exc:
        error = exc.errors()[0]
        name = str(error["loc"][0])[:60] if error["loc"] else "options"
        raise ServerRefused(f"{_LABELS.get(name, name)}: {error['msg']} (found {str(error['input'])[:60]!r}).") from exc
    read_arguments(options.more)
    return options
