"""`m1app audit`: the record of who did what, as JSON Lines, and a check that nothing in it was changed."""

import argparse
import asyncio
from dataclasses import asdict
from typing import Any

from m1app.access.audit import AuditService
from m1app.cli.local_services import access_over, open_database
from m1app.cli.terminal import say, write, write_json
from m1app.wording import counted


def add_command(commands: Any) -> None:
    """Add `audit` with its subcommands to the commands of `m1app.cli.main`."""
    audit = commands.add_parser("audit", help="export or check the record of who did what")
    below = audit.add_subparsers(required=True, metavar="export|check")
    exported = below.add_parser("export", help="print every entry as JSON Lines, oldest first")
    exported.add_argument("--after", type=int, default=0, metavar="N", help="only entries with higher numbers")
    exported.set_defaults(run=_export)
    below.add_parser("check", help="check that no entry was changed or removed").set_defaults(run=_check)


def _export(options: argparse.Namespace) -> int:
    with open_database() as database:
        asyncio.run(_exported(access_over(database).audit, options.after))
    return 0


async def _exported(audit: AuditService, number: int) -> None:
    while entries := await audit.after(number):
        for entry in entries:
            write_json(asdict(entry) | {"made_at": entry.made_at.isoformat()})
        number = entries[-1].number


def _check(options: argparse.Namespace) -> int:
    with open_database() as database:
        audit = access_over(database).audit
        broken = asyncio.run(_first_broken(audit))
        newest = asyncio.run(_newest(audit))
    if broken is not None:
        say(f"Entry {broken} was changed, or the one before it is missing. Compare with an earlier export.")
        return 1
    write(f"{counted(newest, 'entry', 'entries')}, none changed\n")
    return 0


async def _first_broken(audit: AuditService) -> int | None:
    return await audit.first_broken()


async def _newest(audit: AuditService) -> int:
    entries = await audit.page(filters={}, limit=1)
    return entries[0].number if entries else 0
