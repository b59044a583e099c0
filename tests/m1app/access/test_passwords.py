"""What a password's hash costs whoever tries passwords."""

import argon2
import pytest

from m1app.access import passwords


def test_the_app_hashes_passwords_as_slowly_as_its_library_advises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here without what makes hashing quick in the tests."""
    monkeypatch.setattr(passwords, "PasswordHasher", argon2.PasswordHasher)
    made = passwords.Passwords()
    hashed = made.hash("correct horse")
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert made.is_right_now(hashed, "correct horse")
