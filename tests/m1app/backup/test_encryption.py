"""Encrypted backups: nobody reads them without the key, and messages do not show it."""

from pathlib import Path

import pytest

from m1app.backup import encryption
from m1app.backup.encryption import decrypt, encrypt, is_encrypted, new_key
from m1app.backup.errors import BackupError
from m1app.backup.restoring import restore
from m1app.settings import Settings
from tests.m1app.backup.homes import backed_up, counts_of, settings_of

pytest.importorskip("pyrage")


def test_an_encrypted_backup_is_verified_and_restored_with_its_key_only(settings: Settings, tmp_path: Path) -> None:
    key = new_key()
    made = backed_up(settings_of(settings.home, backup_key=key))
    assert (made.is_encrypted, made.is_restored, made.file.name[-8:]) == (True, True, ".zip.age")
    assert made.file.stat().st_mode & 0o777 == 0o600
    assert b"labels.toml" not in made.file.read_bytes()
    there = tmp_path / "there"
    for given, words in (("", "is encrypted"), (new_key(), "not the key")):
        with pytest.raises(BackupError, match=words) as caught:
            restore(made.file, settings_of(there, backup_key=given), is_replacing=False)
        assert "SECRET-KEY" not in str(caught.value)
        assert [path.name for path in there.iterdir()] == ["run"]
    restore(made.file, settings_of(there, backup_key=key), is_replacing=False)
    assert counts_of(there) == counts_of(settings.home)


def test_where_there_is_a_key_a_file_that_is_not_encrypted_is_restored_only_on_request(
    settings: Settings, tmp_path: Path
) -> None:
    made = backed_up(settings)
    renamed = made.file.rename(tmp_path / "backup.zip.age")
    there = settings_of(tmp_path / "there", backup_key=new_key())
    with pytest.raises(BackupError, match="M1_BACKUP_KEY is set"):
        restore(renamed, there, is_replacing=False)
    assert [path.name for path in there.home.iterdir()] == ["run"]
    restore(renamed, there, is_replacing=False, is_plain_accepted=True)
    assert counts_of(there.home) == counts_of(settings.home)


@pytest.mark.parametrize("end", [0, 30, 200, 70_000, -1])
def test_an_encrypted_file_that_ends_early_is_refused(tmp_path: Path, end: int) -> None:
    (tmp_path / "plain").write_bytes(bytes(200_000))
    key = new_key()
    encrypt(tmp_path / "plain", tmp_path / "whole", key)
    assert is_encrypted(tmp_path / "whole")
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:end])
    with pytest.raises(BackupError, match="cannot be decrypted"):
        decrypt(tmp_path / "cut", tmp_path / "out", key)


def test_changed_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(bytes(200_000))
    key = new_key()
    encrypt(tmp_path / "plain", tmp_path / "whole", key)
    data = bytearray((tmp_path / "whole").read_bytes())
    data[-100] ^= 1
    (tmp_path / "changed").write_bytes(data)
    with pytest.raises(BackupError, match="cannot be decrypted"):
        decrypt(tmp_path / "changed", tmp_path / "out", key)


def test_a_text_that_is_no_key_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"x")
    with pytest.raises(BackupError, match="M1_BACKUP_KEY is not a key") as caught:
        encrypt(tmp_path / "plain", tmp_path / "out", "AGE-SECRET-KEY-1hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_missing_package_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(encryption.importlib, "import_module", missing)
    with pytest.raises(BackupError, match="pyrage, which is not installed"):
        new_key()


def test_a_full_disk_is_named_and_not_taken_for_a_wrong_key(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(bytes(200_000))
    key = new_key()
    encrypt(tmp_path / "plain", tmp_path / "whole", key)
    with pytest.raises(BackupError, match="No space left on device"):
        encrypt(tmp_path / "plain", Path("/dev/full"), key)
    with pytest.raises(BackupError, match="No space left on device"):
        decrypt(tmp_path / "whole", Path("/dev/full"), key)
