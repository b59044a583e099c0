"""Serves the application with uvicorn until it is stopped."""

import signal
import socket
import sys
from contextlib import suppress
from dataclasses import replace

import uvicorn

from m1app.bootstrap import Services
from m1app.ui.shell.connections import ConnectionLimits, Connections, bounded_protocol, room_for_connections
from m1app.ui.web import build_app


def serve(services: Services, limits: ConnectionLimits | None = None) -> int:
    """Serve on the configured address; return the exit status: 0 when stopped, 1 if the address is taken.

    Args:
        services: the app's services.
        limits: of connections; None uses the defaults.
    """
    settings = services.settings
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as exc:
        sys.stderr.write(
            f"m1app cannot listen on {settings.host}:{settings.port} ({exc.strerror}). "
            "Another program is using it; set M1_PORT to a free port.\n"
        )
        return 1
    limits = limits or ConnectionLimits()
    connections = Connections(replace(limits, connections=min(limits.connections, room_for_connections())))
    config = uvicorn.Config(
        build_app(services, connections),
        http=bounded_protocol(connections),
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        proxy_headers=False,
    )
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{settings.port}"
    sys.stdout.write(f"m1app is at {address} (stop with Ctrl+C)\n")
    if settings.is_for_this_machine and not services.access.accounts.count():
        sys.stdout.write(f"As admin: {address}/login?key={services.access.link_key}\n")
    sys.stdout.flush()
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
