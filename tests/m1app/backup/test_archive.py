"""Archives from anywhere: nothing but a sound backup is unpacked, and only into its folder."""

import hashlib
import json
import os
import shutil
import stat
import zipfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from m1app.backup import archive
from m1app.backup.archive import unpack, write_archive
from m1app.backup.errors import BackupError
from m1app.backup.manifest import Manifest, Part

Usage = namedtuple("Usage", "total used free")
DATABASE = b"the bytes of a database " * 100
LABELS = b"labels = []\n"
VALUES: dict[str, Any] = {
    "format": 1,
    "app_version": "0.2",
    "created_at": "2026-11-29T10:15:00+00:00",
    "home": "/srv/m1",
    "dialect": "sqlite",
    "server_version": "3.40.1",
    "revision": "0004",
    "counts": {"trace": 1},
}


def part(name: str, content: bytes, **changes: Any) -> dict[str, Any]:
    return {"name": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} | changes


def pack(
    file: Path,
    contents: dict[str, bytes] | None = None,
    parts: list[dict[str, Any]] | None = None,
    **changes: Any,
) -> Path:
    """An archive with a manifest that fits its contents, or not."""
    held = {"database.sqlite3": DATABASE, "labels.toml": LABELS} if contents is None else contents
    listed = [part(name, content) for name, content in held.items()] if parts is None else parts
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in held.items():
            made.writestr(name, content)
        made.writestr("manifest.json", json.dumps(VALUES | {"parts": listed} | changes))
    return file


def refused(file: Path, folder: Path, words: str = "") -> None:
    outside = sorted(folder.parent.parent.rglob("*"))
    with pytest.raises(BackupError, match=words):
        unpack(file, folder)
    assert [path for path in sorted(folder.parent.parent.rglob("*")) if not path.is_relative_to(folder)] == [
        path for path in outside if not path.is_relative_to(folder)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "home" / "work"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup.zip"


def test_what_was_written_is_unpacked(tmp_path: Path, file: Path, folder: Path) -> None:
    (tmp_path / "a").write_bytes(DATABASE)
    files = [
        ("database.sqlite3", tmp_path / "a"),
        ("jobs/1/log ü.txt", tmp_path / "a"),
        ("models/x/gone", tmp_path / "b"),
    ]
    written = write_archive(file, files, lambda parts: Manifest(**VALUES, parts=parts))
    assert unpack(file, folder) == written
    assert [each.name for each in written.parts] == ["database.sqlite3", "jobs/1/log ü.txt"]
    assert (folder / "jobs" / "1" / "log ü.txt").read_bytes() == DATABASE
    assert file.stat().st_mode & 0o777 == 0o600
    assert (folder / "database.sqlite3").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "name",
    [
        *("../m1.sqlite3", "/etc/cron.d/x", "models/../../x", "models/./x", "models//x", "models/x/", "jobs"),
        *("run/in-use.lock", "m1.sqlite3", "logs/app.log", "labels.toml/x", "", ".", "models/a\nb", "models/a\0b"),
        *("models\\..\\x", "MODELS/x", "database.pgdump", "models/" + "x" * 1100, "manifest.json"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(file: Path, folder: Path, name: str) -> None:
    parts = [part("database.sqlite3", DATABASE), part(name, LABELS)]
    pack(file, {"database.sqlite3": DATABASE}, parts)
    with zipfile.ZipFile(file, "a") as made:
        made.writestr(name or "x", LABELS)
    refused(file, folder)


def test_a_name_that_is_a_file_and_a_folder_at_once_is_refused(file: Path, folder: Path) -> None:
    pack(file, {"database.sqlite3": DATABASE, "models/x": b"1", "models/x/y": b"2"})
    refused(file, folder, "damaged")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR])
def test_links_folders_and_devices_are_refused(file: Path, folder: Path, kind: int) -> None:
    target = b"/etc/passwd"
    pack(file, {"database.sqlite3": DATABASE}, [part("database.sqlite3", DATABASE), part("labels.toml", target)])
    entry = zipfile.ZipInfo("labels.toml")
    entry.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(file, "a") as made:
        made.writestr(entry, target)
    refused(file, folder, "not a plain file")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(file: Path, folder: Path, method: int) -> None:
    pack(file, {"database.sqlite3": DATABASE}, [part("database.sqlite3", DATABASE), part("labels.toml", LABELS)])
    with zipfile.ZipFile(file, "a") as made:
        made.writestr("labels.toml", LABELS, method)
    refused(file, folder, "not a plain file")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_in_the_archive_twice_is_refused(file: Path, folder: Path) -> None:
    pack(file)
    with zipfile.ZipFile(file, "a") as made:
        made.writestr("labels.toml", b"others")
    refused(file, folder, "twice")


PARTS = [part("database.sqlite3", DATABASE), part("labels.toml", LABELS)]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (PARTS[:1], "not in its manifest"),
        ([*PARTS, part("catalog.toml", b"x")], "missing"),
        ([PARTS[0], part("labels.toml", LABELS, sha256="0" * 64)], "hash"),
        ([PARTS[0], part("labels.toml", LABELS, sha256="A" * 64)], "sha256"),
        ([PARTS[0], part("labels.toml", LABELS, size_bytes=5)], "another size"),
        ([PARTS[0], part("labels.toml", LABELS, size_bytes=-1)], "size_bytes"),
        ([PARTS[0], part("labels.toml", LABELS, size_bytes="12")], "size_bytes"),
        ([*PARTS, PARTS[1]], "twice"),
        (PARTS[1:], "database"),
        ([], "database"),
    ],
)
def test_parts_that_are_not_as_listed_are_refused(file: Path, folder: Path, parts: list[Any], words: str) -> None:
    refused(pack(file, parts=parts), folder, words)


