"""The training process, with answers by vLLM on a CPU: `python -m tests.m1app.training.grpo_on_cpu FOLDER`.

Recipes with vLLM are for a GPU. On a CPU, vLLM packs its weights for the processor's kernels when it has loaded them,
and cannot take over new ones afterwards: here it is kept from that.
"""

import sys

import vllm._custom_ops
import vllm.model_executor.layers.utils

from m1app.training.sft import arguments
from m1app.training.sft.__main__ import main


def allow_cpu() -> None:
    vllm._custom_ops._supports_onednn = False
    vllm.model_executor.layers.utils.check_cpu_sgl_kernel = lambda *_: False
    arguments._needs_gpu = lambda _: False


if __name__ == "__main__":
    allow_cpu()
    sys.exit(main(sys.argv[1:]))
