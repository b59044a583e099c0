"""What a repository of the model hub holds: its files with sizes and hashes, at one commit, before anything is fetched.

The hub's API is asked directly, because its library is offline in this process (see `hub_download`). What it sends is
read within limits and checked: it comes from whatever server stands at the address.
"""

import json
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2

from models.errors import DownloadError, SourceRefused, SourceUnreachable
from models.weights.gguf_check import GgufHeader, read_beginning
from models.weights.sources import parse_source

_SECONDS = 30.0
_MOST_BYTES = 8 << 20
_MOST_FILES = 5000
_HEADER_BYTES = 1 << 20
"""The numbers of an architecture stand before the vocabulary, which is several times as long."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"\w[\w./-]{0,100}", re.ASCII)
_QUANTISATION = re.compile(
    r"(?:^|[-._])((?:IQ\d|Q\d|TQ\d)(?:_[A-Z0-9]+)*|BF16|F16|F32|MXFP4)(?=[-._]|$)", re.IGNORECASE
)
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of a repository."""

    name: str
    """Path inside the repository."""
    size_bytes: int
    sha256: str
    """As the hub states it for this commit; empty for a small file, which the hub does not hash so."""

    @property
    def quantisation(self) -> str:
        """As the name says it, such as Q4_K_M; empty if it does not."""
        found = _QUANTISATION.search(self.name.rpartition("/")[2].removesuffix(".gguf"))
        return found[1].upper() if found else ""

    @property
    def is_part(self) -> bool:
        """Whether it is one of several files that make one model."""
        return bool(_PART.search(self.name))


@dataclass(frozen=True, slots=True)
class ListedRepository:
    """A repository at one commit."""

    repo: str
    """ORG/REPO."""
    commit: str
    """40 hexadecimal digits."""
    licence: str
    """As its page states it; empty if it does not."""
    is_gated: bool
    """Whether its licence must be accepted first."""
    has_pickles: bool
    """Whether it holds weights in a form that can run code when they are loaded."""
    weights_bytes: int
    """Of its safetensors files."""
    gguf_files: tuple[ListedFile, ...]


def list_repository(hub_url: str, repo: str, token: str = "", revision: str = "main") -> ListedRepository:
    """Ask the hub what a repository holds. Blocks, up to half a minute.

    Args:
        hub_url: address of the hub.
        repo: ORG/REPO.
        token: sent to the hub itself only; empty for none.
        revision: branch, tag or commit.

    Raises:
        SourceRefused: no such repository or revision, no access, or a reply that is none.
        SourceUnreachable: the hub does not answer.
    """
    try:
        parse_source(f"hf:{repo}")
    except ValueError:
        raise SourceRefused(f"{repo!r} is not the name of a hub repository. Enter it as ORGANIZATION/NAME.") from None
    if not _REVISION.fullmatch(revision):
        raise SourceRefused(f"{revision!r} is not a revision. Enter a branch, a tag or a commit.")
    page = f"{hub_url.rstrip('/')}/{repo}"
    address = f"{hub_url.rstrip('/')}/api/models/{repo}/revision/{quote(revision, safe='')}?blobs=true"
    with _answer(address, page, token) as (_, body):
        content = _json(body, page)
    return _read(content, repo, page)


def read_remote_header(hub_url: str, repo: str, commit: str, file: ListedFile, token: str = "") -> GgufHeader | None:
    """Read the beginning of a GGUF file on the hub; None if it does not say what is needed. Blocks and raises alike."""
    page = f"{hub_url.rstrip('/')}/{repo}"
    address = f"{page}/resolve/{commit}/{quote(file.name)}"
    with _answer(address, page, token, {"Range": f"bytes=0-{_HEADER_BYTES - 1}"}, is_cut=True) as (_, body):
        return read_beginning(body, file.size_bytes)


def read_remote_config(hub_url: str, repo: str, revision: str, token: str = "") -> bytes:
    """Read a repository's config.json. Blocks and raises as `list_repository`."""
    page = f"{hub_url.rstrip('/')}/{repo}"
    address = f"{page}/resolve/{quote(revision, safe='')}/config.json"
    with _answer(address, page, token) as (_, body):
        return body


