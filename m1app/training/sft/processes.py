"""What the processes of one training agree on."""

import torch
from transformers import TrainingArguments


def is_so_anywhere(is_so: bool, args: TrainingArguments) -> bool:
    """Whether it is so in any process; all must ask at the same point."""
    if args.world_size == 1:
        return is_so
    told = torch.tensor(int(is_so), device=args.device)
    torch.distributed.all_reduce(told, op=torch.distributed.ReduceOp.MAX)
    return bool(told.item())
