"""The version of the code that a worker runs: its own checkout's, or the one its code was sent from."""

import os
import subprocess
from pathlib import Path

SENT_COMMIT = "M1APP_SENT_COMMIT"
"""Environment variable for workers whose code was sent without its repository."""
_PROJECT = Path(__file__).resolve().parents[2]


def git_commit(project: Path = _PROJECT) -> str:
    """Return the app's commit, with "+changes" if files differ from it; empty if unknown. Blocks for up to 40 s."""

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
