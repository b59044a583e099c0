"""Runs the process that fetches a question set of the hub, with the settings that it is to have."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.hub import HubRequest
from m1app.settings import Settings
from models.servers.child_process import inherited_environment

_ROOT = Path(__file__).resolve().parents[2]
_OFFLINE = "M1_HUB_OFFLINE is set: only what was fetched before can be imported."
_UNREACHABLE = "Check the network and M1_HUB_URL."
_ADVICE = {
    "DatasetNotFoundError": "Check the name; where a licence must be accepted, accept it there and set M1_HUB_TOKEN.",
    "ConnectionError": _UNREACHABLE,
    "LocalEntryNotFoundError": _UNREACHABLE,
    "RuntimeError": "If it is a dataset script: take a copy of the set as Parquet or JSON lines.",
}
"""By the name of the error's class: what to do about it."""


async def fetch_from_hub(request: HubRequest, folder: Path, settings: Settings) -> tuple[HubRequest, Path]:
    """Fetch a set into `folder`, which is empty; gives what was chosen and the file.

    Raises:
        InvalidQuestionSet: it cannot be had; the message says why.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "m1app.question_sets.hub",
        str(folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # In the empty folder: a folder of that name where the app runs would be taken for the repository.
        cwd=folder,
        env=hub_environment(settings),
    )
    try:
        output, complaints = await process.communicate(json.dumps(asdict(request)).encode())
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    reply = _reply(output, complaints, process.returncode)
    if "error" in reply:
        advice = _OFFLINE if settings.hub_offline else _ADVICE.get(reply.get("kind", ""), "")
        raise InvalidQuestionSet(f"{request.place}: {str(reply['error']).rstrip('.')}. {advice}".rstrip())
    chosen = HubRequest(**reply)
    return chosen, folder / (chosen.file or "rows.parquet")


def hub_environment(settings: Settings) -> dict[str, str]:
    """The process's environment: none of the app's settings but address, token and offline mode of the hub."""
    inherited = {name: value for name, value in inherited_environment().items() if not name.startswith("HF_")}
    token = settings.hub_token.get_secret_value() or os.environ.get("HF_TOKEN", "")
    return (
        inherited
        | {
            "PYTHONPATH": str(_ROOT),
            "HF_ENDPOINT": settings.hub_url,
            "HF_HOME": str(settings.home / "hub"),
            "HF_HUB_OFFLINE": str(int(settings.hub_offline)),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        | ({"HF_TOKEN": token} if token else {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"})
    )


def _reply(output: bytes, complaints: bytes, status: int | None) -> Mapping[str, Any]:
    try:
        reply: Mapping[str, Any] = json.loads(output.decode().strip().rpartition("\n")[2])
    except ValueError:
        lines = complaints.decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"the process ended with status {status}"
        return {"error": f"fetching failed: {said}", "kind": ""}
    return reply
