"""The models that this machine has or could have: found on the hub, fetched, chosen, tried, removed.

What is fetched is pinned: the entry in M1_HOME/catalog.toml names the commit, and the SHA-256 that the hub itself
states for the file at that commit. Nothing is asked of the hub before somebody presses a button.
"""

import asyncio
import re
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from m1app.access.person import Permission, needs
from m1app.background import explained, start_task, start_thread
from m1app.engines.hub_offers import notes_on, preferred_file, repository_in
from m1app.engines.library_records import Fetch, LibraryModel, Offer, OfferedFile, Presence, Suggested, Use
from m1app.engines.service import EngineService
from m1app.engines.trial import Trial, try_out
from m1app.errors import AppError
from m1app.memory import available_memory
from m1app.settings import EngineChoice, Settings
from models.errors import DownloadError, SourceRefused
from models.profiles import ProfileMatch, Profiles
from models.weights.catalog import CatalogModel, own_models
from models.weights.download import download, is_downloaded, local_path
from models.weights.download_progress import DownloadProgress
from models.weights.gguf_check import BadModelFile, GgufHeader, check_model_file
from models.weights.hub_download import discard, size_of
from models.weights.hub_listing import ListedFile, list_repository, read_remote_header
from models.weights.sources import FileSource, HubSource
from models.weights.suggestions import load_suggestions
from models.weights.user_catalog import add_entries, remove_entry

_RUNTIME_BYTES = 400 << 20
"""Of a llama.cpp process beside weights and cache: compute buffers and the program."""
_SMOOTH_BYTES = 3 * 10**9
"""Without a GPU, each token takes as long as reading the whole file from memory: larger ones need patience."""
_MOST_ENTRIES = 1000


@dataclass(slots=True)
class _Running:
    """A download's thread and what it reports."""

    last: Fetch = field(default_factory=Fetch)
    is_stopping: bool = False
    is_over: threading.Event = field(default_factory=threading.Event)
    is_followed: bool = False
    """Whether the model becomes the default afterwards."""


class _Stopped(Exception):
    """Raised in a download's progress callback to end it."""


