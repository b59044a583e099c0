"""One server that the app can ask."""

from collections.abc import Callable
from dataclasses import dataclass

from models.engine.client import OpenAIEngine


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """Where a server is, and how it is asked."""

    id: str
    title: str
    """What it is to the app, such as "Embedded engine"."""
    address: str
    """Empty while it has none."""
    client: Callable[[str], OpenAIEngine]
    """Takes the name of a model at that server; empty for its only one."""
    hardware: str = ""
    """Where it runs, in words, if that is known."""
