"""Limits password attempts: a wait that doubles with each failure, per account, address and both.

Somebody who guesses one account's password from many addresses makes only strangers to that account wait: an address
from which its password was right before has a count of its own. Sessions and the command line are not concerned.
"""

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from m1app.access.errors import LoginRefused
from storage.people.accounts import name_key

_FREE_FAILURES = 5
_LONGEST_WAIT_SECONDS = 900.0
_FREE_FAILURES_OF_ACCOUNT = 50
# Short, because the account's owner waits too, if they come from somewhere new.
_LONGEST_WAIT_OF_ACCOUNT_SECONDS = 20.0
_FORGOTTEN_SECONDS = 3600.0
_REMEMBERED = 10_000


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last_at: float = -math.inf

    def add(self, now: float) -> None:
        if now - self.last_at > _FORGOTTEN_SECONDS:
            self.count = 0
        self.count, self.last_at = self.count + 1, now

    def wait_seconds(self, now: float, free: int, longest: float) -> float:
        """Seconds to wait before the next attempt; 0 if it is allowed now."""
        since = now - self.last_at
        if self.count < free or since > _FORGOTTEN_SECONDS:
            return 0.0
        return max(0.0, min(longest, 2.0 ** min(self.count - free, 30)) - since)


class AttemptLimit:
    """Counts failed attempts; times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._by_address: OrderedDict[str, _Failures] = OrderedDict()
        self._by_account: OrderedDict[str, _Failures] = OrderedDict()
        self._trusted: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        """Addresses from which an account's password was right, with failures of their own."""

    def wait_seconds(self, account: str, address: str, now: float) -> float:
        """How long the next attempt must wait; 0 if it is allowed now."""
        network = _network(address)
        trusted = self._trusted.get((account, network))
        if trusted is not None:
            return trusted.wait_seconds(now, _FREE_FAILURES, _LONGEST_WAIT_SECONDS)
        of_address = self._by_address.get(network, _Failures())
        of_account = self._by_account.get(account, _Failures())
        return max(
            of_address.wait_seconds(now, _FREE_FAILURES, _LONGEST_WAIT_SECONDS),
            of_account.wait_seconds(now, _FREE_FAILURES_OF_ACCOUNT, _LONGEST_WAIT_OF_ACCOUNT_SECONDS),
        )

    def check(self, account: str, address: str, now: float) -> None:
        """Raise LoginRefused if it is too early for another attempt."""
        if wait := math.ceil(self.wait_seconds(account, address, now)):
            raise LoginRefused(f"Too many attempts. Wait {_duration(wait)}, then try again.", wait)

    def add(self, account: str, address: str, now: float) -> None:
        """Count an attempt as failed before its outcome is known, so that concurrent attempts count like sequential
        ones."""
        network = _network(address)
        if (account, network) in self._trusted:
            self._trusted[account, network].add(now)
            return
        _entry(self._by_address, network).add(now)
        _entry(self._by_account, account).add(now)

    def forgive(self, account: str, address: str) -> None:
        """Record that an attempt that was added has succeeded; earlier failures at other accounts still count."""
        network = _network(address)
        if self._trusted.pop((account, network), None) is None:
            _take_back(self._by_address, network)
            _take_back(self._by_account, account)
        _entry(self._trusted, (account, network))


def attempt_key(name: str) -> str:
    """Under which attempts to log in with a name are counted."""
    return name_key(name)[:200]


def _entry(table: "OrderedDict[Any, _Failures]", key: Any) -> _Failures:
    found = table.setdefault(key, _Failures())
    table.move_to_end(key)
    if len(table) > _REMEMBERED:
        table.popitem(last=False)
    return found


def _take_back(table: "OrderedDict[str, _Failures]", key: str) -> None:
    if key in table:
        table[key].count = max(0, table[key].count - 1)


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{math.ceil(seconds / 60)} minutes"


def _network(address: str) -> str:
    """The part that counts as one address: a machine may own a whole IPv6 /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
