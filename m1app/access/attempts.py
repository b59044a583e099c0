"""Limits password attempts: a wait that doubles with each failure, per address and overall."""

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass

_FREE_FAILURES = 5
_LONGEST_WAIT_SECONDS = 900.0
_FREE_FAILURES_OVERALL = 50
# Short, because everyone waits: guessing from many addresses must not lock the administrator out.
_LONGEST_WAIT_OVERALL_SECONDS = 20.0
_FORGOTTEN_SECONDS = 3600.0
_MAX_ADDRESSES = 10_000


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
    """Counts failed attempts, per address and overall; times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._overall = _Failures()
        self._by_address: OrderedDict[str, _Failures] = OrderedDict()

    def wait_seconds(self, address: str, now: float) -> float:
        """How long `address` must wait before its next attempt; 0 if it is allowed now."""
        own = self._by_address.get(_network(address), _Failures())
        return max(
            own.wait_seconds(now, _FREE_FAILURES, _LONGEST_WAIT_SECONDS),
            self._overall.wait_seconds(now, _FREE_FAILURES_OVERALL, _LONGEST_WAIT_OVERALL_SECONDS),
        )

    def add(self, address: str, now: float) -> None:
        """Count an attempt as failed before its outcome is known, so that concurrent attempts count like sequential
        ones."""
        key = _network(address)
        self._by_address.setdefault(key, _Failures()).add(now)
        self._by_address.move_to_end(key)
        if len(self._by_address) > _MAX_ADDRESSES:
            self._by_address.popitem(last=False)
        self._overall.add(now)

    def forgive(self, address: str) -> None:
        """Record a successful attempt: reset the address, and stop counting the attempt overall."""
        self._by_address.pop(_network(address), None)
        self._overall.count = max(0, self._overall.count - 1)


def _network(address: str) -> str:
    """The part that counts as one address: a machine may own a whole IPv6 /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
