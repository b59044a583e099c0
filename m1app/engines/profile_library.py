"""The profiles of this installation: proposed from a model's chat template, shown as tokens, saved and removed."""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from m1app.access.person import Permission, needs
from m1app.engines.errors import TemplateRefused
from m1app.engines.profile_preview import ProfilePreview, preview_profile
from m1app.engines.profile_sources import FoundTemplate, facts_of_engine, facts_of_template, read_template
from m1app.engines.service import EngineService
from m1app.settings import EngineChoice, Settings
from models.errors import DownloadError, ModelsError, UnknownModel
from models.profiles import Profile, profile_of
from models.profiles.own_profiles import LiveProfiles
from models.profiles.proposal import NoProposal, TemplateFacts, propose
from models.weights.catalog import CatalogModel
from models.weights.download import local_path


@dataclass(frozen=True, slots=True)
class ProfileSource:
    """A model whose template can be read."""

    id: str
    """Catalog id, or the name that an engine serves it under."""
    title: str
    is_running: bool
    """Whether an engine runs it now, and can show tokens."""


@dataclass(frozen=True, slots=True)
class ProposedProfile:
    """A profile to edit and save."""

    name: str
    """Not taken yet."""
    values: Mapping[str, Any]
    """As in a profile's file."""
    notes: Sequence[str]
    model: str
    """The model that it was made from; empty for a pasted template or a file."""


