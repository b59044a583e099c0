"""Runs a command that must not outlive its owner.

    python -m models.servers.process_guard [--grace-seconds N] -- CMD ...

The owner holds the other end of this process's standard input. When that end closes (the owner closed it or died, even
by SIGKILL), or when TERM, INT or HUP arrives, the guard ends the command's whole process group: TERM, then KILL after
the grace period. It passes the command's output and exit status through unchanged.

The owner gets the guard's command line from `guarded` and starts it with `inherited_environment`. Standard library only
and importable alone, so that it also runs by its path under `python -I -S`.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

PID_LINE = "process_guard: started process "
"""Followed by the command's process id; the first line on standard error."""
NOT_FOUND = 127
"""Exit code when the command cannot be run at all, as in a shell."""

_USAGE_ERROR = 2
_POLL_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SETTINGS_PREFIX = "M1_"


def guarded(command: Sequence[str], grace_seconds: float) -> list[str]:
    """The command line that runs `command` under this guard; whoever starts it is the owner.

    Args:
        command: the program and its arguments.
        grace_seconds: how long it may take to exit after TERM before it is killed.
    """
    guard = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
    return [*guard, "--grace-seconds", f"{grace_seconds:g}", "--", *command]


def inherited_environment() -> dict[str, str]:
    """This process's environment without the app's settings, which hold secrets that no other program needs."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS_PREFIX)}


def main(arguments: Sequence[str]) -> int:
    """Run the command after `--` until it exits or must be stopped; returns its exit code."""
    parsed = _parse(arguments)
    if parsed is None:
        sys.stderr.write("process_guard: found no command; usage: process_guard [--grace-seconds N] -- CMD ...\n")
        return _USAGE_ERROR
    grace_seconds, command = parsed
    wakeup = _listen_for_signals()
    owner = os.getppid()
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_die_with_guard(os.getpid())
        )
    except OSError as error:
        sys.stderr.write(f"process_guard: cannot run {command[0]}: {error.strerror}\n")
        return NOT_FOUND
    sys.stderr.write(f"{PID_LINE}{child.pid}\n")
    sys.stderr.flush()
    _wait(child, owner, wakeup)
    _end_group(child, grace_seconds)
    return _pass_on(child.returncode)


def _parse(arguments: Sequence[str]) -> tuple[float, list[str]] | None:
    options, separator, command = list(arguments), "--", []
    if separator in options:
        at = options.index(separator)
        options, command = options[:at], options[at + 1 :]
    if not command or options[:1] not in ([], ["--grace-seconds"]) or len(options) not in (0, 2):
        return None
    try:
        return (float(options[1]) if options else 5.0), command
    except ValueError:
        return None


def _listen_for_signals() -> int:
    """File descriptor that becomes readable when the child exits or a signal tells the guard to stop."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (*_ENDING_SIGNALS, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return readable


def _die_with_guard(guard: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def prepare_child() -> None:
        if libc is None:
            return
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:  # The guard died before the line above could take effect.
            os._exit(NOT_FOUND)

    return prepare_child


def _wait(child: subprocess.Popen[bytes], owner: int, wakeup: int) -> None:
    """Return when the child has exited or must be stopped."""
    stdin = 0
    while child.poll() is None:
        readable, _, _ = select.select([stdin, wakeup], [], [], _POLL_SECONDS)
        if stdin in readable and not os.read(stdin, 4096):
            return
        if wakeup in readable and any(n in _ENDING_SIGNALS for n in os.read(wakeup, 512)):
            return
        # A fork of the owner can hold the pipe open after the owner itself is gone.
        if os.getppid() != owner:
            return


def _end_group(child: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """Stop whatever is left of the child's process group, including helpers of a crashed child."""
    if child.poll() is None:
        _signal_group(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(grace_seconds)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _pass_on(returncode: int) -> int:
    """The child's exit code; if a signal killed the child, the guard dies by the same signal."""
    if returncode >= 0:
        return returncode
    sys.stderr.flush()
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # SIGKILL needs no default action and refuses one.
        signal.signal(-returncode, signal.SIG_DFL)
    os.kill(os.getpid(), -returncode)
    return 128 - returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
