"""What the process that asks the hub does before it loads the libraries."""

import os
import socket

import pytest

from m1app.question_sets import hub


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, {"HF_ENDPOINT": "http://127.0.0.1:9"}.get(name, "0"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        for each in (name, name.upper()):
            monkeypatch.delenv(each, raising=False)


def test_hub_that_refuses_connections_leaves_the_libraries_offline() -> None:
    hub._stay_offline_if_unreachable()
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_hub_that_listens_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        hub._stay_offline_if_unreachable()
    assert os.environ["HF_HUB_OFFLINE"] == "0"


@pytest.mark.parametrize(("name", "value"), [("HF_HUB_OFFLINE", "1"), ("https_proxy", "http://proxy.example:3128")])
def test_nothing_is_connected_to_offline_or_beside_a_proxy(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(socket, "create_connection", None)
    before = os.environ["HF_HUB_OFFLINE"]
    hub._stay_offline_if_unreachable()
    assert os.environ["HF_HUB_OFFLINE"] == before


def test_exceptions_from_a_proxy_are_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "localhost")
    hub._stay_offline_if_unreachable()
    assert os.environ["HF_HUB_OFFLINE"] == "1"
