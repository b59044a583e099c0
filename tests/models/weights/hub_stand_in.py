"""A stand-in for the model hub: repositories with files, as its API lists them and its addresses serve them."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What it holds, and how it behaves; tests change it while it runs."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Files by path, by ORG/REPO."""
    card: dict[str, Any] = field(default_factory=lambda: {"license": "apache-2.0"})
    gated: Any = False
    wrong_sha256: bool = False
    """Whether the list states another hash than the file has."""
    status: int = 200
    listing: bytes | None = None
    """Sent instead of a list."""
    seconds_per_block: float = 0.0
    url: str = ""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path and headers of each request."""

    def list(self, repo: str) -> dict[str, Any]:
        """The API's answer about a repository."""
        return {
            "id": repo,
            "sha": COMMIT,
            "gated": self.gated,
            "cardData": self.card,
            "siblings": [self._sibling(name, content) for name, content in self.repositories[repo].items()],
        }

    def _sibling(self, name: str, content: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {"rfilename": name, "size": len(content)}
        if name.endswith((".gguf", ".safetensors", ".bin")):
            sha256 = "0" * 64 if self.wrong_sha256 else hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
        return entry


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve(has_body=False)

    def do_GET(self) -> None:
        self._serve(has_body=True)

    def _serve(self, *, has_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.seen.append((self.command, path, {name.lower(): value for name, value in self.headers.items()}))
        if self.hub.status != 200:
            self._send(self.hub.status, b"refused", {}, has_body=has_body)
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/.+", path):
            known = found[1] in self.hub.repositories
            body = b"{}" if not known else self.hub.listing or json.dumps(self.hub.list(found[1])).encode()
            self._send(200 if known else 404, body, {"Content-Type": "application/json"}, has_body=has_body)
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            content = self.hub.repositories.get(found[1], {}).get(found[2])
            if content is None:
                self._send(404, b"", {}, has_body=has_body)
            else:
                self._send_file(content, has_body=has_body)
        else:
            self._send(404, b"", {}, has_body=has_body)

    def _send_file(self, content: bytes, *, has_body: bool) -> None:
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted:
            self._send(200, content, headers, has_body=has_body)
            return
        begin, end = int(wanted[1]), int(wanted[2] or len(content) - 1)
        headers["Content-Range"] = f"bytes {begin}-{min(end, len(content) - 1)}/{len(content)}"
        self._send(206, content[begin : end + 1], headers, has_body=has_body)

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, has_body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            for start in range(0, len(body) if has_body else 0, 1 << 20):
                self.wfile.write(body[start : start + (1 << 20)])
                time.sleep(self.hub.seconds_per_block)


@contextmanager
def serving_hub(hub: Hub) -> Iterator[Hub]:
    """Serve it on a free loopback port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
