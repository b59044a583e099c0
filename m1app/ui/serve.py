"""Serves the application with uvicorn until it is stopped."""

import signal
import socket
import sys
from contextlib import suppress

import uvicorn

from m1app.bootstrap import Services
from m1app.ui.web import build_app


def serve(services: Services) -> int:
    """Serve on the configured address; return the exit status: 0 when stopped, 1 if the address is taken."""
    settings = services.settings
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as exc:
        sys.stderr.write(
            f"m1app cannot listen on {settings.host}:{settings.port} ({exc.strerror}). "
            "Another program is using it; set M1_PORT to a free port.\n"
        )
        return 1
    config = uvicorn.Config(build_app(services), log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    sys.stdout.write(f"m1app is at http://{host}:{settings.port} (stop with Ctrl+C)\n")
    sys.stdout.flush()
    if not settings.is_loopback:
        sys.stdout.write("Note: other machines can reach this address, and anyone who does can see every trace.\n")
    # uvicorn re-raises the signal after shutting down; here that is a normal stop, not an error.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(128)
    return listener
