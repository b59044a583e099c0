"""An engine that responds instantly, in vLLM's format, to measure the app itself over thousands of probes."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.models.engine.scripted_server import Script, chunk, serving, stream

_MODEL = {"id": "smollm2-135m", "owned_by": "vllm", "max_model_len": 4096}


@contextmanager
def instant_engine() -> Iterator[str]:
    """Yield its address; every request gets its maximum number of tokens."""
    with serving(Script(_respond, models=[_MODEL], requests=_Forgotten())) as script:
        yield script.url


def _respond(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    last = body["max_tokens"] - 1
    stream(*[chunk(f" w{n}", [1000 + n], "length" if n == last else None) for n in range(last + 1)])(handler, body)


class _Forgotten(list[tuple[str, dict[str, Any]]]):
    """A list that discards requests."""

    def append(self, _: tuple[str, dict[str, Any]]) -> None:
        pass
