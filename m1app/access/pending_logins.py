"""Logins that have been started at an OpenID Connect provider and not come back yet."""

import hashlib
import hmac
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

PENDING_SECONDS = 600
"""Time for a person to log in at the provider."""
_MOST = 10_000
_MOST_OF_ADDRESS = 500
"""The oldest are dropped beyond these numbers, so that one address does not use up the room of all."""


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """A login that was started; its values are secrets of the browser and this app."""

    redirect_uri: str
    """Where the provider sends the browser back to."""
    target: str
    """The page to open afterwards."""
    address: str
    """Network address of the browser."""
    browser_sha256: str
    """Hash of the cookie of the browser that started it."""
    started_at: float
    """Seconds of the monotonic clock."""
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """Comes back from the provider with the browser."""
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """Comes back inside the ID token."""
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    """Proves to the provider that the code was asked for here (RFC 7636)."""


class PendingLogins:
    """Keeps each login until its browser comes back, at most once and not for long. Lost at a restart."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._by_state: OrderedDict[str, PendingLogin] = OrderedDict()
        self._of_address: Counter[str] = Counter()

    def start(self, browser: str, redirect_uri: str, target: str, address: str) -> PendingLogin:
        """Note a new login of the browser that has this cookie."""
        made = PendingLogin(redirect_uri, target, address, _sha256(browser), self._now())
        self._by_state[made.state] = made
        self._of_address[address] += 1
        if self._of_address[address] > _MOST_OF_ADDRESS:
            self._remove(next(state for state, login in self._by_state.items() if login.address == address))
        while len(self._by_state) > _MOST or self._is_over(next(iter(self._by_state.values()))):
            self._remove(next(iter(self._by_state)))
        return made

    def take(self, state: str, browser: str) -> PendingLogin | None:
        """The login with this state, once; None if it is unknown, used, too old or another browser's."""
        found = self._by_state.get(state)
        if found is None or not hmac.compare_digest(found.browser_sha256, _sha256(browser)):
            return None
        self._remove(state)
        return None if self._is_over(found) else found

    def _remove(self, state: str) -> None:
        address = self._by_state.pop(state).address
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def _is_over(self, login: PendingLogin) -> bool:
        return self._now() - login.started_at > PENDING_SECONDS


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
