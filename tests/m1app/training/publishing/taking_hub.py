"""A stand-in for the hub that takes models: a local HTTP server with the answers that huggingface_hub 2.4 asks for."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

TOKEN = "hf_secretsecretsecret"
_REPO = r"(?P<repo>[^/]+/[^/]+)"
_LFS_SUFFIXES = (".safetensors", ".gguf")


@dataclass
class TakingHub:
    """What it is told to do, and what it got."""

    role: str = "write"
    """Of the token."""
    may_create: bool = True
    public: set[str] = field(default_factory=set)
    """Repositories that exist and are public."""
    url: str = ""
    private: set[str] = field(default_factory=set)
    """Private repositories, also those that were made."""
    files: dict[str, bytes] = field(default_factory=dict)
    """What was committed, by name."""
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    cards: list[str] = field(default_factory=list)
    """Cards whose front matter it was asked to check."""
    objects: dict[str, bytes] = field(default_factory=dict)
    """Large files by SHA-256."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> TakingHub:
        return self.server.hub  # type: ignore[attr-defined, no-any-return]

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, *args: object) -> None:
        """Keep the test's output quiet."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        self.hub.asked.append(f"{self.command} {path}")
        if path.startswith("/objects/"):
            self.hub.objects[path.removeprefix("/objects/")] = body
            return self._send({})
        self.hub.tokens.add(self.headers.get("Authorization", ""))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send({"error": "Invalid credentials"}, 401)
        for pattern, answer in _ANSWERS:
            if found := re.fullmatch(pattern, path):
                return answer(self, body, **found.groupdict())
        return self._send({"error": f"nothing at {path}"}, 404)

    def who(self, _: bytes) -> None:
        self._send({"name": "ada", "type": "user", "auth": {"accessToken": {"role": self.hub.role}}})

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        repo = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        if not self.hub.may_create:
            return self._send({"error": "You don't have the rights to create a model under this namespace"}, 403)
        url = f"{self.hub.url}/{repo}"
        if repo in self.hub.public | self.hub.private:
            return self._send({"error": "You already created this model repo", "url": url}, 409)
        (self.hub.private if asked.get("private") or asked.get("visibility") == "private" else self.hub.public).add(
            repo
        )
        return self._send({"url": url, "id": repo})

    def info(self, _: bytes, repo: str) -> None:
        if repo not in self.hub.public | self.hub.private:
            return self._send({"error": "Repository not found"}, 404)
        return self._send({"id": repo, "private": repo in self.hub.private, "sha": "0" * 40, "siblings": []})

    def preupload(self, body: bytes, repo: str) -> None:
        names = [each["path"] for each in json.loads(body)["files"]]
        modes = {name: "lfs" if name.endswith(_LFS_SUFFIXES) else "regular" for name in names}
        self._send({"files": [{"path": name, "uploadMode": modes[name], "shouldIgnore": False} for name in names]})

    def validate(self, body: bytes) -> None:
        self.hub.cards.append(json.loads(body)["content"])
        self._send({"errors": [], "warnings": []})

    def batch(self, body: bytes, repo: str) -> None:
        wanted = json.loads(body)["objects"]
        made = [{**each, "actions": {"upload": {"href": f"{self.hub.url}/objects/{each['oid']}"}}} for each in wanted]
        self._send({"transfer": "basic", "objects": made})

    def commit(self, body: bytes, repo: str) -> None:
        for line in body.decode().splitlines():
            row = json.loads(line)
            value = row["value"]
            if row["key"] == "file":
                self.hub.files[value["path"]] = base64.b64decode(value["content"])
            elif row["key"] == "lfsFile":
                self.hub.files[value["path"]] = self.hub.objects[value["oid"]]
        self._send({"success": True, "commitOid": "1" * 40, "commitUrl": f"{self.hub.url}/{repo}/commit/{'1' * 40}"})

    def _send(self, content: Any, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


_ANSWERS: list[tuple[str, Any]] = [
    ("/api/whoami-v2", _Handler.who),
    ("/api/repos/create", _Handler.create),
    ("/api/validate-yaml", _Handler.validate),
    (f"/api/models/{_REPO}/preupload/main", _Handler.preupload),
    (f"/api/models/{_REPO}/commit/main", _Handler.commit),
    (f"/api/models/{_REPO}", _Handler.info),
    (f"/{_REPO}.git/info/lfs/objects/batch", _Handler.batch),
]


@contextmanager
def serving_taking_hub(hub: TakingHub) -> Iterator[TakingHub]:
    """Serve it at `hub.url` until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.hub = hub  # type: ignore[attr-defined]
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
