"""A completions server that says how probable a target is after a reasoning, and samples to prune with it."""

import math
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.m1app.training.training_cases import a_sample, jsonl
from tests.models.engine.scripted_server import Script, chunk, reply_json

MODEL = "m1-7b-judge"
"""A name whose profile brings its own chat template."""
CHECK = "Wait, let me check the axis."
OTHER = "Alternatively, it is the thyroid."
SLIP = "Hmm, no, the medulla makes adrenaline."
REASONING = "\n\n".join(("Cortisol is a steroid.", CHECK, OTHER, "The cortex makes it.", SLIP, "So it is A."))
WEIGHTS = {CHECK: -0.1, OTHER: 0.0, SLIP: 0.5}
"""What each of these texts adds to the target's probability of 0.2."""


def judge(weights: Mapping[str, float] = WEIGHTS, gate: threading.Event | None = None, free: int = 0) -> Script:
    """A server for `serving`.

    Args:
        weights: text to what it adds to the target's probability.
        gate: a request waits for it.
        free: requests that do not wait.
    """
    listed = [{"id": MODEL, "owned_by": "vllm", "max_model_len": 100_000}]

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if gate and len(script.completions) > free:
            gate.wait(120)
        text = "".join(map(chr, body["prompt"]))
        thinking = text[text.rindex("<|im_start|>think") :]
        p = 0.2 + sum(weight for said, weight in weights.items() if said in thinking)
        logprobs = {"top_logprobs": [{"A": math.log(p), "B": math.log(0.01)}]}
        made = chunk("A", [65], "length", logprobs=logprobs)
        reply_json(handler, 200, made)

    script = Script(answer, models=listed)
    return script


def write_reasonings(folder: Path, count: int = 9, extra: str = "") -> Path:
    """A file of samples whose reasoning has three functional steps, and an open one."""
    samples = [
        a_sample(
            question=" ".join(f"{word}{n}" for word in ("Which", "gland", "of", "ward", "makes", "it", "and", "why"))
        )
        for n in range(count)
    ]
    rows = [sample.as_row() | {"reasoning": REASONING + extra} for sample in samples]
    rows.append(a_sample(options={}, target=None, question="Why?").as_row())
    path = folder / "reasonings.jsonl"
    path.write_bytes(jsonl(rows))
    return path
