"""The address of the app's vLLM server, shared with local workers in a file readable only by its user.

A GPU has room for one vLLM, so benchmark jobs use the app's. They look up the address for each request, because it
changes when the server restarts.
"""

import json
import logging
import os
from pathlib import Path

from models.engine.endpoint import Endpoint
from models.errors import EngineUnreachable
from models.servers.kept_record import is_own_address

_log = logging.getLogger(__name__)


class SharedEndpoint:
    """One address in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[tuple[int, int], Endpoint] | None = None
        """What was read last, with the file's inode and time of change."""

    def publish(self, endpoint: Endpoint | None) -> None:
        """Write the address, or remove the file; never fails, because the app itself does not need it."""
        try:
            if endpoint is None:
                self._path.unlink(missing_ok=True)
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial = self._path.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            # Create the file with these permissions, so that the key is never readable by others.
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump({"base_url": endpoint.base_url, "api_key": endpoint.api_key}, file)
            partial.replace(self._path)
        except OSError as exc:
            _log.warning("jobs will not find the engine: %s", exc)

    def read(self) -> Endpoint:
        """Return the address; raises EngineUnreachable while no app serves the model."""
        try:
            now = self._path.stat()
            stamp = (now.st_ino, now.st_mtime_ns)
            if self._known is None or self._known[0] != stamp:
                content = json.loads(self._path.read_text(encoding="utf-8"))
                endpoint = Endpoint(str(content["base_url"]), str(content["api_key"]))
                if not is_own_address(endpoint.base_url):
                    raise ValueError("not an address of this machine")
                self._known = stamp, endpoint
            return self._known[1]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
            raise EngineUnreachable(
                "The app's vLLM server is not running on this machine: start the app, and wait until it has loaded "
                "the model."
            ) from exc
