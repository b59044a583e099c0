"""An application behind a real server."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import uvicorn

from m1app.bootstrap import Services
from tests.models.servers.server_cases import wait_until


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The application on a free loopback port; gives its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            assert wait_until(lambda: server.started, 60)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def log_in_by_link(client: httpx2.Client, services: Services) -> None:
    """Make the client the admin's, as the link does that the start prints."""
    assert client.get("/login", params={"key": services.access.link_key}).status_code == 303
