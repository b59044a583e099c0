"""Requests that are let in and those that are not, by the real app behind a real server."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from starlette.routing import Mount

from m1app.access.person import Person, acting_as
from m1app.access.quota import Quota
from m1app.bootstrap import Services
from m1app.settings import Settings
from m1app.ui.shell.requests import (
    GRADIO_ROUTES,
    MAX_ADDRESS_BYTES,
    MAX_BODY_BYTES,
    Admission,
    Limits,
    OnlyOpenRoutes,
    is_gradio_route,
)
from m1app.ui.web import build_app
from storage.people.records import Role
from tests.m1app.ui.serving import serving

OPEN = {
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/config"),
    ("GET", "/theme.css"),
    ("GET", "/favicon.ico"),
    ("GET", "/assets/{path:path}"),
    ("GET", "/static/{path:path}"),
    ("GET", "/gradio_api/app_id"),
    ("GET", "/gradio_api/startup-events"),
    ("GET", "/gradio_api/heartbeat/{session_hash}"),
    ("POST", "/gradio_api/queue/join"),
    ("GET", "/gradio_api/queue/data"),
    ("POST", "/gradio_api/cancel"),
    ("POST", "/gradio_api/reset"),
}
"""What of Gradio's table this app opens. Gradio has some seventy routes more."""
ELSEWHERE = {"origin": "http://elsewhere.example"}
"""A page of another site, over plain HTTP: browsers send no Sec-Fetch-Site there."""
CROSS_SITE = ELSEWHERE | {"sec-fetch-site": "cross-site"}
JOIN = "/gradio_api/queue/join"
UNKNOWN = "0" * 32


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    from m1app.bootstrap import build_services

    services: Services = build_services(Settings(home=tmp_path_factory.mktemp("home"), engine_url="http://127.0.0.1:9"))
    with serving(build_app(services)) as url, httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield client


def gradio_table() -> set[tuple[str, str]]:
    """Every method and path of a Gradio application like the pages'."""
    import gradio as gr

    app = FastAPI()
    with gr.Blocks() as blocks:
        gr.Textbox()
    gr.mount_gradio_app(app, blocks, path="/")
    mounted = app.routes[-1]
    assert isinstance(mounted, Mount)
    return {pair for route in mounted.app.routes for pair in _pairs(route)}  # type: ignore[attr-defined]


def _pairs(route: Any) -> Iterator[tuple[str, str]]:
    """FastAPI keeps an included router as one route; its own routes have their prefix already."""
    for each in getattr(getattr(route, "original_router", None), "routes", [route]):
        yield from ((method, each.path) for method in each.methods or ())


def test_a_gradio_route_is_closed_unless_it_is_listed_here() -> None:
    table = gradio_table()
    assert len(table) > 60
    opened = {(method, path) for method, path in table if is_gradio_route(method, path)}
    assert opened == OPEN
    assert {path.partition("{")[0] for path in GRADIO_ROUTES} == {path.partition("{")[0] for _, path in OPEN}


@pytest.mark.parametrize("page", ["", "/compare", "/strategies", "/annotate", "/benchmarks"])
@pytest.mark.parametrize("route", ["process_recording", "upload", "component_server", "vibe-edit", "run/predict"])
def test_closed_routes_take_nothing(client: httpx2.Client, page: str, route: str) -> None:
    for spelling in (route, f"{route}/", f"%{ord(route[0]):x}{route[1:]}"):
        response = client.post(f"{page}/gradio_api/{spelling}", files={"file": ("a.wav", b"x" * 100)})
        assert (response.status_code, response.json()) == (404, {"detail": "Not Found"}), spelling


