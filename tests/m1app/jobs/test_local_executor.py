"""Real processes: started, found by their handle, told to stop, ended."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from m1app.jobs.errors import ExecutorError
from m1app.jobs.executor import WorkerTask
from m1app.jobs.local_executor import LocalExecutor, handle_of
from m1app.jobs.watching import Presence
from storage.jobs.records import Resource

ID = "0123456789abcdef0123456789abcdef"
WAITS = "import time; print('ready', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, lambda *_: print('told', flush=True)); {WAITS}"
Start = Callable[[str], tuple[LocalExecutor, str, Path]]


def task(log_path: Path, **environment: str) -> WorkerTask:
    return WorkerTask(job_id=ID, attempt=1, resource=Resource.CPU, log_path=log_path, environment=environment)


def until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts Python code as a worker, and waits for its first output."""
    handles: list[str] = []
    log = tmp_path / "log.txt"

    def start(code: str) -> tuple[LocalExecutor, str, Path]:
        executor = LocalExecutor(("-c", code))
        handles.append(executor.start(task(log, M1_HOME="/somewhere")))
        until(lambda: bool(log.read_text()))
        return executor, handles[-1], log

    yield start
    for handle in handles:
        LocalExecutor().kill(handle)


def test_worker_is_found_by_another_executor_and_is_gone_after_its_end(start: Start) -> None:
    _, handle, _ = start(WAITS)
    later = LocalExecutor()
    assert later.look(handle) is Presence.ALIVE
    later.kill(handle)
    until(lambda: later.look(handle) is Presence.GONE)


def test_worker_gets_the_job_the_settings_and_a_session_of_its_own(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M1_ADMIN_PASSWORD", "of the app")
    code = (
        "import os, sys; print(sys.argv[1], os.environ['M1_HOME'], 'M1_ADMIN_PASSWORD' in os.environ,"
        " os.getsid(0) == os.getpid(), os.getcwd(), flush=True)"
    )
    _, _, log = start(code)
    assert log.read_text().split() == [ID, "/somewhere", "False", "True", str(Path(__file__).resolve().parents[3])]


def test_stop_asks_and_kill_ends(start: Start) -> None:
    executor, handle, log = start(STUBBORN)
    executor.stop(handle)
    until(lambda: "told" in log.read_text())
    assert executor.look(handle) is Presence.ALIVE
    executor.kill(handle)
    until(lambda: executor.look(handle) is Presence.GONE)
    executor.stop(handle)
    executor.kill(handle)


def test_both_outputs_are_appended_to_the_log(start: Start, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("before\n")
    executor, handle, log = start("import sys; print('out', flush=True); sys.exit('err')")
    until(lambda: executor.look(handle) is Presence.GONE)
    assert log.read_text() == "before\nout\nerr\n"


def test_handle_of_a_process_with_the_same_id_but_another_start_is_gone() -> None:
    host, pid, started = handle_of(os.getpid()).split(":")
    executor = LocalExecutor()
    assert executor.look(f"{host}:{pid}:{started}") is Presence.ALIVE
    assert executor.look(f"{host}:{pid}:{int(started) + 1}") is Presence.GONE


@pytest.mark.parametrize("handle", ["", "elsewhere:1:1", f"{socket.gethostname()}:x:1", "::"])
def test_handle_of_no_process_of_this_machine_is_unknown_and_not_signalled(handle: str) -> None:
    executor = LocalExecutor()
    assert executor.look(handle) is Presence.UNKNOWN
    executor.kill(handle)


def test_process_that_has_ended_and_that_nobody_has_taken_note_of_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    handle = handle_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: LocalExecutor().look(handle) is Presence.GONE)
    process.wait()


def test_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match=r"could not be started \(No such file or directory: .*nowhere"):
        LocalExecutor().start(task(tmp_path / "nowhere" / "log.txt"))
