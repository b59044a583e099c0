"""How a model family opens and closes thinking and answers: one TOML file per family.

A new family is a new file in this folder; `extends` names a file from which it takes what it leaves out, except the
names of models. `Profile` is what a file holds; `models.thinking.prompting` turns it into the
token ids of one engine. `own_profiles` adds those of an installation.
"""

import fnmatch
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.errors import CatalogError, UnknownProfile
from models.profiles.forcing import Forcing

FALLBACK_PROFILE_ID = "plain"
_DIRECTORY = Path(__file__).parent
_NAMING = ("models", "hints")
"""Fields that a file does not take from the one it extends."""
_MOST_BYTES = 8 << 20
_ASKS_SEVERAL = "Answer with the letters of all correct options, separated by commas."


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChatSection(_Section):
    """How system prompt and question become the prompt up to the assistant's turn."""

    source: Literal["profile", "engine"]
    """"profile": the templates below; "engine": the engine applies the model's own chat template."""
    template: str = ""
    """With {system} and {user}; special tokens spelled out."""
    template_without_system: str = ""
    """With {user}; used when the system prompt is empty."""
    default_system: str = ""
    reference: str
    """Source of the template."""

    @model_validator(mode="after")
    def _has_its_templates(self) -> "ChatSection":
        if self.source == "profile" and not (
            "{user}" in self.template_without_system and {"{system}", "{user}"} <= _placeholders(self.template)
        ):
            raise ValueError(
                'source = "profile" needs template with {system} and {user}, and template_without_system with {user}'
            )
        return self


class PromptSection(_Section):
    """The user's turn; {question} and {options} are filled in, and {letters}, such as 'A', 'B', or 'C'."""

    with_options: str = "{question}\n{options}"
    open: str = "{question}"
    with_several: str = ""
    """Used if several options are right; empty puts a sentence of the app's own after `with_options`."""
    option: str = "{letter}. {text}"
    """How one option is written."""
    between_options: str = "\n"
    keeps_option_text: bool = False
    """Whether an option's text stays as it is; otherwise its lines are joined, and spaces at its ends left out."""

    @property
    def for_several(self) -> str:
        """How a question with several right options is asked."""
        return self.with_several or f"{self.with_options}\n{_ASKS_SEVERAL}"


class ThinkingSection(_Section):
    """Delimiters of thinking."""

    opening: str
    """Follows the assistant's opening."""
    stop_tokens: list[str] = Field(min_length=1)
    """Spellings of the tokens that end thinking; any that is not a single token of the model is matched as text."""
    stop_texts: list[str] = []
    """Text that ends thinking and is not a token."""
    wait: str = "Wait"
    """What a forced round inserts."""
    forcing: Forcing = Forcing.EXACT
    """How rounds are forced."""
    natural_close: str
    overrun_close: str
    closes_on_new_line: bool = False
    """Whether a line break is inserted before the close where the thinking does not end in one."""


class AnswerSection(_Section):
    """Delimiters of the answer."""

    stop_tokens: list[str] = Field(min_length=1)
    option_prefix: str = ""
    """Follows the close; the next token is an option's letter."""


class OwnDataSection(PromptSection):
    """The text that the family itself was trained on, where that is not what it is asked with."""

    close: str
    """Between thinking, which ends in a line break, and answer."""
    answer_prefix: str
    """Precedes an answer that does not contain it, spaces at its ends aside."""
    after_end: str
    """Follows the end of the assistant's turn."""
    reference: str
    """Source of this form."""


class _File(_Section):
    title: str
    reference: str
    models: list[str] = []
    hints: list[str] = []
    chat: ChatSection
    prompt: PromptSection = PromptSection()
    thinking: ThinkingSection
    answer: AnswerSection
    own_data: OwnDataSection | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """One family's way of thinking and answering."""

    id: str
    title: str
    reference: str
    """Source of the delimiters."""
    models: tuple[str, ...]
    """Shell patterns of model names known to belong to this family."""
    hints: tuple[str, ...]
    """Words in a model's name that suggest it."""
    chat: ChatSection
    prompt: PromptSection
    thinking: ThinkingSection
    answer: AnswerSection
    own_data: OwnDataSection | None = None

    def values(self) -> dict[str, Any]:
        """Its fields, as a file has them."""
        sections = {"chat": self.chat, "prompt": self.prompt, "thinking": self.thinking, "answer": self.answer}
        if self.own_data:
            sections["own_data"] = self.own_data
        named = {"title": self.title, "reference": self.reference}
        lists = {"models": list(self.models), "hints": list(self.hints)}
        return {**named, **lists, **{name: each.model_dump(mode="json") for name, each in sections.items()}}


