"""`m1app serve`, `python -m m1app serve` and `python app.py`: serve the pages until interrupted."""

import asyncio
import os
import sys
from typing import Any


def add_command(commands: Any) -> None:
    """Add `serve` to the commands of `m1app.cli.main`."""
    command = commands.add_parser("serve", help="serve the pages on http://127.0.0.1:7860")
    command.set_defaults(run=lambda _: main())


def main() -> int:
    """Serve until interrupted; return the exit status."""
    # Before importing Gradio, which reads these on import: nothing may leave the machine.
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", DO_NOT_TRACK="1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")

    from m1app.bootstrap import build_services
    from m1app.errors import FOR_PEOPLE
    from m1app.log_lines import start_logging
    from m1app.settings import SettingsError, check_serving, load_settings

    try:
        settings = load_settings()
        check_serving(settings, has_accounts=settings.has_database)
        start_logging(settings.log_level, is_json=settings.log_format == "json")
        # The engine starts in its own thread while Gradio, the slowest import, loads.
        services = build_services(settings)
        try:
            check_serving(settings, has_accounts=services.access.accounts.count() > 0)
        except SettingsError:
            asyncio.run(services.aclose())
            raise
    except (*FOR_PEOPLE, OSError) as exc:
        sys.stderr.write(f"m1app cannot start.\n{exc}\n")
        return 1

    from m1app.ui.serve import serve

    return serve(services)
