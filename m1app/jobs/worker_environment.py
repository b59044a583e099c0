"""The app's settings as environment variables for its workers, which may run on another machine."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from m1app.settings import Settings

_PAGE_ONLY = frozenset({"host", "port", "allowed_hosts", "admin_password"})
"""Settings of the page and of who may see it: no worker needs them."""


def worker_environment(settings: Settings) -> dict[str, str]:
    """Variables from which a worker reads the same settings, secrets included.

    Every one is spelled out, defaults too: some defaults depend on where the app's files lie.
    """
    given = {name: _spelled(getattr(settings, name)) for name in Settings.model_fields if name not in _PAGE_ONLY}
    found = {f"M1_{name.upper()}": text for name, text in given.items() if text}
    # SQLite's default place is inside the home; said in full, it cannot be mistaken.
    return found | {"M1_DATABASE_URL": settings.database_address}


def _spelled(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.absolute()) if isinstance(value, Path) else str(value)
