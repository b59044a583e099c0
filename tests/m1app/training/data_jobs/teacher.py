"""A completions server that names domains and answers questions, for jobs that ask about samples."""

import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.models.engine.scripted_server import Script, chunk, fail, reply_json

MODEL = "m1-7b-teacher"
"""A name whose profile brings its own chat template."""


def teacher(
    domain: Callable[[int], str] = lambda number: "drug therapy",
    answer: Callable[[int], str] = lambda number: "The answer is A.",
    thinking_end: Callable[[int], str] = lambda number: "stop",
    fails: Callable[[int], bool] = lambda number: False,
    gate: threading.Event | None = None,
) -> Script:
    """A server for `serving`; each function takes the number of the question that is asked ("adrenal7")."""
    listed = [{"id": MODEL, "owned_by": "vllm", "max_model_len": 100_000}]

    def respond(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        text = "".join(map(chr, body["prompt"]))
        number = int(re.findall(r"adrenal(\d+)", text)[0])
        if gate and number > 0:
            gate.wait(120)
        if fails(number):
            fail(500, {"error": "out of memory"})(handler, body)
            return
        if "[Subjects]" in text:
            said, finish = domain(number), "stop"
        elif "<|im_start|>answer" in text:
            said, finish = answer(number), "stop"
        else:
            said, finish = f"The cortex of ward {number} makes it.", thinking_end(number)
        reply_json(handler, 200, chunk(said, list(map(ord, said)), finish))

    return Script(respond, models=listed)
