"""`m1app trash`: what was deleted; restore it, or remove it for good."""

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from m1app.cli.local_services import open_database, trash_over
from m1app.cli.terminal import write
from m1app.trash.service import TrashService
from m1app.wording import counted

_Use = Callable[[TrashService, argparse.Namespace], Coroutine[Any, Any, None]]


def add_command(commands: Any) -> None:
    """Add `trash` with its subcommands to the commands of `m1app.cli.main`."""
    trash = commands.add_parser("trash", help="list, restore or permanently remove deleted items")
    below = trash.add_subparsers(required=True, metavar="list|restore|remove|expire")
    below.add_parser("list", help="list items that can be restored").set_defaults(run=_running(_list))
    for name, use, about in (("restore", _restore, "undo a deletion"), ("remove", _remove, "remove it for good, now")):
        command = below.add_parser(name, help=about)
        command.add_argument("deletion_id", metavar="ID")
        command.set_defaults(run=_running(use))
    expire = below.add_parser("expire", help="remove for good items older than M1_TRASH_DAYS; the app also does this")
    expire.set_defaults(run=_running(_expire))


def _running(use: _Use) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        with open_database() as database:
            asyncio.run(use(trash_over(database), options))
        return 0

    return run


async def _list(trash: TrashService, options: argparse.Namespace) -> None:
    for item in await trash.all():
        kind, until = item.deletion.kind.value.replace("_", " "), item.removed_at.date().isoformat()
        write(f"{item.deletion.id}  {kind:13}  until {until}  {' '.join(item.deletion.name.split())[:80]}\n")


async def _restore(trash: TrashService, options: argparse.Namespace) -> None:
    restored = await trash.restore(options.deletion_id)
    write(f"restored {' '.join(restored.name.split())[:80]}\n")


async def _remove(trash: TrashService, options: argparse.Namespace) -> None:
    await trash.remove(options.deletion_id)
    write("removed for good\n")


async def _expire(trash: TrashService, options: argparse.Namespace) -> None:
    write(f"{counted(await trash.remove_expired(), 'deletion')} removed for good\n")
