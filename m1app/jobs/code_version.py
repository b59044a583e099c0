"""Which version of the app's code a worker runs: its own checkout's, or that from which its code was sent."""

import os
import subprocess
from pathlib import Path

SENT_COMMIT = "M1APP_SENT_COMMIT"
"""Environment variable of a worker whose code travelled without its repository."""
_PROJECT = Path(__file__).resolve().parents[2]


def git_commit(project: Path = _PROJECT) -> str:
    """The app's commit, with "+changes" when files differ from it; empty where nobody knows. Blocks for up to 40 s."""

    def ask(*arguments: str) -> str:
        found = subprocess.run(
            ["git", "-C", str(project), *arguments], capture_output=True, text=True, timeout=20, check=True
        )
        return found.stdout.strip()

    if sent := os.environ.get(SENT_COMMIT):
        return sent
    try:
        return ask("rev-parse", "HEAD") + ("+changes" if ask("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return ""
