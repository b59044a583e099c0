"""One file over HTTP into a `.part` file: resumed, retried, and with the token kept at its own host.

The caller checks the bytes and renames the file. A partial file carries its ETag in a side file, so that a later
process continues only the same file (RFC 9110, Range and If-Range).
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from models.errors import DownloadError, SourceRefused, SourceUnreachable
from models.weights.download_progress import DownloadStage, ProgressMeter
from models.weights.weights_file import check_space, disk_access, write_block

MAX_REDIRECTS = 10
MAX_PAUSE_SECONDS = 60.0
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to insist when a connection breaks."""

    attempts: int = 6
    """In a row without getting on."""
    first_pause_seconds: float = 1.0
    """Doubles with each attempt, up to a minute."""
    progress_bytes: int = 1 << 20
    """This many new bytes give all attempts back."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """What to get, and where the token may go."""

    url: str
    page: str
    """Where a person reads about the file and accepts its licence."""
    token: str = field(default="", repr=False)
    """Sent as Bearer to the host of `url` only; empty for none."""
    size_bytes: int | None = None


class _Interrupted(Exception):
    """An attempt ended early, and another may get on."""

    def __init__(self, message: str, pause_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.pause_seconds = pause_seconds


class _StalePart(Exception):
    """The partial file does not belong to what the server has now; it was removed."""


def download(remote: RemoteFile, part: Path, meter: ProgressMeter, retry: RetryPolicy) -> None:
    """Fill `part` until the server says the file is complete.

    Raises:
        SourceUnreachable: no connection, or it kept breaking; `part` stays for the next time.
        SourceRefused: the server does not have the file or does not give it.
        NoDiskSpace: the rest does not fit.
    """
    failures, furthest = 0, size_of(part)
    timeout = httpx2.Timeout(30.0, read=60.0)
    with httpx2.Client(timeout=timeout, follow_redirects=False, verify=ssl.create_default_context()) as client:
        while True:
            try:
                return _attempt(client, remote, part, meter)
            except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as exc:
                raise SourceRefused(f"{remote.url}: {exc}. Check the hub's address.") from exc
            except (_Interrupted, _StalePart, httpx2.TransportError) as exc:
                gained = size_of(part) - furthest
                furthest = max(furthest, size_of(part))
                failures = 1 if gained >= retry.progress_bytes else failures + 1
                if failures >= retry.attempts:
                    raise _unreachable(remote, part, exc, failures) from exc
                meter.pause(_pause_seconds(exc, failures, retry))


def size_of(path: Path) -> int:
    """Bytes in a file; 0 when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def discard(part: Path) -> None:
    """Remove a partial file and its ETag."""
    with disk_access(part):
        part.unlink(missing_ok=True)
        _etag_file(part).unlink(missing_ok=True)


def _pause_seconds(exc: Exception, failures: int, retry: RetryPolicy) -> float:
    if isinstance(exc, _StalePart):
        return 0.0
    asked = exc.pause_seconds if isinstance(exc, _Interrupted) else 0.0
    return min(max(retry.first_pause_seconds * 2.0 ** (failures - 1), asked), MAX_PAUSE_SECONDS)


def _unreachable(remote: RemoteFile, part: Path, exc: Exception, failures: int) -> DownloadError:
    reason = str(exc) or type(exc).__name__
    return SourceUnreachable(
        f"{remote.url}: {reason} ({failures} attempts in a row). {size_of(part):,} bytes are kept and the next try "
        "continues from them. Check the network, the proxy settings and that the host is up."
    )


def _attempt(client: httpx2.Client, remote: RemoteFile, part: Path, meter: ProgressMeter) -> None:
    offset = size_of(part)
    if remote.size_bytes is not None and offset >= remote.size_bytes:
        if offset == remote.size_bytes:
            return
        discard(part)
        offset = 0
    with _open(client, remote, _range_headers(part, offset)) as response:
        _check_status(response, remote, part, offset)
        if response.status_code == 416:
            return
        _receive(response, remote, part, meter)


