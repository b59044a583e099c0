"""The app's settings as environment variables for workers, which may run on another machine."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from m1app.settings import Settings

_APP_ONLY = frozenset(
    {"host", "port", "allowed_hosts", "admin_password", "metrics_token", "session_hours", "idle_minutes"}
    | {"trusted_header", "trusted_proxies", "oidc_issuer", "oidc_client_id", "oidc_client_secret", "new_account_role"}
    | {"backup_directory", "backup_hours", "backup_keep", "backup_key"}
)
"""Settings for the page, its access and its backups, which workers do not need."""


def worker_environment(settings: Settings) -> dict[str, str]:
    """Return variables from which a worker reads the same settings, including secrets.

    All are set explicitly, including defaults: some defaults depend on where the app is installed.
    """
    given = {name: _spelled(getattr(settings, name)) for name in Settings.model_fields if name not in _APP_ONLY}
    found = {f"M1_{name.upper()}": text for name, text in given.items() if text}
    # SQLite's default path depends on the home, so pass it explicitly.
    return found | {"M1_DATABASE_URL": settings.database_address}


def _spelled(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.absolute()) if isinstance(value, Path) else str(value)
