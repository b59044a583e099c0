"""A server at the level of its socket: it can send what no HTTP server would, and as much of it as is taken."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.models.engine.scripted_server import chunk

Send = Callable[["Connection"], None]

MODELS = {"data": [{"id": "bad", "owned_by": "vllm", "max_model_len": 4096}]}
_GIVE_UP_SECONDS = 30.0
"""For a client that neither reads nor closes."""


@dataclass
class Connection:
    """One request and the socket to answer it on."""

    server: "BadEngine"
    socket: socket.socket
    head: str
    body: dict[str, Any]

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)
        self.server.sent_bytes += len(data)


@dataclass
class BadEngine:
    """What it answers at each path, and what came of it."""

    replies: dict[str, Send]
    url: str = ""
    sent_bytes: int = 0
    heads: list[str] = field(default_factory=list)
    """First lines and headers of the requests."""


def head(status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def send(*pieces: bytes) -> Send:
    """Send the pieces after a plain head, and close."""

    def respond(connection: Connection) -> None:
        for piece in (head(), *pieces):
            connection.send(piece)

    return respond


def send_raw(*pieces: bytes) -> Send:
    """Send the pieces as they are, and close."""

    def respond(connection: Connection) -> None:
        for piece in pieces:
            connection.send(piece)

    return respond


def endless(piece: bytes, *, begin: bytes = head()) -> Send:
    """Send `begin`, then `piece` until the client is gone."""

    def respond(connection: Connection) -> None:
        connection.send(begin)
        while True:
            connection.send(piece)

    return respond


def drip(piece: bytes, seconds: float, *, begin: bytes = head()) -> Send:
    """The same, slowly."""

    def respond(connection: Connection) -> None:
        connection.send(begin)
        while not threading.Event().wait(seconds):
            connection.send(piece)

    return respond


def event(content: Any) -> bytes:
    """One event of a stream; text is taken as it is."""
    return f"data: {content if isinstance(content, str) else json.dumps(content)}\n\n".encode()


DONE = event("[DONE]")


def events(*contents: Any) -> Send:
    """A whole stream of these events."""
    return send(*map(event, contents), DONE)


def reply(content: Any) -> Send:
    """A whole reply; text is taken as it is."""
    return send((content if isinstance(content, str) else json.dumps(content)).encode())


def _tokenize(connection: Connection) -> None:
    """Every character is a token; a chat template adds nothing to what is said."""
    said = "".join(message["content"] for message in connection.body.get("messages", ()))
    text = connection.body.get("prompt", connection.body.get("content", said))
    reply({"tokens": [ord(c) for c in text]})(connection)


def _detokenize(connection: Connection) -> None:
    reply({"prompt": "".join(map(chr, connection.body["tokens"]))})(connection)


GOOD: dict[str, Send] = {
    "/v1/models": reply(MODELS),
    "/version": reply({"version": "9.9"}),
    "/tokenize": _tokenize,
    "/detokenize": _detokenize,
    "/v1/completions": events(chunk("a", [1]), chunk("b", [2], "stop")),
}


@contextmanager
def misbehaving(**replies: Send) -> Iterator[BadEngine]:
    """Serve `GOOD` with these changes on a free loopback port: models, version, tokenize, completions, props."""
    paths = {name if name.startswith("/") else f"/{name}": each for name, each in replies.items()}
    for name in ("models", "completions"):
        if f"/{name}" in paths:
            paths[f"/v1/{name}"] = paths.pop(f"/{name}")
    engine = BadEngine(GOOD | paths)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        engine.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=_accept, args=(engine, listener), daemon=True)
        thread.start()
        try:
            yield engine
        finally:
            listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _accept(engine: BadEngine, listener: socket.socket) -> None:
    with suppress(OSError):  # the listener is closed
        while True:
            connected, _ = listener.accept()
            threading.Thread(target=_answer, args=(engine, connected), daemon=True).start()


def _answer(engine: BadEngine, connected: socket.socket) -> None:
    connected.settimeout(_GIVE_UP_SECONDS)
    with connected, suppress(OSError):
        first = _read_head(connected)
        lines, _, body = first.partition(b"\r\n\r\n")
        text = lines.decode()
        length = next((int(line[15:]) for line in text.lower().split("\r\n") if line.startswith("content-length:")), 0)
        while len(body) < length:
            body += connected.recv(65_536)
        engine.heads.append(text)
        respond = engine.replies.get(text.split(" ")[1], send_raw(head("404 Not Found", Content_Length="0")))
        respond(Connection(engine, connected, text, json.loads(body) if body else {}))


def _read_head(connected: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connected.recv(65_536)
        if not piece:
            raise ConnectionError
        received += piece
    return received
