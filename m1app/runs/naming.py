"""Names and tags of traces and sweeps: whoever asked gives them, or an admin."""

from m1app.access.person import Permission, require
from storage.naming import Naming, checked_naming


def typed_naming(name: str, tags: str) -> Naming:
    """Read a name and tags as typed, with commas between the tags; raises InvalidRecord."""
    return checked_naming(name, tags.split(","))


def require_own(asked_by: str) -> None:
    """Check that the current person asked, or is an admin; raises AccessRefused."""
    if asked_by != require(Permission.ASK).account_id:
        require(Permission.MANAGE)
