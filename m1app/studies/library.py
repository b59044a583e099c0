"""Studies that can be started: the presets that come with the app, and this installation's own files."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from m1app.access.person import Permission, needs
from m1app.studies.errors import InvalidStudyFile, StudyRefused
from m1app.studies.file_reading import MOST_CHARACTERS, parse_study
from m1app.studies.study_file import Study

_ENDING = ".toml"
_MOST_BYTES = 4 * MOST_CHARACTERS
_PRESETS = ("m1-smoke", "m1-main", "m1-budget", "m1-force", "m1-data", "m1-knowledge")
"""In the order in which they are offered."""


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A study's file."""

    name: str
    """Of the file, without its ending."""
    text: str
    study: Study | None
    """None if it cannot be used."""
    is_preset: bool
    problem: str = ""
    """Why it cannot be used; empty if it can."""


class StudyLibrary:
    """Reads and keeps studies' files: presets, and M1_HOME/studies/NAME.toml. Methods may also raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @needs(Permission.READ)
    async def all(self) -> Sequence[StudyFile]:
        """Presets, then own files by name; also those that cannot be used, which say why."""
        return await asyncio.to_thread(self._all)

    @needs(Permission.READ)
    async def get(self, name: str) -> StudyFile:
        """Return a preset or an own file.

        Raises:
            StudyRefused: there is none of that name.
            InvalidStudyFile: it cannot be used.
        """
        found = next((each for each in await asyncio.to_thread(self._all) if each.name == name), None)
        if found is None:
            there = ", ".join(each.name for each in await asyncio.to_thread(self._all))
            raise StudyRefused("name", f"Study {name[:80]!r} not found. Available: {there}.")
        if found.study is None:
            raise InvalidStudyFile(found.problem)
        return found

    @needs(Permission.READ)
    async def read(self, path: Path) -> StudyFile:
        """Read a file from anywhere; raises InvalidStudyFile and OSError."""
        text = await asyncio.to_thread(_text_of, path)
        return StudyFile(path.stem, text, parse_study(text, path.name), is_preset=False)

    @needs(Permission.MANAGE)
    async def save(self, text: str) -> StudyFile:
        """Keep a file under its study's name.

        Raises:
            InvalidStudyFile: it cannot be used.
            StudyRefused: there is a study of that name already.
        """
        study = parse_study(text, "the study")
        await asyncio.to_thread(self._save, study.name, text)
        return StudyFile(study.name, text, study, is_preset=False)

    @needs(Permission.MANAGE)
    async def remove(self, name: str) -> None:
        """Remove an own file; studies that were started from it stay. Raises StudyRefused if there is none."""
        found = {each.name: each for each in await asyncio.to_thread(self._all)}.get(name)
        if found is None or found.is_preset:
            raise StudyRefused(
                "name", f"You have not added a study file named {name[:80]!r}. Presets cannot be removed."
            )
        await asyncio.to_thread(self._path(name).unlink)

    def _all(self) -> Sequence[StudyFile]:
        own = sorted(self._folder.glob(f"*{_ENDING}"))
        return [*map(_preset, _PRESETS), *map(_own, own)]

    def _save(self, name: str, text: str) -> None:
        if name in _PRESETS:
            raise StudyRefused("name", f"{name!r} is the name of a preset. Change `name` in the file.")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f".{name}.{os.getpid()}.new"
        try:
            draft.write_text(text, encoding="utf-8")
            os.link(draft, self._path(name))  # Unlike a rename, it replaces nothing.
        except FileExistsError as exc:
            raise StudyRefused(
                "name",
                f"There is already a study file named {name!r}. Change `name` in the file, or remove that one with "
                f"`m1app study remove {name}`.",
            ) from exc
        finally:
            draft.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_ENDING}"


def _preset(name: str) -> StudyFile:
    text = resources.files(__package__).joinpath("presets", f"{name}{_ENDING}").read_text(encoding="utf-8")
    return StudyFile(name, text, parse_study(text, f"{name}{_ENDING}"), is_preset=True)


def _own(path: Path) -> StudyFile:
    try:
        text = _text_of(path)
        study = parse_study(text, path.name)
    except (InvalidStudyFile, OSError) as exc:
        return StudyFile(path.stem, "", None, is_preset=False, problem=str(exc))
    if path.stem in _PRESETS:
        problem = f"{path.name}: a preset has this name. Change `name` in the file, and name the file after it."
        return StudyFile(f"{path.stem} (own)", text, None, is_preset=False, problem=problem)
    if study.name != path.stem:
        problem = f"{path.name}: its study is named {study.name!r}; give the file the name {study.name}{_ENDING}."
        return StudyFile(path.stem, text, None, is_preset=False, problem=problem)
    return StudyFile(path.stem, text, study, is_preset=False)


def _text_of(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise InvalidStudyFile(f"{path.name} is larger than {_MOST_BYTES:,} bytes. Shorten it.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise InvalidStudyFile(f"{path.name} is not UTF-8 text at byte {exc.start}: save it as UTF-8.") from exc
