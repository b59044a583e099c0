"""The record by which a later start of the app finds a server that was kept: process, address, key, command.

It is in a file that only its user can read. Linux only. The process itself is in `kept_server`.
"""

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

import filelock
import httpx2

from models.engine.endpoint import Endpoint
from models.servers.server_process import ServerCommand, with_port

_ADDRESS = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}")
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PROC = Path("/proc")
_LISTING_BYTES = 1 << 20
_SECONDS = 2.0
_LOCK_SECONDS = 60.0


def process_start(pid: int) -> str | None:
    """What tells a process from a later one with its number: the machine's boot and the time since; None if it ended.

    None where the system does not say, too.
    """
    try:
        # The name, in parentheses, may hold anything.
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot} {fields[19]}"


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A server that was kept."""

    pid: int
    started: str
    """See `process_start`."""
    base_url: str
    api_key: str = field(repr=False)
    fingerprint: str
    """See `fingerprint`."""
    model: str
    """The name that it serves."""
    owner_pid: int
    """The app's process that uses it, or used it last."""
    owner_started: str

    @property
    def is_whole(self) -> bool:
        """Whether the app could have written it: prompts and key go to this machine only."""
        pids, texts = (self.pid, self.owner_pid), (self.started, self.fingerprint, self.model, self.owner_started)
        return (
            all(type(pid) is int and pid > 1 for pid in pids)
            and all(type(text) is str for text in (*texts, self.base_url, self.api_key))
            and is_own_address(self.base_url)
            and bool(_KEY.fullmatch(self.api_key))
        )

    @property
    def is_running(self) -> bool:
        """Whether that process still runs."""
        return process_start(self.pid) == self.started

    @property
    def other_owner(self) -> int | None:
        """Another process of the app that uses it now; None if there is none."""
        is_ours = self.owner_pid == os.getpid()
        return None if is_ours or process_start(self.owner_pid) != self.owner_started else self.owner_pid

    @property
    def port(self) -> str:
        """Where it listens."""
        return self.base_url.rpartition(":")[2]

    @property
    def endpoint(self) -> Endpoint:
        """Where it is asked."""
        return Endpoint(self.base_url, self.api_key)


class KeptServers:
    """The place of one server's record and output."""

    def __init__(self, directory: Path, name: str) -> None:
        """Args:
        directory: made when it is needed.
        name: of the files in it.
        """
        self._path = directory / f"{name}-kept.json"
        self.output = directory / f"{name}-output.log"

    def locked(self) -> filelock.BaseFileLock:
        """Held while it is decided whether a server is started: one of two processes waits for the other."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(self._path.with_suffix(".lock"), timeout=_LOCK_SECONDS)

    def read(self) -> KeptRecord | None:
        """The record of a server that runs; None if there is none, or only what is left of one that has ended.

        Raises:
            OSError: there is one that cannot be read now, perhaps of a server that runs.
        """
        try:
            record = KeptRecord(**json.loads(self._path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError, RecursionError):
            return None
        # What is left is not removed: pages read without the lock, and the next server may have its record there now.
        return record if record.is_whole and record.is_running and self._is_written_by(record.pid) else None

    def _is_written_by(self, pid: int) -> bool:
        """Whether a process writes to `output`, as the server does: no other one is ever stopped."""
        try:
            written = str((_PROC / str(pid) / "fd" / "1").readlink()).removesuffix(" (deleted)")
        except OSError:  # It has ended, or is another user's.
            return False
        return written == str(self.output.resolve())

    def write(self, record: KeptRecord) -> None:
        """Keep a record; raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        # Created with these permissions, so that the key is never readable by others.
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(record), file)
        partial.replace(self._path)

    def remove(self) -> None:
        """Remove the record, if there is one."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def is_own_address(base_url: str) -> bool:
    """Whether that is where a server of this app listens."""
    return bool(_ADDRESS.fullmatch(base_url))


def fingerprint(command: ServerCommand) -> str:
    """The same for two commands that differ only in address and secrets."""
    argv = with_port(command, "PORT")
    env = {name: value for name, value in command.env.items() if name not in command.secrets}
    return hashlib.sha256(json.dumps([argv, sorted(env.items()), str(command.cwd)]).encode()).hexdigest()


class Answer(StrEnum):
    """How a server that was kept answers."""

    NONE = "none"
    """Not at all, or not yet."""
    GOOD = "good"
    FOREIGN = "foreign"
    """It refuses the key, or serves other models."""


def ask(record: KeptRecord) -> Answer:
    """Ask a kept server for its models. Blocks for a few seconds."""
    headers = {"Authorization": f"Bearer {record.api_key}"}
    body = b""
    try:
        url = f"{record.base_url}/v1/models"
        with httpx2.stream("GET", url, headers=headers, timeout=_SECONDS, trust_env=False) as answer:
            if answer.status_code in (401, 403):
                return Answer.FOREIGN
            if answer.status_code != 200:
                return Answer.NONE
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _LISTING_BYTES:
                    return Answer.FOREIGN
    except httpx2.HTTPError:
        return Answer.NONE
    try:
        names = [entry["id"] for entry in json.loads(body)["data"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        return Answer.FOREIGN
    return Answer.GOOD if record.model in names else Answer.FOREIGN