class ModelLibrary:
    """The models of this machine. Reading blocks for file access only; the hub is asked in threads."""

    def __init__(self, settings: Settings, engines: EngineService, profiles: Profiles) -> None:
        self._settings = settings
        self._engines = engines
        self._profiles = profiles
        self._user_catalog = settings.home / "catalog.toml"
        self._fetches: dict[str, _Running] = {}

    @needs(Permission.MANAGE)
    def models(self) -> Sequence[LibraryModel]:
        """Every known model, as it is here; blocks."""
        own = self._own_ids()
        available = available_memory()
        return [self._here(each, own, available) for each in self._engines.catalog().models]

    @needs(Permission.MANAGE)
    async def offer(self, repo: str, revision: str = "") -> Offer:
        """Ask the hub for the GGUF files of a repository.

        Args:
            repo: ORG/REPO, or its address.
            revision: branch, tag or commit; empty for the main branch.

        Raises:
            DownloadError: as `hub_listing.list_repository`; also while the app is offline.
        """
        return await asyncio.to_thread(self._offer, repository_in(repo), revision or "main")

    @needs(Permission.MANAGE)
    async def add_from_hub(self, repo: str, file: str, commit: str) -> CatalogModel:
        """Add a file of a repository at a commit to the user's catalog; nothing is fetched yet.

        Raises:
            DownloadError: the hub does not have it so, or it cannot be used.
            AppError: the catalog has no room.
            CatalogError: the catalog is broken.
        """
        return await asyncio.to_thread(self._add_from_hub, repository_in(repo), file, commit)

    @needs(Permission.MANAGE)
    async def add_file(self, path: str) -> CatalogModel:
        """Add a GGUF file of this machine, which is used in place.

        Raises:
            SourceRefused: it is none, or not complete.
            CatalogError: the catalog is broken.
        """
        return await asyncio.to_thread(self._add_file, path)

    @needs(Permission.MANAGE)
    def suggestions(self) -> Sequence[Suggested]:
        """Repositories to begin with, smallest first; asks no hub."""
        available = available_memory()
        found = []
        for each in load_suggestions():
            memory = self._memory(each.typical_bytes, None, self._settings.context_length)
            found.append(Suggested(each, memory, memory <= available))
        fitting = [each for each in found if each.fits and each.suggestion.typical_bytes <= _SMOOTH_BYTES]
        best = max(fitting, key=lambda each: each.memory_bytes, default=None)
        return [replace(each, is_best=each is best) for each in found]

    @needs(Permission.MANAGE)
    def fetch_and_use(self, model_id: str) -> None:
        """`fetch`, and make the model the default once its weights are here; raises like `fetch`."""
        self.fetch(model_id)
        running = self._fetches[self._engines.catalog().get(model_id).id]
        if not running.is_followed:
            running.is_followed = True
            start_task(self._use_when_here(model_id, running), f"use-{model_id}")

    @needs(Permission.MANAGE)
    def fetch(self, model_id: str) -> None:
        """Download a model's weights in the background, or resume that; see `models` for progress.

        Raises:
            UnknownModel: no such model.
            DownloadError: vLLM downloads it itself.
        """
        model = self._engines.catalog().get(model_id)
        local_path(model, self._settings.models_directory)
        found = self._fetches.get(model.id)
        if found is None or not found.last.is_running:
            running = self._fetches[model.id] = _Running()
            start_thread(lambda: self._fetch(model, running), f"fetch-{model.id}")

    @needs(Permission.MANAGE)
    def stop_fetch(self, model_id: str) -> None:
        """Stop a download; what has arrived is kept."""
        if running := self._fetches.get(model_id):
            running.is_stopping = True

    @needs(Permission.MANAGE)
    async def use(self, model_id: str) -> None:
        """Make a model the embedded engine's default, from now on; others go on being available.

        Raises:
            UnknownModel: no such model.
            AppError: its weights are not here, or the settings choose the model or another engine.
            ServerError: it does not start; the earlier one is used again.
        """
        model = self._engines.catalog().get(model_id)
        if self._engines.choice is not EngineChoice.EMBEDDED:
            raise AppError(
                "You can choose only the embedded engine's model here; this app uses another engine (M1_ENGINE)."
            )
        if self._settings.model:
            raise AppError(
                f"M1_MODEL chooses {self._settings.model}. Remove it from the environment to choose the model here."
            )
        if "embedded" not in model.engines or not await asyncio.to_thread(self._is_here, model):
            raise AppError(f"The weights of {model.id} have not been downloaded. Fetch them first.")
        await self._engines.use(model.id)

    @needs(Permission.MANAGE)
    async def try_out(self, model_id: str) -> tuple[Trial, ProfileMatch]:
        """Load a model beside the default one, if it is not that, and see what it does.

        Raises:
            UnknownModel: no such model.
            AppError: its weights are not here.
            ModelsError: it does not start or answer.
        """
        model = self._engines.catalog().get(model_id)
        if not self._engines.is_default(model.id) and not await asyncio.to_thread(self._is_here, model):
            raise AppError(f"The weights of {model.id} have not been downloaded. Fetch them first.")
        await self._engines.prepare(model.id)
        engine = self._engines.engine(model.id)
        match = self._engines.match_profile(model.id, await engine.describe())
        return await try_out(engine, match.profile), match

    @needs(Permission.MANAGE)
    async def remove(self, model_id: str) -> None:
        """Delete a model's weights, and its entry if that is the user's.

        Raises:
            UnknownModel: no such model.
            AppError: it is in use, or was fine-tuned here.
        """
        model = self._engines.catalog().get(model_id)
        if model.parent:
            raise AppError(f"{model.id} was fine-tuned here. Delete its folder in {self._settings.models_directory}.")
        if self._engines.is_default(model.id):
            raise AppError(f"{model.id} is the default model. Use another one first.")
        self.stop_fetch(model.id)
        await asyncio.to_thread(self._engines.unload, model.id)
        await asyncio.to_thread(self._remove, model)

    def _here(self, model: CatalogModel, own: frozenset[str], available: int | None) -> LibraryModel:
        running = self._fetches.get(model.id)
        presence, here = self._presence(model)
        memory = self._memory_of(model) if "embedded" in model.engines else None
        return LibraryModel(
            model=model,
            presence=presence,
            use=self._use(model),
            bytes_here=here,
            memory_bytes=memory,
            fits=None if memory is None or available is None else memory <= available,
            is_own=model.id in own,
            fetch=running.last if running else None,
        )

    def _presence(self, model: CatalogModel) -> tuple[Presence, int]:
        if model.is_downloaded_by_engine:
            return Presence.BY_ENGINE, 0
        folder = self._settings.models_directory
        path = local_path(model, folder)
        if isinstance(model.source, FileSource):
            return (Presence.HERE, size_of(path)) if path.exists() else (Presence.MISSING, 0)
        if path.exists() and is_downloaded(model, folder):
            return Presence.HERE, size_of(path)
        part = size_of(path.with_name(path.name + ".part"))
        return (Presence.PARTLY, part) if part else (Presence.AWAY, 0)

    def _is_here(self, model: CatalogModel) -> bool:
        return self._presence(model)[0] is Presence.HERE

    def _use(self, model: CatalogModel) -> Use:
        if self._engines.is_default(model.id):
            return Use.DEFAULT
        return Use.LOADED if self._engines.is_loaded(model.id) else Use.IDLE

    def _memory_of(self, model: CatalogModel) -> int | None:
        """Of a file here, from its header; of one elsewhere, of its size alone."""
        path = local_path(model, self._settings.models_directory)
        if path.is_file():
            try:
                return self._memory(size_of(path), check_model_file(path), model.context_length)
            except (BadModelFile, OSError):  # It may be removed at this moment.
                return None
        return None if model.size_bytes is None else self._memory(model.size_bytes, None, model.context_length)

    def _memory(self, weights_bytes: int, header: GgufHeader | None, context_length: int) -> int:
        settings = self._settings
        tokens = min(settings.context_length, context_length) * settings.parallel_requests
        cache = header.cache_bytes_per_token() * tokens if header else weights_bytes // 8
        return weights_bytes + cache + _RUNTIME_BYTES

    def _own_ids(self) -> frozenset[str]:
        return frozenset(model.id for model in own_models(self._user_catalog))

    def _check_online(self) -> None:
        if self._settings.hub_offline:
            raise SourceRefused("The hub is turned off (M1_HUB_OFFLINE). Unset it to fetch models.")

    def _offer(self, repo: str, revision: str) -> Offer:
        self._check_online()
        settings, token = self._settings, self._settings.hub_token.get_secret_value()
        listed = list_repository(settings.hub_url, repo, token, revision)
        whole = [file for file in listed.gguf_files if not file.is_part and file.sha256]
        header = None
        if whole:
            smallest = min(whole, key=lambda file: file.size_bytes)
            header = read_remote_header(settings.hub_url, repo, listed.commit, smallest, token)
        available = available_memory()
        files = [self._offered(file, header, available) for file in listed.gguf_files]
        best = preferred_file(files)
        files = sorted(
            (replace(each, is_preferred=each is best) for each in files), key=lambda each: each.file.size_bytes
        )
        return Offer(listed, tuple(files), tuple(notes_on(listed, files)))

    def _offered(self, file: ListedFile, header: GgufHeader | None, available: int | None) -> OfferedFile:
        context = (header.number("context_length") if header else None) or self._settings.context_length
        memory = self._memory(file.size_bytes, header, context)
        problem = ""
        if file.is_part:
            problem = "This model is split into several files, which is not supported. Choose a single-file model."
        elif not file.sha256:
            problem = "The hub lists no SHA-256 for it, so it could not be checked."
        return OfferedFile(file, memory, available is None or memory <= available, problem)

    def _add_from_hub(self, repo: str, name: str, commit: str) -> CatalogModel:
        self._check_online()
        settings, token = self._settings, self._settings.hub_token.get_secret_value()
        listed = list_repository(settings.hub_url, repo, token, commit)
        file = next((each for each in listed.gguf_files if each.name == name), None)
        if file is None or listed.commit != commit:
            raise SourceRefused(f"{repo} has no {name} at commit {commit[:12]}. List its files again.")
        if problem := self._offered(file, None, None).problem:
            raise SourceRefused(f"{name}: {problem}")
        header = read_remote_header(settings.hub_url, repo, commit, file, token)
        if header is None:
            raise SourceRefused(f"{name} is not a GGUF file. Choose another one.")
        return self._add(
            wanted=Path(name).stem,
            source=HubSource(repo, name),
            header=header,
            profile_names=(repo, Path(name).stem),
            licence=listed.licence,
            licence_url=f"{settings.hub_url.rstrip('/')}/{repo}",
            is_gated=listed.is_gated,
            revision=commit,
            sha256=file.sha256,
            size_bytes=file.size_bytes,
        )

    def _add_file(self, typed: str) -> CatalogModel:
        path = Path(typed.strip()).expanduser()
        if not path.is_absolute():
            raise SourceRefused(f"{typed!r} is not a full path. Enter one that begins with / or ~.")
        if path.suffix.lower() in (".bin", ".pt", ".pth", ".pkl", ".ckpt"):
            raise SourceRefused(f"{path} is not used, because it may run code when loaded. Choose a .gguf file.")
        try:
            header = check_model_file(path)
        except BadModelFile as exc:
            raise SourceRefused(str(exc)) from exc
        return self._add(
            wanted=path.stem,
            source=FileSource(path),
            header=header,
            profile_names=(str(header.metadata.get("general.name") or ""), path.stem),
            licence=str(header.metadata.get("general.license") or ""),
            licence_url="https://spdx.org/licenses/",
        )

    def _add(
        self,
        *,
        wanted: str,
        source: HubSource | FileSource,
        header: GgufHeader,
        profile_names: tuple[str, ...],
        licence: str,
        licence_url: str,
        **pinned: object,
    ) -> CatalogModel:
        catalog = self._engines.catalog()
        if (found := next((each for each in catalog.models if each.source == source), None)) is not None:
            return found
        if len(catalog.models) >= _MOST_ENTRIES:
            raise AppError(f"The catalog has {_MOST_ENTRIES:,} models. Remove some of them first.")
        model_id = _free_id(wanted, {each.id for each in catalog.models})
        architecture = str(header.metadata.get("general.architecture"))
        name = str(header.metadata.get("general.name") or wanted)[:100]
        entry = {
            "id": model_id,
            "title": f"{name} ({Path(source.file or '').name if isinstance(source, HubSource) else source.path.name})",
            "family": architecture,
            "parameters": str(header.metadata.get("general.size_label") or "unknown")[:20],
            "source": str(source),
            "licence": licence[:100] or "not stated",
            "licence_url": licence_url,
            "context_length": header.number("context_length") or self._settings.context_length,
            "profile": self._profiles.match(*profile_names).profile.id,
            "engines": ["embedded"],
            "notes": f"Added here on {time.strftime('%Y-%m-%d')}.",
            **{name: value for name, value in pinned.items() if value not in ("", None, False)},
        }
        add_entries(self._user_catalog, [entry])
        return self._engines.catalog().get(model_id)

    def _fetch(self, model: CatalogModel, running: _Running) -> None:
        def on_progress(progress: DownloadProgress) -> None:
            if running.is_stopping:
                raise _Stopped
            running.last = Fetch(progress)

        try:
            if isinstance(model.source, HubSource):
                self._check_online()
            path = download(
                model,
                self._settings.models_directory,
                hub_url=self._settings.hub_url,
                hub_token=self._settings.hub_token.get_secret_value(),
                on_progress=on_progress,
            )
            check_model_file(path)
            running.last = Fetch(running.last.progress, is_running=False)
        except _Stopped:
            running.last = Fetch(
                running.last.progress, is_running=False, error="Stopped. The part that was downloaded is kept."
            )
        except (DownloadError, BadModelFile) as exc:
            running.last = Fetch(running.last.progress, is_running=False, error=str(exc))
        except Exception as exc:  # noqa: BLE001 - the thread's end
            said = explained(f"fetching {model.id}", exc, "")
            running.last = Fetch(running.last.progress, is_running=False, error=said)
        finally:
            running.is_over.set()

    async def _use_when_here(self, model_id: str, running: _Running) -> None:
        await asyncio.to_thread(running.is_over.wait)
        if running.last.error:
            return
        try:
            await self.use(model_id)
        except Exception as exc:  # noqa: BLE001 - the task's end
            running.last = replace(running.last, error=explained(f"using {model_id}", exc, ""))

    def _remove(self, model: CatalogModel) -> None:
        if not isinstance(model.source, FileSource) and not model.is_downloaded_by_engine:
            path = local_path(model, self._settings.models_directory)
            discard(path.with_name(path.name + ".part"))
            shutil.rmtree(path.parent, ignore_errors=True)
        self._fetches.pop(model.id, None)
        remove_entry(self._user_catalog, model.id)


def _free_id(wanted: str, taken: set[str]) -> str:
    slug = re.sub(r"[^a-z0-9._-]+", "-", wanted.lower()).strip("-._")[:80] or "model"
    return next(
        name
        for number in range(1, _MOST_ENTRIES + 2)
        if (name := slug if number == 1 else f"{slug}-{number}") not in taken
    )
