"""A stand-in for the Hugging Face hub: a local HTTP server with the few answers that `datasets` asks for.

Its addresses and headers are those that huggingface_hub 2.4 and datasets 5.2 were seen to use; the real hub does more.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_RESOLVE = re.compile(r"/datasets/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
_API = re.compile(r"/api/datasets/(?P<repo>[^/]+/[^/]+)(?:/(?P<what>revision|tree|paths-info)/(?P<rest>.+))?")


@dataclass
class HubStandIn:
    """Repositories, and what was asked."""

    repos: Mapping[str, Mapping[str, bytes]]
    """Repository name to its files."""
    token: str = ""
    """When there is one, requests without it find nothing."""
    url: str = ""
    asked: list[str] = field(default_factory=list)
    """Method and path of every request."""
    tokens: set[str] = field(default_factory=set)
    """Authorization headers that came."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> HubStandIn:
        return self.server.hub  # type: ignore[attr-defined, no-any-return]

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *args: object) -> None:
        """Keep the test's output quiet."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        authorization = self.headers.get("Authorization", "")
        self.hub.tokens.add(authorization)
        is_allowed = not self.hub.token or authorization == f"Bearer {self.hub.token}"
        if found := _RESOLVE.fullmatch(path):
            self._file(self._files(found["repo"], is_allowed), found["file"])
        elif found := _API.fullmatch(path):
            self._api(found, self._files(found["repo"], is_allowed), body)
        else:
            self._send(404, {"X-Error-Code": "RepoNotFound"}, b"")

    def _files(self, repo: str, is_allowed: bool) -> Mapping[str, bytes] | None:
        return self.hub.repos.get(repo) if is_allowed else None

    def _file(self, files: Mapping[str, bytes] | None, name: str) -> None:
        if files is None:
            self._send(401, {"X-Error-Code": "RepoNotFound"}, b"")
        elif name not in files:
            self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b"")
        else:
            content = files[name]
            headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
            if wanted:
                first, last = int(wanted[1]), min(int(wanted[2] or len(content) - 1), len(content) - 1)
                headers |= {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
                self._send(206, headers, content[first : last + 1])
            else:
                self._send(200, headers, content)

    def _api(self, found: re.Match[str], files: Mapping[str, bytes] | None, body: bytes) -> None:
        if files is None:
            self._send(401, {"X-Error-Code": "RepoNotFound"}, b'{"error": "Repository not found"}')
            return
        entries = [_entry(name, content) for name, content in files.items()]
        folders = sorted({name.rpartition("/")[0] for name in files if "/" in name})
        tree = [{"type": "directory", "path": folder, "oid": COMMIT, "size": 0} for folder in folders] + entries
        if found["what"] == "tree":
            _, _, under = found["rest"].partition("/")
            inside = [each for each in tree if str(each["path"]).startswith(f"{under}/" if under else "")]
            is_deep = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower() in ("true", "1")
            depth = under.count("/") + 1 if under else 0
            self._json([each for each in inside if is_deep or str(each["path"]).count("/") == depth])
        elif found["what"] == "paths-info":
            asked = json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode()).get("paths", [])
            self._json([each for each in tree if each["path"] in asked])
        else:
            siblings = [{"rfilename": name} for name in files]
            self._json(
                {"_id": "1", "id": found["repo"], "sha": COMMIT, "private": False, "gated": False, "disabled": False}
                | {"tags": [], "downloads": 0, "likes": 0, "siblings": siblings}
            )

    def _json(self, content: Any) -> None:
        self._send(200, {"Content-Type": "application/json", "X-Repo-Commit": COMMIT}, json.dumps(content).encode())

    def _send(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _entry(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}


@contextmanager
def serving_hub(repos: Mapping[str, Mapping[str, bytes]], token: str = "") -> Iterator[HubStandIn]:
    """A hub on a port of its own until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    hub = HubStandIn(repos, token, f"http://127.0.0.1:{server.server_port}")
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
