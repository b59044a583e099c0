"""Accounts and old names of annotators on the Admin page."""

from collections.abc import Sequence
from typing import Any

from storage.annotations.names import NamedWork
from storage.people.records import Account, AccountOrigin, Role

_LOGINS = {
    AccountOrigin.PASSWORD: "Password",
    AccountOrigin.OIDC: "Institution",
    AccountOrigin.PROXY: "Proxy",
}


def people_value(accounts: Sequence[Account], old_names: Sequence[NamedWork], own_id: str) -> dict[str, Any]:
    """What the tab shows.

    Args:
        accounts: all accounts, by name.
        old_names: names that belong to no account.
        own_id: id of the viewing person's account; empty without one.
    """
    # The first account has to be an admin: nobody else could create the next one.
    roles = tuple(Role) if accounts else (Role.ADMIN,)
    return {
        "accounts": [_row(each, own_id) for each in accounts],
        "roles": [role.value for role in roles],
        "old_names": [{"name": each.name, "cases": each.cases, "marks": each.annotations} for each in old_names],
    }


def _row(account: Account, own_id: str) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "role": account.role.value,
        "login": _LOGINS[account.origin],
        "has_password": account.origin is AccountOrigin.PASSWORD,
        "seen": account.last_seen_at.isoformat() if account.last_seen_at else "",
        "is_disabled": account.is_disabled,
        "is_own": account.id == own_id,
    }
