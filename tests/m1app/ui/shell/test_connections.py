"""Connections that send too little or take too much, against a real server with small limits."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import uvicorn

from m1app.ui.shell.connections import ConnectionLimits, Connections, bounded_protocol, room_for_connections
from tests.models.servers.server_cases import wait_until

HELD = threading.Event()
is_over = threading.Event()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers "/" at once, "/held" never, and "/endless" with more than any client reads."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/held":
        HELD.set()
        await receive()
        await receive()
    while scope["path"] == "/endless" and not is_over.is_set():
        # Returns at once when the client is gone.
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"here"})


@contextmanager
def serving(**limits: Any) -> Iterator[tuple[int, Connections]]:
    is_over.clear()
    connections = Connections(ConnectionLimits(**limits))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, http=bounded_protocol(connections), ws="none", log_config=None, lifespan="off",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            assert wait_until(lambda: server.started, 60)
            yield listener.getsockname()[1], connections
        finally:
            is_over.set()
            server.should_exit = True
            thread.join(30)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def is_closed(client: socket.socket) -> bool:
    """Wait until the server closes the connection; it may send an answer before."""
    try:
        while client.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def ask(client: socket.socket, path: str = "/") -> str:
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    answer = b""
    while b"here" not in answer:
        part = client.recv(65536)
        if not part:
            break
        answer += part
    return answer.decode()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
def test_a_header_that_does_not_come_in_time_ends_the_connection(sent: bytes) -> None:
    with serving(header_seconds=0.2) as (port, connections), connect(port) as client:
        client.sendall(sent)
        assert is_closed(client)
        assert wait_until(lambda: not connections.open, 60)
        assert connections.refused == 1


def test_bytes_that_drip_do_not_extend_the_time() -> None:
    with serving(header_seconds=0.3) as (port, _), connect(port) as client:
        client.settimeout(0.05)
        for _ in range(2000):
            try:
                client.sendall(b"X")
                if client.recv(10) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            raise AssertionError("it was never closed")


def test_the_header_of_a_second_request_has_a_limit_too() -> None:
    with serving(header_seconds=0.3) as (port, _), connect(port) as client:
        assert "here" in ask(client)
        client.sendall(b"GET / HT")
        assert is_closed(client)


def test_a_request_may_take_longer_than_its_header() -> None:
    HELD.clear()
    with serving(header_seconds=0.1) as (port, connections), connect(port) as client:
        client.sendall(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        assert HELD.wait(60)
        time.sleep(0.5)
        assert len(connections.open) == 1
        assert connections.refused == 0


@pytest.mark.parametrize("sent", [b"", b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"])
def test_idle_connections_make_place_for_one_that_asks(sent: bytes) -> None:
    with serving(connections=5, header_seconds=60) as (port, connections):
        idle = [connect(port) for _ in range(40)]
        for each in idle:
            with suppress(ConnectionError):
                each.sendall(sent)
        with connect(port) as client:
            assert "here" in ask(client)
        assert wait_until(lambda: len(connections.open) <= 5, 60)
        assert all(is_closed(each) for each in idle[:30])
        for each in idle:
            each.close()


def test_with_every_place_in_use_a_further_connection_is_refused_and_nobody_loses_theirs() -> None:
    HELD.clear()
    with serving(connections=2) as (port, connections), connect(port) as one, connect(port) as other:
        for each in (one, other):
            each.sendall(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wait_until(lambda: [each.is_waiting for each in list(connections.open)] == [False, False], 60)
        with connect(port) as third:
            assert is_closed(third)
        assert len(connections.open) == 2
        one.close()
        assert wait_until(lambda: len(connections.open) == 1, 60)
        with connect(port) as fourth:
            assert "here" in ask(fourth)


def test_an_address_has_a_limit_of_its_own_unless_it_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(connections_of_an_address=2) as (port, connections):
        held = [connect(port) for _ in range(5)]
        assert wait_until(lambda: len(connections.open) == 5, 60)
        monkeypatch.setattr("m1app.ui.shell.connections.is_this_machine", lambda _: False)
        with connect(port) as client:
            assert "here" in ask(client)
        assert is_closed(held[0])
        for each in held:
            each.close()


def test_a_client_that_stops_reading_is_let_go() -> None:
    with serving(unread_seconds=0.2) as (port, connections), connect(port) as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wait_until(lambda: connections.refused == 1, 60)
        assert wait_until(lambda: not connections.open, 60)


def test_connections_leave_files_to_the_database_and_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(256, 1024)]
    monkeypatch.setattr("resource.getrlimit", lambda _: limits[-1])
    monkeypatch.setattr("resource.setrlimit", lambda _, limit: limits.append(limit))
    assert room_for_connections() == 1024 - 256
    assert limits[-1] == (1024, 1024)
