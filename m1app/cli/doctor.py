"""`python -m m1app doctor`: test engine, database, disk and versions."""

import argparse
from typing import Any

from m1app.bootstrap import Services
from m1app.cli.terminal import add_json, write, write_json
from m1app.engines.doctor import examine


def add_command(commands: Any) -> None:
    """Add `doctor` to the commands of `m1app.cli.main`."""
    doctor = commands.add_parser("doctor", help="test engine, database, disk and versions")
    add_json(doctor)
    doctor.set_defaults(command=_doctor)


async def _doctor(services: Services, options: argparse.Namespace) -> int:
    findings = await examine(services.settings, services.database, services.engines)
    if options.json:
        write_json([{"name": f.name, "ok": f.is_good, "detail": f.detail} for f in findings])
    else:
        write("".join(f"{'ok    ' if f.is_good else 'FAILED'} {f.name}: {f.detail}\n" for f in findings))
    return 0 if all(f.is_good for f in findings) else 1
