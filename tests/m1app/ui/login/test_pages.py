"""The gate before the pages, and the login over HTTP."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from m1app.access.person import current_person
from m1app.access.service import Access
from m1app.settings import Settings
from m1app.ui.login.gate import OPEN_PATHS, Gate
from m1app.ui.login.pages import add_login
from m1app.ui.shell.requests import Admission, Limits
from m1app.ui.shell.visitor import NamedByProxy
from storage.database import Database
from storage.people.records import Role

PASSWORD = "correct horse battery"
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
ORIGIN = "http://m1.example"
PAGES = frozenset({"/", "/admin/", "/account"})
MakeClient = Callable[..., httpx2.AsyncClient]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path}/m1.sqlite3")
    made.migrate()
    return made


@pytest.fixture
def client_of(tmp_path: Path, database: Database) -> MakeClient:
    """Makes browsers before an app of nothing but the gate, the login and two pages."""

    def make(
        password: str = HASH, host: str = "0.0.0.0", *, origin: str = ORIGIN, address: str = "192.0.2.7", **given: str
    ) -> httpx2.AsyncClient:
        settings = Settings(home=tmp_path, host=host, admin_password=password, **given)  # type: ignore[arg-type]
        access = Access(settings, database)
        access.prepare()
        app = FastAPI()
        app.state.access = access
        app.add_middleware(Gate, access=access, pages=PAGES, open_paths=OPEN_PATHS)
        add_login(app, access, settings)

        @app.api_route("/admin/", methods=["GET", "POST"])
        @app.api_route("/", methods=["GET", "POST"])
        @app.get("/traces/1.json")
        async def page() -> str:
            return current_person().name or current_person().id

        admitted = Admission(app, [*PAGES, "/login"], Limits())
        transport = httpx2.ASGITransport(app=NamedByProxy(admitted, settings), client=(address, 1234))
        client = httpx2.AsyncClient(transport=transport, base_url=origin)
        client.access = access  # type: ignore[attr-defined]
        return client

    return make


@pytest.fixture
async def client(client_of: MakeClient) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of() as client:
        yield client


async def log_in(client: httpx2.AsyncClient, password: str = PASSWORD, **fields: str) -> httpx2.Response:
    form = {"name": "admin", "password": password, **fields}
    return await client.post("/login", data=form, headers={"Origin": str(client.base_url).rstrip("/")})


async def test_without_a_session_the_page_is_the_login_and_all_else_is_refused(client: httpx2.AsyncClient) -> None:
    for page, login in (("/", "/login"), ("/admin/", "/login?next=/admin/"), ("/account", "/login?next=/account")):
        answer = await client.get(page)
        assert (answer.status_code, answer.headers["location"]) == (303, login)
    for path in ("/config", "/admin/config", "/gradio_api/queue/join", "/traces/1.json", "/login/x", "/%2e%2e/login"):
        assert (await client.get(path)).status_code == 401
        assert (await client.post(path)).status_code == 401


async def test_the_right_password_gives_a_cookie_that_no_script_and_no_other_site_can_use(
    client: httpx2.AsyncClient,
) -> None:
    answer = await log_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    for attribute in ("HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={12 * 3600}"):
        assert attribute in cookie
    assert "Secure" not in cookie
    for page in ("/", "/admin/", "/traces/1.json"):
        assert (await client.get(page)).text == '"admin"'


async def test_a_link_on_another_site_opens_the_page_with_the_cookie_that_came_not_with_it(
    client: httpx2.AsyncClient,
) -> None:
    """The browser keeps a strict cookie back on the first request, and sends it with one of the page's own."""
    answer = await client.get('/?trace=1&x="><script>', headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert 'url=/?trace=1&amp;x=%22%3E%3Cscript%3E"' in answer.text
    again = await client.get("/?trace=1", headers={"Sec-Fetch-Site": "same-origin"})
    assert again.headers["location"] == "/login?next=/%3Ftrace%3D1"


async def test_who_may_not_manage_is_told_so_on_the_admin_page_and_may_read_the_others(client_of: MakeClient) -> None:
    async with client_of() as client:
        await client.access.accounts.add("Ann", Role.REVIEWER, PASSWORD)  # type: ignore[attr-defined]
        assert (await log_in(client, name="Ann")).status_code == 303
        page = await client.get("/admin/")
        assert (page.status_code, "Ann (reviewer)" in page.text) == (403, True)
        assert (await client.get("/admin/config")).status_code == 403
        assert (await client.get("/")).text == '"Ann"'


async def test_one_changes_ones_own_password_on_a_page(client: httpx2.AsyncClient) -> None:
    await log_in(client)
    assert "Role: admin" in (await client.get("/account")).text
    for new, again, old, message in (
        ("another word", "other word", PASSWORD, "new passwords do not match"),
        ("short", "short", PASSWORD, "has 5 characters"),
        ("another word", "another word", "wrong", "current password is wrong"),
        ("another word", "another word", PASSWORD, "Your password was changed"),
    ):
        answer = await client.post("/account", data={"old": old, "new": new, "again": again})
        assert message in answer.text
        assert (answer.status_code == 200) is (message == "Your password was changed")
    assert (await log_in(client)).status_code == 403
    assert (await log_in(client, "another word")).status_code == 303


async def test_the_link_of_the_start_is_the_admins_until_there_are_accounts(client_of: MakeClient) -> None:
    async with client_of("", "127.0.0.1", origin="http://127.0.0.1", address="127.0.0.1") as client:
        assert (await client.get("/")).text == '"local"'
        assert "As admin" in (await client.get("/admin/")).text
        assert (await client.get("/login?key=wrong")).status_code == 403
        key = client.access.link_key  # type: ignore[attr-defined]
        assert (await client.get("/login", params={"key": key})).headers["location"] == "/"
        assert (await client.get("/admin/")).text == '"local"'
        await client.access.accounts.add("Ann", Role.ADMIN, PASSWORD)  # type: ignore[attr-defined]
        client.access.forget()  # type: ignore[attr-defined]
        assert (await client.get("/admin/")).status_code == 303


async def test_a_proxy_that_is_trusted_names_the_person(client_of: MakeClient) -> None:
    proxy = {"trusted_header": "X-Remote-User", "trusted_proxies": "192.0.2.7"}
    named = {"X-Remote-User": "Ann"}
    async with client_of("", **proxy) as client:
        assert (await client.get("/", headers=named)).text == '"Ann"'
        assert (await client.get("/")).status_code == 303
        both = await client.get("/", headers=[("X-Remote-User", "Ann"), ("X-Remote-User", "Ben")])
        assert both.status_code == 303
    async with client_of("", address="192.0.2.8", **proxy) as client:
        assert (await client.get("/", headers=named)).status_code == 303
    async with client_of("") as client:
        assert (await client.get("/", headers=named)).status_code == 303


async def test_without_a_database_nobody_is_let_in(client_of: MakeClient, database: Database, tmp_path: Path) -> None:
    async with client_of() as client:
        database.dispose()
        for file in tmp_path.glob("m1.sqlite3*"):
            file.write_bytes(b"no database" * 1000)
        answer = await client.get("/", headers={"Cookie": "m1-session=x"})
        assert (answer.status_code, "database" in answer.text) == (503, True)
        assert (await client.get("/login")).status_code == 200


async def test_over_https_the_cookie_is_for_https_only(client_of: MakeClient) -> None:
    async with client_of(origin="https://m1.example") as client:
        answer = await client.post(
            "/login", data={"name": "admin", "password": PASSWORD}, headers={"Origin": "https://m1.example"}
        )
    assert "Secure" in answer.headers["set-cookie"]


async def test_logging_out_ends_the_session_for_whoever_has_the_cookie(client: httpx2.AsyncClient) -> None:
    await log_in(client)
    token = client.cookies["m1-session"]
    assert (await client.post("/logout", headers={"Origin": ORIGIN})).status_code == 204
    answer = await client.get("/config", headers={"Cookie": f"m1-session={token}"})
    assert answer.status_code == 401


async def test_logging_in_again_ends_the_session_before(client: httpx2.AsyncClient) -> None:
    await log_in(client)
    token = client.cookies["m1-session"]
    await log_in(client, "wrong")
    assert (await client.get("/traces/1.json")).status_code == 200
    await log_in(client)
    assert (await client.get("/traces/1.json")).status_code == 200
    again = await client.get("/traces/1.json", headers={"Cookie": f"m1-session={token}"})
    assert again.status_code == 401


async def test_logging_out_works_while_the_database_takes_no_changes(
    client: httpx2.AsyncClient, database: Database
) -> None:
    await log_in(client)
    token = client.cookies["m1-session"]
    database._damage = "The database is damaged."
    answer = await client.post("/logout", headers={"Origin": ORIGIN})
    assert answer.status_code == 204
    assert 'm1-session="";' in answer.headers["set-cookie"]
    again = await client.get("/config", headers={"Cookie": f"m1-session={token}"})
    assert again.status_code == 401


async def test_wrong_present_passwords_have_to_wait_as_at_the_login(client: httpx2.AsyncClient) -> None:
    await log_in(client)
    form = {"old": "wrong", "new": "another word", "again": "another word"}
    for _ in range(5):
        assert (await client.post("/account", data=form)).status_code == 422
    answer = await client.post("/account", data=form | {"old": PASSWORD})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert "Too many attempts." in answer.text


async def test_a_wrong_password_is_told_and_too_many_have_to_wait(client: httpx2.AsyncClient) -> None:
    for _ in range(5):
        answer = await log_in(client, "wrong")
        assert answer.status_code == 403
        assert "Wrong name or password." in answer.text
        assert "set-cookie" not in answer.headers
    answer = await log_in(client)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert "Too many attempts." in answer.text


@pytest.mark.parametrize("body", [b"", b"password", b"x" * 100_000, b"\xff\xfe", b"password=%00", b"&" * 10_000])
async def test_a_form_that_is_none_is_a_wrong_password_or_a_bad_request(
    client: httpx2.AsyncClient, body: bytes
) -> None:
    answer = await client.post("/login", content=body, headers={"Origin": ORIGIN})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/admin/?job=abc&x=%20y", "/admin/?job=abc&x=%20y"),
        ("/account", "/account"),
        ("", "/"),
        ("/account/x", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/admin/../?x=1", "/"),
        ("/admin/?a=1\r\nSet-Cookie: x=1", "/"),
        ('/admin/?"><script>', "/"),
    ],
)
async def test_the_login_leads_back_to_the_admin_page_and_nowhere_else(
    client: httpx2.AsyncClient, target: str, place: str
) -> None:
    page = await client.get("/login", params={"next": target})
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


async def test_no_answer_of_the_login_is_kept_by_the_browser(client: httpx2.AsyncClient) -> None:
    for answer in (await client.get("/login"), await log_in(client, "wrong"), await log_in(client)):
        assert answer.headers["cache-control"] == "no-store"


async def test_attempts_are_logged_without_the_password(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        await log_in(client, "a wrong secret")
        await log_in(client)
    assert "192.0.2.7 was refused" in caplog.text
    for secret in (PASSWORD, "a wrong secret", client.cookies["m1-session"]):
        assert secret not in caplog.text
