"""Names of served models: "MODEL" on the app's own engine, "MODEL @ HOST:PORT" on an additional server."""

from typing import NamedTuple

_AT = " @ "


class ServedName(NamedTuple):
    """A served model's name, taken apart."""

    model: str
    """The name at its server; empty means the server's default."""
    place: str
    """Host and port of the additional server; empty means the app's own engine."""


def served_name(model: str, place: str) -> str:
    """Return the name of a model at an additional server; `read_served_name` is the inverse."""
    return f"{model}{_AT}{place}"


def read_served_name(name: str) -> ServedName:
    """Take a name apart; a model may have " @ " in its own name."""
    model, separator, place = name.rpartition(_AT)
    return ServedName(model, place) if separator else ServedName(name, "")
