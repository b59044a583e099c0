"""Determines what a test needs from its code, and `--quick`, which deselects tests that need anything.

A test is marked by its folder, by the fixtures it uses, and by what the functions of tests/ called by it or its
fixtures refer to: `subprocess`, a server's class. Nothing is marked by hand. In a quick run, starting a program or
binding a socket fails the test (`Guard`).
"""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

E2E = Path(__file__).with_name("e2e")
FIXTURES = {
    "engine": {"smollm2_path", "engine_endpoint", "whole_engine_endpoint", "vllm_endpoint", "safetensors_path"},
    "postgres": {"postgres_socket"},
}
NAMES = {
    "process": {
        *("subprocess", "multiprocessing", "create_subprocess_exec", "make_home", "git_commit", "examine_machine"),
        *("ManagedServer", "ServerProcess", "llama_server", "vllm_server", "LocalExecutor", "EngineService"),
        *("write_python", "print_pdf"),
        *(
            "WheelSource",
            "render_template",
            "ProfileLibrary",
            "EmbeddedModels",
            "FineTuningService",
            "PublishingService",
            "fine_tuning",
            "run_training",
        ),
        # A file of a user is read by a process of its own.
        *(
            "file_messages",
            "open_answers",
            "import_files",
            "benchmark_imports",
            "import_file",
            "import_hub",
            "QuestionSetService",
            "CorpusService",
            "CorpusTab",
            "corpora",
            "SetStore",
            "TrainingDataService",
        ),
        *("SetsTab", "TrainingDataPart", "sample_messages", "add_admin_files", "training_data"),
        "TrainingChecks",
    },
    "server": {"HTTPServer", "ThreadingHTTPServer", "socketserver", "start_server", "uvicorn", "socket", "launch"},
}
SLOW = {*FIXTURES, *NAMES, "e2e", "vllm", "training", "ray"}
_STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "socket.bind"}


def mark(item: pytest.Item) -> None:
    """Mark the test with what it needs."""
    fixtures = set(getattr(item, "fixturenames", ()))
    found = {need for need, names in FIXTURES.items() if names & fixtures}
    found |= {need for function in _functions(item) for need in _needs_of(function)}
    found |= {"e2e"} if item.path.is_relative_to(E2E) else set()
    for need in sorted(found):
        item.add_marker(need)


def is_quick(item: pytest.Item) -> bool:
    return not any(mark.name in SLOW for mark in item.iter_markers())


class Guard:
    """In a quick run, fails a test that starts a program or binds a socket."""

    def __init__(self) -> None:
        self._is_on = False
        self._seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._is_on and event in _STARTS:
            self._seen.append(f"{event}{arguments[:2]}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        self._seen, self._is_on = [], True
        try:
            return (yield)
        finally:
            self._is_on = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        yield
        if self._seen:
            pytest.fail(
                f"A quick test may start no program and bind no socket, and this one did: {self._seen[0]}. "
                "tests/needs.py leaves out what is known to; name the fixture, class or function that does it there."
            )


def _functions(item: pytest.Item) -> Iterator[FunctionType]:
    """The test and its fixtures."""
    if isinstance(function := getattr(item, "function", None), FunctionType):
        yield function
    for definitions in item._fixtureinfo.name2fixturedefs.values():
        for definition in definitions:
            if isinstance(definition.func, FunctionType):
                yield definition.func


@cache
def _needs_of(function: FunctionType) -> frozenset[str]:
    seen: set[Any] = set()
    names = set(_reached(function, seen))
    return frozenset(need for need, words in NAMES.items() if words & names)


def _reached(function: FunctionType, seen: set[Any]) -> Iterator[str]:
    """Names in the function's code, and in that of each function and class of tests/ which it names."""
    if function in seen:
        return
    seen.add(function)
    for name in _names(function.__code__):
        yield name
        value = function.__globals__.get(name)
        yield from _within(value, seen)
        if isinstance(value, ModuleType) and value.__name__.startswith("tests."):
            for attribute in _names(function.__code__):
                yield from _within(getattr(value, attribute, None), seen)


def _within(value: Any, seen: set[Any]) -> Iterator[str]:
    value = getattr(value, "__wrapped__", value)
    if not str(getattr(value, "__module__", "")).startswith("tests."):
        return
    if isinstance(value, FunctionType):
        yield from _reached(value, seen)
    elif isinstance(value, type):
        for member in (each for owner in value.__mro__ for each in vars(owner).values()):
            member = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(member, FunctionType) and member.__module__.startswith("tests."):
                yield from _reached(member, seen)
        for base in value.__mro__:
            yield base.__name__


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
