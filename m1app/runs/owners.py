"""Which process a running record belongs to, and whether that process is gone."""

import os
import socket
from datetime import UTC, datetime, timedelta

STALE_SECONDS = 15.0
"""Running records are saved every second; one not saved for this long has lost its process."""


def this_process() -> str:
    """Owner string for records run by this process: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def may_be_alive(owner: str) -> bool:
    """Whether an owner may still be running; processes on other machines are judged by their heartbeat instead."""
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_abandoned(owner: str, heartbeat_at: datetime) -> bool:
    """Whether a running record has lost its process."""
    return not may_be_alive(owner) or heartbeat_at < datetime.now(UTC) - timedelta(seconds=STALE_SECONDS)


def is_alive_at_start(owner: str) -> bool:
    """`may_be_alive` before this process runs anything, when a record with its own id must be a predecessor's.

    In a container, every app has process id 1.
    """
    return owner != this_process() and may_be_alive(owner)
