"""A bad file gets a message, and no more memory than its process may take."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from m1app.question_sets import reading_process
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.file_reading import file_messages
from m1app.question_sets.reading_process import MAX_MEMORY_BYTES
from m1app.question_sets.set_messages import QUESTIONS, TRAINING_TEXTS, SetsLine, TextsLine
from m1app.training.errors import InvalidTrainingData
from m1app.training.sample_files import read_sample_file
from tests.m1app.question_sets.bad_files import BAD_FILES
from tests.m1app.question_sets.question_set_samples import as_jsonl, m1_row

ROOT = Path(__file__).resolve().parents[3]
LIBRARIES_BYTES = 200 * 2**20
"""What libraries take that no limit counts: their code, and what the system shares."""


def peak_of(path: Path) -> tuple[str, int]:
    """The last line of the process that reads a file, and the most memory that it took."""
    request = json.dumps({"file_name": path.name, "layout": ""})
    # Between this process and that one is a small one: the memory of the starting process would count.
    script = (
        "import os, resource, subprocess, sys; "
        "done = subprocess.run([sys.executable, '-m', 'm1app.question_sets.reading_process', *sys.argv[1:], "
        "str(os.getpid())], capture_output=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); print(done.stdout.decode().splitlines()[-1])"
    )
    with path.open("rb") as file:
        command = [sys.executable, "-c", script, QUESTIONS, request]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "ARROW_DEFAULT_MEMORY_POOL": "system"}
        done = subprocess.run(command, stdin=file, capture_output=True, env=environment, check=True, text=True)
    peak, last = done.stdout.splitlines()
    return last, int(peak) * 1024


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_refused_with_a_message_and_bounded_memory(tmp_path: Path, kind: str) -> None:
    make, name, expected = BAD_FILES[kind]
    path = tmp_path / name
    path.write_bytes(make())
    last, peak = peak_of(path)
    assert expected in json.loads(last)["refused"]
    assert peak < MAX_MEMORY_BYTES + LIBRARIES_BYTES


async def refused(path: Path) -> str:
    with pytest.raises(InvalidQuestionSet) as caught:
        async with file_messages(path, QUESTIONS, SetsLine, layout="") as messages:
            async for _ in messages:
                pass
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: os.mkfifo(path), "found a folder, pipe or device, expected a file"),
        (lambda path: path.mkdir(), "found a folder, pipe or device, expected a file"),
        (lambda path: path.symlink_to("/dev/zero"), "found a folder, pipe or device, expected a file"),
        (lambda path: path.symlink_to(path), "the file cannot be read (Too many levels of symbolic links)"),
        (lambda path: path.symlink_to("nowhere"), "the file cannot be read (No such file or directory)"),
        (lambda path: path.symlink_to("/etc/hostname"), "this is not JSON"),
    ],
)
async def test_what_is_no_regular_file_is_refused(
    tmp_path: Path, make: Callable[[Path], object], expected: str
) -> None:
    path = tmp_path / "a.json"
    make(path)
    assert expected in await refused(path)


async def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    assert "the file cannot be read" in await refused(tmp_path / "a\0.json")
    assert "the file cannot be read" in await refused(tmp_path / ("a" * 300 + ".json"))
    path = tmp_path / os.fsdecode(b"\xff.txt")
    path.touch()
    assert r"\udcff.txt: found a name that ends with .txt" in await refused(path)


async def test_files_of_fine_tuning_data_are_read_within_the_same_limits(tmp_path: Path) -> None:
    make, name, expected = BAD_FILES["json of many values"]
    path = tmp_path / name
    path.write_bytes(make())
    with pytest.raises(InvalidQuestionSet) as compared:
        async with file_messages(path, TRAINING_TEXTS, TextsLine) as messages:
            await anext(messages)
    assert expected in str(compared.value)
    with pytest.raises(InvalidTrainingData) as trained:
        await read_sample_file(path)
    assert expected in str(trained.value)


def test_memory_time_and_core_files_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    set_limits: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: set_limits.update({kind: limits}))
    reading_process.limit_resources(MAX_MEMORY_BYTES)
    assert {kind: hard for kind, (_, hard) in set_limits.items()} == {
        resource.RLIMIT_DATA: MAX_MEMORY_BYTES,
        resource.RLIMIT_CPU: reading_process.MAX_PROCESSOR_SECONDS,
        resource.RLIMIT_CORE: 0,
    }


def test_reading_imports_neither_pages_nor_database_nor_tensors(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(as_jsonl([m1_row()]))
    script = (
        "import io, sys; from m1app.question_sets.importing import question_set_messages; import "
        "m1app.question_sets.reading_process, m1app.training.sources, m1app.benchmark.answer_files.reading; "
        f"list(question_set_messages(open({str(path)!r}, 'rb'), 'a.jsonl', '')); "
        "print(sorted({'gradio', 'torch', 'sqlalchemy', 'pydantic', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
