"""Settings, read once from the environment (M1_*) and passed down; nothing else reads the environment."""

import ipaddress
import os
import re
import shlex
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from m1app.errors import AppError
from models.engine.endpoint import Endpoint

_ROOT = Path(__file__).parent.parent
IS_PACKAGE = _ROOT.name in ("site-packages", "dist-packages")
"""Whether the app was installed as a package instead of running from its own folder."""
_MIN_PASSWORD_CHARACTERS = 8
_ARGON2_HASH = re.compile(r"\$argon2(id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class EngineChoice(StrEnum):
    """Where tokens come from."""

    EMBEDDED = "embedded"
    """A small model in a llama.cpp server that the app starts."""
    VLLM = "vllm"
    """A vLLM server that the app starts from its own environment."""
    REMOTE = "remote"
    """A server that is already running, at M1_ENGINE_URL."""


class SettingsError(AppError):
    """A setting is invalid; the message names the variable, what was found and what is expected."""


class Settings(BaseSettings):
    """All settings."""

    # A variable that is set but empty (`M1_PORT=`, as passed on by compose files) counts as not set.
    model_config = SettingsConfigDict(env_prefix="M1_", env_ignore_empty=True, extra="ignore", frozen=True)

    home: Path = Field(default_factory=lambda: _default_home())
    """Folder for all persistent data: database, weights, logs."""
    host: str = "127.0.0.1"
    port: int = Field(default=7860, ge=1, le=65535)
    admin_password: SecretStr = SecretStr("")
    """Password of the Admin page; a value that starts with $argon2 is treated as its Argon2 hash.

    May be empty only if no other machine can reach the page: see `check_serving`.
    """
    allowed_hosts: str = ""
    """Comma-separated host names under which browsers may reach the page, besides the bound address."""
    engine: EngineChoice = EngineChoice.EMBEDDED
    """Set by M1_ENGINE; M1_ENGINE_URL alone means remote."""
    engine_url: str = ""
    engine_api_key: SecretStr = SecretStr("")
    more_engine_urls: SecretStr = SecretStr("")
    """Comma-separated addresses of additional running servers, whose models are offered besides the engine's own.

    A key goes before the host: http://:KEY@host:port.
    """
    model: str = ""
    """Catalog id; for vLLM also a hub repository or a folder.

    Empty means the embedded default, or the only model of a remote engine.
    """
    database_url: SecretStr = SecretStr("")
    """SQLAlchemy URL; empty means SQLite under `home`."""
    context_length: int = Field(default=8192, ge=512)
    """Tokens of context for each of the embedded engine's parallel requests."""
    parallel_requests: int = Field(default=4, ge=1, le=64)
    """Requests that the embedded engine runs at once."""
    threads: int = Field(default=0, ge=0, le=1024)
    """CPU threads of the embedded engine; 0 lets llama.cpp choose (the physical cores)."""
    vllm_python: Path = _ROOT / ".venv-vllm" / "bin" / "python"
    vllm_args: str = ""
    """Extra arguments for the managed vLLM server, separated by spaces."""
    train_python: Path = _ROOT / ".venv-train" / "bin" / "python"
    """Interpreter for fine-tuning; the first fine-tuning installs the default one."""
    hub_url: str = "https://huggingface.co"
    hub_token: SecretStr = SecretStr("")
    hub_offline: bool = False
    """True restricts the managed vLLM, hub imports and fine-tuning to what was downloaded before."""
    cpu_jobs: int = Field(default=1, ge=0, le=1024)
    """Maximum concurrent CPU jobs, including stopping ones; 0 starts none."""
    gpu_jobs: int = Field(default=1, ge=0, le=1024)
    """Maximum concurrent GPU jobs; 0 starts none."""
    ray_address: str = ""
    """The dashboard of a Ray cluster that runs jobs, such as http://head:8265; empty means there is none."""
    log_level: str = "INFO"

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("engine_url", mode="after")
    @classmethod
    def _http_address(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return url.rstrip("/").removesuffix("/v1")

    @field_validator("ray_address", mode="after")
    @classmethod
    def _dashboard_address(cls, address: str) -> str:
        if address and not address.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://, as in http://head:8265")
        return address.rstrip("/")

    @field_validator("more_engine_urls", mode="after")
    @classmethod
    def _http_addresses(cls, urls: SecretStr) -> SecretStr:
        for endpoint in _endpoints(urls.get_secret_value()):
            if not endpoint.base_url.startswith(("http://", "https://")):
                raise ValueError("each address must begin with http:// or https://")
        return urls

    @field_validator("admin_password", mode="after")
    @classmethod
    def _no_easy_guess(cls, password: SecretStr) -> SecretStr:
        given = password.get_secret_value()
        if given.startswith("$argon2") and not _ARGON2_HASH.fullmatch(given):
            raise ValueError(
                "looks like an Argon2 hash but is not one: it must be $argon2id$v=19$m=...,t=...,p=...$salt$hash. "
                "In a shell, put it in single quotes; in a compose file, write each $ twice"
            )
        if given and len(given) < _MIN_PASSWORD_CHARACTERS:
            raise ValueError(f"has {len(given)} characters; use at least {_MIN_PASSWORD_CHARACTERS}")
        return password

    @field_validator("log_level", mode="after")
    @classmethod
    def _known_level(cls, level: str) -> str:
        if level.upper() not in _LOG_LEVELS:
            raise ValueError(f"must be one of {', '.join(_LOG_LEVELS)}")
        return level.upper()

    @field_validator("vllm_args", mode="after")
    @classmethod
    def _closed_quotes(cls, arguments: str) -> str:
        try:
            shlex.split(arguments)
        except ValueError as exc:
            raise ValueError(f"cannot be split into arguments ({exc})") from exc
        return arguments

    @field_validator("allowed_hosts", mode="after")
    @classmethod
    def _wildcards_in_front(cls, names: str) -> str:
        for name in map(str.strip, names.split(",")):
            if "*" in name.removeprefix("*.") and name != "*":
                raise ValueError(f"{name!r} has its * in the wrong place; write *.example.org")
        return names

    @model_validator(mode="after")
    def _url_means_remote(self) -> "Settings":
        if self.engine_url and "engine" not in self.model_fields_set:
            object.__setattr__(self, "engine", EngineChoice.REMOTE)
        if self.engine is EngineChoice.REMOTE and not self.engine_url:
            raise ValueError("M1_ENGINE=remote needs M1_ENGINE_URL, for example http://127.0.0.1:8000")
        if self.engine is EngineChoice.VLLM and not self.model:
            raise ValueError("M1_ENGINE=vllm needs M1_MODEL, for example UCSC-VLAA/m1-7B-23K")
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def database_address(self) -> str:
        """The database's SQLAlchemy URL."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.home / 'm1.sqlite3'}"

    @property
    def more_endpoints(self) -> tuple[Endpoint, ...]:
        """Additional running servers."""
        return _endpoints(self.more_engine_urls.get_secret_value())

    @property
    def models_directory(self) -> Path:
        """Folder of downloaded weights."""
        return self.home / "models"

    @property
    def logs_directory(self) -> Path:
        """Folder of log files."""
        return self.home / "logs"

    @property
    def jobs_directory(self) -> Path:
        """Folder of the jobs' logs and artifacts."""
        return self.home / "jobs"


def _endpoints(urls: str) -> tuple[Endpoint, ...]:
    found = []
    for url in filter(None, (each.strip() for each in urls.split(","))):
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        base_url = f"{parts.scheme}://{host}{parts.path}".rstrip("/").removesuffix("/v1")
        found.append(Endpoint(base_url, parts.password or ""))
    return tuple(found)


def _default_home(is_package: bool = IS_PACKAGE) -> Path:
    """`data` next to the code; for an installed package, a folder in the user's data directory."""
    if not is_package:
        return _ROOT / "data"
    user_data = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (user_data if user_data.is_absolute() else Path.home() / ".local" / "share") / "m1app"


def load_settings() -> Settings:
    """Read settings from the environment; raises SettingsError with one line per invalid variable."""
    try:
        return Settings()
    except ValidationError as exc:
        lines = []
        for error in exc.errors():
            name = "M1_" + "_".join(map(str, error["loc"])).upper() if error["loc"] else "Settings"
            found = f" (found {error['input']!r})" if error["loc"] and not _is_secret(error["loc"][0]) else ""
            lines.append(f"{name}: {error['msg'].removeprefix('Value error, ')}{found}")
        raise SettingsError("\n".join(lines)) from exc


def _is_secret(field: int | str) -> bool:
    known = Settings.model_fields.get(str(field))
    return known is not None and known.annotation is SecretStr


def check_serving(settings: Settings) -> None:
    """Refuse to serve the Admin page to other machines without a password; raises SettingsError."""
    if not settings.is_loopback and not settings.admin_password.get_secret_value():
        raise SettingsError(
            f"M1_ADMIN_PASSWORD is not set, and M1_HOST={settings.host} opens the app to other machines. Set it to a "
            f"password of at least {_MIN_PASSWORD_CHARACTERS} characters or to its Argon2 hash; it protects the "
            "Admin page, which can start jobs and delete data. Or leave M1_HOST at 127.0.0.1."
        )