@contextmanager
def _answer(
    address: str, page: str, token: str, headers: dict[str, str] | None = None, *, is_cut: bool = False
) -> Iterator[tuple[httpx2.Response, bytes]]:
    headers = {"Accept-Encoding": "identity", **(headers or {})}
    home = httpx2.URL(address)

    def keep_token_home(request: httpx2.Request) -> None:
        is_home = (request.url.scheme, request.url.host, request.url.port) == (home.scheme, home.host, home.port)
        if token and is_home:
            request.headers["authorization"] = f"Bearer {token}"
        else:
            request.headers.pop("authorization", None)

    client = httpx2.Client(
        event_hooks={"request": [keep_token_home]},
        follow_redirects=True,
        timeout=_SECONDS,
        verify=ssl.create_default_context(),
    )
    try:
        with client, client.stream("GET", address, headers=headers) as response:
            if response.status_code not in (200, 206):
                raise _refusal(response.status_code, page)
            yield response, _body(response, page, is_cut=is_cut)
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.TooManyRedirects) as exc:
        raise SourceRefused(f"{page}: {exc} Check the hub's address.") from exc
    except httpx2.HTTPError as exc:
        raise SourceUnreachable(
            f"{page}: the hub does not answer ({type(exc).__name__}). Check the network and the proxy settings, and "
            "try again."
        ) from exc


def _body(response: httpx2.Response, page: str, *, is_cut: bool) -> bytes:
    body, deadline = bytearray(), time.monotonic() + _SECONDS
    most = _HEADER_BYTES if is_cut else _MOST_BYTES
    for piece in response.iter_raw():
        body += piece
        if len(body) >= most:
            if is_cut:
                break
            raise SourceRefused(f"{page}: the hub sent more than {_MOST_BYTES:,} bytes for a list of files.")
        if time.monotonic() > deadline:
            raise SourceUnreachable(f"{page}: the hub did not answer within {_SECONDS:g} seconds. Try again.")
    return bytes(body[:most])


def _refusal(status: int, page: str) -> DownloadError:
    if status in (401, 403):
        return SourceRefused(
            f"{page}: access refused ({status}). If the repository exists, accept its licence there, and set "
            "M1_HUB_TOKEN to a token of that account."
        )
    if status in (404, 410):
        return SourceRefused(f"{page}: not found ({status}). Check the name of the repository and the revision.")
    if status == 429 or status >= 500:
        return SourceUnreachable(f"{page}: the hub answered {status}. Try again in a few minutes.")
    return SourceRefused(f"{page}: the hub answered {status}.")


def _json(body: bytes, page: str) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise SourceRefused(f"{page}: the reply is not the hub's. Check M1_HUB_URL.")
    return content


def _read(content: dict[str, Any], repo: str, page: str) -> ListedRepository:
    commit, siblings = content.get("sha"), content.get("siblings")
    if not (isinstance(commit, str) and _COMMIT.fullmatch(commit) and isinstance(siblings, list)):
        raise SourceRefused(f"{page}: the reply is not the hub's. Check M1_HUB_URL.")
    files = [file for each in siblings[:_MOST_FILES] if (file := _file(each)) is not None]
    card = content.get("cardData")
    licence = card.get("license") if isinstance(card, dict) else None
    return ListedRepository(
        repo=repo,
        commit=commit,
        licence=licence[:100] if isinstance(licence, str) else "",
        is_gated=bool(content.get("gated")),
        has_pickles=any(file.name.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt")) for file in files),
        weights_bytes=sum(file.size_bytes for file in files if file.name.endswith(".safetensors")),
        gguf_files=tuple(file for file in files if file.name.lower().endswith(".gguf")),
    )


def _file(entry: Any) -> ListedFile | None:
    """One entry of the list; None if it is no file that could be fetched."""
    if not isinstance(entry, dict):
        return None
    name, size, stored = entry.get("rfilename"), entry.get("size"), entry.get("lfs")
    if not isinstance(name, str) or type(size) is not int or size < 0:
        return None
    try:
        parse_source(f"hf:o/r:{name}")
    except ValueError:
        return None
    sha256 = stored.get("sha256") if isinstance(stored, dict) else None
    return ListedFile(name, size, sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else "")
