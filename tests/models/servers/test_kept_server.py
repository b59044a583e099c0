"""Servers that are kept over a restart of the app, with a stand-in for vLLM."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from models.errors import ServerStartFailed
from models.servers.kept_record import KeptRecord, KeptServers, fingerprint, process_start
from models.servers.kept_server import end_kept_server
from models.servers.managed_server import ManagedServer, ServerState
from models.servers.server_process import ServerCommand
from models.servers.vllm_server import VllmLaunch, launched_server
from tests.models.servers.server_cases import QUICK, is_running, wait_until
from tests.models.servers.vllm_stand_in import write_folder, write_python

ROOT = Path(__file__).resolve().parents[3]
Make = Callable[..., ManagedServer]


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    return tmp_path / "starts"


@pytest.fixture
def make(tmp_path: Path, starts: Path) -> Iterator[Make]:
    """Makes servers of one home; whatever runs in the end is stopped."""
    python = write_python(tmp_path, starts=starts)
    folder = write_folder(tmp_path / "model")
    kept, servers = KeptServers(tmp_path / "run", "vllm"), list[ManagedServer]()

    def made(*arguments: str, name: str = "model", is_kept: bool = True) -> ManagedServer:
        launch = VllmLaunch(python, str(folder), name, arguments)
        servers.append(launched_server(launch, tmp_path / "vllm.log", QUICK, kept=kept, is_kept=is_kept))
        return servers[-1]

    yield made
    for server in servers:
        server.stop()
    end_kept_server(kept)


def pids(starts: Path) -> list[int]:
    """Of all processes that were started, the first one first."""
    return [json.loads(line)[0] for line in starts.read_text(encoding="utf-8").splitlines()]


def change_record(tmp_path: Path, **values: object) -> None:
    path = tmp_path / "run" / "vllm-kept.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def started(server: ManagedServer) -> ManagedServer:
    server.start()
    server.wait_ready(30)
    return server


def test_a_kept_server_goes_on_and_is_taken_over(make: Make, starts: Path) -> None:
    first = started(make())
    before, endpoint = first.status(), first.endpoint()
    first.leave()
    assert is_running(before.pid)
    assert first.status().state is ServerState.STOPPED
    second = started(make())
    after = second.status()
    assert (after.pid, second.endpoint(), after.is_adopted) == (before.pid, endpoint, True)
    assert pids(starts) == [before.pid]
    second.stop()
    assert not is_running(before.pid)
    assert make().status().pid is None


def test_a_killed_owner_leaves_its_server_to_the_next_start(make: Make, tmp_path: Path, starts: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from models.servers.kept_server import KeptServers
from models.servers.vllm_server import VllmLaunch, launched_server
home = Path({str(tmp_path)!r})
launch = VllmLaunch(home / "python", str(home / "model"), "model")
server = launched_server(launch, home / "vllm.log", kept=KeptServers(home / "run", "vllm"), is_kept=True)
server.start()
server.wait_ready(30)
print("ready", flush=True)
time.sleep(60)
"""
    owner = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "ready\n"
    owner.kill()
    owner.wait()
    server = started(make())
    assert [server.status().pid] == pids(starts)
    os.kill(server.status().pid or 0, signal.SIGKILL)
    assert wait_until(lambda: len(pids(starts)) == 2)
    server.wait_ready(30)
    assert server.status().pid == pids(starts)[1]


def test_another_command_replaces_it_and_there_are_never_two(make: Make, starts: Path) -> None:
    started(make()).leave()
    server = started(make("--max-model-len", "1024"))
    old, new = pids(starts)
    assert not is_running(old)
    assert (server.status().pid, server.status().is_adopted) == (new, False)


def test_without_the_option_the_server_ends_with_the_app_and_a_kept_one_is_replaced(make: Make, starts: Path) -> None:
    started(make()).leave()
    server = started(make(is_kept=False))
    old, new = pids(starts)
    assert not is_running(old)
    server.leave()
    assert not is_running(new)


@pytest.mark.parametrize("change", [{"api_key": "another"}, {"model": "another"}])
def test_a_server_that_does_not_answer_as_recorded_is_not_touched(
    make: Make, tmp_path: Path, starts: Path, change: dict[str, str]
) -> None:
    started(make()).leave()
    change_record(tmp_path, **change)
    server = make()
    server.start()
    with pytest.raises(ServerStartFailed, match=r"refuses its key or serves another model.*It was not touched"):
        server.wait_ready(30)
    (pid,) = pids(starts)
    assert is_running(pid)


