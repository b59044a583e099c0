"""The training process, with FSDP on a CPU: `python -m tests.m1app.training.fsdp_on_cpu FOLDER` under a launcher.

accelerate only offers FSDP for GPUs, although PyTorch can shard parameters on a CPU too.
"""

import sys
from typing import Any

from accelerate.state import AcceleratorState, DistributedType, PartialState

from m1app.training.sft.__main__ import main


def allow_cpu() -> None:
    begin = AcceleratorState.__init__

    def begin_as_accelerator(self: AcceleratorState, *args: Any, **options: Any) -> None:
        if not AcceleratorState._shared_state:
            PartialState(cpu=True)
            PartialState._shared_state["distributed_type"] = DistributedType.MULTI_XPU
        begin(self, *args, **options)

    AcceleratorState.__init__ = begin_as_accelerator


if __name__ == "__main__":
    allow_cpu()
    sys.exit(main(sys.argv[1:]))
