"""`m1app serve`, `python -m m1app serve` and `python app.py`: serve the pages until interrupted."""

import logging
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
    from m1app.settings import SettingsError, check_serving, load_settings
    from models.errors import ModelsError
    from storage.errors import StorageError

    try:
        settings = load_settings()
        check_serving(settings)
        logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        # The engine starts in its own thread while Gradio, the slowest import, loads.
        services = build_services(settings)
    except (SettingsError, ModelsError, StorageError, OSError) as exc:
        sys.stderr.write(f"m1app cannot start.\n{exc}\n")
        return 1

    from m1app.ui.serve import serve

    return serve(services)
