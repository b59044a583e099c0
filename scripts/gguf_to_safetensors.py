"""Convert a GGUF file to a safetensors model directory, for vLLM or as the base of a QLoRA.

Run with the Python of .venv-vllm or .venv-train, which have transformers, torch and gguf:
`.venv-vllm/bin/python scripts/gguf_to_safetensors.py MODEL.gguf DIRECTORY`. Weights are dequantized to bfloat16;
the tokenizer and its chat template are included. An existing directory is left unchanged.
"""

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

_COMPLETE = "config.json"
"""Only present in a finished directory, which is renamed into place atomically."""
_log = logging.getLogger("gguf_to_safetensors")


def convert(gguf: Path, directory: Path) -> bool:
    """Write config, bfloat16 weights, tokenizer and chat template of `gguf` into `directory`.

    Returns:
        False if the directory already existed.

    Raises:
        FileNotFoundError: the GGUF file does not exist.
    """
    if not gguf.is_file():
        raise FileNotFoundError(f"GGUF file {gguf} not found. Download the model first.")
    if (directory / _COMPLETE).is_file():
        return False
    unfinished = directory.with_name(f"{directory.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    _save(gguf, unfinished)
    for file in unfinished.iterdir():
        file.chmod(0o644)  # safetensors makes its files readable only by their owner.
    unfinished.rename(directory)
    return True


def _save(gguf: Path, directory: Path) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"  # Everything needed is in the file.
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    source, name = gguf.absolute().parent, gguf.name
    AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(directory)
    # Without dequantize=True the weights stay packed in GGUF blocks and cannot be saved.
    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.save_pretrained(directory)


def main(arguments: Sequence[str]) -> int:
    """Convert as given on the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Make a safetensors model directory out of a GGUF file.")
    parser.add_argument("gguf", type=Path)
    parser.add_argument("directory", type=Path)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    try:
        was_made = convert(options.gguf, options.directory)
    except (OSError, ImportError, ValueError) as error:
        _log.error("%s", error)
        return 1
    _log.info("%s %s", options.directory, "was created" if was_made else "already exists")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
