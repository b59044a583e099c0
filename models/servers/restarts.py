"""How often a crashed server is restarted, and how long each restart waits."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often a crashed server is restarted."""

    max_restarts: int = 5
    """Restarts within `window_seconds`; after one more crash the server is not restarted."""
    window_seconds: float = 600.0
    first_delay_seconds: float = 0.5
    """Doubles with every restart in the window."""
    longest_delay_seconds: float = 30.0


class RestartHistory:
    """Counts the restarts of one server against a policy."""

    def __init__(self, policy: RestartPolicy) -> None:
        self.policy = policy
        self.total = 0
        """All restarts, including those outside the window."""
        self._recent: deque[float] = deque()

    @property
    def crashes(self) -> int:
        """Crashes in the window, including the one after which no restart is left."""
        return len(self._recent) + 1

    def next_delay(self, now_seconds: float) -> float | None:
        """Record a crash; returns the seconds to wait before restarting, or None if there were too many."""
        policy = self.policy
        while self._recent and self._recent[0] < now_seconds - policy.window_seconds:
            self._recent.popleft()
        if len(self._recent) >= policy.max_restarts:
            return None
        self._recent.append(now_seconds)
        self.total += 1
        return min(policy.first_delay_seconds * 2.0 ** (len(self._recent) - 1), policy.longest_delay_seconds)
