"""The watch sees a coroutine that blocks, however deep, and not what a thread or a test does."""

import asyncio
from pathlib import Path

import pytest

from storage.database import Database
from tests.stall_watch import MARK, watch


async def test_a_coroutine_that_reads_a_file_is_seen_and_its_thread_is_not(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("x")
    seen: list[str] = []
    watch(seen.append, ours=(__file__,), free=())
    await asyncio.to_thread((tmp_path / "file.txt").read_text)
    assert seen == []
    (tmp_path / "file.txt").read_text()
    assert len(seen) == 1
    assert f"{MARK}: open {tmp_path}/file.txt" in seen[0]


async def test_a_transaction_on_the_loop_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Database, "_turn", Database._turn)  # What is watched now ends with this test.
    database = Database(f"sqlite:///{tmp_path / 'm1.db'}")
    seen: list[str] = []
    watch(seen.append, ours=(__file__,), free=())
    await database.read(lambda _: None)
    assert seen == []
    database.read_now(lambda _: None)
    assert any(f"{MARK}: a transaction of" in each for each in seen)


async def test_a_test_may_block(tmp_path: Path) -> None:
    seen: list[str] = []
    watch(seen.append, ours=(__file__,), free=(__file__,))
    (tmp_path / "file.txt").write_text("x")
    assert seen == []
