"""The baseline: a completion request with nothing but the HTTP library, counting tokens without reading them."""

import json
import time
from dataclasses import dataclass
from typing import Any

import httpx2

from models.engine.endpoint import Endpoint

_EVENT = b"data: {"
_SILENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Timing:
    """One stream of thinking tokens, in seconds of the monotonic clock."""

    started_at: float
    first_token_at: float
    ended_at: float
    tokens: int
    first_seen_at: float
    """When a follower saw the first token; for a raw request, when it came."""

    @property
    def decode_rate(self) -> float:
        """Tokens per second after the first one."""
        return (self.tokens - 1) / (self.ended_at - self.first_token_at)


class RawClient:
    """Sends completion requests, each over a connection of its own."""

    def __init__(self, endpoint: Endpoint) -> None:
        headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
        # One connection for each request, as the app's client does with llama.cpp.
        headers["Connection"] = "close"
        limits = httpx2.Limits(max_connections=None)
        self._client = httpx2.AsyncClient(headers=headers, limits=limits, timeout=_SILENCE_SECONDS, trust_env=False)
        self._url = endpoint.base_url + "/v1/completions"

    async def run(self, body: dict[str, Any]) -> Timing:
        """Send one request and read it to its end."""
        started_at = time.monotonic()
        first_token_at, kept = 0.0, b""
        async with self._client.stream("POST", self._url, json=body) as response:
            response.raise_for_status()
            async for piece in response.aiter_raw():
                if not first_token_at and _EVENT in piece:
                    first_token_at = time.monotonic()
                kept = (kept + piece)[-8192:]
        return Timing(started_at, first_token_at, time.monotonic(), _tokens(kept), first_token_at)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _tokens(end_of_stream: bytes) -> int:
    """The engine's own count, in the usage event at the end."""
    for line in reversed(end_of_stream.split(b"\n")):
        if line.startswith(_EVENT) and (usage := json.loads(line[len(b"data: ") :]).get("usage")):
            return int(usage["completion_tokens"])
    raise RuntimeError("the engine sent no usage at the end of its stream")