@dataclass(frozen=True, slots=True)
class ProfileMatch:
    """The profile proposed for a model."""

    profile: Profile
    is_guess: bool
    """True if no profile names the model and this one is only the closest."""


class Profiles:
    """All profiles, by id."""

    def __init__(self, profiles: Iterable[Profile]) -> None:
        self._profiles = {profile.id: profile for profile in profiles}

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._profiles.values())

    def get(self, profile_id: str) -> Profile:
        """The profile with that id; raises UnknownProfile with the ids there are."""
        try:
            return self._profiles[profile_id]
        except KeyError:
            known = ", ".join(sorted(self._profiles))
            raise UnknownProfile(f"Unknown profile {profile_id!r}; choose one of: {known}.") from None

    def match(self, *names: str) -> ProfileMatch:
        """The profile for a model known under `names` (id, repository, path); never fails."""
        wanted = [name.lower() for name in names if name]
        named = named_profile(self, *names)
        if named:
            return ProfileMatch(named, is_guess=False)
        hinted = [
            (len(hint), profile)
            for profile in self
            for hint in profile.hints
            if any(hint.lower() in name for name in wanted)
        ]
        longest = max(hinted, key=lambda pair: pair[0], default=(0, self.get(FALLBACK_PROFILE_ID)))
        return ProfileMatch(longest[1], is_guess=True)

    def own(self) -> Sequence[Profile]:
        """Those of this installation."""
        return ()


def named_profile(profiles: Iterable[Profile], *names: str) -> Profile | None:
    """The first profile whose `models` name a model known under `names`."""
    wanted = [name.lower() for name in names if name]
    return next(
        (p for p in profiles if any(fnmatch.fnmatch(name, each.lower()) for name in wanted for each in p.models)), None
    )


@cache
def load_profiles(directory: Path = _DIRECTORY) -> Profiles:
    """Read every `*.toml` of `directory`; raises CatalogError that names file, field and what was expected."""
    return Profiles(read_profile(path, path.stem) for path in sorted(directory.glob("*.toml")))


def read_profile(path: Path, profile_id: str) -> Profile:
    """Read one file; blocks, and raises CatalogError that names file, field and what was expected."""
    return profile_of(_values(path), profile_id, f"{path}: ", ". Compare with the other files of that folder.")


def profile_of(values: Mapping[str, Any], profile_id: str, before: str = "", after: str = ".") -> Profile:
    """The profile with the fields of a file; raises CatalogError, with the given words around what is wrong."""
    try:
        content = _File.model_validate(values)
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors())
        raise CatalogError(f"{before}{faults}{after}") from exc
    return Profile(
        id=profile_id,
        title=content.title,
        reference=content.reference,
        models=tuple(content.models),
        hints=tuple(content.hints),
        chat=content.chat,
        prompt=content.prompt,
        thinking=content.thinking,
        answer=content.answer,
        own_data=content.own_data,
    )


def file_content(path: Path) -> bytes:
    """A profile's file; blocks, and raises CatalogError if it is no plain file, too large, or cannot be read."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # Opening a pipe would wait for its other end.
            raise CatalogError(f"{path} cannot be read: it is not a regular file. Remove it.")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as exc:
        raise CatalogError(f"{path} cannot be read: {exc.strerror}. Correct or remove it.") from exc
    if len(content) > _MOST_BYTES:
        raise CatalogError(f"{path} is larger than {_MOST_BYTES >> 20} MB, too large for a profile. Remove it.")
    return content


def _values(path: Path, extended_by: tuple[Path, ...] = ()) -> dict[str, Any]:
    try:
        values = tomllib.loads(file_content(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise CatalogError(f"{path}: not valid TOML: {exc}. Correct that line.") from exc
    if "extends" not in values:
        return values
    base = path.parent / f"{values.pop('extends')}.toml"
    if not base.is_file() and (_DIRECTORY / base.name).is_file():
        base = _DIRECTORY / base.name
    if base in extended_by:
        raise CatalogError(f"{path}: extends {base.stem!r}, which extends this one. Name another file of that folder.")
    if base == path or base.parent not in (path.parent, _DIRECTORY) or not base.is_file():
        raise CatalogError(f"{path}: extends {base.stem!r}, and there is no {base}. Name another file of that folder.")
    kept = {name: value for name, value in _values(base, (path, *extended_by)).items() if name not in _NAMING}
    return kept | {name: _over(kept.get(name), value) for name, value in values.items()}


def _over(base: Any, value: Any) -> Any:
    return base | value if isinstance(base, dict) and isinstance(value, dict) else value


def _placeholders(template: str) -> set[str]:
    return {name for name in ("{system}", "{user}") if name in template}
