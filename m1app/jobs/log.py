"""Job logs as shown to users: the log file, and output that workers wrote elsewhere."""

from collections.abc import Mapping

from m1app.jobs.errors import ExecutorError
from m1app.jobs.executor import Executor
from m1app.jobs.files import JobFiles, last_lines, last_lines_of
from m1app.jobs.states import ACTIVE
from storage.jobs.records import Job


class JobLog:
    """The logs of all jobs. Every method blocks."""

    def __init__(self, files: JobFiles, executors: Mapping[str, Executor]) -> None:
        self._files = files
        self._executors = executors

    def tail(self, job: Job, lines: int) -> str:
        """Return the last lines: events and worker output, then output written elsewhere."""
        text = last_lines(self._files.log_path(job.id), lines)
        for attempt in range(1, job.attempt + 1):
            text += self._foreign(job, attempt, lines)
        return last_lines_of(text, lines)

    def keep(self, job: Job) -> None:
        """Copy output that a finished attempt's worker wrote elsewhere into the job's folder.

        Raises:
            ExecutorError: the executor that has it does not respond.
            OSError: the copy cannot be written.
        """
        executor = self._executors.get(job.executor)
        if executor is not None and (text := executor.written(job.handle)):
            self._files.foreign_log_path(job.id, job.attempt).write_text(text, encoding="utf-8")

    def _foreign(self, job: Job, attempt: int, lines: int) -> str:
        kept = last_lines(self._files.foreign_log_path(job.id, attempt), lines)
        executor = self._executors.get(job.executor)
        if kept or executor is None or attempt != job.attempt:
            return kept
        try:
            return last_lines_of(executor.written(job.handle), lines)
        except ExecutorError as exc:
            return f"({exc})\n" if job.state in ACTIVE else ""
