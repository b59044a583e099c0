import collections
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import DownloadError, HashMismatch, NoDiskSpace, SourceRefused
from models.weights.download import download, is_downloaded, local_path, main
from models.weights.download_progress import DownloadProgress, DownloadStage
from models.weights.sources import FileSource, HubSource
from tests.models.weights.weights_cases import CONTENT, ROOT, TOKEN, files_in, get, model, part_of, sha256
from tests.models.weights.weights_server import Behaviour, WeightsServer, serving


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serving(Behaviour(CONTENT)) as running:
        yield running


def test_file_arrives_whole_and_only_with_its_stamp(server: WeightsServer, tmp_path: Path) -> None:
    path = get(server, tmp_path)
    assert path == local_path(model(), tmp_path) == tmp_path / "tiny" / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert files_in(tmp_path) == {"tiny.gguf", "tiny.gguf.stamp", "tiny.gguf.lock"}


def test_request_names_repository_revision_and_file(server: WeightsServer, tmp_path: Path) -> None:
    get(server, tmp_path, model(revision="refs/pr/3"))
    assert server.seen[0].path == "/org/tiny/resolve/refs%2Fpr%2F3/gguf/tiny.gguf"
    assert len({seen.path for seen in server.seen}) == 1
    assert all("authorization" not in seen.headers for seen in server.seen)


def test_finished_file_is_not_downloaded_again(server: WeightsServer, tmp_path: Path) -> None:
    get(server, tmp_path)
    get(server, tmp_path)
    assert len(server.downloads) == 1
    assert is_downloaded(model(), tmp_path)


def test_stamp_saves_hashing_and_a_touched_file_is_hashed_once(server: WeightsServer, tmp_path: Path) -> None:
    path = get(server, tmp_path)
    stages: list[DownloadStage] = []
    get(server, tmp_path, on_progress=lambda progress: stages.append(progress.stage))
    assert stages == []
    os.utime(path, (1, 1))
    get(server, tmp_path, on_progress=lambda progress: stages.append(progress.stage))
    assert set(stages) == {DownloadStage.VERIFYING}
    stages.clear()
    get(server, tmp_path, on_progress=lambda progress: stages.append(progress.stage))
    assert stages == []
    assert len(server.downloads) == 1


