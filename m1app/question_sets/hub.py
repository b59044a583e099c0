"""Question sets on the Hugging Face hub: known repositories, and how to download them.

`download_from_hub` starts `python -m m1app.question_sets.hub FOLDER PARENT`, which reads a request as JSON from
standard input, downloads through `datasets` into a file in that folder, and prints `{"file": name}` or `{"error":
message}`. It is a separate process because `datasets` and `huggingface_hub` take address, token and offline mode from
the environment on import, and keep loaded data in memory; its memory is limited, and it ends with PARENT, a process id.
It runs no code from repositories: `datasets` no longer supports that.
"""

import asyncio
import errno
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from m1app.question_sets.download_watch import watched_output
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.reading_process import end_with, limit_resources
from m1app.settings import Settings
from models.servers.process_guard import inherited_environment

# Neither a folder nor "..": `datasets` would load an existing folder as the data.
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
HUB_PLACE = "hub:"
"""What the name of a source on the hub begins with, before its repository."""
_PREFERRED_SPLITS = ("test", "validation")


@dataclass(frozen=True, slots=True)
class HubRequest:
    """What to download; empty fields are chosen from what the repository has."""

    repo: str
    config: str = ""
    split: str = ""
    file: str = ""
    """A file of the repository to use directly, instead of loading a split."""
    layout: str = ""
    """Id of the layout to read it with; empty detects it."""

    @property
    def place(self) -> str:
        """Its source, for users."""
        return HUB_PLACE + " ".join(filter(None, (self.repo, self.config, self.split, self.file)))

    @property
    def name(self) -> str:
        """A name for the set."""
        return " ".join(filter(None, (self.repo.rpartition("/")[2], self.config, self.split)))


_KNOWN = {
    known.repo.casefold(): known
    for known in (
        HubRequest("UCSC-VLAA/m1_eval_data", file="m1_eval_data.json", layout="m1"),
        HubRequest("GBaker/MedQA-USMLE-4-options", split="test"),
        HubRequest("bigbio/med_qa", "med_qa_en_4options_source", "test"),
        HubRequest("openlifescienceai/medmcqa", split="validation", layout="medmcqa"),
        HubRequest("qiaojin/PubMedQA", "pqa_labeled", "train"),
        HubRequest("TIGER-Lab/MMLU-Pro", split="test"),
        HubRequest("Idavidrein/gpqa", "gpqa_main", "train"),
        HubRequest("TsinghuaC3I/MedXpertQA", "Text", "test"),
        HubRequest("GBaker/MedQA-USMLE-4-options-hf", split="test"),
        HubRequest("HPAI-BSC/CareQA", "CareQA_en", "test"),
        HubRequest("dvilares/head_qa", "en", "test"),
        HubRequest("EleutherAI/headqa", "en", "test"),
        HubRequest("qtera/frenchmedmcqa", split="test"),
    )
}
"""Defaults for repositories with several parts; MedMCQA's test split has no targets."""


def hub_request(repo: str, config: str = "", split: str = "", layout: str = "") -> HubRequest:
    """Create the request for a repository, with its known defaults.

    Raises:
        InvalidQuestionSet: not a repository name, or a config or split of a single-file repository was requested.
    """
    repo = repo.strip().removeprefix("https://huggingface.co/datasets/").rstrip("/")
    if not _REPO.fullmatch(repo):
        raise InvalidQuestionSet(
            f"found {repo[:80]!r}, expected a hub repository such as GBaker/MedQA-USMLE-4-options. "
            "To import a file on this machine, use Import file, or leave out --hub."
        )
    known = _KNOWN.get(repo.casefold(), HubRequest(repo))
    if known.file and (config or split):
        raise InvalidQuestionSet(f"{repo} is one file with every set in it: leave config and split empty.")
    # A different config may have other splits than the known one.
    known_split = known.split if config in ("", known.config) else ""
    return HubRequest(known.repo, config or known.config, split or known_split, known.file, layout or known.layout)


def download(request: HubRequest, folder: Path) -> HubRequest:
    """Download into a file of `folder` (rows.parquet, or `request.file`); return what was chosen.

    Raises:
        InvalidQuestionSet: the repository has several parts and none was named.
        OSError, ValueError, RuntimeError: as `datasets` and `huggingface_hub` raise them.
    """
    _stay_offline_if_unreachable()
    import datasets
    from huggingface_hub import hf_hub_download

    if request.file:
        downloaded = hf_hub_download(request.repo, request.file, repo_type="dataset")
        shutil.copyfile(downloaded, folder / request.file)
        return request
    config = request.config or _only(datasets.get_dataset_config_names(request.repo), ("default",), "config")
    splits = datasets.get_dataset_split_names(request.repo, config)
    split = request.split or _only(splits, _PREFERRED_SPLITS, "split")
    if split not in splits:
        raise InvalidQuestionSet(f"found no split {split!r}, expected one of {', '.join(splits)}. Name one of them.")
    datasets.load_dataset(request.repo, config, split=split).to_parquet(folder / "rows.parquet")
    shown = "" if config == "default" else config
    return HubRequest(request.repo, shown, split, layout=request.layout)