def _range_headers(part: Path, offset: int) -> dict[str, str]:
    # Ranges count bytes as sent, so the server must not compress.
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        etag = _read_etag(part)
        if etag and not etag.startswith("W/"):
            headers["If-Range"] = etag
    return headers


@contextmanager
def _open(client: httpx2.Client, remote: RemoteFile, headers: dict[str, str]) -> Iterator[httpx2.Response]:
    """Follow redirects by hand: the token goes to the origin it is for, and to no other."""
    url = home = httpx2.URL(remote.url)
    for _ in range(MAX_REDIRECTS):
        own = {"Authorization": f"Bearer {remote.token}"} if remote.token and _origin(url) == _origin(home) else {}
        with client.stream("GET", url, headers=headers | own) as response:
            if not response.has_redirect_location:
                yield response
                return
            url = url.join(response.headers["location"])
    raise SourceRefused(f"{remote.url}: more than {MAX_REDIRECTS} redirects. Check the hub's address.")


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _check_status(response: httpx2.Response, remote: RemoteFile, part: Path, offset: int) -> None:
    """Return when the body may be used (or, at 416, when nothing is missing); raise otherwise."""
    status = response.status_code
    if status == 416:
        _check_complete(response, part, offset)
    elif status == 206:
        _check_same_file(response, part, offset)
    elif status in _TRANSIENT:
        raise _Interrupted(f"the server answered {status}", _retry_after(response))
    elif status == 403 and _origin(response.url) != _origin(httpx2.URL(remote.url)):
        # A content host signs its links for a short time; asking the hub again gives a fresh one.
        raise _Interrupted(f"{response.url.host} answered 403")
    elif status != 200:
        raise _refusal(status, remote)


def _refusal(status: int, remote: RemoteFile) -> SourceRefused:
    if status in (401, 403):
        return SourceRefused(
            f"{remote.url}: access refused ({status}). Accept the licence at {remote.page} and set a hub token of "
            "that account; the hub answers the same for a repository that does not exist."
        )
    if status in (404, 410):
        return SourceRefused(
            f"{remote.url}: not found ({status}). Check repository, revision and file name of the catalog entry."
        )
    return SourceRefused(f"{remote.url}: the server answered {status}. Check the address, and see {remote.page}.")


def _check_complete(response: httpx2.Response, part: Path, offset: int) -> None:
    if response.headers.get("content-range", "") != f"bytes */{offset}":
        discard(part)
        raise _StalePart("the partial file is longer than the file")


def _check_same_file(response: httpx2.Response, part: Path, offset: int) -> None:
    kept, given = _read_etag(part), response.headers.get("etag", "")
    starts_right = re.match(rf"bytes {offset}-\d+/", response.headers.get("content-range", ""))
    if not starts_right or (kept and given and kept != given):
        discard(part)
        raise _StalePart("the server sent another range or another file than was asked for")


def _retry_after(response: httpx2.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0.0


def _receive(response: httpx2.Response, remote: RemoteFile, part: Path, meter: ProgressMeter) -> None:
    """Append a 206's body, or replace the partial file by a 200's."""
    if response.status_code == 200:
        discard(part)
        _write_etag(part, response.headers.get("etag", ""))
    offset = size_of(part)
    length = response.headers.get("content-length", "")
    total = offset + int(length) if length.isdigit() else remote.size_bytes
    check_space(part.parent, (total or offset) - offset)
    meter.start(DownloadStage.DOWNLOADING, offset, total)
    with disk_access(part):
        handle = part.open("ab", buffering=0)
    with handle:
        for block in response.iter_raw():
            write_block(handle, part, block)
            offset += len(block)
            if remote.size_bytes is not None and offset > remote.size_bytes:
                return  # More than the catalog says: the caller's size check names it.
            meter.advance(len(block))


def _etag_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _read_etag(part: Path) -> str:
    try:
        return _etag_file(part).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _write_etag(part: Path, etag: str) -> None:
    if etag.isascii() and etag:
        with disk_access(part):
            _etag_file(part).write_text(etag, encoding="ascii")
