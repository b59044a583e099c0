"""Settings, read once from the environment (M1_*) and passed down; nothing else reads the environment."""

import ipaddress
import os
import re
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from m1app.errors import AppError
from models.engine.endpoint import Endpoint
from storage.connections import sqlite_url
from storage.people.records import Role

_ROOT = Path(__file__).parent.parent
IS_PACKAGE = _ROOT.name in ("site-packages", "dist-packages")
"""Whether the app was installed as a package instead of running from its own folder."""
MIN_PASSWORD_CHARACTERS = 8
_ARGON2_HASH = re.compile(r"\$argon2(id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
_AGE_KEY = re.compile("AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class EngineChoice(StrEnum):
    """Where tokens come from."""

    EMBEDDED = "embedded"
    """A small model in a llama.cpp server that the app starts."""
    VLLM = "vllm"
    """A vLLM server that the app starts from its own environment."""
    REMOTE = "remote"
    """A server that is already running, at M1_ENGINE_URL."""


class IdentifierMode(StrEnum):
    """What happens to a question that may identify a person."""

    WARN = "warn"
    """It is sent only after the person has seen what was found and runs it anyway."""
    BLOCK = "block"
    """It is not sent."""
    OFF = "off"
    """Nobody looks."""


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
    """Password of the account `admin`, which it creates or updates at the start; a value that starts with $argon2 is
    treated as its Argon2 hash."""
    session_hours: float = Field(default=12.0, gt=0, le=24 * 365)
    """Longest time from a login to the next."""
    idle_minutes: float = Field(default=120.0, gt=0, le=60 * 24 * 365)
    """Time without use after which a session ends."""
    trusted_header: str = ""
    """Header in which a proxy names the person who is logged in there, such as X-Remote-User; empty means none."""
    trusted_proxies: str = ""
    """Comma-separated addresses or networks (10.0.5.0/24) of the proxies that may name the person."""
    oidc_issuer: str = ""
    """Address of an OpenID Connect provider that logs people in; empty means none."""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    new_account_role: Role | None = Role.VIEWER
    """Role of a person whom the proxy or the OpenID Connect provider names for the first time.

    None, written `none`, creates no account.
    """
    allowed_hosts: str = ""
    """Comma-separated host names under which browsers may reach the page, besides the bound address."""
    engine: EngineChoice = EngineChoice.EMBEDDED
    """Set by M1_ENGINE; M1_ENGINE_URL alone means remote."""
    engine_url: str = ""
    engine_api_key: SecretStr = SecretStr("")
    engine_urls: SecretStr = SecretStr("")
    """Comma-separated addresses of running servers of one model, instead of `engine_url`; keys as in
    `more_engine_urls`."""
    more_engine_urls: SecretStr = SecretStr("")
    """Comma-separated addresses of additional running servers, whose models are offered besides the engine's own.

    A key goes before the host: http://:KEY@host:port.
    """
    model: str = ""
    """Catalog id; for vLLM also a hub repository or a folder.

    Empty means the embedded default, or the only model of a remote engine.
    """
    embedding_url: SecretStr = SecretStr("")
    """Address of a running server of an embedding model, with which corpora are searched by meaning too.

    Empty searches by words alone. A key goes before the host, as in `more_engine_urls`.
    """
    embedding_model: str = ""
    """Name under which it serves the model."""
    embedding_query_prefix: str = Field(default="", max_length=1000)
    """What the model wants before a text that is searched for, such as "query: "."""
    embedding_passage_prefix: str = Field(default="", max_length=1000)
    """What it wants before a passage."""
    database_url: SecretStr = SecretStr("")
    """SQLAlchemy URL; empty means SQLite under `home`."""
    context_length: int = Field(default=8192, ge=512)
    """Tokens of context for each of the embedded engine's parallel requests."""
    parallel_requests: int = Field(default=4, ge=1, le=64)
    """Requests that the embedded engine runs at once."""
    gpu_layers: int = Field(default=-1, ge=-1, le=10_000)
    """Layers that the embedded engine puts on a GPU, if its build has one; -1 for all that fit."""
    flash_attention: Literal["auto", "on", "off"] = "auto"
    """Of the embedded engine."""
    kv_cache_type: Literal["f16", "q8_0", "q4_0"] = "f16"
    """Of the embedded engine's key-value cache: less memory, and slightly other answers, with fewer bits."""
    speculation: Literal["", "ngram"] = ""
    """"ngram" lets the embedded engine and the managed vLLM guess tokens from what was generated before."""
    embedded_models: int = Field(default=2, ge=1, le=16)
    """Models that the embedded engine runs at once beside its own, each in a process and memory of its own."""
    threads: int = Field(default=0, ge=0, le=1024)
    """CPU threads of the embedded engine; 0 lets llama.cpp choose (the physical cores)."""
    vllm_python: Path = _ROOT / ".venv-vllm" / "bin" / "python"
    vllm_args: str = ""
    """Extra arguments for the managed vLLM server, separated by spaces."""
    vllm_keep: bool = False
    """True leaves the managed vLLM server running when the app ends; the next start takes it over."""
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
    runs_per_person: int = Field(default=16, ge=1, le=1024)
    """Probes and sweeps that one person may have running at once, unless they manage the app."""
    trash_days: float = Field(default=30.0, ge=0, le=36_500)
    """Days for which a deletion can be undone."""
    identifiers: IdentifierMode = IdentifierMode.WARN
    """What happens to a question that may identify a person."""
    retention_days: float = Field(default=0.0, ge=0, le=36_500)
    """Age at which probes and sweeps without annotations are removed for good; 0 keeps them."""
    backup_directory: str = ""
    """Folder for backups on a schedule; empty makes none."""
    backup_hours: int = Field(default=24, ge=1, le=8784)
    """Hours between two backups of the schedule."""
    backup_keep: int = Field(default=7, ge=1, le=10_000)
    """Number of this home's backups to keep in `backup_directory`."""
    backup_key: SecretStr = SecretStr("")
    """age secret key to encrypt backups with; empty leaves them readable."""
    chromium: str = ""
    """Chromium or Chrome that prints reports as PDF; empty looks for one on PATH."""
    log_level: str = "INFO"
    log_format: Literal["text", "json"] = "text"
    """"json" writes one JSON object a line."""
    metrics_token: SecretStr = SecretStr("")
    """What a monitoring system sends to read /metrics; empty closes it."""

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("engine_url", mode="after")
    @classmethod
    def _http_address(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        if "@" in urlsplit(url).netloc:
            raise ValueError("is shown on pages, so it has no name and password. Set the key in M1_ENGINE_API_KEY")
        return url.rstrip("/").removesuffix("/v1")

    @field_validator("ray_address", mode="after")
    @classmethod
    def _dashboard_address(cls, address: str) -> str:
        if address and not address.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://, as in http://head:8265")
        return address.rstrip("/")

    @field_validator("new_account_role", mode="before")
    @classmethod
    def _none_is_written(cls, role: object) -> object:
        # An empty variable counts as not set.
        return None if role == "none" else role

    @field_validator("oidc_issuer", mode="after")
    @classmethod
    def _encrypted_issuer(cls, address: str) -> str:
        parts = urlsplit(address)
        is_local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if address and ((parts.scheme != "https" and not (is_local and parts.scheme == "http")) or not parts.hostname):
            raise ValueError("must begin with https://, as in https://login.example.org/realms/hospital")
        return address

    @field_validator("trusted_header", mode="after")
    @classmethod
    def _header_name(cls, header: str) -> str:
        if header and not _HEADER_NAME.fullmatch(header):
            raise ValueError("must be the name of a header, such as X-Remote-User")
        return header

    @field_validator("trusted_proxies", mode="after")
    @classmethod
    def _network_addresses(cls, proxies: str) -> str:
        for proxy in _listed(proxies):
            try:
                ipaddress.ip_network(proxy)
            except ValueError as exc:
                raise ValueError(f"{proxy!r} is not an address or network, such as 10.0.5.7 or 10.0.5.0/24") from exc
        return proxies

    @field_validator("engine_urls", "more_engine_urls", mode="after")
    @classmethod
    def _http_addresses(cls, urls: SecretStr) -> SecretStr:
        for endpoint in _endpoints(urls.get_secret_value()):
            if not endpoint.base_url.startswith(("http://", "https://")):
                raise ValueError("each address must begin with http:// or https://")
        return urls

    @field_validator("embedding_url", mode="after")
    @classmethod
    def _one_http_address(cls, url: SecretStr) -> SecretStr:
        found = _endpoints(url.get_secret_value())
        if found and (len(found) > 1 or not found[0].base_url.startswith(("http://", "https://"))):
            raise ValueError("must be one address that begins with http:// or https://")
        return url

    @field_validator("admin_password", mode="after")
    @classmethod
    def _no_easy_guess(cls, password: SecretStr) -> SecretStr:
        given = password.get_secret_value()
        if given.startswith("$argon2") and not _ARGON2_HASH.fullmatch(given):
            raise ValueError(
                "looks like an Argon2 hash but is not one: it must be $argon2id$v=19$m=...,t=...,p=...$salt$hash. "
                "In a shell, put it in single quotes; in a compose file, write each $ twice"
            )
        if given and len(given) < MIN_PASSWORD_CHARACTERS:
            raise ValueError(f"has {len(given)} characters; use at least {MIN_PASSWORD_CHARACTERS}")
        return password

    @field_validator("backup_key", mode="after")
    @classmethod
    def _age_key(cls, key: SecretStr) -> SecretStr:
        if key.get_secret_value() and not _AGE_KEY.fullmatch(key.get_secret_value()):
            raise ValueError(
                "is not an age secret key, a line that begins with AGE-SECRET-KEY-1. Make one with "
                "`python -m m1app backup --new-key`"
            )
        return key

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
    def _header_needs_a_proxy(self) -> "Settings":
        if self.trusted_header and not self.proxies:
            raise ValueError("M1_TRUSTED_HEADER needs M1_TRUSTED_PROXIES, the addresses that may send it")
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("M1_OIDC_ISSUER needs M1_OIDC_CLIENT_ID, the name of this app at the provider")
        return self

    @model_validator(mode="after")
    def _embeddings_need_a_model(self) -> "Settings":
        if self.embedding_url.get_secret_value() and not self.embedding_model.strip():
            raise ValueError("M1_EMBEDDING_URL needs M1_EMBEDDING_MODEL, the name under which it serves the model")
        return self

    @model_validator(mode="after")
    def _url_means_remote(self) -> "Settings":
        if self.engine_url and self.replica_endpoints:
            raise ValueError("engine_url and engine_urls are both set. Set one of them.")
        if (self.engine_url or self.replica_endpoints) and "engine" not in self.model_fields_set:
            object.__setattr__(self, "engine", EngineChoice.REMOTE)
        if self.engine is EngineChoice.REMOTE and not (self.engine_url or self.replica_endpoints):
            raise ValueError("M1_ENGINE=remote needs M1_ENGINE_URL, for example http://127.0.0.1:8000")
        if self.engine is EngineChoice.VLLM and not self.model:
            raise ValueError("M1_ENGINE=vllm needs M1_MODEL, for example UCSC-VLAA/m1-7B-23K")
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        return self.host == "localhost" or is_this_machine(self.host)

    @property
    def database_address(self) -> str:
        """The database's SQLAlchemy URL."""
        return self.database_url.get_secret_value() or sqlite_url(self.home / "m1.sqlite3")

    @property
    def has_database(self) -> bool:
        """Whether there may be a database already."""
        return bool(self.database_url.get_secret_value()) or (self.home / "m1.sqlite3").exists()

    @property
    def llama_tuning(self) -> dict[str, Any]:
        """How the embedded engine runs its models, as fields of `LlamaConfig`."""
        return {
            "gpu_layers": self.gpu_layers,
            "flash_attention": self.flash_attention,
            "cache_type": self.kv_cache_type,
            "speculation": self.speculation,
        }

    @property
    def replica_endpoints(self) -> tuple[Endpoint, ...]:
        """Running servers of one model; empty if `engine_url` names a single one."""
        return _endpoints(self.engine_urls.get_secret_value())

    @property
    def more_endpoints(self) -> tuple[Endpoint, ...]:
        """Additional running servers."""
        return _endpoints(self.more_engine_urls.get_secret_value())

    @property
    def embedding_endpoint(self) -> Endpoint | None:
        """The server of the embedding model; None if there is none."""
        return next(iter(_endpoints(self.embedding_url.get_secret_value())), None)

    @property
    def is_for_this_machine(self) -> bool:
        """Whether the app serves this machine's user, unless there are accounts."""
        return self.is_loopback and not self.trusted_header and not self.oidc_issuer

    @property
    def proxies(self) -> tuple[str, ...]:
        """Addresses and networks of trusted proxies."""
        return _listed(self.trusted_proxies)

    @property
    def models_directory(self) -> Path:
        """Folder of downloaded weights."""
        return self.home / "models"

    @property
    def logs_directory(self) -> Path:
        """Folder of log files."""
        return self.home / "logs"

    @property
    def backups_directory(self) -> Path:
        """Folder of backups that no other place is named for."""
        return Path(self.backup_directory).expanduser().absolute() if self.backup_directory else self.home / "backups"

    @property
    def jobs_directory(self) -> Path:
        """Folder of the jobs' logs and artifacts."""
        return self.home / "jobs"


def is_this_machine(address: str) -> bool:
    """Whether it is a loopback address, which only this machine can use; False for names."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def _listed(values: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, values.split(","))))


def _endpoints(urls: str) -> tuple[Endpoint, ...]:
    found = []
    for url in _listed(urls):
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
            is_shown = error["loc"] and not _is_secret(error["loc"][0]) and "@" not in str(error["input"])
            found = f" (found {error['input']!r})" if is_shown else ""
            lines.append(f"{name}: {error['msg'].removeprefix('Value error, ')}{found}")
        raise SettingsError("\n".join(lines)) from exc


def _is_secret(field: int | str) -> bool:
    known = Settings.model_fields.get(str(field))
    return known is not None and known.annotation is SecretStr


def check_serving(settings: Settings, *, has_accounts: bool) -> None:
    """Refuse to serve other machines without a login; raises SettingsError."""
    logs_in = has_accounts or settings.admin_password.get_secret_value() or settings.oidc_issuer
    if not settings.is_loopback and not logs_in and not settings.trusted_header:
        raise SettingsError(
            f"M1_HOST={settings.host} opens the app to other machines, and there are no accounts. Make the first one "
            "with `m1app users add NAME --role admin`, or set M1_ADMIN_PASSWORD to a password of at least "
            f"{MIN_PASSWORD_CHARACTERS} characters (or to its Argon2 hash), which makes the account admin. Or leave "
            "M1_HOST at 127.0.0.1."
        )
