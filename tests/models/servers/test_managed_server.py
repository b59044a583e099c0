"""The manager, with small Python programs in the place of an engine."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import httpx2
import pytest

from models.engine.endpoint import Endpoint
from models.errors import ServerGone, ServerNotInstalled, ServerStartFailed
from models.servers import managed_server
from models.servers.managed_server import ManagedServer, ServerProgram, ServerState
from models.servers.restarts import RestartHistory, RestartPolicy
from models.servers.server_log import ServerLog
from models.servers.server_process import ServerCommand, ServerProcess, describe_exit
from tests.models.engine.bad_engine import endless, misbehaving
from tests.models.servers.server_cases import (
    QUICK,
    SERVE,
    SLEEP,
    command_lines,
    is_running,
    pids_with_environment,
    python_server,
    wait_until,
)


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "engine.log"


@pytest.fixture
def serving(log_path: Path):
    server = python_server(SERVE + "server.serve_forever()", log_path)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (1, "exit code 1"),
        (-9, "killed by signal 9 (out of memory?)"),
        (-6, "killed by signal 6 (it aborted after an internal error)"),
        (-1, "killed by signal 1 (SIGHUP)"),
        (-99, "killed by signal 99"),
    ],
)
def test_exit_codes_and_signals_are_put_in_words(returncode: int, words: str):
    assert describe_exit(returncode) == words


def test_restart_delays_double_up_to_the_longest_and_end_with_the_policy():
    history = RestartHistory(RestartPolicy(4, window_seconds=100, first_delay_seconds=1, longest_delay_seconds=5))
    assert [history.next_delay(float(second)) for second in range(5)] == [1, 2, 4, 5, None]


def test_old_restarts_no_longer_count():
    history = RestartHistory(RestartPolicy(2, window_seconds=10, first_delay_seconds=1))
    assert [history.next_delay(s) for s in (0.0, 9.0, 9.5, 10.5, 30.0)] == [1, 2, None, 2, 1]
    assert history.total == 4


def test_log_file_stays_bounded_and_hides_the_secret(log_path: Path):
    log = ServerLog(log_path, file_bytes=2000)
    log.hide("s3cret")
    for number in range(500):
        log.add(f"line {number} s3cret")
    log.close()
    files = sorted(log_path.parent.iterdir())
    assert [f.name for f in files] == ["engine.log", "engine.log.1", "engine.log.2"]
    assert all(f.stat().st_size <= 2000 and "s3cret" not in f.read_text(encoding="utf-8") for f in files)
    assert log.tail(1) == ["line 499 [API key]"]
    assert len(log.tail(10_000)) == 400
    assert log.tail(0) == []


def test_ready_server_answers_at_its_endpoint(serving: ManagedServer):
    endpoint = serving.wait_ready(20)
    status = serving.status()
    assert serving.endpoint() == endpoint
    assert (status.state, status.base_url, status.restarts) == (ServerState.READY, endpoint.base_url, 0)
    assert status.pid is not None
    assert is_running(status.pid)
    assert status.started_at is not None
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    assert httpx2.get(f"{endpoint.base_url}/v1/models", headers=headers, timeout=60).status_code == 200


def test_key_is_in_no_log_no_command_line_and_no_repr(serving: ManagedServer, log_path: Path):
    endpoint = serving.wait_ready(20)
    assert wait_until(lambda: "key is [API key]" in serving.log_tail())
    said = [log_path.read_text(encoding="utf-8"), command_lines(), repr(endpoint), repr(serving.status())]
    said.append(repr(serving.program.command(endpoint.api_key)))
    assert "key is [API key]" in said[0]
    assert not any(endpoint.api_key in text for text in said)


def test_app_settings_are_not_passed_to_the_engine(log_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("M1_ADMIN_PASSWORD", "hunter2")
    script = "import os; print('doing', sorted(k for k in os.environ if k.startswith('M1_')), flush=True);"
    server = python_server(script + SERVE + "server.serve_forever()", log_path)
    server.start()
    server.wait_ready(20)
    server.stop()
    assert "doing []" in server.log_tail()


def test_starting_server_tells_what_it_is_doing(log_path: Path):
    server = python_server(f"print('doing half the weights', flush=True); {SLEEP}", log_path)
    server.start()
    assert wait_until(lambda: server.status().loading == "half the weights")
    assert server.status().state is ServerState.STARTING
    with pytest.raises(ServerStartFailed, match="The test engine is still starting"):
        server.endpoint()
    with pytest.raises(ServerStartFailed, match=r"not ready after 0\.1 s(?s:.)*doing half the weights"):
        server.wait_ready(0.1)
    server.stop()
    assert server.status().state is ServerState.STOPPED


def test_what_it_says_while_its_process_is_being_started_is_kept(log_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Talkative(ServerProcess):
        def __init__(self, command: ServerCommand, log: ServerLog, on_line: Callable[[str], None]) -> None:
            super().__init__(command, log, on_line)
            on_line("doing half the weights")

    monkeypatch.setattr(managed_server, "ServerProcess", Talkative)
    server = python_server(SLEEP, log_path)
    server.start()
    assert wait_until(lambda: server.status().pid is not None)
    assert server.status().loading == "half the weights"
    server.stop()


def test_second_start_changes_nothing(serving: ManagedServer):
    endpoint = serving.wait_ready(20)
    serving.start()
    assert serving.endpoint() == endpoint


def test_stop_leaves_no_process_and_says_so(serving: ManagedServer):
    serving.wait_ready(20)
    pid = serving.status().pid
    serving.stop()
    assert not is_running(pid)
    assert serving.status().pid is None
    with pytest.raises(ServerGone, match="The test engine is not running"):
        serving.endpoint()
    with pytest.raises(ServerGone, match="The test engine is not running"):
        serving.wait_ready(1)


def test_restart_gives_another_address_and_key(serving: ManagedServer):
    before = serving.wait_ready(20)
    serving.restart()
    after = serving.wait_ready(20)
    assert after.api_key != before.api_key
    assert serving.status().restarts == 0


def test_many_restarts_at_once_end_in_one_running_server(
    serving: ManagedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    serving.wait_ready(20)
    monkeypatch.setenv("TEST_RESTARTED", str(tmp_path))
    threads = [Thread(target=serving.restart) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    serving.wait_ready(20)
    assert serving.status().state is ServerState.READY
    assert len(pids_with_environment(f"TEST_RESTARTED={tmp_path}")) == 2  # The guard and what it guards.


def test_crash_is_followed_by_a_restart(serving: ManagedServer):
    before = serving.wait_ready(20)
    os.kill(serving.status().pid, signal.SIGKILL)
    assert wait_until(lambda: serving.status().restarts == 1)
    after = serving.wait_ready(20)
    assert after.api_key != before.api_key


def test_crashed_server_says_that_it_is_restarting(log_path: Path):
    server = python_server(SERVE + "server.serve_forever()", log_path)
    server._restarts = RestartHistory(RestartPolicy(first_delay_seconds=600, longest_delay_seconds=600))
    server.start()
    server.wait_ready(20)
    os.kill(server.status().pid, signal.SIGKILL)
    assert wait_until(lambda: server.status().state is ServerState.RESTARTING)
    with pytest.raises(ServerGone, match="restarting after a crash; try again in a few seconds"):
        server.endpoint()
    assert "killed by signal 9 (out of memory?)" in server.status().message
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 300


def test_server_that_crashes_too_often_is_given_up_with_its_last_lines(log_path: Path):
    script = SERVE + "server.handle_request(); print('the last words', flush=True); os._exit(9)"
    server = python_server(script, log_path)
    server.start()
    assert wait_until(lambda: server.status().state is ServerState.FAILED)
    status = server.status()
    assert "exited: exit code 9. It crashed 3 times within 60 s" in status.message
    assert "the last words" in status.message
    assert status.restarts == QUICK.max_restarts
    with pytest.raises(ServerGone, match="will not be restarted"):
        server.endpoint()


def test_failed_server_can_be_started_again(log_path: Path, tmp_path: Path):
    cause = tmp_path / "cause"
    cause.touch()
    script = f"import os, sys\nif os.path.exists({str(cause)!r}): sys.exit('no disk')\n" + SERVE
    server = python_server(script + "server.serve_forever()", log_path)
    server.start()
    with pytest.raises(ServerStartFailed, match=r"exited before it was ready: exit code 1(?s:.)*no disk"):
        server.wait_ready(20)
    cause.unlink()
    server.restart()
    assert server.wait_ready(20)
    server.stop()


def test_server_that_never_gets_ready_is_ended(log_path: Path):
    server = python_server(SLEEP, log_path, start_timeout_seconds=0.5)
    server.start()
    with pytest.raises(ServerStartFailed, match=r"was not ready within 0\.5 s and was stopped"):
        server.wait_ready(20)
    assert server.status().pid is None


def test_missing_program_is_reported_as_such(log_path: Path):
    def command(_key: str) -> ServerCommand:
        raise ServerNotInstalled("run `make engine`")

    server = ManagedServer(ServerProgram("The test engine", command), log_path)
    server.start()
    with pytest.raises(ServerNotInstalled, match="make engine"):
        server.wait_ready(20)


def test_another_program_on_the_port_is_not_taken_for_the_engine(serving: ManagedServer, tmp_path: Path):
    squatted = serving.wait_ready(20).base_url
    program = ServerProgram(
        "The late engine",
        lambda _key: ServerCommand((sys.executable, "-c", SLEEP), base_url=squatted),
        start_timeout_seconds=1,
    )
    late = ManagedServer(program, tmp_path / "late.log")
    late.start()
    with pytest.raises(ServerStartFailed, match="was not ready within 1 s"):
        late.wait_ready(20)


def test_whether_a_server_is_ready_is_seen_without_reading_what_it_sends():
    with misbehaving(models=endless(b"x" * 65_536)) as server:
        assert managed_server.serves_models(Endpoint(server.url, "key"))
    assert server.sent_bytes < 16 << 20


def test_output_that_is_nested_like_no_message_is_only_logged(log_path: Path):
    nested = "print('{' + chr(34) + 'a' + chr(34) + ':' + '[' * 3900, flush=True)\n"
    server = python_server(nested + SERVE + "server.serve_forever()", log_path)
    server.start()
    try:
        server.wait_ready(20)
    finally:
        server.stop()
    assert any(line.startswith('{"a":[[') for line in server.log.tail(50))
