"""`python -m m1app backup` and `restore`: a verified copy of a home, and back."""

import argparse
from pathlib import Path
from typing import Any

from m1app.backup.encryption import new_key
from m1app.backup.home_lock import HomeUse
from m1app.backup.restoring import restore
from m1app.backup.service import BackupService
from m1app.bootstrap import make_home
from m1app.cli.terminal import write
from m1app.settings import load_settings
from m1app.wording import counted, size
from storage.database import Database


def add_command(commands: Any) -> None:
    """Add `backup` and `restore` to the commands of `m1app.cli.main`."""
    backup = commands.add_parser("backup", help="back up the home and verify the backup; the app may be running")
    backup.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: named after the time")
    backup.add_argument(
        "--with-models", action="store_true", help="include fine-tuned models, and the logs and files of jobs"
    )
    backup.add_argument("--new-key", action="store_true", help="only print a new key for M1_BACKUP_KEY")
    backup.set_defaults(run=_backup)
    restored = commands.add_parser("restore", help="restore a backup; the app must not be running")
    restored.add_argument("file", type=Path, metavar="FILE")
    restored.add_argument(
        "--replace", action="store_true", help="replace the existing data, which is moved into a folder of the home"
    )
    restored.add_argument(
        "--unencrypted", action="store_true", help="accept an unencrypted file even though M1_BACKUP_KEY is set"
    )
    restored.set_defaults(run=_restore)


def _backup(options: argparse.Namespace) -> int:
    if options.new_key:
        write(f"{new_key()}\n")
        return 0
    settings = load_settings()
    make_home(settings)
    home_use = HomeUse(settings)
    database = Database(settings.database_address)
    try:
        made = BackupService(database, settings).make(options.file, has_models=options.with_models)
    finally:
        database.dispose()
        home_use.close()
    records, parts = sum(made.manifest.counts.values()), len(made.manifest.parts)
    write(
        f"backup: {made.file}\n"
        f"content: {counted(records, 'record')}, {counted(parts, 'file')}, {size(made.size_bytes)}, "
        f"{'encrypted' if made.is_encrypted else 'not encrypted'}\n"
    )
    if made.is_restored:
        write("verified: restored into a temporary place, checked and counted\n")
    else:
        write("verified: read to its end; not restored, because the account may not create a PostgreSQL database\n")
    return 0


def _restore(options: argparse.Namespace) -> int:
    settings = load_settings()
    make_home(settings)
    done = restore(options.file, settings, is_replacing=options.replace, is_plain_accepted=options.unencrypted)
    records = sum(done.manifest.counts.values())
    write(f"restored: {counted(records, 'record')} of {done.manifest.created_at} into {settings.home}\n")
    if done.kept is not None:
        write(f"kept: what was there before is in {done.kept}\n")
    return 0
