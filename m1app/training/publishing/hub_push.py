"""A push of a fine-tuned model to the hub: what would go up, and the upload itself. Nothing goes up without a request.

The token comes from M1_HUB_TOKEN, and is passed to the uploading process in its environment only.
"""

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from m1app.question_sets.hub import hub_environment
from m1app.scratch_folder import HUB, scratch_folder
from m1app.settings import Settings
from m1app.training.environment import PROJECT
from m1app.training.model_card import front_matter, without_front_matter
from m1app.training.publishing.errors import PushRefused
from m1app.training.publishing.evaluation import Measurement, evaluation_results, evaluation_section
from m1app.training.publishing.hub_upload import PUBLIC, READ_ONLY, REFUSED, UNREACHABLE
from m1app.training.publishing.tuned_list import TunedModel
from m1app.wording import counted, size
from models.servers.process_guard import guarded

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_CARD_FILE = "README.md"
_GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PushRequest:
    """What a person wants on the hub."""

    model_id: str
    repo: str
    """ORG/NAME."""
    is_public: bool = False
    gguf: tuple[str, ...] = ()
    """Kinds of files for the embedded engine that go with the weights."""
    with_adapter: bool = False


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What would go up, for a person to confirm."""

    request: PushRequest
    address: str
    """Of the repository on the hub."""
    files: tuple[tuple[Path, str], ...]
    """Files here and their names there; the card is not among them."""
    bytes: int
    card: str

    def words(self) -> str:
        """In one paragraph, naming the repository and every file."""
        names = ", ".join(sorted(name for _, name in self.files))
        audience = "PUBLIC, everyone can read it" if self.request.is_public else "private"
        return (
            f"{self.request.model_id} goes to {self.address} ({audience}): {counted(len(self.files) + 1, 'file')} with "
            f"{size(self.bytes)}: {names}, and the card {_CARD_FILE}. Weights can reveal what they were trained on; "
            "the card names the data set and the question sets it was measured on."
        )


def plan_push(model: TunedModel, request: PushRequest, settings: Settings, found: Sequence[Measurement]) -> PushPlan:
    """Return what would go up; asks nothing of the hub. Blocks.

    Raises:
        PushRefused: the app is offline, there is no token, or something wanted is not there.
    """
    if settings.hub_offline:
        raise PushRefused("M1_HUB_OFFLINE is set: nothing is uploaded. Unset it to push to the hub.")
    if "HF_TOKEN" not in hub_environment(settings):
        raise PushRefused("There is no hub token. Set M1_HUB_TOKEN to one with write access, then restart the app.")
    if not _REPO.fullmatch(request.repo):
        raise PushRefused(f"{request.repo[:80]!r} is not a repository name. Enter ORGANIZATION/NAME.")
    files = [(path, path.name) for path in _files(model.weights) if path.name != _CARD_FILE]
    files += [(path, path.name) for path in _gguf(model, request.gguf)]
    if request.with_adapter:
        if model.adapter is None:
            raise PushRefused(
                f"{model.id} has no adapter: all of its weights were trained. Upload it without the LoRA."
            )
        files += [(path, f"adapter/{path.name}") for path in _files(model.adapter)]
    return PushPlan(
        request,
        f"{settings.hub_url.rstrip('/')}/{request.repo}",
        tuple(files),
        sum(path.stat().st_size for path, _ in files),
        hub_card(model, found),
    )


def hub_card(model: TunedModel, found: Sequence[Measurement]) -> str:
    """The card in the hub's form, with what was measured here. Blocks."""
    try:
        written = (model.weights / _CARD_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        written = f"# {model.id}\n\nFine-tuned from **{model.run.base_id}** with m1app. It is a research model.\n"
    body = without_front_matter(written)
    before, heading, after = body.partition("## Files\n")
    section = evaluation_section(found)
    text = f"{before}{section}\n{heading}{after}" if section and heading else f"{body}\n{section}" if section else body
    return front_matter(model.recipe, model.run, evaluation_results(found)) + text


async def push(plan: PushPlan, settings: Settings) -> str:
    """Upload, and return the repository's address.

    Raises:
        PushRefused: the hub did not take it; the message says why.
        OSError: the card cannot be written.
    """
    async with scratch_folder(HUB) as folder:
        request = await asyncio.to_thread(_write_request, plan, folder)
        reply = await _upload(request, settings)
    if "error" in reply:
        raise PushRefused(_refusal(plan, reply, settings))
    return reply["url"]


def _write_request(plan: PushPlan, folder: Path) -> Path:
    card, request = folder / _CARD_FILE, folder / "request.json"
    card.write_text(plan.card, encoding="utf-8")
    asked = {
        "repo": plan.request.repo,
        "is_private": not plan.request.is_public,
        "message": f"{plan.request.model_id}, fine-tuned with m1app",
        "files": [[str(path), name] for path, name in (*plan.files, (card, _CARD_FILE))],
    }
    request.write_text(json.dumps(asked), encoding="utf-8")
    return request


async def _upload(request: Path, settings: Settings) -> dict[str, str]:
    command = [sys.executable, "-m", "m1app.training.publishing.hub_upload", str(request)]
    process = await asyncio.create_subprocess_exec(
        *guarded(command, _GRACE_SECONDS),
        cwd=PROJECT,
        env=_environment(settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    try:
        # What the libraries say is not shown: it may hold signed addresses.
        output, _ = await asyncio.gather(process.stdout.read(), process.stderr.read())
        await process.wait()
    finally:
        # Closing the guard's input ends what it guards.
        process.stdin.close()
        await process.wait()
    try:
        reply: dict[str, str] = json.loads(output.decode().strip().rpartition("\n")[2])
    except ValueError:
        return {"error": f"the upload broke off (status {process.returncode})", "kind": ""}
    return reply


def _environment(settings: Settings) -> dict[str, str]:
    """The process's environment; the hub's own protocol for large files is for the hub itself, not for a mirror."""
    is_hub = settings.hub_url.rstrip("/") == Settings.model_fields["hub_url"].default
    return hub_environment(settings) | ({} if is_hub else {"HF_HUB_DISABLE_XET": "1"})


def _refusal(plan: PushPlan, reply: dict[str, str], settings: Settings) -> str:
    repo, hub = plan.request.repo, settings.hub_url
    advice = {
        REFUSED: f"{hub} does not accept the token in M1_HUB_TOKEN. Make a new one with write access, and restart.",
        READ_ONLY: f"The token in M1_HUB_TOKEN has no write access to {repo}. Create one in the settings of your hub "
        "account and restart the app, or choose a repository of your own.",
        PUBLIC: f"{repo} exists and is public, and you asked for a private one. Choose another name, or push it as "
        "public.",
        UNREACHABLE: f"{hub} is not responding. Check the network and M1_HUB_URL, then try again.",
    }.get(reply.get("kind", ""))
    return f"Nothing was published: {reply['error'].rstrip('.')}. {advice or 'Push again when that is solved.'}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _gguf(model: TunedModel, kinds: Sequence[str]) -> list[Path]:
    absent = next((kind for kind in kinds if kind not in model.gguf), None)
    if absent is not None:
        there = ", ".join(model.gguf) or "none"
        raise PushRefused(f"{model.id} has no GGUF file of type {absent[:40]!r}. Available: {there}.")
    return [model.gguf[kind] for kind in dict.fromkeys(kinds)]
