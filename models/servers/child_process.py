"""How the app starts a process of another program: under guard, and without the app's own settings."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from models.servers import process_guard

_SETTINGS = "M1_"


def guarded(command: Sequence[str], grace_seconds: float) -> list[str]:
    """The command line that runs `command` under `models.servers.process_guard`, whose owner is whoever starts it.

    Args:
        command: the program and its arguments.
        grace_seconds: how long it may take to end once it is told to; then it is killed.
    """
    guard = [sys.executable, "-I", "-S", str(Path(process_guard.__file__).resolve())]
    return [*guard, "--grace-seconds", f"{grace_seconds:g}", "--", *command]


def inherited_environment() -> dict[str, str]:
    """This process's environment without the app's settings: they hold secrets that no other program needs."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