def test_a_record_of_another_process_is_removed_and_that_process_lives(make: Make, tmp_path: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        time.sleep(0.05)  # The time of a start is counted in hundredths of a second.
        first = started(make())
        first.leave()
        old = first._kept.read().pid  # type: ignore[union-attr]
        # Its number now belongs to somebody else.
        change_record(tmp_path, pid=bystander.pid)
        server = started(make())
        assert not server.status().is_adopted
        assert bystander.poll() is None
        server.stop()
        assert bystander.poll() is None
        os.killpg(old, signal.SIGKILL)
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_process_that_is_not_the_server_is_never_stopped(make: Make, tmp_path: Path, is_kept: bool) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    first = started(make())
    first.leave()
    old = first._kept.read().pid  # type: ignore[union-attr]
    try:
        change_record(tmp_path, pid=bystander.pid, started=process_start(bystander.pid))
        server = started(make(is_kept=is_kept))
        assert not server.status().is_adopted
        server.stop()
        assert bystander.poll() is None
    finally:
        os.killpg(old, signal.SIGKILL)
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "http://elsewhere.example:8000"},
        {"base_url": "http://127.0.0.1:8000@elsewhere.example"},
        {"base_url": 5},
        {"api_key": "two\r\nlines"},
        {"api_key": "\u00e9"},
        {"model": None},
    ],
)
def test_a_record_that_the_app_did_not_write_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    kept = KeptServers(tmp_path, "vllm")
    with kept.output.open("w") as output:
        server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=output)
    try:
        begun = process_start(server.pid) or ""
        record = KeptRecord(server.pid, begun, "http://127.0.0.1:8000", "key", "print", "model", os.getpid(), begun)
        kept.write(record)
        assert kept.read() == record
        path = tmp_path / "vllm-kept.json"
        path.write_text(json.dumps(asdict(record) | change), encoding="utf-8")
        assert kept.read() is None
        assert server.poll() is None
    finally:
        server.kill()
        server.wait()


def test_a_key_is_for_its_user_only_whatever_an_earlier_start_has_left(tmp_path: Path) -> None:
    kept, left = KeptServers(tmp_path, "vllm"), tmp_path / "vllm-kept.partial"
    left.write_text("", encoding="utf-8")
    left.chmod(0o644)
    kept.write(KeptRecord(2, "", "http://127.0.0.1:8000", "key", "print", "model", 2, ""))
    assert (tmp_path / "vllm-kept.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": "x"}', "[" * 100_000])
def test_a_broken_record_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "vllm-kept.json"
    path.write_text(content, encoding="utf-8")
    assert KeptServers(tmp_path, "vllm").read() is None


def test_a_record_that_cannot_be_read_now_is_not_lost(
    make: Make, tmp_path: Path, starts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_text(*_: object, **__: object) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    started(make()).leave()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", read_text)
        with pytest.raises(OSError, match="Too many open files"):
            KeptServers(tmp_path / "run", "vllm").read()
    assert [started(make()).status().pid] == pids(starts)


def test_the_record_is_readable_by_its_user_only_and_the_key_is_in_no_repr(make: Make, tmp_path: Path) -> None:
    server = started(make())
    record = KeptServers(tmp_path / "run", "vllm").read()
    assert record is not None
    assert record.api_key == server.endpoint().api_key
    assert record.api_key not in repr(record)
    for name in ("vllm-kept.json", "vllm-output.log"):
        assert (tmp_path / "run" / name).stat().st_mode & 0o777 == 0o600


def test_a_server_in_use_by_another_process_is_shared_but_not_replaced(
    make: Make, tmp_path: Path, starts: Path
) -> None:
    started(make()).leave()
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        change_record(tmp_path, owner_pid=owner.pid, owner_started=process_start(owner.pid))
        shared = started(make())
        assert shared.status().is_adopted
        shared.stop()
        assert is_running(*pids(starts))
        other = make("--max-model-len", "1024")
        other.start()
        with pytest.raises(ServerStartFailed, match=f"in use by process {owner.pid} of the app"):
            other.wait_ready(30)
        other.stop()
        (pid,) = pids(starts)
        assert is_running(pid)
    finally:
        owner.kill()
        owner.wait()


def test_what_it_writes_is_logged_and_its_file_stays_bounded(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.servers import kept_server

    monkeypatch.setattr(kept_server, "_MOST_OUTPUT_BYTES", 10)
    server = started(make())
    assert wait_until(lambda: "INFO:     Application startup complete." in server.log_tail())
    assert wait_until(lambda: (tmp_path / "run" / "vllm-output.log").stat().st_size == 0)


def test_a_start_that_the_app_does_not_survive_runs_nothing(tmp_path: Path) -> None:
    from models.servers.kept_server import _WAIT

    mark = tmp_path / "ran"
    waiting = subprocess.Popen([sys.executable, "-c", _WAIT, "touch", str(mark)], stdin=subprocess.PIPE)
    waiting.communicate(b"")
    assert not mark.exists()


def test_the_fingerprint_ignores_port_and_secrets_only() -> None:
    def command(port: int, key: str, *more: str, **env: str) -> ServerCommand:
        argv = ("vllm", "--port", str(port), *more)
        url = f"http://127.0.0.1:{port}"
        return ServerCommand(argv, {"KEY": key, **env}, base_url=url, secrets=frozenset({"KEY"}))

    same = fingerprint(command(1, "a"))
    assert fingerprint(command(2, "b")) == same
    assert fingerprint(command(1, "a", "--dtype", "float16")) != same
    assert fingerprint(command(1, "a", CACHE="4")) != same


def test_a_process_is_known_by_its_start() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    begun = process_start(child.pid)
    assert begun
    assert process_start(child.pid) == begun
    time.sleep(0.02)
    assert process_start(os.getpid()) != begun
    child.kill()
    assert wait_until(lambda: process_start(child.pid) is None)
    child.wait()
