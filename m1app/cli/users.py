"""`m1app users`: accounts. Whoever can run it in the app's home gets in, whatever happened to the passwords."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from m1app.access.accounts import AccountService
from m1app.access.errors import AccountRefused
from m1app.cli.local_services import access_over, open_database
from m1app.cli.terminal import add_json, write, write_json
from storage.people.records import Account, Role

_Use = Callable[[AccountService, argparse.Namespace], Awaitable[None]]


def add_command(commands: Any) -> None:
    """Add `users` with its subcommands to the commands of `m1app.cli.main`."""
    users = commands.add_parser("users", help="add accounts, and change their roles and passwords")
    below = users.add_subparsers(required=True, metavar="add|passwd|role|disable|enable|list")
    added = _named(below, "add", "create an account; prompts for its password, or reads it from standard input", _add)
    added.add_argument("--role", type=Role, choices=list(Role), default=Role.ANNOTATOR, help="default: annotator")
    _named(below, "passwd", "set a new password and log the account out everywhere", _set_password)
    changed = _named(below, "role", "change what an account may do", _set_role)
    changed.add_argument("role", type=Role, choices=list(Role))
    _named(below, "disable", "log an account out and keep it from logging in", _disable)
    _named(below, "enable", "let a disabled account log in again", _enable)
    listed = below.add_parser("list", help="list the accounts")
    add_json(listed, "one JSON array")
    listed.set_defaults(run=_running(_list))


def _named(below: Any, name: str, about: str, use: _Use) -> Any:
    command = below.add_parser(name, help=about)
    command.add_argument("name", metavar="NAME")
    command.set_defaults(run=_running(use))
    return command


def _running(use: _Use) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        with open_database() as database:
            asyncio.run(_used(use, access_over(database).accounts, options))
        return 0

    return run


async def _used(use: _Use, accounts: AccountService, options: argparse.Namespace) -> None:
    await use(accounts, options)


async def _add(accounts: AccountService, options: argparse.Namespace) -> None:
    made = await accounts.add(options.name, options.role, _password())
    write(f"{made.name} ({made.role}) can log in now\n")


async def _set_password(accounts: AccountService, options: argparse.Namespace) -> None:
    changed = await accounts.set_password(options.name, _password())
    write(f"password of {changed.name} changed; it is logged out everywhere\n")


async def _set_role(accounts: AccountService, options: argparse.Namespace) -> None:
    changed = await accounts.set_role(options.name, options.role)
    write(f"{changed.name} is now {changed.role}\n")


async def _disable(accounts: AccountService, options: argparse.Namespace) -> None:
    changed = await accounts.set_disabled(options.name, True)
    write(f"{changed.name} is logged out and can no longer log in\n")


async def _enable(accounts: AccountService, options: argparse.Namespace) -> None:
    changed = await accounts.set_disabled(options.name, False)
    write(f"{changed.name} can log in again\n")


async def _list(accounts: AccountService, options: argparse.Namespace) -> None:
    found = await accounts.all()
    if options.json:
        write_json([asdict(each) | {key: _moment(value) for key, value in _moments(each).items()} for each in found])
        return
    write("".join(map(_line, found)) or "no accounts; without them, the app serves this machine only\n")


def _line(account: Account) -> str:
    state = "disabled" if account.is_disabled else ""
    seen = f"last login {_moment(account.last_seen_at)}" if account.last_seen_at else "never logged in"
    words = (f"{account.role:9}", account.name, f"({account.origin})", seen, state)
    return "  ".join(filter(None, words)) + "\n"


def _moments(account: Account) -> dict[str, datetime | None]:
    return {"created_at": account.created_at, "last_seen_at": account.last_seen_at}


def _moment(value: datetime | None) -> str | None:
    return value.isoformat(timespec="seconds") if value else None


def _password() -> str:
    """A password that nobody sees: typed twice, or the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("New password: ")
    if getpass.getpass("Again: ") != first:
        raise AccountRefused("The passwords do not match. Run the command again.")
    return first
