"""Runs the command line in a separate process."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests import warm_python

ROOT = Path(__file__).resolve().parents[3]
QUESTION = {"question": "Which gland makes cortisol?", "options": {"A": "Adrenal", "B": "Thyroid"}, "answer_idx": "A"}

Done = subprocess.CompletedProcess[str]


def environment(home: Path, **settings: str) -> dict[str, str]:
    """An environment without the developer's settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("M1_")}
    return inherited | {"M1_HOME": str(home)} | settings


def run_as_people_do(*command: str, home: Path) -> Done:
    """Run `python COMMAND` to its end, by a new Python."""
    env = environment(home)
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=150)


def run(*arguments: str, home: Path, stdin: str = "", module: str = "m1app", **settings: str) -> Done:
    """Run `python -m MODULE ARGUMENTS` to its end; the module "app" is app.py."""
    env = environment(home, **settings)
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error:
        given.write(stdin.encode())
        given.seek(0)
        process = warm_python.start(module, arguments, env, (given, output, error))
        try:
            process.wait(150)
        finally:
            process.kill()
        output.seek(0)
        error.seek(0)
        return Done(arguments, process.returncode or 0, output.read().decode(), error.read().decode())


def write_question(path: Path, content: Any = QUESTION) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def assert_one_line(error: str, *words: str) -> None:
    """Assert that standard error is one message with these words, without a traceback."""
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    for word in ("Traceback", "Error:"):
        assert word not in error
    for word in words:
        assert word in error
