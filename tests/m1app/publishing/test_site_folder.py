"""The folder of a site: whole, or as it was before."""

import errno
import os
from pathlib import Path

import pytest

from m1app.publishing.errors import PublishRefused
from m1app.publishing.site_folder import MANIFEST, new_site, write_one_file


async def make(target: Path, word: str = "new") -> None:
    async with new_site(target) as writer:
        writer.write("pages/index.html", word)
        writer.write_manifest(title=word)


def left_beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir() if path != target)


async def test_a_site_is_put_in_a_new_folder_with_its_parents(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "site"
    await make(target)
    assert sorted(path.name for path in target.iterdir()) == ["pages", MANIFEST]
    assert left_beside(target) == []


async def test_an_empty_folder_and_an_earlier_site_are_replaced(tmp_path: Path) -> None:
    target = tmp_path / "site"
    target.mkdir()
    await make(target, "first")
    await make(target, "second")
    assert (target / "pages" / "index.html").read_text(encoding="utf-8") == "second"
    assert left_beside(target) == []


@pytest.mark.parametrize("added", [".git/HEAD", "CNAME", "pages/about.html"])
async def test_an_earlier_site_to_which_somebody_added_a_file_is_kept(tmp_path: Path, added: str) -> None:
    target = tmp_path / "site"
    await make(target, "first")
    (target / added).parent.mkdir(exist_ok=True)
    (target / added).write_text("years of work", encoding="utf-8")
    with pytest.raises(PublishRefused, match=f"contains {added}, which no site wrote"):
        await make(target, "second")
    assert (target / "pages" / "index.html").read_text(encoding="utf-8") == "first"
    (target / added).unlink()
    (target / "link").symlink_to(tmp_path)
    with pytest.raises(PublishRefused, match="contains link, which"):
        await make(target, "second")


async def test_a_folder_beside_a_site_that_is_named_like_one_of_the_apps_is_kept(tmp_path: Path) -> None:
    theirs = [tmp_path / "upload-projects", tmp_path / "m1-site-workshop"]
    for each in theirs:
        each.mkdir()
    await make(tmp_path / "site")
    assert all(each.is_dir() for each in theirs)


async def test_the_working_folder_can_be_replaced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "site"
    await make(target, "first")
    monkeypatch.chdir(target)
    await make(Path(), "second")
    assert (target / "pages" / "index.html").read_text(encoding="utf-8") == "second"
    assert left_beside(target) == []


@pytest.mark.parametrize("manifest", [None, "{", "[]", '{"made_by": "somebody"}'])
async def test_a_folder_with_other_files_is_refused_and_kept(tmp_path: Path, manifest: str | None) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    if manifest is not None:
        (tmp_path / MANIFEST).write_text(manifest, encoding="utf-8")
    with pytest.raises(PublishRefused, match="contains other files"):
        await make(tmp_path)
    assert (tmp_path / "thesis.tex").read_text(encoding="utf-8") == "years of work"


async def test_what_is_put_there_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "site"
    with pytest.raises(PublishRefused, match="contains other files"):
        async with new_site(target) as writer:
            writer.write("index.html", "new")
            target.mkdir()
            (target / "thesis.tex").touch()
    assert [path.name for path in target.iterdir()] == ["thesis.tex"]
    assert left_beside(target) == []


async def test_a_file_or_a_link_is_no_place_for_a_site(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(PublishRefused, match="is not a folder"):
            await make(tmp_path / name)


async def test_an_error_leaves_nothing_and_an_earlier_site_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "site"
    await make(target, "first")
    with pytest.raises(RuntimeError):
        async with new_site(target) as writer:
            writer.write("index.html", "half")
            raise RuntimeError
    assert (target / "pages" / "index.html").read_text(encoding="utf-8") == "first"
    assert left_beside(target) == []


async def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "site"

    def full(self: Path, _: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PublishRefused, match=f"disk of {tmp_path} is full. Nothing was kept. Free some space"):
        await make(target)
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PublishRefused, match="Choose a folder that you can write to"):
        await make(tmp_path / "file" / "site")


def test_one_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "new" / "trace.html"
    write_one_file(target, "first")
    write_one_file(target, "second")
    assert target.read_text(encoding="utf-8") == "second"
    with pytest.raises(PublishRefused, match=r"is a folder\. Choose a file"):
        write_one_file(tmp_path, "third")

    def full(self: Path, other: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(PublishRefused, match="is full"):
        write_one_file(target, "third")
    assert [path.name for path in target.parent.iterdir()] == ["trace.html"]
    assert target.read_text(encoding="utf-8") == "second"
