"""The process that uploads to the hub: `python -m m1app.training.publishing.hub_upload FILE`.

FILE is a request as JSON: {repo, is_private, message, files: [[path, name in the repository]]}. It prints {"url"}, or
{"error", "kind"}. It is a process of its own because `huggingface_hub` takes address and token from
the environment on import; the token is in no argument, file or message.
"""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

_CONNECT_SECONDS = 10.0
REFUSED, READ_ONLY, PUBLIC, UNREACHABLE, OTHER = "refused", "read-only", "public", "unreachable", "other"
"""Kinds of errors: the token is not accepted, may not write; the repository is public; no answer; anything else."""


def upload(request: dict[str, Any]) -> dict[str, str]:
    """Make the repository if there is none, and add the files in one commit; return its address.

    Raises:
        HfHubHTTPError: the hub refuses.
        OSError, RuntimeError, ValueError: as `huggingface_hub` raises them.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    hub, repo = HfApi(), request["repo"]
    role = hub.whoami().get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        return {"error": "the token may only read", "kind": READ_ONLY}
    hub.create_repo(repo, private=request["is_private"], exist_ok=True)
    if request["is_private"] and not hub.repo_info(repo).private:
        return {"error": "the repository exists and is public", "kind": PUBLIC}
    added = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for path, name in request["files"]]
    made = hub.create_commit(repo, added, commit_message=request["message"])
    return {"url": str(made.repo_url)}


def main(request: dict[str, Any]) -> dict[str, str]:
    """Return what the process prints."""
    if not _is_listening():
        return {"error": "the hub cannot be reached", "kind": UNREACHABLE}
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return upload(request)
    except HfHubHTTPError as exc:
        status = getattr(exc.response, "status_code", 0)
        kind = {401: REFUSED, 403: READ_ONLY}.get(status, OTHER)
        return {"error": _clean(exc), "kind": kind}
    except (OSError, RuntimeError, ValueError) as exc:
        return {"error": _clean(exc), "kind": OTHER}


def _is_listening() -> bool:
    """Whether something answers at the hub's address, or a proxy does that."""
    if getproxies().keys() - {"no"}:
        return True
    hub = urlsplit(os.environ["HF_ENDPOINT"])
    port = hub.port or (80 if hub.scheme == "http" else 443)
    try:
        socket.create_connection((hub.hostname or "", port), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _clean(exc: Exception) -> str:
    """The first line of an error, without the token."""
    line = (str(exc).strip().splitlines() or [type(exc).__name__])[0][:300]
    token = os.environ.get("HF_TOKEN", "")
    return line.replace(token, "(token)") if token else line


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))) + "\n")
