"""A completions server that does what a real one cannot be made to do: break off, refuse, talk garbage."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "scripted"

Respond = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


@dataclass
class Script:
    """The server's behaviour, and the requests it received."""

    completion: Respond
    owned_by: str = "vllm"
    models: list[dict[str, Any]] | None = None
    embeddings: Respond | None = None
    adapters: Respond | None = None
    """Loads and unloads LoRAs; None knows no such request, as vLLM without leave to."""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""
    is_over: bool = False

    @property
    def completions(self) -> list[dict[str, Any]]:
        return [body for path, body in self.requests if path == "/v1/completions"]


def reply_json(
    handler: BaseHTTPRequestHandler, status: int, content: Any, headers: dict[str, str] | None = None
) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def chunk(text: str, ids: list[int], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One streamed event in vLLM's form."""
    choice = {"index": 0, "text": text, "token_ids": ids, "finish_reason": finish, "logprobs": None, **more}
    return {"choices": [choice]}


def stream(*events: Any, is_whole: bool = True) -> Respond:
    """Stream the events; without `is_whole` the connection breaks after the last one.

    A request for a whole response gets the events in one.
    """

    def respond(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if not body.get("stream") and is_whole:
            reply_json(handler, 200, _together(events))
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for event in events:
            text = event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n"
            data = text.encode()
            handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            handler.wfile.flush()
        if is_whole:
            end = b"data: [DONE]\n\n"
            handler.wfile.write(f"{len(end):x}\r\n".encode() + end + b"\r\n0\r\n\r\n")
        handler.close_connection = True

    return respond


def _together(events: Sequence[Any]) -> Any:
    choices = [event["choices"][0] for event in events if isinstance(event, dict) and event.get("choices")]
    if not choices:
        return events[0] if events else {}
    last = {**choices[-1], "text": "".join(each.get("text") or "" for each in choices)}
    if all("token_ids" in each for each in choices):
        last["token_ids"] = [token for each in choices for token in each["token_ids"]]
    last["logprobs"] = next((each["logprobs"] for each in choices if each.get("logprobs")), None)
    return {"choices": [last]}


def fail(status: int, content: Any, headers: dict[str, str] | None = None) -> Respond:
    return lambda handler, _: reply_json(handler, status, content, headers)


def in_turn(*responds: Respond) -> Respond:
    """The first request gets the first response, ...; the last response repeats."""
    left = list(responds)
    return lambda handler, body: (left.pop(0) if len(left) > 1 else left[0])(handler, body)


def _spelled(token: int) -> str:
    return f" {token - 1000}" if token >= 1000 else chr(token)


def embedding_of(vector: Callable[[str], Sequence[float]]) -> Respond:
    """Answer with a vector for each text, the last one first."""

    def respond(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        data = [{"index": place, "embedding": list(vector(text))} for place, text in enumerate(body["input"])]
        reply_json(handler, 200, {"object": "list", "model": body["model"], "data": data[::-1]})

    return respond


@contextmanager
def serving(script: Script) -> Iterator[Script]:
    """Serve the script on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def parse_request(self) -> bool:
            # A server that is gone has no open connections either.
            self.close_connection = True
            return not script.is_over and super().parse_request()

        def do_GET(self) -> None:
            script.requests.append((self.path, {}))
            own = {"id": MODEL, "owned_by": script.owned_by, "max_model_len": 4096, "root": "org/m"}
            listing = script.models or [own]
            pages = {"/v1/models": {"data": listing}, "/version": {"version": "9.9"}, "/health": {"status": "well"}}
            content = pages.get(self.path)
            reply_json(self, 200 if content else 404, content or {"error": {"message": "no such page"}})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            script.requests.append((self.path, body | {"_authorization": self.headers.get("Authorization")}))
            if self.path == "/v1/completions":
                script.completion(self, body)
            elif self.path == "/v1/embeddings" and script.embeddings:
                script.embeddings(self, body)
            elif self.path in ("/v1/load_lora_adapter", "/v1/unload_lora_adapter") and script.adapters:
                script.adapters(self, body)
            elif self.path == "/tokenize":
                reply_json(self, 200, {"tokens": [ord(c) for c in body.get("prompt", body.get("content", ""))]})
            elif self.path == "/detokenize":
                reply_json(self, 200, {"prompt": "".join(map(_spelled, body["tokens"]))})
            else:
                reply_json(self, 404, {"error": {"message": "no such page"}})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        script.is_over = True
        server.shutdown()
        server.server_close()
