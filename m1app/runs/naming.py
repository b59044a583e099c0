"""Names and tags of traces and sweeps, and who may change a run: whoever asked for it, or an admin."""

from m1app.access.person import Permission, current_person, require
from storage.naming import Naming, checked_naming


def typed_naming(name: str, tags: str) -> Naming:
    """Read a name and tags as typed, with commas between the tags; raises InvalidRecord."""
    return checked_naming(name, tags.split(","))


def require_own(asked_by: str) -> None:
    """Check that the current person asked, or is an admin; raises AccessRefused."""
    if asked_by != require(Permission.ASK).account_id:
        require(Permission.MANAGE)


def may_change(asked_by: str) -> bool:
    """Whether `require_own` would let the current person stop, resume, name or delete what `asked_by` has asked for.

    Pages offer nothing that would be refused.
    """
    person = current_person()
    return person.may(Permission.ASK) and (asked_by == person.account_id or person.may(Permission.MANAGE))


def may_ask() -> bool:
    """Whether the current person may run anything at all."""
    return current_person().may(Permission.ASK)
