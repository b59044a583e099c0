"""What packing and grouping by length save: the same samples trained padded, packed and grouped, in turns.

The samples have 40 to 500 tokens, most of them few, as reasoning traces do; 8 a step in 2 parts. Rates are those of
`benchmarks.training`: tokens, without padding, per second of processor time and by the clock. Before that, it prints
the share of padding among all tokens, which follows from the lengths alone: `--turns 0` trains nothing.
"""

import argparse
import json
import math
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.report import add_json_option, describe, machine, middle, table
from benchmarks.training import ours, prepare
from m1app.settings import load_settings
from models.weights.catalog import Catalog
from models.weights.download import download

_WAYS: dict[str, dict[str, Any]] = {
    "padded": {},
    "packed": {"packing": True},
    "grouped": {"group_by_length": True},
}
_BY_PROCESSOR = "tokens/processor s"
_SHORTEST, _LONGEST = 40, 500
_STEP: dict[str, Any] = {"batch_size": 8, "gradient_accumulation": 2}


def rows_of_many_lengths(count: int) -> list[dict[str, Any]]:
    """Rendered samples whose lengths are evenly spread over a logarithmic scale; a word is about a token."""
    chosen = random.Random(0)
    lengths = [_length(chosen) for _ in range(count)]
    prompt = "<|im_start|>user\nWhat now?<|im_end|>\n<|im_start|>assistant\n"
    return [{"prompt": prompt, "completion": "fever " * (length - 20) + "<|im_end|>"} for length in lengths]


def shares(samples: int, parts: int) -> dict[str, float | int]:
    """Share of padding in 2,000 steps of samples of these lengths, padded and grouped; packed samples have none."""
    chosen = random.Random(0)
    padding, whole = {"padded": 0, "grouped": 0}, {"padded": 0, "grouped": 0}
    for _ in range(2000):
        step = [_length(chosen) for _ in range(samples)]
        for way, ordered in (("padded", step), ("grouped", sorted(step))):
            for start in range(0, samples, samples // parts):
                part = ordered[start : start + samples // parts]
                padding[way] += max(part) * len(part) - sum(part)
                whole[way] += max(part) * len(part)
    return {"samples": samples, "parts": parts} | {way: padding[way] / whole[way] for way in padding}


def _length(chosen: random.Random) -> int:
    return round(_SHORTEST * math.pow(_LONGEST / _SHORTEST, chosen.random()))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    add_json_option(parser)
    options = parser.parse_args()
    saved = [shares(8, 2), shares(16, 8)]
    if not options.turns:
        sys.stdout.write(json.dumps({"shares": saved}) + "\n" if options.json else f"{table(saved)}\n")
        return 0
    settings = load_settings()
    if not settings.train_python.is_file():
        sys.stdout.write("There is no .venv-train; run make train-env to measure the training.\n")
        return 0
    base = download(Catalog.load().get("smollm2-135m"), settings.models_directory)
    rows: list[dict[str, Any]] = []
    for turn in range(options.turns):
        with tempfile.TemporaryDirectory(prefix="m1-padding-") as place:
            for way in list(_WAYS)[:: 1 if turn % 2 == 0 else -1]:
                samples = rows_of_many_lengths(8 * options.steps)
                changes = _STEP | _WAYS[way]
                folder = prepare(Path(place) / way, base, options.steps, options.threads, rows=samples, **changes)
                rate = ours(folder, settings.train_python)
                rows.append(
                    {"turn": turn + 1, "way": way, "tokens/processor s": rate.processor, "tokens/s": rate.clock}
                )
    found = {way: middle([row[_BY_PROCESSOR] for row in rows if row["way"] == way]) for way in _WAYS}
    if options.json:
        sys.stdout.write(json.dumps({"machine": machine(), "shares": saved, "turns": rows, "ways": found}) + "\n")
        return 0
    said = "; ".join(f"{way} {found[way] / found['padded']:.2f}" for way in _WAYS)
    sys.stdout.write(
        f"{table(saved)}\n{table(rows)}\ntokens per second of a processor, over those of padded samples: {said}\n"
    )
    sys.stdout.write(describe(machine()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
