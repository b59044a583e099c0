"""A real HTTP server in place of the hub, for download tests: it can simulate network failures.

It answers what `huggingface_hub` asks of the hub for one file: HEAD for its commit, ETag and size, and GET by range.
"""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """The server's behaviour; tests change it while it runs."""

    content: bytes
    etag: str = '"v1"'
    has_ranges: bool = True
    sends_other_range: bool = False
    """Whether a 206 begins at the start of the file, whatever was asked for."""
    statuses: list[int] = field(default_factory=list)
    """Answered first, one per request; 0 answers properly."""
    drops: list[int] = field(default_factory=list)
    """Body bytes after which the connection breaks, one per request."""
    redirect_to: str = ""
    is_endless: bool = False
    """Whether the body has no stated length and no end."""
    headers: dict[str, str] = field(default_factory=dict)
    seconds_per_block: float = 0.0


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""


class WeightsServer:
    """The server's address, its behaviour and what it was asked."""

    def __init__(self, behaviour: Behaviour, port: int) -> None:
        self.behaviour = behaviour
        self.seen: list[Seen] = []
        self.url = f"http://127.0.0.1:{port}"

    @property
    def downloads(self) -> list[Seen]:
        """Requests for the file itself."""
        return [seen for seen in self.seen if seen.method == "GET"]

    @property
    def ranges(self) -> list[str]:
        return [seen.headers.get("range", "") for seen in self.downloads]


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[WeightsServer]:
    httpd = _QuietServer(("127.0.0.1", 0), _Handler)
    httpd.daemon_threads = True
    httpd.weights = server = WeightsServer(behaviour, httpd.server_port)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Some tests disconnect on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._respond()

    def do_GET(self) -> None:
        self._respond()

    def _respond(self) -> None:
        server: WeightsServer = self.server.weights
        headers = {name.lower(): value for name, value in self.headers.items()}
        server.seen.append(Seen(self.command, self.path, headers))
        behaviour = server.behaviour
        status = behaviour.statuses.pop(0) if behaviour.statuses else 0
        if status:
            self._answer(status, b"no", behaviour.headers)
        elif behaviour.redirect_to:
            self._answer(302, b"", {"Location": behaviour.redirect_to + self.path} | self._about_the_file(behaviour))
        else:
            self._send_content(behaviour)

    def _about_the_file(self, behaviour: Behaviour) -> dict[str, str]:
        """What the hub says about a file, also where it redirects to another host for the bytes."""
        size = {"X-Linked-Size": str(len(behaviour.content))} if behaviour.content else {}
        etag = {"ETag": behaviour.etag, "X-Linked-ETag": behaviour.etag} if behaviour.etag else {}
        return {"X-Repo-Commit": "c" * 40} | size | etag

    def _send_content(self, behaviour: Behaviour) -> None:
        content, total = behaviour.content, len(behaviour.content)
        start = self._range_start(behaviour)
        if start is not None and start >= total:
            return self._answer(416, b"", {"Content-Range": f"bytes */{total}"})
        headers = self._about_the_file(behaviour)
        if behaviour.is_endless and self.command == "GET":
            return self._send_without_end(headers)
        if start is None:
            return self._answer(200, content, headers)
        start = 0 if behaviour.sends_other_range else start
        headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        return self._answer(206, content[start:], headers)

    def _send_without_end(self, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in (headers | {"Connection": "close"}).items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):
            while True:
                self.wfile.write(bytes(16_384))
                time.sleep(self.server.weights.behaviour.seconds_per_block)

    def _range_start(self, behaviour: Behaviour) -> int | None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(asked[1]) if asked and behaviour.has_ranges else None

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        behaviour: Behaviour = self.server.weights.behaviour
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        limit = behaviour.drops.pop(0) if status in (200, 206) and behaviour.drops else len(body)
        for at in range(0, min(limit, len(body)), 16_384):
            time.sleep(behaviour.seconds_per_block)
            self.wfile.write(body[at : min(at + 16_384, limit)])
        if limit < len(body):
            self.wfile.flush()
            self.close_connection = True