@pytest.mark.parametrize(
    "changes",
    [{"format": 2}, {"dialect": "mysql"}, {"dialect": "postgresql"}, {"more": 1}, {"counts": {"trace": "many"}}],
)
def test_a_manifest_of_another_kind_is_refused(file: Path, folder: Path, changes: dict[str, Any]) -> None:
    refused(pack(file, **changes), folder, r"in its manifest\.json")


def test_what_a_manifest_says_is_not_repeated_in_the_message(file: Path, folder: Path) -> None:
    pack(file, counts={"trace": "a secret complaint"})
    with pytest.raises(BackupError) as caught:
        unpack(file, folder)
    assert "secret" not in str(caught.value)


def test_more_than_the_disk_can_take_is_refused_before_it_is_written(
    file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(file)
    # A full disk cannot be had here without filling one.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 100))
    refused(file, folder, "100 B is free")
    assert list(folder.iterdir()) == []


def test_no_more_is_written_than_was_listed(file: Path, folder: Path) -> None:
    """The archive's own directory says the size that the manifest lists, and the data are longer."""
    large = b"\0" * 5_000_000
    pack(file, {"database.sqlite3": DATABASE, "labels.toml": large})
    small = [part("database.sqlite3", DATABASE), part("labels.toml", large[:1000])]
    content = pack(file.with_name("listed.zip"), {"database.sqlite3": DATABASE, "labels.toml": large}, small)
    data = bytearray(content.read_bytes())
    size = len(large).to_bytes(4, "little")
    at = data.find(size)
    while at >= 0:
        data[at : at + 4] = (1000).to_bytes(4, "little")
        at = data.find(size)
    file.write_bytes(data)
    refused(file, folder)
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 100_000


def test_a_manifest_that_is_too_large_is_not_read(file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MOST_MANIFEST_BYTES", 300)
    refused(pack(file), folder, r"its manifest\.json has")


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all" * 100, b"\0" * 5000])
def test_a_file_that_is_no_archive_is_refused(file: Path, folder: Path, content: bytes) -> None:
    file.write_bytes(content)
    refused(file, folder, "damaged or was changed")


def test_an_archive_of_something_else_is_refused(file: Path, folder: Path) -> None:
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("holiday.jpg", b"x")
    refused(file, folder, "not a backup of this app")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b'{"format": NaN}', b"[" * 100_000, b"null"])
def test_a_manifest_that_is_no_json_is_refused(file: Path, folder: Path, content: bytes) -> None:
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("manifest.json", content)
    refused(file, folder)


def unpacked(data: bytes, folder: Path) -> Manifest:
    shutil.rmtree(folder)
    folder.mkdir()
    file = folder.with_name("changed.zip")
    file.write_bytes(data)
    return unpack(file, folder)


def damage_is_refused_or_harmless(data: bytes, folder: Path, whole: Manifest) -> None:
    try:
        manifest = unpacked(data, folder)
    except BackupError:
        return
    assert manifest.parts == whole.parts
    assert all(hashlib.sha256((folder / p.name).read_bytes()).hexdigest() == p.sha256 for p in manifest.parts)


def test_an_archive_that_ends_early_is_refused(file: Path, folder: Path) -> None:
    data = pack(file).read_bytes()
    for end in range(len(data)):
        with pytest.raises(BackupError):
            unpacked(data[:end], folder)


def test_an_entry_without_a_name_is_refused(file: Path, folder: Path) -> None:
    data = pack(file).read_bytes()
    # In the archive's directory, at its end.
    data = data[: data.rindex(b"labels.toml")] + b"\0" + data[data.rindex(b"labels.toml") + 1 :]
    with pytest.raises(BackupError, match="is not a plain file"):
        unpacked(data, folder)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), byte=st.binary(min_size=1, max_size=8))
def test_changed_bytes_are_refused_or_change_no_content(folder: Path, place: float, byte: bytes) -> None:
    data = bytearray(pack(folder.with_name("whole.zip")).read_bytes())
    whole = unpacked(bytes(data), folder)
    at = int(place * len(data))
    data[at : at + len(byte)] = byte
    damage_is_refused_or_harmless(bytes(data), folder, whole)


def test_the_parts_of_a_manifest_cannot_be_changed() -> None:
    made = Part(name="labels.toml", size_bytes=1, sha256="0" * 64)
    change: Callable[[], None] = lambda: setattr(made, "name", os.sep)  # noqa: E731
    with pytest.raises(ValueError, match="frozen"):
        change()
