"""One file of the Hugging Face hub into a `.part` file, through `huggingface_hub`.

The library takes address and offline mode from the environment when it is imported, and the app is offline to the hub.
So a file is downloaded in a separate process (`python -m models.weights.hub_download`, its request as JSON on standard
input), which ends with the process that started it. `hf_hub_download` itself deletes what it has when it is
interrupted, so the steps below it are used: `get_hf_file_metadata` and `http_get`, which resumes. Xet is disabled,
because it neither resumes after a kill nor shows its progress in the file.

The caller checks the bytes and renames the file. A side file stores a partial file's ETag and full size, so that a
later process only resumes the same file.
"""

import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx2

from models.errors import DownloadError, HashMismatch, NoDiskSpace, SourceRefused, SourceUnreachable
from models.weights.download_progress import DownloadStage, ProgressMeter
from models.weights.weights_file import check_space, disk_access, disk_error

DEFAULT_PATIENCE_SECONDS = 60.0
_ROOT = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.1
_CHUNK_BYTES = 1 << 16
"""The most that a broken connection or a kill can lose; the library's own 10 MiB would also make progress jump."""
_ERRORS = {
    error.__name__: error for error in (DownloadError, HashMismatch, NoDiskSpace, SourceRefused, SourceUnreachable)
}
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_MAX_PAUSE_SECONDS = 60.0
_MEMORY_BYTES = 1 << 30
"""Of the downloading process: the library reads refusals whole, and unpacks them."""
_REASON_CHARACTERS = 300
_REPORT_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class HubFile:
    """The file to download, and where the token may be sent."""

    hub_url: str
    repo: str
    """ORG/REPO."""
    file: str
    """Path inside the repository."""
    revision: str
    token: str = field(default="", repr=False)
    """Sent to the host of `hub_url` only; empty for none."""
    size_bytes: int | None = None
    """Size in the catalog; None if unknown."""

    @property
    def page(self) -> str:
        """Web page of the repository, where its licence can be accepted."""
        return f"{self.hub_url.rstrip('/')}/{self.repo}"

    def __str__(self) -> str:
        return f"{self.page} ({self.file})"


def download_hub_file(
    wanted: HubFile, part: Path, meter: ProgressMeter, patience_seconds: float = DEFAULT_PATIENCE_SECONDS
) -> None:
    """Download the file into `part`, resuming a partial download.

    Args:
        wanted: the file to download.
        part: the partial file; it stays when the download fails or is cancelled.
        meter: receives progress; an exception from its callback ends the download.
        patience_seconds: how long to retry while no new byte arrives.

    Raises:
        SourceUnreachable: no connection, or it kept breaking.
        SourceRefused: the hub does not have the file or refuses access to it.
        HashMismatch: the hub's file has a different size than the catalog's, or more bytes than the hub says.
        NoDiskSpace: the rest does not fit.
    """
    if wanted.size_bytes is not None and size_of(part) >= wanted.size_bytes:
        if size_of(part) == wanted.size_bytes:
            return
        discard(part)
    check_space(part.parent, (wanted.size_bytes or 0) - size_of(part))
    meter.start(DownloadStage.DOWNLOADING, size_of(part), wanted.size_bytes)
    # A file, because nobody reads a pipe while the process is running.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "models.weights.hub_download"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=_ROOT,
            env=_environment(wanted.hub_url),
        )
        try:
            _send_request(process, wanted, part)
            is_over = _watch(process, output, part, meter, wanted, patience_seconds)
        finally:
            process.kill()
            process.communicate()
        if not is_over or process.returncode != 0:
            raise _error(output, wanted, part, patience_seconds)


def size_of(path: Path) -> int:
    """Size of a file in bytes; 0 if it does not exist."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def discard(part: Path) -> None:
    """Remove a partial file and its side file."""
    with disk_access(part):
        part.unlink(missing_ok=True)
        _side_file(part).unlink(missing_ok=True)


def _environment(hub_url: str) -> dict[str, str]:
    """The process's environment: inherited, including proxies and certificates, except for M1_* and HF_* settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("M1_", "HF_"))}
    return inherited | {
        "PYTHONPATH": str(_ROOT),
        "HF_ENDPOINT": hub_url.rstrip("/"),
        "HF_HUB_OFFLINE": "0",
        "TRANSFORMERS_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "30",
        "HF_HUB_ETAG_TIMEOUT": "30",
        "HF_HUB_VERBOSITY": "critical",
    }


