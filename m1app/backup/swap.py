"""Puts a restored database and files in the place of the present ones so that a killed restore can be completed.

A transaction on a server and renames of several files are not one step. The plan is written first, and each of its
steps can be repeated: whoever opens the home next completes it, so that the home has all of the old data or all of the
restored data.
"""

import os
import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from m1app.backup.errors import BackupError
from storage.database import Database
from storage.errors import StorageError

_PLAN = "plan.json"


class Move(BaseModel):
    """A file or folder to rename."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Path
    target: Path


class Dump(BaseModel):
    """A dump to restore into a database on a server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path
    place: str
    """Host and name of the database; see `Database.place`."""


class Plan(BaseModel):
    """What a restore changes in a home, in this order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dump: Dump | None = None
    """None if the database is one of the files."""

    aside: tuple[Move, ...]
    """Present files, and where they are kept."""
    into: tuple[Move, ...]
    """Restored files, and their places, which are free by then."""


def restore_folder(home: Path) -> Path:
    """Folder of the files that are being restored, and of the plan."""
    return home / "restore-work"


def carry_out(home: Path, plan: Plan, database: Database) -> None:
    """Carry out a plan, whose restored files are in `restore_folder`, which is removed.

    Raises:
        StorageError: the dump cannot be restored; nothing was changed, and there is no plan.
        OSError: a file cannot be moved; the plan is still there.
    """
    draft, file = restore_folder(home) / f"{_PLAN}.new", restore_folder(home) / _PLAN
    with draft.open("w", encoding="utf-8") as opened:
        opened.write(plan.model_dump_json())
        opened.flush()
        os.fsync(opened.fileno())
    draft.rename(file)
    sync_folder(restore_folder(home))
    try:
        _restore_dump(plan, database)
    except StorageError:
        file.unlink()
        raise
    _move_files(home, plan)


def has_plan(home: Path) -> bool:
    """Whether a restore was interrupted, or is about to end."""
    return (restore_folder(home) / _PLAN).exists()


def complete(home: Path, database_address: str) -> None:
    """Complete a plan that was interrupted, if there is one.

    Raises:
        BackupError: its dump cannot be restored into the database.
        OSError: a file cannot be moved.
    """
    try:
        plan = Plan.model_validate_json((restore_folder(home) / _PLAN).read_bytes())
    except FileNotFoundError:
        return
    database = Database(database_address)
    try:
        _restore_dump(plan, database)
    except StorageError as exc:
        raise BackupError(
            f"The restore into {database.place} was interrupted and cannot be completed: {exc} Fix this and start "
            f"again. To abandon the restore, delete {restore_folder(home)}, and restore a backup with --replace: some "
            "of the "
            "data may be from before."
        ) from exc
    finally:
        database.dispose()
    _move_files(home, plan)


def _restore_dump(plan: Plan, database: Database) -> None:
    if plan.dump is None:
        return
    if plan.dump.place != database.place:
        raise BackupError(
            f"A restore into {plan.dump.place} was interrupted, and M1_DATABASE_URL names {database.place}. Set it to "
            "the former and start again: this completes the restore."
        )
    # If it is repeated, there are tables.
    database.restore_from(plan.dump.file, is_replacing=database.check().revision is not None)


def _move_files(home: Path, plan: Plan) -> None:
    for move in plan.aside:
        if not os.path.lexists(move.target) and os.path.lexists(move.source):
            _move(move)
    for move in plan.into:
        if os.path.lexists(move.source):
            _move(move)
    for changed in {move.target.parent for move in (*plan.aside, *plan.into)}:
        sync_folder(changed)
    (restore_folder(home) / _PLAN).unlink()
    shutil.rmtree(restore_folder(home))


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _move(move: Move) -> None:
    move.target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    move.source.rename(move.target)
