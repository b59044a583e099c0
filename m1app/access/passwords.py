"""Hashes of passwords (Argon2)."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from m1app.access.errors import AccountRefused, LoginRefused
from m1app.settings import MIN_PASSWORD_CHARACTERS

MAX_PASSWORD_CHARACTERS = 1024
_MAX_WAITING = 32
_BUSY_SECONDS = 5


class Passwords:
    """Hashes and verifies passwords; each takes 64 MiB and a core for a moment."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turn = asyncio.Semaphore(2)
        self._waiting = 0
        self._of_nobody = ""

    def hash(self, password: str) -> str:
        """Argon2 hash of a password; blocks. Raises AccountRefused if it is too short or too long."""
        if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
            raise AccountRefused(
                f"The password has {len(password):,} characters; use {MIN_PASSWORD_CHARACTERS} to "
                f"{MAX_PASSWORD_CHARACTERS:,}."
            )
        try:
            return self._hasher.hash(password)
        except UnicodeEncodeError as exc:
            raise AccountRefused(
                "The password contains a character that cannot be encoded. Use other characters."
            ) from exc

    async def is_right(self, hashed: str, password: str) -> bool:
        """Whether the password has this hash; an empty hash takes as long as any other and is never right.

        Raises:
            LoginRefused: too many are being verified.
        """
        if self._waiting >= _MAX_WAITING:
            raise LoginRefused(f"Too many people are logging in. Try again in {_BUSY_SECONDS} s.", _BUSY_SECONDS)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(self.is_right_now, hashed, password)
        finally:
            self._waiting -= 1

    def is_right_now(self, hashed: str, password: str) -> bool:
        """As `is_right`, whoever else waits; blocks."""
        if len(password) > MAX_PASSWORD_CHARACTERS:
            return False
        self._of_nobody = self._of_nobody or self._hasher.hash("nobody's password")
        try:
            return self._hasher.verify(hashed or self._of_nobody, password) and bool(hashed)
        except (Argon2Error, InvalidHashError, UnicodeEncodeError):
            return False