class ProfileLibrary:
    """Proposes, shows, saves and removes profiles; reading and writing of files is done in threads."""

    def __init__(self, settings: Settings, engines: EngineService, profiles: LiveProfiles) -> None:
        self._models_directory = settings.models_directory
        self._engines = engines
        self._profiles = profiles
        self._saving = asyncio.Lock()

    @needs(Permission.READ)
    async def refresh(self) -> Sequence[Profile]:
        """All profiles for a choice, those of this installation first, as their files are now.

        A file with an error is left to `own`, which says so.
        """
        with suppress(ModelsError):
            await asyncio.to_thread(self._profiles.refresh)
        return tuple(self._profiles)

    @needs(Permission.MANAGE)
    async def own(self) -> Sequence[Profile]:
        """The profiles of this installation; raises CatalogError if a file has an error."""
        await asyncio.to_thread(self._profiles.refresh)
        return self._profiles.own()

    @needs(Permission.MANAGE)
    async def sources(self) -> Sequence[ProfileSource]:
        """The models whose template can be read: those that run, then those whose file or folder is here."""
        running = await self._running()
        here = await asyncio.to_thread(self._here)
        known = {model.id: model.title for model in here}
        found = [ProfileSource(name, known.get(name, name), is_running=True) for name in running]
        return [*found, *(ProfileSource(m.id, m.title, is_running=False) for m in here if m.id not in running)]

    @needs(Permission.MANAGE)
    async def propose(self, model: str = "", place: str = "", template: str = "") -> ProposedProfile:
        """Propose a profile from one of a model's name, the path of a GGUF file or folder, or a pasted template.

        Raises:
            TemplateRefused: there is no template, or it cannot be used.
            ModelsError: the engine does not answer.
        """
        facts, reference = await self._facts(model, place, template)
        try:
            proposal = propose(facts, reference)
        except NoProposal as exc:
            raise TemplateRefused(str(exc)) from exc
        notes = [*proposal.notes, *_notes_on_source(template, facts.vocabulary, proposal.values)]
        is_model = not template.strip() and not place.strip()
        values = {**proposal.values, "models": list(facts.names) if is_model else []}
        return ProposedProfile(self._free_name(facts.names), values, notes, model if is_model else "")

    @needs(Permission.MANAGE)
    async def preview(self, values: Mapping[str, Any], model: str) -> ProfilePreview:
        """Show what a profile sends for a sample question.

        Args:
            values: the profile's fields.
            model: whose tokens to show, if an engine runs it.

        Raises:
            CatalogError: a field is wrong.
        """
        profile = profile_of(values, "draft")
        is_running = bool(model) and model in await self._running()
        return await preview_profile(profile, self._engines.engine(model) if is_running else None)

    @needs(Permission.MANAGE)
    async def save(self, name: str, values: Mapping[str, Any], *, replaces: bool = False) -> Profile:
        """Save a profile; from now on it can be chosen.

        Args:
            name: its name.
            values: its fields, as in a profile's file.
            replaces: whether a profile of that name gives way. Traces keep the earlier one.

        Raises:
            CatalogError: the name cannot be used, or a field is wrong; nothing was changed.
        """
        async with self._saving:
            return await asyncio.to_thread(self._profiles.save, name, values, replaces=replaces)

    @needs(Permission.MANAGE)
    async def remove(self, name: str) -> None:
        """Remove a profile from the choice; raises UnknownProfile."""
        async with self._saving:
            await asyncio.to_thread(self._profiles.remove, name)

    async def _facts(self, model: str, place: str, template: str) -> tuple[TemplateFacts, str]:
        """What the template makes of the stand-ins, and where it comes from."""
        if template.strip():
            return await facts_of_template(FoundTemplate(template), ()), "a chat template, pasted"
        if place.strip():
            path = _path(place)
            return await _facts_of_path(path, (path.stem if path.suffix == ".gguf" else path.name,)), _reference(path)
        if not model:
            raise TemplateRefused("Choose a model, name its file or folder, or paste a chat template.")
        entry = await asyncio.to_thread(self._entry, model)
        file = await asyncio.to_thread(self._file, entry) if entry else None
        names = (model, entry.hub_repo) if entry and entry.hub_repo else (model,)
        if file:
            return await _facts_of_path(file, names), _reference(entry.source if entry else model)
        return await facts_of_engine(self._engines.engine(model), names), _reference(model)

    async def _running(self) -> Sequence[str]:
        try:
            served = await self._engines.models()
        except ModelsError:
            return ()
        if self._engines.choice is not EngineChoice.EMBEDDED:
            return served
        return [name for name in served if self._engines.is_default(name) or self._engines.is_loaded(name)]

    def _here(self) -> Sequence[CatalogModel]:
        return [each for each in self._engines.catalog().models if self._file(each)]

    def _file(self, model: CatalogModel) -> Path | None:
        try:
            path = local_path(model, self._models_directory)
        except DownloadError:
            return None
        return path if path.exists() else None

    def _entry(self, model: str) -> CatalogModel | None:
        try:
            return self._engines.catalog().get(model)
        except UnknownModel:
            return None

    def _free_name(self, names: Sequence[str]) -> str:
        slug = (
            re.sub(r"[^a-z0-9._-]+", "-", (names[0] if names else "my-model").lower()).strip("-._")[:50] or "my-model"
        )
        taken = {profile.id.partition("@")[0] for profile in self._profiles}
        return next(name for n in count(1) if (name := slug if n == 1 else f"{slug}-{n}") not in taken)


async def _facts_of_path(path: Path, names: Sequence[str]) -> TemplateFacts:
    return await facts_of_template(await asyncio.to_thread(read_template, path), names)


def _reference(place: object) -> str:
    return f"chat template of {place}"


def _path(typed: str) -> Path:
    path = Path(typed.strip()).expanduser()
    if not path.is_absolute():
        raise TemplateRefused(f"{typed.strip()[:200]!r} is not a full path. Enter one that begins with / or ~.")
    return path


def _notes_on_source(template: str, vocabulary: Collection[str], values: Mapping[str, Any]) -> list[str]:
    notes = []
    if "bos_token" in template:
        notes.append(
            "A pasted template does not define bos_token, so it was left out. If the family has one, enter it at the "
            "start of both prompts."
        )
    split = [each for each in values["thinking"]["stop_tokens"] if vocabulary and each not in vocabulary]
    notes += [f"{each} is not a token in this model's vocabulary, so it is matched as text." for each in split]
    return notes