def _send_request(process: subprocess.Popen[bytes], wanted: HubFile, part: Path) -> None:
    """Standard input stays open: the process ends when it closes."""
    assert process.stdin is not None
    request = json.dumps(asdict(wanted) | {"part": str(part.absolute())})
    with suppress(BrokenPipeError):  # It has already ended, and its output says why.
        process.stdin.write(request.encode() + b"\n")
        process.stdin.flush()


def _watch(
    process: subprocess.Popen[bytes],
    output: IO[bytes],
    part: Path,
    meter: ProgressMeter,
    wanted: HubFile,
    patience_seconds: float,
) -> bool:
    """Report the growing file until the process ends; False if nothing arrived for too long."""
    total = wanted.size_bytes
    begun = furthest = size_of(part)
    last_growth = time.monotonic()
    while True:
        try:
            process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        else:
            meter.reach(size_of(part))
            return True
        size = size_of(part)
        if total is None and (total := _read_side_file(part).get("size_bytes")) is not None:
            meter.start(DownloadStage.DOWNLOADING, size, total)
        meter.reach(size)
        _check_growth(wanted, part, size - begun, total)
        has_begun = os.fstat(output.fileno()).st_size > 0
        if size > furthest or not has_begun:
            furthest, last_growth = max(size, furthest), time.monotonic()
        if time.monotonic() - last_growth > patience_seconds:
            return False


def _check_growth(wanted: HubFile, part: Path, arrived: int, total: int | None) -> None:
    """A body without a stated length has no end of its own, and would fill the disk."""
    if total is None:
        check_space(part.parent, 0)
    elif arrived > total:
        discard(part)
        raise HashMismatch(
            f"{wanted}: more than its {total:,} bytes arrived. Nothing was kept; check the hub's address."
        )


def _error(output: IO[bytes], wanted: HubFile, part: Path, patience_seconds: float) -> DownloadError:
    """The last thing the process reported; the last line of a crash is its message."""
    output.seek(max(0, os.fstat(output.fileno()).st_size - _REPORT_BYTES))
    line = output.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
    try:
        report = json.loads(line)
        kind, message = _ERRORS[report["error"]], str(report["message"])
    except (ValueError, KeyError, TypeError):
        kind, message = SourceUnreachable, f"{wanted}: {line or f'no new data for {patience_seconds:g} seconds'}."
    if kind is SourceUnreachable:
        if kept := size_of(part):
            message += f" {kept:,} bytes were kept, and the next attempt continues from there."
        message += " Check the network, the proxy settings and that the host is up."
    return kind(message)


