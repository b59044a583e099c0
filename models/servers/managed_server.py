"""An engine process that the app starts, watches, restarts and stops.

One thread per server runs all its starts; callers only read the state it leaves. What is specific to one server program
is in its `ServerProgram` (see `llama_server` and `vllm_server`); `server_process` is one run of it.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from threading import Condition, Event, RLock, Thread
from time import monotonic

import httpx2

from models.engine.endpoint import Endpoint
from models.errors import ServerError, ServerGone, ServerStartFailed
from models.servers.kept_record import KeptServers
from models.servers.kept_server import KeptProcess, adopt, end_kept_server
from models.servers.restarts import RestartHistory, RestartPolicy
from models.servers.server_log import ServerLog
from models.servers.server_process import ServerCommand, ServerProcess, with_port

_TAIL_IN_MESSAGES = 8
_WATCH_SECONDS = 0.05
_PROBE_SECONDS = 0.2


class ServerState(StrEnum):
    """The state of a managed server."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    """It crashed and is being restarted."""
    STOPPED = "stopped"
    FAILED = "failed"
    """It will not be restarted automatically; `restart` tries again."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """A managed server at one moment."""

    state: ServerState
    message: str
    """One sentence for users; for a failure, what happened and the last log lines."""
    base_url: str | None = None
    """Set only while it is ready."""
    pid: int | None = None
    started_at: datetime | None = None
    """When the current process was started, UTC."""
    restarts: int = 0
    """Restarts after crashes since `start`."""
    loading: str = ""
    """What it reports while it is starting."""
    is_adopted: bool = False
    """Whether an earlier start of the app began the process."""
    hardware: str = ""
    """What computes, in words, if the process says so."""


def serves_models(endpoint: Endpoint) -> bool:
    """Whether GET /v1/models answers 200 to the key; llama.cpp and vLLM do so once the model is loaded.

    The key distinguishes the server that was started from another one that took its port.
    """
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    url = f"{endpoint.base_url}/v1/models"
    try:
        # The body is not read: another server at the port could send any amount of it.
        with httpx2.stream("GET", url, headers=headers, timeout=2.0, trust_env=False) as answer:
            return answer.status_code == 200
    except httpx2.HTTPError:
        return False


def _no_progress(_line: str) -> str | None:
    return None


def _no_explanation(_lines: Sequence[str]) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class ServerProgram:
    """What differs between one kind of server and another."""

    name: str
    """What messages call it, such as "The model engine"."""
    command: Callable[[str], ServerCommand]
    """Takes the API key and returns what to run; may raise ServerNotInstalled."""
    is_ready: Callable[[Endpoint], bool] = serves_models
    progress: Callable[[str], str | None] = _no_progress
    """Turns a log line into one line of progress for users; None if it has nothing to do with progress."""
    start_timeout_seconds: float = 120.0
    model: str = ""
    """The name that it serves; needed by a server that is kept."""
    explain: Callable[[Sequence[str]], str | None] = _no_explanation
    """Turns the last lines of a start that failed into a message for users; None if they say nothing special."""


class ManagedServer:
    """Runs a ServerProgram; every method may be called from any thread."""

    def __init__(
        self,
        program: ServerProgram,
        log_path: Path,
        policy: RestartPolicy | None = None,
        *,
        kept: KeptServers | None = None,
        is_kept: bool = False,
    ) -> None:
        """Args:
        program: what is run.
        log_path: its log file.
        policy: how often it is restarted after crashes.
        kept: the record of a server that an earlier start may have kept; there are never two of them.
        is_kept: whether the server is left running when the app ends, and taken over by the next start.
        """
        self.program = program
        self.is_kept = is_kept and kept is not None
        self._kept = kept
        self.hardware = ""
        """Where it runs, in words, if whoever made it knows; see `ServerStatus.hardware`."""
        self.command: ServerCommand | None = None
        """Of the latest process."""
        self.log = ServerLog(log_path)
        self._restarts = RestartHistory(policy or RestartPolicy())
        self._lifecycle = RLock()
        self._changed = Condition()
        self._ending = Event()
        self.on_endpoint: Callable[[Endpoint | None], None] = lambda _: None
        """Called from the server's thread with each new endpoint, and with None when the server stops serving."""
        self._thread: Thread | None = None
        self._status = ServerStatus(ServerState.STOPPED, f"{program.name} has not been started.")
        self._endpoint: Endpoint | None = None
        self._process: ServerProcess | KeptProcess | None = None
        self._is_left = False
        self._failure: ServerError | None = None
        self._was_ready = False
        self._started_at: datetime | None = None
        self._loading = ""

    def start(self) -> None:
        """Start the server in the background, unless it is running."""
        with self._lifecycle, self._changed:
            if self._thread is not None and self._thread.is_alive():
                return
            self._ending = Event()
            self._failure, self._was_ready, self._is_left = None, False, False
            self._restarts = RestartHistory(self._restarts.policy)
            self._set(ServerState.STARTING, f"{self.program.name} is starting.")
            self._thread = Thread(target=self._supervise, args=(self._ending,), name="managed-server", daemon=True)
            self._thread.start()

    def wait_ready(self, timeout_seconds: float) -> Endpoint:
        """Wait until the server can take requests.

        Raises:
            ServerNotInstalled: its program is missing.
            ServerStartFailed: it failed to start, or is not ready after `timeout_seconds` (and is still starting).
            ServerGone: it crashed too often, or was stopped.
        """
        with self._changed:
            if not self._changed.wait_for(self._is_settled, timeout_seconds):
                raise ServerStartFailed(
                    f"{self.program.name} is not ready after {timeout_seconds:g} s and is still starting. "
                    f"{self._last_lines()}"
                )
            return self.endpoint()

    def stop(self) -> None:
        """Stop the process; returns when it has exited."""
        with self._lifecycle:
            self._ending.set()
            if self._thread is not None:
                self._thread.join()
            if self._kept is not None:
                end_kept_server(self._kept)
            self._failure = None
            self._set(ServerState.STOPPED, f"{self.program.name} was stopped.")
            self.log.close()

    def leave(self) -> None:
        """Watch it no longer; it goes on if it is kept, and is stopped otherwise."""
        self._is_left = self.is_kept
        if not self._is_left:
            self.stop()
            return
        with self._lifecycle:
            self._ending.set()
            if self._thread is not None:
                self._thread.join()
            self._set(ServerState.STOPPED, f"{self.program.name} keeps running without the app.")
            self.log.close()

    def restart(self) -> None:
        """Stop the process and start a new one with a new address and key in the background."""
        with self._lifecycle:
            self.stop()
            self.start()

    def status(self) -> ServerStatus:
        """The server's current status."""
        with self._changed:
            status, process = self._status, self._process
            return ServerStatus(
                status.state,
                status.message,
                self._endpoint.base_url if self._endpoint else None,
                process.pid if process else None,
                self._started_at if process else None,
                self._restarts.total,
                self._loading,
                isinstance(process, KeptProcess) and process.is_adopted,
                (process.hardware if isinstance(process, ServerProcess) else "") or self.hardware,
            )

    @property
    def is_active(self) -> bool:
        """Whether it runs, starts, or will be started again by itself."""
        with self._changed:
            return self._thread is not None and self._thread.is_alive() and not self._ending.is_set()

    def log_tail(self, lines: int = 50) -> list[str]:
        """The last lines of output across all starts, oldest first."""
        return self.log.tail(lines)

    def endpoint(self) -> Endpoint:
        """Where to send requests now; changes with every start.

        Raises:
            ServerStartFailed: it is still starting, or its start failed.
            ServerGone: it crashed and is restarting, has failed for good, or was stopped.
        """
        with self._changed:
            if self._endpoint is not None:
                return self._endpoint
            if self._failure is not None:
                raise self._failure
            state, name = self._status.state, self.program.name
        if state is ServerState.STARTING:
            raise ServerStartFailed(f"{name} is still starting; try again in a few seconds.")
        if state in (ServerState.RESTARTING, ServerState.READY):  # Still "ready" until the exit has been handled.
            raise ServerGone(f"{name} is restarting after a crash; try again in a few seconds.")
        raise ServerGone(f"{name} is not running; start it again.")

    def _supervise(self, ending: Event) -> None:
        while True:
            failure = self._run_once(ending)
            if ending.is_set():
                return
            delay_seconds = self._restarts.next_delay(monotonic()) if self._was_ready and failure is not None else None
            if failure is None or delay_seconds is None:
                self._give_up(failure or ServerGone(f"{self.program.name} exited."))
                return
            self._set(ServerState.RESTARTING, f"{failure} Restarting.")
            if ending.wait(delay_seconds):
                return

    def _run_once(self, ending: Event) -> ServerError | None:
        """Run one process until it exits; None if it was asked to stop."""
        # Before the process starts: its output is read by another thread from then on.
        self._loading = ""
        try:
            process, key = self._begin()
        except ServerError as error:
            return error
        except OSError as error:
            return ServerStartFailed(f"{self.program.name} could not be started: {error}.")
        with self._changed:
            self._process, self._started_at = process, datetime.now(UTC)
        try:
            return self._await_ready(process, key, ending) or self._await_end(process, ending)
        finally:
            self._finish(process)
            if not self._is_left:  # Whoever knows its address may go on using it.
                self.on_endpoint(None)
            with self._changed:
                self._process = self._endpoint = None

    def _begin(self) -> tuple[ServerProcess | KeptProcess, str]:
        """The running process, and its key; raises ServerError and OSError."""
        if self._kept is None:
            return self._begin_anew()
        with self._kept.locked():
            record = self._kept.read()
            if record is None:
                return self._begin_anew()
            self.log.hide(record.api_key)
            command = self.program.command(record.api_key)
            adopted = adopt(self._kept, record, command if self.is_kept else None, self.log, self._note_progress)
            if adopted is None:
                return self._begin_anew()
            self.command = replace(command, argv=with_port(command, record.port), base_url=record.base_url)
            return adopted, record.api_key

    def _begin_anew(self) -> tuple[ServerProcess | KeptProcess, str]:
        key = secrets.token_urlsafe(32)
        self.log.hide(key)
        command = self.command = self.program.command(key)
        if self._kept is not None and self.is_kept:
            started = KeptProcess.start(command, key, self.program.model, self._kept, self.log, self._note_progress)
            return started, key
        return ServerProcess(command, self.log, self._note_progress), key

    def _finish(self, process: ServerProcess | KeptProcess) -> None:
        """Leave a kept process, or end any other one and what it started."""
        if isinstance(process, KeptProcess):
            if process.is_shared or (self._is_left and process.exited() is None):
                process.leave()
                return
            if self._kept is not None:
                process.end()
                self._kept.remove()
            return
        process.end()

    def _await_ready(self, process: ServerProcess | KeptProcess, key: str, ending: Event) -> ServerError | None:
        deadline = monotonic() + self.program.start_timeout_seconds
        while not ending.wait(_WATCH_SECONDS if process.base_url is None else _PROBE_SECONDS / 2):
            if process.exited() is not None:
                return self._start_failure(process)
            if process.base_url and self.program.is_ready(endpoint := Endpoint(process.base_url, key)):
                self._become_ready(endpoint)
                return None
            if monotonic() > deadline:
                return ServerStartFailed(
                    f"{self.program.name} was not ready within {self.program.start_timeout_seconds:g} s and was "
                    f"stopped. {self._last_lines()}"
                )
        return None

    def _become_ready(self, endpoint: Endpoint) -> None:
        with self._changed:
            self._endpoint, self._was_ready, self._loading = endpoint, True, ""
            self._set(ServerState.READY, f"{self.program.name} is ready.")
        self.on_endpoint(endpoint)

    def _await_end(self, process: ServerProcess | KeptProcess, ending: Event) -> ServerError | None:
        while not ending.wait(_WATCH_SECONDS):
            if (how := process.exited()) is not None:
                process.drain()
                return ServerGone(f"{self.program.name} exited: {how}.")
        return None

    def _start_failure(self, process: ServerProcess | KeptProcess) -> ServerStartFailed:
        how = process.exited()
        process.drain()
        if explained := self.program.explain(self.log.tail(_TAIL_IN_MESSAGES * 4)) or process.error:
            return ServerStartFailed(f"{explained} The log is {self.log.path}.")
        return ServerStartFailed(f"{self.program.name} exited before it was ready: {how}. {self._last_lines()}")

    def _give_up(self, failure: ServerError) -> None:
        if self._was_ready:
            failure = ServerGone(
                f"{failure} It crashed {self._restarts.crashes} times within "
                f"{self._restarts.policy.window_seconds:g} s and will not be restarted; start it again once the "
                f"cause is fixed. {self._last_lines()}"
            )
        with self._changed:
            self._failure = failure
            self._set(ServerState.FAILED, str(failure))

    def _is_settled(self) -> bool:
        return self._endpoint is not None or self._status.state in (ServerState.FAILED, ServerState.STOPPED)

    def _last_lines(self) -> str:
        lines = self.log.tail(_TAIL_IN_MESSAGES)
        return "Its last lines of output:\n" + "\n".join(lines) if lines else f"It wrote nothing to {self.log.path}."

    def _note_progress(self, line: str) -> None:
        progress = self.program.progress(line)
        if progress is not None and self._endpoint is None:
            self._loading = progress

    def _set(self, state: ServerState, message: str) -> None:
        with self._changed:
            self._status = ServerStatus(state, message)
            self._changed.notify_all()