def _stay_offline_if_unreachable() -> None:
    """Let the libraries use only what they have if nothing listens at the hub's address.

    They would try to connect for 23 seconds for each file; call before they are imported.
    """
    if os.environ["HF_HUB_OFFLINE"] == "1" or getproxies().keys() - {"no"}:
        return
    hub = urlsplit(os.environ["HF_ENDPOINT"])
    port = hub.port or (80 if hub.scheme == "http" else 443)
    try:
        socket.create_connection((hub.hostname or "", port), _CONNECT_SECONDS).close()
    except OSError:
        os.environ["HF_HUB_OFFLINE"] = "1"


def _only(names: Sequence[str], preferred: Sequence[str], what: str) -> str:
    if len(names) == 1:
        return names[0]
    found = next((name for name in preferred if name in names), None)
    if found is None:
        raise InvalidQuestionSet(f"found several {what}s ({', '.join(names)}), expected one. Name the one to import.")
    return found


def main(arguments: Sequence[str], request: dict[str, Any]) -> dict[str, Any]:
    """Return what the process prints."""
    folder = Path(arguments[0])
    try:
        return asdict(download(HubRequest(**request), folder))
    except MemoryError:
        return {
            "error": f"found data that takes more than {_MAX_MEMORY_BYTES // 2**30} GB of memory",
            "kind": _TOO_LARGE,
        }
    except (InvalidQuestionSet, OSError, RuntimeError, ValueError) as exc:
        lines = str(exc).strip().splitlines()
        is_full = isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT)
        kind = _DISK_FULL if is_full else type(exc).__name__
        return {"error": lines[0] if lines else type(exc).__name__, "kind": kind}


_MAX_MEMORY_BYTES = 4 * 2**30
"""What `datasets` may take to convert a set; its libraries and threads alone take more than reading a file."""
_DISK_FULL, _TOO_LARGE = "disk full", "too large"
_CONNECT_SECONDS = 10.0
_ROOT = Path(__file__).resolve().parents[2]
_OFFLINE = (
    "M1_HUB_OFFLINE is set, so only datasets that were downloaded before can be imported. Unset it to download others."
)
_UNREACHABLE = "Check the network and M1_HUB_URL."
_ADVICE = {
    _DISK_FULL: "Free some space on the disk of M1_HOME, then try again.",
    _TOO_LARGE: "Choose a smaller part (config and split), or import a single file.",
    "DatasetNotFoundError": "Check the name; if a licence must be accepted, accept it on the hub and set M1_HUB_TOKEN.",
    "ConnectionError": _UNREACHABLE,
    "LocalEntryNotFoundError": _UNREACHABLE,
    "RuntimeError": "If it is a dataset script, import a copy of the set as Parquet or JSON lines.",
}
"""Advice by error class name."""


async def download_from_hub(request: HubRequest, folder: Path, settings: Settings) -> tuple[HubRequest, Path]:
    """Download a set into an empty `folder`; return what was chosen and the file.

    Raises:
        InvalidQuestionSet: it cannot be downloaded; the message says why.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "m1app.question_sets.hub",
        str(folder),
        str(os.getpid()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # Run in the empty folder: a folder of that name in the working directory would be loaded instead of the
        # repository.
        cwd=folder,
        env=hub_environment(settings),
    )
    try:
        asked = json.dumps(asdict(request)).encode()
        output, complaints = await watched_output(process, asked, (folder, settings.home / "hub"))
    except InvalidQuestionSet as exc:
        raise InvalidQuestionSet(f"{request.place}: {exc}") from exc
    reply = _reply(output, complaints, process.returncode)
    if "error" in reply:
        advice = _OFFLINE if settings.hub_offline else _ADVICE.get(reply.get("kind", ""), "")
        raise InvalidQuestionSet(f"{request.place}: {str(reply['error']).rstrip('.')}. {advice}".rstrip())
    chosen = HubRequest(**reply)
    return chosen, folder / (chosen.file or "rows.parquet")


def hub_environment(settings: Settings) -> dict[str, str]:
    """The process's environment: without the app's settings, except the hub's address, token and offline mode."""
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
        return {"error": f"downloading failed: {said}", "kind": ""}
    return reply


if __name__ == "__main__":
    end_with(int(sys.argv[2]))
    limit_resources(_MAX_MEMORY_BYTES)
    sys.stdout.write(json.dumps(main(sys.argv[1:], json.load(sys.stdin))) + "\n")
