"""How the Admin page names the persons of the audit log."""

from collections.abc import Mapping, Sequence

from storage.people.records import Account

_WITHOUT_ACCOUNT = {
    "local": "Someone at this machine",
    "command line": "Command line",
    "the app": "The app itself",
    "nobody": "Nobody",
}


def names_by_id(accounts: Sequence[Account]) -> Mapping[str, str]:
    """Names of all persons that the log may mention, accounts first."""
    return {account.id: account.name for account in accounts} | _WITHOUT_ACCOUNT
