"""Where an engine answers."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address and key of an engine's HTTP server."""

    base_url: str
    """Without a trailing slash and without `/v1`."""
    api_key: str = field(default="", repr=False)
    """Bearer token; empty when the server wants none."""
