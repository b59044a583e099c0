"""Encryption of backups in the age format (age-encryption.org/v1), through pyrage.

Without this app, `age --decrypt --identity KEY_FILE BACKUP` opens them.
"""

import importlib
from pathlib import Path
from typing import Any

from m1app.backup.errors import BackupError

_SYSTEM_ERROR = "(os error "
"""In messages of pyrage about the system: its exceptions have no number, and may be those of a wrong key."""
_HEADER = b"age-encryption.org/v1\n"


def new_key() -> str:
    """Return a new secret key, for M1_BACKUP_KEY."""
    return str(_pyrage().x25519.Identity.generate())


def is_encrypted(file: Path) -> bool:
    """Whether a file is encrypted."""
    with file.open("rb") as opened:
        return opened.read(len(_HEADER)) == _HEADER


def encrypt(source: Path, target: Path, key: str) -> None:
    """Encrypt a file into a new one, for the holder of the secret key."""
    pyrage = _pyrage()
    target.touch(mode=0o600)
    recipient = _identity(pyrage, key).to_public()
    try:
        pyrage.encrypt_file(str(source), str(target), [recipient])
    except (pyrage.EncryptError, OSError) as exc:
        raise _not_written(target, exc) from exc


def decrypt(source: Path, target: Path, key: str) -> None:
    """Decrypt a file into a new one.

    Raises:
        BackupError: the key is missing or another one, or the file is damaged.
    """
    if not key:
        raise BackupError(f"{source} is encrypted. Set M1_BACKUP_KEY to the key with which it was made.")
    pyrage = _pyrage()
    target.touch(mode=0o600)
    try:
        pyrage.decrypt_file(str(source), str(target), [_identity(pyrage, key)])
    except (pyrage.DecryptError, OSError) as exc:
        if _SYSTEM_ERROR in str(exc):
            raise _not_written(target, exc) from exc
        raise BackupError(
            f"{source} cannot be decrypted: M1_BACKUP_KEY is not the key with which it was made, or the file is "
            "damaged or incomplete."
        ) from exc


def _not_written(target: Path, exc: Exception) -> BackupError:
    return BackupError(f"{target} could not be written: {exc}. Check the disk and its free space, then try again.")


def _identity(pyrage: Any, key: str) -> Any:
    try:
        return pyrage.x25519.Identity.from_str(key)
    except pyrage.IdentityError:
        # Not chained: the upstream message may quote the key.
        raise BackupError(
            "M1_BACKUP_KEY is not a key: it must be one line that begins with AGE-SECRET-KEY-1. Make one with "
            "`python -m m1app backup --new-key`."
        ) from None


def _pyrage() -> Any:
    try:
        return importlib.import_module("pyrage")
    except ModuleNotFoundError as exc:
        raise BackupError(
            "Encrypted backups need the Python package pyrage, which is not installed. Install it, or unset "
            "M1_BACKUP_KEY to make backups that are not encrypted."
        ) from exc
