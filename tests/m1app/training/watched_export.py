"""Trains, and reports how the export moved the weights, since a full GPU cannot be tested without one.

Run with the Python of .venv-train: `watched_export.py FOLDER`; the last line is JSON.
"""

import gc
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))


def main(path: str) -> None:
    import torch
    from peft import PeftModel

    from m1app.training.events import EventWriter
    from m1app.training.folder import TrainingFolder
    from m1app.training.sft import export, training
    from m1app.training.sft.stop_request import StopRequest

    whole: list[str] = []
    state: Counter[str] = Counter()
    seen: dict[str, Any] = {}
    merge, write, module_to, tensor_to = export._merged, export.write_gguf, torch.nn.Module.to, torch.Tensor.to

    def watched_module_to(self: Any, *where: Any, **more: Any) -> Any:
        if isinstance(self, PeftModel) or type(self).__name__ == "LlamaForCausalLM":
            whole.extend(map(str, where))
        return module_to(self, *where, **more)

    def watched_tensor_to(self: Any, *where: Any, **more: Any) -> Any:
        if sys._getframe(1).f_code.co_filename == export.__file__:
            state["to_the_cpu" if where[0] == "cpu" else "not_to_the_cpu"] += 1
        return tensor_to(self, *where, **more)

    def watched_merge(*given: Any) -> Any:
        torch.nn.Module.to, torch.Tensor.to = watched_module_to, watched_tensor_to
        try:
            return merge(*given)
        finally:
            torch.nn.Module.to, torch.Tensor.to = module_to, tensor_to

    def watched_write(*given: Any, **more: Any) -> None:
        seen["optimizers"] = sum(isinstance(each, torch.optim.Optimizer) for each in gc.get_objects())
        write(*given, **more)

    export._merged, export.write_gguf = watched_merge, watched_write
    folder = TrainingFolder(Path(path))
    training.train(
        folder, folder.recipe(), folder.run(), EventWriter(folder.progress_file), StopRequest(folder.stop_file)
    )
    counts = {name: state[name] for name in ("to_the_cpu", "not_to_the_cpu")}
    sys.stdout.write("\n" + json.dumps(seen | counts | {"whole_model": whole}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
