"""A download from the hub has bounds: disk, standing still, and output."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from m1app.question_sets import download_watch
from m1app.question_sets.download_watch import watched_output
from m1app.question_sets.errors import InvalidQuestionSet

WRITES = "import pathlib, sys, time; pathlib.Path(sys.stdin.read()).write_bytes(b'x' * 1000); time.sleep(1000)"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_watch, "_POLL_SECONDS", 0.01)


async def python(code: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdin=PIPE, stdout=PIPE, stderr=PIPE)


@pytest.mark.parametrize(
    ("bound", "value", "message"),
    [
        ("MAX_DOWNLOAD_BYTES", 999, "of disk"),
        ("MIN_FREE_BYTES", 10**18, "free on the disk"),
        ("IDLE_SECONDS", 0.0, "no progress"),
    ],
)
async def test_a_download_beyond_a_bound_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: float, message: str
) -> None:
    monkeypatch.setattr(download_watch, bound, value)
    process = await python(WRITES)
    with pytest.raises(InvalidQuestionSet, match=message):
        await watched_output(process, str(tmp_path / "file").encode(), [tmp_path])
    assert process.returncode is not None


async def test_only_the_end_of_the_output_is_kept(tmp_path: Path) -> None:
    process = await python("import sys; sys.stdout.write('x' * 1_000_000 + 'end'); sys.stderr.write('complaint')")
    output, complaints = await watched_output(process, b"", [tmp_path])
    assert (len(output), output[-3:], complaints) == (64 * 1024, b"end", b"complaint")
