"""The guard: what it runs ends with it, and with whoever holds its standard input."""

import signal
import subprocess
import sys
import time

import pytest

from models.servers import process_guard
from models.servers.process_guard import guarded
from tests.models.servers.server_cases import SLEEP, is_running, wait_until


def guard(*command: str, grace_seconds: float = 5) -> subprocess.Popen[str]:
    return subprocess.Popen(
        guarded(command, grace_seconds),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def guarded_pid(guarding: subprocess.Popen[str]) -> int:
    return int(guarding.stderr.readline().removeprefix(process_guard.PID_LINE))


def test_guard_passes_output_and_exit_code_on():
    guarding = guard(sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
    output = guarding.stdout.read()
    assert guarding.wait(60) == 7
    assert output == "out\n"
    assert guarding.stderr.read().endswith("err\n")


def test_guard_dies_of_the_same_signal_as_its_command():
    guarding = guard(sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    guarding.stdout.read()
    assert guarding.wait(60) == -9


@pytest.mark.parametrize("how", ["close", "TERM", "INT", "KILL"])
def test_guarded_command_ends_with_its_owner_or_its_guard(how: str):
    guarding = guard(sys.executable, "-c", SLEEP)
    pid = guarded_pid(guarding)
    assert is_running(pid)
    if how == "close":
        guarding.stdin.close()
    else:
        guarding.send_signal(signal.Signals[f"SIG{how}"])
    guarding.wait(60)
    assert wait_until(lambda: not is_running(pid))


def test_command_that_ignores_term_is_killed_after_the_grace_time():
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); {SLEEP}"
    guarding = guard(sys.executable, "-c", stubborn, grace_seconds=0.3)
    assert guarding.stdout.readline() == "on\n"
    began = time.monotonic()
    guarding.stdin.close()
    assert guarding.wait(60) == -9
    assert 0.3 <= time.monotonic() - began < 60


def test_helpers_of_a_crashed_command_are_ended_too():
    start_helper = f"helper = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); print(helper.pid, flush=True)"
    script = f"import subprocess, sys, os; {start_helper}; os._exit(3)"
    guarding = guard(sys.executable, "-c", script)
    helper = int(guarding.stdout.readline())
    assert guarding.wait(60) == 3
    assert wait_until(lambda: not is_running(helper))


def test_guard_says_which_command_cannot_be_run():
    done = subprocess.run(guarded(["/no/such/engine"], 5), capture_output=True, text=True, timeout=10)
    assert done.returncode == process_guard.NOT_FOUND
    assert "cannot run /no/such/engine: No such file or directory" in done.stderr


@pytest.mark.parametrize("arguments", ["", "--", "--grace-seconds x -- true", "--other 1 -- true"])
def test_guard_refuses_a_command_line_it_does_not_understand(arguments: str):
    done = subprocess.run(
        [sys.executable, process_guard.__file__, *arguments.split()], capture_output=True, text=True, timeout=10
    )
    assert done.returncode == 2
    assert "found no command" in done.stderr
