"""Background work that cannot fail silently: the app's worker loops.

Nobody awaits a saver, a scheduler or a run, so an exception there would be lost, and the work with it. Only this module
and the UI boundary catch every exception. Each is logged, unexpected ones with their traceback, and becomes a message
for the user. Cancellation propagates.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any, TypeVar

from m1app.errors import FOR_PEOPLE, AppError, log_words

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_LONGEST_PAUSE_SECONDS = 30.0
_running: set[asyncio.Task[Any]] = set()
"""The event loop only holds weak references to tasks."""


@contextmanager
def reported(work: str, report: Callable[[str], object]) -> Iterator[None]:
    """Catch any exception in the block: log it as a failure of `work` and pass its message to `report`."""
    try:
        yield
    except Exception as exc:  # noqa: BLE001 - the worker loop
        report(explained(work, exc))


class Rounds:
    """Repeated background work: failed rounds are reported, and the next one is tried after a pause.

    A persistent problem is logged once. After unexpected exceptions the pause doubles each time, up to 30 s.
    """

    def __init__(self, work: str, seconds: float, expected: tuple[type[Exception], ...] = FOR_PEOPLE) -> None:
        """Args:
        work: its name in the log.
        seconds: pause between two rounds.
        expected: exceptions whose message is enough; any other is logged with its traceback.
        """
        self.problem = ""
        """User-readable reason why the last round failed; empty if it succeeded."""
        self._work = work
        self._seconds = seconds
        self._expected = expected
        self._unexpected = 0

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next round."""
        return max(self._seconds, min(self._seconds * 2.0**self._unexpected, _LONGEST_PAUSE_SECONDS))

    @contextmanager
    def round(self) -> Iterator[None]:
        """Run one round; any exception is caught and stored as `problem`."""
        try:
            yield
        except Exception as exc:  # noqa: BLE001 - the worker loop
            self._unexpected = 0 if isinstance(exc, self._expected) else min(self._unexpected + 1, 16)
            self.problem = explained(self._work, exc, self.problem, self._expected)
        else:
            if self.problem:
                _log.info("%s works again", self._work)
            self._unexpected, self.problem = 0, ""


def start_task(work: Coroutine[Any, Any, _T], name: str) -> asyncio.Task[_T]:
    """Run `work` as a task; an exception that ends it is logged even if nobody awaits it."""
    task = asyncio.create_task(work, name=name)
    _running.add(task)
    task.add_done_callback(_note_end)
    return task


def start_thread(work: Callable[[], object], name: str) -> Thread:
    """Run `work` in a daemon thread; an exception that ends it is logged."""

    def run() -> None:
        with reported(name, lambda _: None):
            work()

    thread = Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def _note_end(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()):
        _log.error("%s ended unexpectedly", task.get_name(), exc_info=error)


def explained(work: str, error: Exception, known: str = "", expected: tuple[type[Exception], ...] = FOR_PEOPLE) -> str:
    """Return the user-facing message of an error in `work`.

    It is logged, unless it is expected and already `known`, or was logged where it happened.
    """
    if isinstance(error, expected):
        message = str(error)
        is_logged = isinstance(error, AppError) and error.is_logged
        if message != known and not is_logged:
            _log.warning("%s: %s", work, log_words(error))
        return message
    _log.error("%s failed unexpectedly", work, exc_info=error)
    return f"An unexpected error occurred ({type(error).__name__}); the app's log has the details."
