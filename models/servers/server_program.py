"""What is particular to one kind of server, and how often a crashed one is brought back."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from models.engine.endpoint import Endpoint
from models.servers.server_process import ServerCommand


def serves_models(endpoint: Endpoint) -> bool:
    """Whether GET /v1/models answers 200 to the key; llama.cpp and vLLM do so once the model is loaded.

    The key tells the server that was started from another one that took its port.
    """
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    try:
        answer = httpx2.get(f"{endpoint.base_url}/v1/models", headers=headers, timeout=2.0, trust_env=False)
    except httpx2.HTTPError:
        return False
    return answer.status_code == 200


def _no_progress(_line: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class ServerProgram:
    """A server program as `ManagedServer` runs it."""

    name: str
    """How messages call it, such as "The model engine"."""
    command: Callable[[str], ServerCommand]
    """Given the API key, what to run; may raise ServerNotInstalled."""
    is_ready: Callable[[Endpoint], bool] = serves_models
    progress: Callable[[str], str | None] = _no_progress
    """A log line as one line of progress for people; None when it tells nothing."""
    start_timeout_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often a crashed server is brought back."""

    max_restarts: int = 5
    """Restarts within `window_seconds`; one more crash is the end."""
    window_seconds: float = 600.0
    first_delay_seconds: float = 0.5
    """Doubles with every restart in the window."""
    longest_delay_seconds: float = 30.0


class RestartHistory:
    """The restarts of one server, counted against a policy."""

    def __init__(self, policy: RestartPolicy) -> None:
        self.policy = policy
        self.total = 0
        """Restarts since the beginning, the forgotten ones too."""
        self._recent: deque[float] = deque()

    @property
    def crashes(self) -> int:
        """Crashes in the window, with the one that finds no restart left."""
        return len(self._recent) + 1

    def next_delay(self, now_seconds: float) -> float | None:
        """Note a crash; seconds to wait before its restart, or None when there were too many."""
        policy = self.policy
        while self._recent and self._recent[0] < now_seconds - policy.window_seconds:
            self._recent.popleft()
        if len(self._recent) >= policy.max_restarts:
            return None
        self._recent.append(now_seconds)
        self.total += 1
        return min(policy.first_delay_seconds * 2.0 ** (len(self._recent) - 1), policy.longest_delay_seconds)