def _side_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _read_side_file(part: Path) -> dict[str, Any]:
    """ETag and size of the file behind `part`; empty if unknown."""
    try:
        content = json.loads(_side_file(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


# The rest runs in the downloading process.


def main() -> int:
    """Download the file named by the request on standard input; return 1 on failure.

    Prints an empty line when it starts, and each error as a line of JSON.
    """
    request = json.loads(sys.stdin.readline())
    part = Path(request.pop("part"))
    threading.Thread(target=_end_with_owner, daemon=True).start()
    _limit_memory()
    try:
        _download(HubFile(**request), part)
    except DownloadError as exc:
        _report(exc)
        return 1
    except OSError as exc:
        _report(disk_error(part, exc))
        return 1
    except MemoryError:
        _report(SourceRefused("The hub sent a reply that does not fit into memory. Check the hub's address."))
        return 1
    return 0


def _limit_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(_MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _end_with_owner() -> None:
    sys.stdin.read()  # Returns when the process at the other end is gone, however it ended.
    os._exit(1)


def _report(error: DownloadError) -> None:
    sys.stdout.write(json.dumps({"error": type(error).__name__, "message": str(error)}) + "\n")
    sys.stdout.flush()


def _download(wanted: HubFile, part: Path) -> None:
    """Download, retrying temporary errors for as long as this process is alive."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.errors import HfHubHTTPError

    set_client_factory(lambda: _client(wanted.hub_url))
    sys.stdout.write("\n")
    sys.stdout.flush()
    pause_seconds = 0.5
    while True:
        asked_seconds = 0.0
        try:
            return _attempt(wanted, part)
        except HfHubHTTPError as exc:
            status, reason = exc.response.status_code, f"{exc.response.url.host} answered {exc.response.status_code}"
            # Content hosts sign links for a short time; asking the hub again gives a fresh one.
            is_expired_link = status == 403 and not _is_home(exc.response.url, wanted.hub_url)
            if status not in _TRANSIENT and not is_expired_link:
                raise _refusal(status, wanted) from exc
            retry_after = exc.response.headers.get("retry-after", "")
            asked_seconds = float(retry_after) if retry_after.isdecimal() else 0.0
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.TooManyRedirects) as exc:
            raise SourceRefused(f"{wanted}: {exc} Check the hub's address.") from exc
        except (httpx2.TransportError, _WrongLength) as exc:
            reason = " ".join(str(exc).split())[:_REASON_CHARACTERS] or type(exc).__name__
        _report(SourceUnreachable(f"{wanted}: {reason.rstrip('.')}."))
        time.sleep(min(max(pause_seconds, asked_seconds), _MAX_PAUSE_SECONDS))
        pause_seconds *= 2


class _WrongLength(Exception):
    """The body ended early or late without the connection breaking."""


def _attempt(wanted: HubFile, part: Path) -> None:
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get

    constants.DOWNLOAD_CHUNK_SIZE = _CHUNK_BYTES
    endpoint = wanted.hub_url.rstrip("/")
    url = hf_hub_url(wanted.repo, wanted.file, revision=wanted.revision, endpoint=endpoint)
    found = get_hf_file_metadata(url, token=wanted.token or False, endpoint=endpoint)
    if found.size is not None and wanted.size_bytes not in (None, found.size):
        discard(part)
        raise HashMismatch(
            f"{wanted}: the hub's file has {found.size:,} bytes, the catalog says {wanted.size_bytes:,}. "
            "It was not downloaded; correct the catalog entry."
        )
    size = found.size or wanted.size_bytes
    if _read_side_file(part).get("etag", found.etag) != found.etag or size_of(part) > (size or size_of(part)):
        discard(part)
    if size is not None:
        check_space(part.parent, size - size_of(part))
    _side_file(part).write_text(json.dumps({"etag": found.etag, "size_bytes": size}), encoding="utf-8")
    # Compressed downloads cannot be resumed.
    headers = {"accept-encoding": "identity"}
    if wanted.token:
        headers["authorization"] = f"Bearer {wanted.token}"
    with part.open("ab") as file:
        try:
            http_get(url, file, resume_size=size_of(part), headers=headers, expected_size=size)
        except OSError as exc:
            if exc.errno is None:  # How the library reports a length other than the expected one.
                raise _WrongLength(exc) from exc
            raise


def _refusal(status: int, wanted: HubFile) -> SourceRefused:
    if status in (401, 403):
        return SourceRefused(
            f"{wanted}: access refused ({status}). Accept the licence at {wanted.page} and set a hub token of that "
            "account; the hub answers the same for a repository that does not exist."
        )
    if status in (404, 410):
        return SourceRefused(
            f"{wanted}: not found ({status}). Check repository, revision and file name of the catalog entry."
        )
    return SourceRefused(f"{wanted}: the server answered {status}. Check the address, and see {wanted.page}.")


def _client(hub_url: str) -> httpx2.Client:
    """The library's client, with the system's certificates, and the token kept to the hub's own host."""

    def keep_token_home(request: httpx2.Request) -> None:
        if not _is_home(request.url, hub_url):
            request.headers.pop("authorization", None)

    return httpx2.Client(
        event_hooks={"request": [keep_token_home]},
        follow_redirects=True,
        timeout=None,
        verify=ssl.create_default_context(),
    )


def _is_home(url: httpx2.URL, hub_url: str) -> bool:
    home = httpx2.URL(hub_url)
    return (url.scheme, url.host, url.port) == (home.scheme, home.host, home.port)


if __name__ == "__main__":
    sys.exit(main())