def test_progress_counts_to_the_total_and_gives_a_rate(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.seconds_per_block = 0.02
    reports: list[DownloadProgress] = []
    get(server, tmp_path, on_progress=reports.append)
    downloads = [report for report in reports if report.stage is DownloadStage.DOWNLOADING]
    assert len(downloads) >= 4
    counts = [report.bytes_done for report in downloads]
    assert counts == sorted(counts)
    assert counts[-1] == downloads[-1].bytes_total == len(CONTENT)
    assert 100_000 < downloads[-1].bytes_per_second < 2_000_000


def test_exception_from_progress_ends_the_download_and_keeps_the_part(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.seconds_per_block = 0.02

    def stop(progress: DownloadProgress) -> None:
        if progress.bytes_done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, tmp_path, on_progress=stop)
    kept = part_of(tmp_path).stat().st_size
    assert 0 < kept < len(CONTENT)
    get(server, tmp_path)
    assert server.ranges == ["", f"bytes={kept}-"]


def test_wrong_hash_is_refused_and_leaves_no_file(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(HashMismatch, match=f"the catalog says {sha256(CONTENT)}"):
        get(server, tmp_path)
    assert files_in(tmp_path) == {"tiny.gguf.lock"}
    assert not is_downloaded(model(), tmp_path)


@pytest.mark.parametrize("content", [CONTENT[:-10], CONTENT + b"more"], ids=["shorter", "longer"])
def test_wrong_size_is_refused_and_leaves_no_file(server: WeightsServer, tmp_path: Path, content: bytes) -> None:
    server.behaviour.content = content
    with pytest.raises(HashMismatch, match=r"bytes, the catalog says 600,004"):
        get(server, tmp_path)
    assert files_in(tmp_path) == {"tiny.gguf.lock"}


def test_truncated_file_is_noticed_and_downloaded_again(server: WeightsServer, tmp_path: Path) -> None:
    path = get(server, tmp_path)
    os.truncate(path, 1000)
    assert not is_downloaded(model(), tmp_path)
    stages: list[DownloadStage] = []
    get(server, tmp_path, on_progress=lambda progress: stages.append(progress.stage))
    assert path.read_bytes() == CONTENT
    assert stages[0] is DownloadStage.DOWNLOADING, "a wrong size needs no hash"
    assert len(server.downloads) == 2


def test_altered_file_is_removed_even_when_it_cannot_be_downloaded(server: WeightsServer, tmp_path: Path) -> None:
    path = get(server, tmp_path)
    path.write_bytes(b"X" * len(CONTENT))
    os.utime(path, (1, 1))
    server.behaviour.statuses = [404]
    with pytest.raises(SourceRefused):
        get(server, tmp_path)
    assert not path.exists()


def test_stamp_of_another_catalog_entry_does_not_vouch(server: WeightsServer, tmp_path: Path) -> None:
    get(server, tmp_path)
    newer = CONTENT[::-1]
    server.behaviour.content = newer
    assert get(server, tmp_path, model(sha256=sha256(newer))).read_bytes() == newer


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"size_bytes": 1}'])
def test_damaged_stamp_only_costs_a_hash(server: WeightsServer, tmp_path: Path, stamp: str) -> None:
    path = get(server, tmp_path)
    path.with_name(path.name + ".stamp").write_text(stamp)
    assert is_downloaded(model(), tmp_path)
    assert get(server, tmp_path) == path
    assert len(server.downloads) == 1


def test_full_disk_is_noticed_before_anything_is_written(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(NoDiskSpace, match=r"1 MB free, but 17 MB are needed"):
        get(server, tmp_path)
    assert not part_of(tmp_path).exists()


def test_directory_that_cannot_be_made_is_named(server: WeightsServer, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file")
    with pytest.raises(DownloadError, match=r"Cannot use .*blocked"):
        get(server, tmp_path / "blocked")


def test_two_threads_download_once(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.seconds_per_block = 0.03
    stages: set[DownloadStage] = set()
    paths: list[Path] = []

    def work() -> None:
        paths.append(get(server, tmp_path, on_progress=lambda progress: stages.add(progress.stage)))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [path.read_bytes() == CONTENT for path in paths] == [True, True]
    assert len(server.downloads) == 1
    assert DownloadStage.WAITING in stages


def test_two_processes_download_once(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.seconds_per_block = 0.06
    script = (
        "import sys; from pathlib import Path; from tests.models.weights.weights_cases import download, model; "
        "download(model(), Path(sys.argv[1]), hub_url=sys.argv[2])"
    )
    command = [sys.executable, "-c", script, str(tmp_path), server.url]
    running = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [process.wait(90) for process in running] == [0, 0]
    assert len(server.downloads) == 1
    assert is_downloaded(model(), tmp_path)


def test_weights_on_a_read_only_disk_need_no_lock_and_no_stamp(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = get(server, tmp_path)
    path.with_name(path.name + ".stamp").unlink()
    path.with_name(path.name + ".lock").unlink()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert get(server, tmp_path) == path
    assert len(server.downloads) == 1


def test_local_file_is_used_in_place(tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(CONTENT)
    for local in (model(FileSource(mine)), model(FileSource(mine), sha256="", size_bytes=None)):
        assert download(local, tmp_path / "w") == local_path(local, tmp_path / "w") == mine
        assert is_downloaded(local, tmp_path / "w")
    assert files_in(tmp_path) == {"mine.gguf", "mine.gguf.stamp"}


def test_altered_local_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(CONTENT[:-1])
    with pytest.raises(HashMismatch, match="Restore the file, or correct the entry"):
        download(model(FileSource(mine)), tmp_path / "w")
    assert mine.read_bytes() == CONTENT[:-1]


@pytest.mark.parametrize("content", [b"", b"<html>"])
def test_local_file_that_is_no_gguf_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.gguf").write_bytes(content)
    with pytest.raises(SourceRefused, match="is not a readable GGUF file"):
        download(model(FileSource(tmp_path / "mine.gguf"), sha256="", size_bytes=None), tmp_path / "w")


def test_missing_local_file_is_named(tmp_path: Path) -> None:
    missing = model(FileSource(tmp_path / "none.gguf"), sha256="", size_bytes=None)
    assert not is_downloaded(missing, tmp_path)
    with pytest.raises(SourceRefused, match=r"none\.gguf does not exist"):
        download(missing, tmp_path)


def test_whole_repository_is_left_to_the_engine(tmp_path: Path) -> None:
    whole = model(HubSource("org/big"), sha256="", size_bytes=None)
    assert whole.is_downloaded_by_engine
    assert not is_downloaded(whole, tmp_path)
    with pytest.raises(DownloadError, match="which vLLM downloads itself"):
        download(whole, tmp_path)


def write_catalog(path: Path) -> Path:
    path.write_text(
        f"""[[model]]
id = "tiny"
title = "Tiny"
family = "Tiny"
parameters = "1M"
source = "hf:org/tiny:gguf/tiny.gguf"
sha256 = "{sha256(CONTENT)}"
licence = "MIT"
licence_url = "https://example.org"
context_length = 2048
profile = "plain-chatml"
engines = ["embedded"]
notes = "A test."
"""
    )
    return path


def run_command(server: WeightsServer, directory: Path, name: str = "tiny") -> subprocess.CompletedProcess[str]:
    catalog = write_catalog(directory / "catalog.toml")
    options = ["--directory", str(directory), "--catalog", str(catalog), "--hub-url", server.url]
    command = [sys.executable, "-m", "models.weights.download", name, *options]
    environment = os.environ | {"HF_TOKEN": TOKEN}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_command_prints_a_few_plain_lines_and_the_path(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.seconds_per_block = 0.03
    done = run_command(server, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 4 and "\r" not in done.stdout
    assert lines[-1].startswith(f"{tmp_path}/tiny/tiny.gguf is complete")
    assert {seen.headers["authorization"] for seen in server.seen} == {f"Bearer {TOKEN}"}


def test_command_says_what_is_wrong_without_a_traceback(server: WeightsServer, tmp_path: Path) -> None:
    unknown = run_command(server, tmp_path, "tinny")
    assert unknown.returncode == 1
    assert unknown.stderr == "No model 'tinny' in the catalog. Did you mean tiny?\n"
    server.behaviour.statuses = [404]
    missing = run_command(server, tmp_path)
    assert missing.returncode == 1
    assert missing.stderr.count("\n") == 1 and "not found (404)" in missing.stderr


def test_command_keeps_one_line_on_a_terminal(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    catalog = write_catalog(tmp_path / "catalog.toml")
    code = main(["tiny", "--directory", str(tmp_path), "--catalog", str(catalog), "--hub-url", server.url])
    out = capsys.readouterr().out
    assert code == 0
    assert out.count("\r") >= 2 and out.count("\n") == 2
    assert out.splitlines()[-1].startswith(str(tmp_path))
