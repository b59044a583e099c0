"""Workers on a Ray cluster, through the Ray Jobs API.

The code is sent with the job; the nodes need the app's requirements on their PATH, M1_HOME at the same path, and access
to the database. Ray is not a requirement of the app: it is imported when a job first needs it. Source:
https://docs.ray.io/en/latest/cluster/running-applications/job-submission/sdk.html
"""

import shlex
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from m1app.jobs.code_version import SENT_COMMIT, git_commit
from m1app.jobs.errors import ExecutorError
from m1app.jobs.executor import WORKER_PROGRAM, WorkerTask
from m1app.jobs.watching import Presence
from storage.jobs.records import Resource

_T = TypeVar("_T")
_PROJECT = Path(__file__).resolve().parents[2]
_CODE = frozenset({"m1app", "models", "storage"})
_WAITING = "PENDING"
_WORKING = "RUNNING"
_PRESENCE = {_WAITING: Presence.WAITING, _WORKING: Presence.ALIVE}


class RayExecutor:
    """Runs workers on one Ray cluster."""

    def __init__(self, address: str, program: tuple[str, ...] = WORKER_PROGRAM) -> None:
        """Set up the executor without connecting.

        Args:
            address: the head's dashboard, such as http://head:8265.
            program: passed to the nodes' `python`, followed by the job's id.
        """
        self._program = program
        self._address = address
        self._opened: Any = None

    def start(self, task: WorkerTask) -> str:
        """Submit a worker; Ray keeps it waiting until a node has room."""
        handle = f"m1-{task.job_id}-{task.attempt}"
        # One GPU even for full fine-tuning, unless its recipe says how many: then the job itself needs none, and
        # reserves them with `ray_nodes`. Ray hides all other GPUs from the worker, and training uses those it sees.
        needs = {"entrypoint_num_gpus": 1} if task.resource is Resource.GPU else {"entrypoint_num_cpus": 1}
        self._ask(
            lambda client: client.submit_job(
                # exec, so that Ray's signals reach the worker instead of a shell.
                entrypoint=f"exec python {shlex.join([*self._program, task.job_id])}",
                submission_id=handle,
                runtime_env={
                    "working_dir": str(_PROJECT),
                    "excludes": _all_but_code(),
                    "env_vars": {**task.environment, SENT_COMMIT: git_commit(), "PYTHONUNBUFFERED": "1"},
                },
                metadata={"job_id": task.job_id},
                **needs,
            )
        )
        return handle

    def look(self, handle: str) -> Presence:
        """Whether Ray still has the worker; UNKNOWN while the cluster does not respond."""
        if not handle:
            return Presence.UNKNOWN
        try:
            status = self._status(handle)
        except ExecutorError:
            return Presence.UNKNOWN
        return _PRESENCE.get(status, Presence.GONE)

    def stop(self, handle: str) -> None:
        """Cancel a pending worker: Ray stops it as soon as it starts.

        A running worker is not signalled: it learns from the database that it should stop. Ray would also signal its
        child processes, including its engine in the middle of an answer.
        """
        if self._status(handle) == _WAITING:
            self.kill(handle)

    def kill(self, handle: str) -> None:
        """Stop it through Ray: SIGTERM, then SIGKILL after 3 s."""
        if self._status(handle) in (_WAITING, _WORKING):
            self._ask(lambda client: client.stop_job(handle))

    def written(self, handle: str) -> str:
        """The worker's output as kept by Ray, and Ray's message if it could not start it."""
        if not handle or not self._status(handle):
            return ""
        text = str(self._ask(lambda client: client.get_job_logs(handle)))
        info = self._ask(lambda client: client.get_job_info(handle))
        message = info.message if info.status == "FAILED" and info.message else ""
        return f"{text}\nRay: {message}\n" if message and message not in text else text

    def _status(self, handle: str) -> str:
        """Ray's status of the job; empty if Ray does not know it (its head was restarted)."""
        try:
            return str(self._client().get_job_status(handle).value)
        except RuntimeError as exc:
            if "404" in str(exc) or "does not exist" in str(exc):
                return ""
            raise self._failed(exc) from exc
        except OSError as exc:
            raise self._failed(exc) from exc

    def _ask(self, use: Callable[[Any], _T]) -> _T:
        try:
            return use(self._client())
        except (OSError, RuntimeError, ValueError) as exc:
            raise self._failed(exc) from exc

    def _client(self) -> Any:
        if self._opened is None:
            try:
                from ray.job_submission import JobSubmissionClient
            except ImportError as exc:
                raise ExecutorError(
                    "Ray is not installed here. Run: .venv/bin/python -m pip install -r requirements/ray.txt"
                ) from exc
            self._opened = JobSubmissionClient(self._address)
        return self._opened

    def _failed(self, exc: Exception) -> ExecutorError:
        said = ""
        with suppress(IndexError):
            said = str(exc).strip().splitlines()[0][:300]
        return ExecutorError(
            f"The request to Ray at {self._address} failed ({said}). Check M1_RAY_ADDRESS and that the cluster is "
            "running."
        )


def _all_but_code() -> list[str]:
    """Files in the project folder that are not sent; Ray's patterns do not support exceptions."""
    return [*(f"/{entry.name}" for entry in _PROJECT.iterdir() if entry.name not in _CODE), "__pycache__"]
