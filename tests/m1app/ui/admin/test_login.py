"""The gate before the Admin page, and the login over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from m1app.access.service import SESSION_SECONDS, AdminAccess
from m1app.settings import Settings
from m1app.ui.admin.login import AdminGate, HandlerGate, add_login

PASSWORD = "correct horse battery"
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
ORIGIN = "http://m1.example"


def client_of(access: AdminAccess, *, origin: str = ORIGIN, address: str = "192.0.2.7") -> httpx2.AsyncClient:
    """A browser before an app of nothing but the gate, the login and one page."""
    app = FastAPI()
    app.add_middleware(AdminGate, access=access)
    add_login(app, access)

    @app.api_route("/admin/", methods=["GET", "POST"])
    async def page() -> str:
        return "the page"

    @app.get("/administration")
    async def other() -> str:
        return "another page"

    transport = httpx2.ASGITransport(app=app, client=(address, 1234))
    return httpx2.AsyncClient(transport=transport, base_url=origin)


def access_of(password: str = HASH, host: str = "0.0.0.0") -> AdminAccess:
    return AdminAccess(Settings(home=Path("unused"), host=host, admin_password=password))


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(access_of()) as client:
        yield client


async def log_in(client: httpx2.AsyncClient, password: str = PASSWORD, **fields: str) -> httpx2.Response:
    return await client.post("/admin/login", data={"password": password, **fields}, headers={"Origin": ORIGIN})


async def test_without_a_session_the_page_is_the_login_and_all_else_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/admin/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")
    for path in ("/admin/config", "/admin/gradio_api/queue/join", "/admin/jobs/x/log.txt", "/admin/login/x"):
        assert (await client.get(path)).status_code == 401
        assert (await client.post(path)).status_code == 401
    assert (await client.get("/administration")).status_code == 200


async def test_the_right_password_gives_a_cookie_that_nothing_else_can_use(client: httpx2.AsyncClient) -> None:
    answer = await log_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/")
    cookie = answer.headers["set-cookie"]
    for attribute in ("HttpOnly", "SameSite=strict", "Path=/admin", f"Max-Age={SESSION_SECONDS}"):
        assert attribute in cookie
    assert "Secure" not in cookie
    assert (await client.get("/admin/")).text == '"the page"'


async def test_over_https_the_cookie_is_for_https_only() -> None:
    async with client_of(access_of(), origin="https://m1.example") as client:
        answer = await client.post(
            "/admin/login", data={"password": PASSWORD}, headers={"Origin": "https://m1.example"}
        )
    assert "Secure" in answer.headers["set-cookie"]


async def test_logging_out_ends_the_session_for_whoever_has_the_cookie(client: httpx2.AsyncClient) -> None:
    await log_in(client)
    token = client.cookies["m1-admin"]
    assert (await client.post("/admin/logout", headers={"Origin": ORIGIN})).status_code == 204
    answer = await client.get("/admin/config", headers={"Cookie": f"m1-admin={token}"})
    assert answer.status_code == 401


async def test_a_wrong_password_is_told_and_too_many_have_to_wait(client: httpx2.AsyncClient) -> None:
    for _ in range(5):
        answer = await log_in(client, "wrong")
        assert answer.status_code == 403
        assert "Wrong password." in answer.text
        assert "set-cookie" not in answer.headers
    answer = await log_in(client)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert "Too many attempts." in answer.text


@pytest.mark.parametrize("body", [b"", b"password", b"x" * 100_000, b"\xff\xfe", b"password=%00", b"&" * 10_000])
async def test_a_form_that_is_none_is_a_wrong_password_or_a_bad_request(
    client: httpx2.AsyncClient, body: bytes
) -> None:
    answer = await client.post("/admin/login", content=body, headers={"Origin": ORIGIN})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/admin/?job=abc&x=%20y", "/admin/?job=abc&x=%20y"),
        ("", "/admin/"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example", "/admin/"),
        ("/admin/../?x=1", "/admin/"),
        ("/admin/?a=1\r\nSet-Cookie: x=1", "/admin/"),
        ('/admin/?"><script>', "/admin/"),
    ],
)
async def test_the_login_leads_back_to_the_admin_page_and_nowhere_else(
    client: httpx2.AsyncClient, target: str, place: str
) -> None:
    page = await client.get("/admin/login", params={"next": target})
    assert "<script>alert" not in page.text
    assert '"><script>"' not in page.text
    assert (await log_in(client, next=target)).headers["location"] == place


async def test_the_login_keeps_the_job_that_was_asked_for(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/admin/?job=0123abcd")
    page = await client.get(answer.headers["location"])
    assert 'value="/admin/?job=0123abcd"' in page.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://m1.example:81"}, 403),
        ({"Origin": "http://m1.example.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": ORIGIN}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
    ],
)
async def test_what_another_site_sends_is_refused_even_with_a_session(
    client: httpx2.AsyncClient, headers: dict[str, str], status: int
) -> None:
    await log_in(client)
    assert (await client.post("/admin/", headers=headers)).status_code == status


async def test_on_loopback_the_local_user_needs_no_login_and_another_site_stays_out() -> None:
    access = access_of("", "127.0.0.1")
    async with client_of(access, origin="http://127.0.0.1", address="127.0.0.1") as client:
        assert (await client.get("/admin/")).status_code == 200
        assert (await client.get("/admin/login")).headers["location"] == "/admin/"
        evil = {"Origin": "https://evil.example"}
        assert (await client.post("/admin/", headers=evil)).status_code == 403
    async with client_of(access, origin="http://127.0.0.1", address="192.0.2.7") as client:
        assert (await client.get("/admin/")).status_code == 303
        assert "Set M1_ADMIN_PASSWORD" in (await client.get("/admin/login")).text


async def test_no_answer_of_the_login_is_kept_by_the_browser(client: httpx2.AsyncClient) -> None:
    for answer in (await client.get("/admin/login"), await log_in(client, "wrong"), await log_in(client)):
        assert answer.headers["cache-control"] == "no-store"


async def test_attempts_are_logged_without_the_password(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        await log_in(client, "a wrong secret")
        await log_in(client)
    assert "192.0.2.7 was refused" in caplog.text
    for secret in (PASSWORD, "a wrong secret", client.cookies["m1-admin"]):
        assert secret not in caplog.text


class AskedBy:
    """What Gradio gives a handler of the request that asks."""

    def __init__(self, request: Any) -> None:
        self.request = request


@pytest.mark.parametrize("request_", [None, AskedBy(None)])
async def test_a_handler_that_nobody_asks_for_answers_nothing(request_: Any) -> None:
    import gradio as gr

    asked: list[object] = []

    async def handler(*values: object) -> None:
        asked.append(values)

    gate = HandlerGate(access_of())
    for gated in (gate(handler), gate.load(handler)):
        with pytest.raises(gr.Error, match="logged out"):
            await gated(request_, 1)
    with pytest.raises(gr.Error, match="logged out"):
        await gate.event(handler)(request_, None, 1)
    assert asked == []
