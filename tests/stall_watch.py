"""What blocks the event loop while the tests run: files, transactions and slow imports of a coroutine itself.

`tests/m1app/test_coroutines.py` reads the code; this sees what it does, however deep in a library. It watches the tests
of pytest (`StallWatch`), and the app of the browser tests, which is started as `python -m tests.stall_watch`.
A coroutine of a test or of a command may block.
"""

import asyncio
import inspect
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_OURS = tuple(f"{_ROOT / name}/" for name in ("m1app", "models", "storage"))
_FREE = (f"{_ROOT / 'tests'}/", f"{_ROOT / 'm1app' / 'cli'}/")
"""Code that may block: a command of the terminal has its loop to itself."""
_EVENTS = {"open", "os.listdir", "os.scandir", "shutil.rmtree", "sqlite3.connect"}
_SLOW_IMPORTS = {"pandas", "scipy", "statsmodels", "plotly", "datasets", "huggingface_hub", "ray", "transformers"}
_LIGHT = (".py", "/catalog.toml", "/run/vllm.json")
"""The lines of a logged traceback, and two small files that are read again only if they have changed. A number is a
program's pipe."""
MARK = "blocks the event loop"


def watch(report: Callable[[str], object], ours: tuple[str, ...] = _OURS, free: tuple[str, ...] = _FREE) -> None:
    """From now on, in this process, call `report` with each thing by which a coroutine of ours blocks its loop.

    Args:
        report: takes a line that says where and what.
        ours: how the paths of watched code begin.
        free: how those of code begin that may block.
    """

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS or (event == "import" and str(arguments[0]) in _SLOW_IMPORTS):
            told(event, arguments[0])

    def told(event: str, what: object) -> None:
        is_light = isinstance(what, int) or str(what).endswith(_LIGHT)
        if asyncio._get_running_loop() is not None and not is_light and (place := _place(event, ours, free)):
            report(f"{place} {MARK}: {event} {str(what)[:100]}")

    sys.addaudithook(hear)
    _watch_transactions(told)


def _watch_transactions(told: Callable[[str, object], None]) -> None:
    from storage.database import Database

    turn = Database._turn

    def watched(database: Database, is_read_only: bool) -> Any:
        told("a transaction of", database.place)
        return turn(database, is_read_only)

    Database._turn = watched  # type: ignore[method-assign]


def _place(event: str, ours: tuple[str, ...], free: tuple[str, ...]) -> str:
    """The line at which the coroutine that runs now does it; empty if it is none of ours."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(free):
            return ""
        if name.startswith("<frozen importlib") and event != "import":
            return ""  # the import of a small library
        if name.startswith(ours) and frame.f_code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
            return f"{name.removeprefix(f'{_ROOT}/')}:{frame.f_lineno}, {frame.f_code.co_name},"
        frame = frame.f_back
    return ""


class StallWatch:
    """Fails a test during which a coroutine of ours blocked its loop."""

    def __init__(self) -> None:
        self._seen: list[str] = []
        watch(self._seen.append)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        self._seen.clear()
        yield
        if self._seen:
            pytest.fail(f"{self._seen[0]}. Let a thread do it (asyncio.to_thread).")


if __name__ == "__main__":
    watch(lambda problem: sys.stderr.write(f"{problem}\n"))
    runpy.run_path(str(_ROOT / "app.py"), run_name="__main__")
