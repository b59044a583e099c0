"""Access to the Admin page: the local user, or anyone with the password.

On a loopback address without a password, the page is open to this machine. Otherwise M1_ADMIN_PASSWORD is required, and
a session is a random token that expires; only its hash is kept, in memory, so a restart ends all sessions. HTTP,
cookies and pages are in m1app.ui.admin.login.
"""

import asyncio
import hashlib
import ipaddress
import math
import secrets
import time
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from m1app.access.attempts import AttemptLimit
from m1app.errors import AppError
from m1app.settings import Settings

SESSION_SECONDS = 8 * 3600
_MAX_SESSIONS = 1000
_MAX_PASSWORD_CHARACTERS = 1024
_HASHED = "$argon2"


class LoginRefused(AppError):
    """The password is wrong, or it is too early for another attempt."""

    def __init__(self, message: str, wait_seconds: int = 0) -> None:
        """Args:
        message: message for the user.
        wait_seconds: how long to wait before the next attempt; 0 for not at all.
        """
        super().__init__(message)
        self.wait_seconds = wait_seconds


class AdminAccess:
    """The password, its sessions, and failed attempts."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Args:
        settings: the password, and whether only this machine can reach the page.
        clock: monotonic seconds.
        """
        self._is_loopback = settings.is_loopback
        self._clock = clock
        self._hasher = PasswordHasher()
        password = settings.admin_password.get_secret_value()
        self._hash = password if not password or password.startswith(_HASHED) else self._hasher.hash(password)
        self._limit = AttemptLimit()
        self._expiry: dict[str, float] = {}
        # Each attempt briefly takes 64 MiB and a core.
        self._verifying = asyncio.Semaphore(2)

    @property
    def has_password(self) -> bool:
        """Whether a password is set."""
        return bool(self._hash)

    def is_admitted(self, token: str, address: str) -> bool:
        """Whether a request may use the Admin page.

        Args:
            token: session token; may be empty.
            address: the client's address; behind a proxy, as reported by the proxy.
        """
        if not self._hash:
            return self._is_loopback and _is_this_machine(address)
        return self._clock() < self._expiry.get(_digest(token), -math.inf)

    async def log_in(self, password: str, address: str) -> str:
        """Start a session and return its token; raises LoginRefused."""
        if not self._hash:
            raise LoginRefused("No password is set. Set M1_ADMIN_PASSWORD and restart the app.")
        now = self._clock()
        wait = math.ceil(self._limit.wait_seconds(address, now))
        if wait:
            raise LoginRefused(f"Too many attempts. Wait {_duration(wait)}, then try again.", wait)
        self._limit.add(address, now)
        async with self._verifying:
            is_right = await asyncio.to_thread(self._is_right, password)
        if not is_right:
            raise LoginRefused("Wrong password.")
        self._limit.forgive(address)
        return self._new_session()

    def log_out(self, token: str) -> None:
        """End a session; unknown tokens are ignored."""
        self._expiry.pop(_digest(token), None)

    def _is_right(self, password: str) -> bool:
        if len(password) > _MAX_PASSWORD_CHARACTERS:
            return False
        try:
            return self._hasher.verify(self._hash, password)
        except (Argon2Error, InvalidHashError, UnicodeEncodeError):
            return False

    def _new_session(self) -> str:
        now, token = self._clock(), secrets.token_urlsafe(32)
        self._expiry = {key: until for key, until in self._expiry.items() if until > now}
        if len(self._expiry) >= _MAX_SESSIONS:
            del self._expiry[next(iter(self._expiry))]
        self._expiry[_digest(token)] = now + SESSION_SECONDS
        return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _is_this_machine(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{math.ceil(seconds / 60)} minutes"