@pytest.mark.parametrize(
    ("path", "said"), [("/nosuchpage", "This page does not exist."), (f"/passages/{'0' * 32}", "was deleted")]
)
def test_an_address_without_anything_is_a_page_in_a_browser_and_json_for_programs(
    client: httpx2.Client, path: str, said: str
) -> None:
    shown = client.get(path, headers={"accept": "text/html,*/*"})
    assert (shown.status_code, shown.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert said in shown.text
    assert "Back to Probe" in shown.text
    answered = client.get(path)
    assert (answered.status_code, list(answered.json())) == (404, ["detail"])


@pytest.mark.parametrize("headers", [ELSEWHERE, CROSS_SITE, {"origin": "null"}, {"sec-fetch-site": "same-site"}])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", JOIN),
        ("POST", f"/benchmarks{JOIN}"),
        ("GET", "/config"),
        ("GET", "/gradio_api/queue/data?session_hash=a"),
        ("GET", "/annotations.jsonl"),
        ("GET", f"/traces/{UNKNOWN}.json"),
        ("GET", "/healthz"),
        ("POST", "/login"),
        ("OPTIONS", JOIN),
    ],
)
def test_other_sites_are_refused(client: httpx2.Client, method: str, path: str, headers: dict[str, str]) -> None:
    response = client.request(method, path, headers=headers | {"access-control-request-method": "POST"})
    assert response.status_code == 403
    assert "came from another site" in response.text


@pytest.mark.parametrize(
    "path", ["/", f"/?trace={UNKNOWN}", "/compare/", "/strategies/", "/annotate/", "/benchmarks/", "/admin/"]
)
def test_links_on_other_sites_open_pages_but_give_no_permission_to_read_them(client: httpx2.Client, path: str) -> None:
    response = client.get(path, headers=CROSS_SITE)
    assert response.status_code == (403 if path == "/admin/" else 200)
    assert "came from another site" not in response.text
    assert [name for name in response.headers if name.startswith("access-control-")] == []


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": ""}])
def test_the_pages_own_requests_are_let_in(client: httpx2.Client, headers: dict[str, str]) -> None:
    if headers == {"origin": ""}:
        headers = {"origin": str(client.base_url).rstrip("/")}
    assert client.get("/config", headers=headers).status_code == 200


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_large_body_is_refused_before_it_is_read(client: httpx2.Client, is_announced: bool) -> None:
    body = b'{"data": ["' + b"x" * MAX_BODY_BYTES + b'"]}'
    content = body if is_announced else iter([body[at : at + 65536] for at in range(0, len(body), 65536)])
    response = client.post(JOIN, content=content, headers={"content-type": "application/json"})
    assert response.status_code == 413


@pytest.mark.parametrize("path", ["/?x=", "/"])
def test_an_address_is_refused_before_gradio_fails_at_it(client: httpx2.Client, path: str) -> None:
    assert client.get(f"/?run={'x' * 2000}").status_code == 200
    response = client.get(path + "x" * MAX_ADDRESS_BYTES)
    assert (response.status_code, "too long" in response.text) == (414, True)


async def test_a_body_that_stops_arriving_ends_the_request() -> None:
    app = FastAPI()

    @app.post("/")
    async def read(request: Request) -> str:
        return str(await request.body())

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [], "root_path": ""}
    await Admission(app, [], Limits(idle_seconds=0.01))(scope, receive, send)
    assert sent[0]["status"] == 408


def test_uploads_have_a_limit_of_their_own(client: httpx2.Client) -> None:
    body = b"x" * (MAX_BODY_BYTES + 1)
    # Not for its size.
    assert client.post("/admin/question-sets?file=a.csv", content=body).status_code == 403
    assert client.post("/admin/other", content=body).status_code == 413


async def test_one_persons_open_requests_do_not_keep_others_out() -> None:
    over = asyncio.Event()

    async def wait(*_: Any) -> None:
        await over.wait()

    gate = OnlyOpenRoutes(wait, Quota(2, "Close some of the tabs."))
    statuses: list[int] = []

    async def ask(name: str) -> None:
        async def sent(message: Any) -> None:
            statuses.extend([message["status"]] if message["type"] == "http.response.start" else [])

        with acting_as(Person(name, Role.VIEWER, name)):
            await gate({"type": "http", "method": "GET", "path": "/config"}, never, sent)

    async def never() -> Any:
        raise AssertionError

    asked = [asyncio.create_task(ask(name)) for name in ("anna", "anna", "anna", "ben")]
    await asyncio.sleep(0)
    assert [task.done() for task in asked] == [False, False, True, False]
    assert statuses == [429]
    over.set()
    await asyncio.gather(*asked)
    await ask("anna")
    assert statuses == [429]
