"""Workers on a Ray cluster, through the Ray Jobs API.

The code travels with the job; the nodes need the app's requirements on their PATH, M1_HOME at the same path, and a
database that they reach. Ray itself is no requirement of the app: it is imported when the first job asks for it.
Source: https://docs.ray.io/en/latest/cluster/running-applications/job-submission/sdk.html
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
    """Jobs of one Ray cluster."""

    def __init__(self, address: str, program: tuple[str, ...] = WORKER_PROGRAM) -> None:
        """Nothing is opened yet.

        Args:
            address: the head's dashboard, such as http://head:8265.
            program: is given to the nodes' `python`, the job's id after it.
        """
        self._program = program
        self._address = address
        self._opened: Any = None

    def start(self, task: WorkerTask) -> str:
        """Submit a worker; Ray keeps it waiting until a node has room."""
        handle = f"m1-{task.job_id}-{task.attempt}"
        # One GPU also for a training of every weight, unless its recipe says how many: then it needs none itself, and
        # reserves them by `ray_nodes`. Ray shows the worker no other, and the training takes what it sees.
        needs = {"entrypoint_num_gpus": 1} if task.resource is Resource.GPU else {"entrypoint_num_cpus": 1}
        self._ask(
            lambda client: client.submit_job(
                # exec: Ray's signals reach the worker, and not a shell before it.
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
        """Whether Ray still has the worker; UNKNOWN while the cluster does not answer."""
        if not handle:
            return Presence.UNKNOWN
        try:
            status = self._status(handle)
        except ExecutorError:
            return Presence.UNKNOWN
        return _PRESENCE.get(status, Presence.GONE)

    def stop(self, handle: str) -> None:
        """Take a waiting worker back: Ray ends it as soon as it starts it.

        A running one is not signalled: it reads in the database that it is to stop. Ray would signal all that the
        worker has started too, its engine in the middle of an answer.
        """
        if self._status(handle) == _WAITING:
            self.kill(handle)

    def kill(self, handle: str) -> None:
        """Ray's own stop: SIGTERM, and SIGKILL 3 s later."""
        if self._status(handle) in (_WAITING, _WORKING):
            self._ask(lambda client: client.stop_job(handle))

    def written(self, handle: str) -> str:
        """What Ray kept of the worker's output, and Ray's own message where it could not start it."""
        if not handle or not self._status(handle):
            return ""
        text = str(self._ask(lambda client: client.get_job_logs(handle)))
        info = self._ask(lambda client: client.get_job_info(handle))
        message = info.message if info.status == "FAILED" and info.message else ""
        return f"{text}\nRay: {message}\n" if message and message not in text else text

    def _status(self, handle: str) -> str:
        """Ray's word for where the job is; empty when Ray knows no such job (its head was started anew)."""
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
    """What of the project's folder is not sent: Ray's patterns know no exceptions to a rule."""
    return [*(f"/{entry.name}" for entry in _PROJECT.iterdir() if entry.name not in _CODE), "__pycache__"]
