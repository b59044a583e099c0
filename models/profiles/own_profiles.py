"""The profiles of one installation: a file each in M1_HOME/profiles, which people make on the Admin page.

The id of such a profile is NAME@DIGEST, with the beginning of the SHA-256 of its fields, including those that it takes
over, so that a trace that names it names its text. A file that is replaced or removed is kept in `earlier/`: what a
trace names can still be read.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.errors import CatalogError, UnknownProfile
from models.profiles import Profile, Profiles, file_content, profile_of, read_profile

_DIGEST_CHARACTERS = 8
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_MOST_PROFILES = 500


class LiveProfiles(Profiles):
    """The shipped profiles, and those of a folder as they were when it was last read."""

    def __init__(self, shipped: Iterable[Profile], folder: Path) -> None:
        """Reads the folder, which need not exist; raises CatalogError."""
        super().__init__(shipped)
        self._folder = folder
        self._own: dict[str, Profile] = {}
        self._earlier: dict[str, Profile] = {}
        self._read_state: object = None
        # A page that reads the folder must not put back what was there before somebody saved.
        self._changing = threading.RLock()
        self.refresh()

    def refresh(self) -> None:
        """Read the folder again, if it has changed. Blocks.

        Raises:
            CatalogError: a file has an error; those read before stay.
        """
        with self._changing:
            state = self._state()
            if state == self._read_state:
                return
            own = {each.stem: self._read(each) for each in sorted(self._folder.glob("*.toml"))}
            self._earlier = {profile.id: profile for profile in self._read_earlier()}
            self._own = own
            self._read_state = state

    def _state(self) -> object:
        """Differs when a file was added, changed or removed."""
        found = []
        for path in sorted([*self._folder.glob("*.toml"), *self._folder.glob("earlier/*.toml")]):
            with suppress(OSError):  # It was removed this moment, or cannot be followed.
                stat = path.stat()
                found.append((path, stat.st_size, stat.st_mtime_ns))
        return found

    def __iter__(self) -> Iterator[Profile]:
        yield from self._own.values()
        yield from super().__iter__()

    def own(self) -> Sequence[Profile]:
        """Those of this installation, by name."""
        return tuple(self._own.values())

    def get(self, profile_id: str) -> Profile:
        """The profile with that id, or the profile of this installation with that name; raises UnknownProfile."""
        name, _, digest = profile_id.partition("@")
        found = self._own.get(name)
        if found and (found.id == profile_id or not digest):
            return found
        if profile_id in self._earlier:
            return self._earlier[profile_id]
        try:
            return super().get(profile_id)
        except UnknownProfile as exc:
            own = ", ".join(self._own)
            raise UnknownProfile(f"{exc} Of this installation: {own}." if own else str(exc)) from None

    def save(self, name: str, values: Mapping[str, Any], *, replaces: bool) -> Profile:
        """Write a profile's file. Blocks.

        Args:
            name: its name, small letters, digits and ".-_".
            values: its fields, as the file has them.
            replaces: whether a profile of that name is there and gives way; it is kept as an earlier one.

        Raises:
            CatalogError: the name cannot be used, or a field is wrong; nothing was changed.
            OSError: it cannot be written.
        """
        with self._changing:
            self._check_name(name, replaces=replaces)
            profile_of(values, name)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path, draft = self._path(name), self._folder / f"{name}.toml.new"
            draft.write_bytes(toml_text(values).encode())
            self._keep(name)
            draft.replace(path)
            self._read_state = None
            self.refresh()
            return self._own[name]

    def remove(self, name: str) -> None:
        """Take a profile out of the choice; its text stays with the earlier ones. Blocks.

        Raises:
            UnknownProfile: there is none of that name.
            CatalogError: another one here extends it; it stays.
            OSError: it cannot be moved.
        """
        with self._changing:
            if name not in self._own:
                raise UnknownProfile(f"This installation has no profile named {name!r}. Reload the page.")
            self._keep(name)
            path, draft = self._path(name), self._folder / f"{name}.toml.new"
            with suppress(FileNotFoundError):
                path.replace(draft)
            try:
                self.refresh()
            except CatalogError:
                with suppress(FileNotFoundError):
                    draft.replace(path)  # Without it, the app would not start again.
                raise
            draft.unlink(missing_ok=True)

    def _check_name(self, name: str, *, replaces: bool) -> None:
        if not _NAME.fullmatch(name):
            raise CatalogError(
                f"{name[:80]!r} is not a valid profile name. Use up to 60 lower-case letters, digits, periods, "
                "hyphens and underscores, and start with a letter or digit."
            )
        if name in (profile.id for profile in super().__iter__()):
            raise CatalogError(f"The app already includes a profile named {name!r}. Choose another name.")
        self.refresh()
        if (name in self._own) is not replaces:
            said = f"There is no profile named {name!r}" if replaces else f"A profile named {name!r} already exists"
            raise CatalogError(f"{said}. Choose another name{'' if replaces else ', or edit that one'}.")
        if not replaces and len(self._own) >= _MOST_PROFILES:
            raise CatalogError(f"There are already {_MOST_PROFILES} profiles. Remove some of them first.")

    def _keep(self, name: str) -> None:
        """Keep a profile as it is, and those that extend others: they are different ones once that one changes."""
        earlier = self._folder / "earlier"
        for path in map(self._path, self._own):
            if path.is_file() and (path == self._path(name) or _extends(file_content(path))):
                earlier.mkdir(mode=0o700, exist_ok=True)
                profile = self._read(path)
                # Whole: what the file extends may be changed or removed later.
                (earlier / f"{profile.id}.toml").write_bytes(toml_text(profile.values()).encode())

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.toml"

    def _read(self, path: Path) -> Profile:
        name = path.stem
        if not _NAME.fullmatch(name) or name in (profile.id for profile in super().__iter__()):
            raise CatalogError(f"{path}: {name!r} is the name of a shipped profile, or is none. Rename the file.")
        profile = read_profile(path, name)
        # Of everything that it says, also through what it extends.
        return replace(profile, id=f"{name}@{_digest(toml_text(profile.values()).encode())}")

    def _read_earlier(self) -> Iterator[Profile]:
        for path in sorted((self._folder / "earlier").glob("*@*.toml")):
            yield read_profile(path, path.stem)


def _extends(content: bytes) -> bool:
    return b"extends" in content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGEST_CHARACTERS]


def toml_text(values: Mapping[str, Any]) -> str:
    """The fields of a profile's file, as TOML: texts, lists of texts, and tables of them."""
    plain = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
    lines = [f"{name} = {_toml_value(value)}" for name, value in plain.items()]
    for name, table in values.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{name}]", *(f"{key} = {_toml_value(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    # JSON's strings are TOML's, but for DEL; half of a surrogate pair has no place in either.
    text = str(value).encode(errors="replace").decode()
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
