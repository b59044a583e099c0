"""The web application behind a real server: headers on every answer, closed doors, downloads."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from m1app.bootstrap import Services, build_services
from m1app.file_names import slug
from m1app.settings import Settings
from m1app.ui.web import build_app
from storage.database import Database
from storage.questions.records import NewQuestion
from storage.traces.records import Segment, SegmentKind, Trace
from tests.m1app.runs.trace_samples import HOSTILE
from tests.m1app.ui.serving import log_in_by_link, serving
from tests.storage.samples import begin, finish

KEY = "sk-do-not-show-41d7"
HEADERS = {"content-security-policy", "referrer-policy", "x-content-type-options", "permissions-policy"}
UNKNOWN = "0" * 32


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    """Services without an engine: nothing here generates."""
    return build_services(
        Settings(home=tmp_path_factory.mktemp("home"), engine_url="http://127.0.0.1:9", engine_api_key=KEY)
    )


@pytest.fixture(scope="module")
def trace(services: Services) -> Trace:
    """A stored trace whose every text is hostile."""
    question = NewQuestion(stem=HOSTILE, options={"A": HOSTILE, "B": "b"}, target="A")
    begun = begin(services.database, question, model="<img src=x>|m")
    parts = [
        Segment(kind=kind, text=HOSTILE, token_ids=(1, 2), token_count=2)
        for kind in (SegmentKind.THINK, SegmentKind.ANSWER)
    ]
    finish(services.database, begun, *parts)
    return begun


@pytest.fixture(scope="module")
def client(services: Services, trace: Trace) -> Iterator[httpx2.Client]:
    with serving(build_app(services)) as url, httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield client


def assert_secured(response: httpx2.Response) -> None:
    assert response.headers.keys() >= HEADERS
    policy = dict(part.split(maxsplit=1) for part in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["connect-src"] == "'self'"
    assert policy["object-src"] == "'none'"
    sources = {source for value in policy.values() for source in value.split()}
    assert sources <= {"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        (f"/?trace={UNKNOWN}", 200),
        ("/healthz", 503),
        ("/healthz/live", 200),
        ("/metrics", 404),
        ("/config", 200),
        ("/theme.css", 200),
        ("/gradio_api/info", 404),
        (f"/traces/{UNKNOWN}.json", 404),
        ("/nothing", 404),
        ("/docs", 404),
        ("/gradio_api/upload", 404),
    ],
)
def test_every_answer_has_the_security_headers(client: httpx2.Client, path: str, status: int) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert_secured(response)


def test_static_files_have_them_too(client: httpx2.Client) -> None:
    script = client.get("/").text.partition('src="./assets/')[2].partition('"')[0]
    response = client.get(f"/assets/{script}")
    assert response.status_code == 200
    assert "javascript" in response.headers["content-type"]
    assert_secured(response)


def test_streamed_answers_have_them_and_carry_hostile_text_as_data(client: httpx2.Client) -> None:
    search = next(d for d in client.get("/config").json()["dependencies"] if d["api_name"] == "_on_search")
    session = {"session_hash": "abcdefg"}
    joined = client.post(
        "/gradio_api/queue/join", json={"data": ["", "", "", "", "newest", None], "fn_index": search["id"], **session}
    )
    assert joined.status_code == 200
    assert_secured(joined)
    with client.stream("GET", "/gradio_api/queue/data", params=session) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert_secured(response)
        events = [json.loads(line[5:]) for line in response.iter_lines() if line.startswith("data:")]
    (done,) = [event for event in events if event["msg"] == "process_completed"]
    assert done["success"]
    assert done["output"]["data"][0]["rows"][0]["stem"] == HOSTILE


@pytest.mark.parametrize("path", ["/upload", "//gradio_api/upload", "/gradio_api//upload", "/GRADIO_API/upload"])
def test_no_other_spelling_of_the_upload_path_works(client: httpx2.Client, path: str) -> None:
    response = client.request("POST", str(client.base_url).rstrip("/") + path, files={"files": ("a.txt", b"x")})
    assert response.status_code in (404, 405)


def test_files_of_the_machine_are_not_given_out(client: httpx2.Client, services: Services) -> None:
    for path in ("/etc/hosts", "app.py", str(services.settings.home / "m1.sqlite3"), "../app.py"):
        response = client.get(f"/gradio_api/file={path}")
        assert response.status_code in (403, 404)
        assert_secured(response)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "0.0.0.0", ""])
@pytest.mark.parametrize("path", ["/", "/healthz", f"/traces/{UNKNOWN}.json", "/theme.css"])
def test_on_loopback_another_host_name_is_refused(client: httpx2.Client, host: str, path: str) -> None:
    # A website that points its own name at 127.0.0.1 would otherwise read the traces.
    response = client.get(path, headers={"Host": host})
    assert response.status_code == 400
    assert_secured(response)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:7860"])
def test_on_loopback_its_own_names_are_served(client: httpx2.Client, host: str) -> None:
    assert client.get("/healthz/live", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("host", "allowed", "asked", "status"),
    [
        ("0.0.0.0", "", "clinic.example", 200),
        ("0.0.0.0", "m1.clinic.example, *.lab.example", "m1.clinic.example:80", 200),
        ("0.0.0.0", "m1.clinic.example, *.lab.example", "a.lab.example", 200),
        ("0.0.0.0", "m1.clinic.example, *.lab.example", "evil.example", 400),
        ("127.0.0.1", "m1.clinic.example", "m1.clinic.example", 200),
    ],
)
async def test_allowed_hosts_are_those_of_the_settings(
    tmp_path: Path, host: str, allowed: str, asked: str, status: int
) -> None:
    settings = Settings(home=tmp_path, host=host, allowed_hosts=allowed, engine_url="http://127.0.0.1:9")
    services = build_services(settings)
    # One origin is enough here: no page is opened, so no server is needed.
    transport = httpx2.ASGITransport(app=build_app(services))
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://{asked}") as client:
        assert (await client.get("/healthz/live")).status_code == status
    await services.aclose()


async def test_answer_about_an_unexpected_error_has_the_headers_and_tells_nothing(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def explode(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(services.probe, "get", explode)
    transport = httpx2.ASGITransport(app=build_app(services), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/traces/x.json")
    assert answer.status_code == 500
    assert answer.headers.keys() >= HEADERS
    assert "secret detail" not in answer.text


def test_configuration_that_every_page_gets_holds_no_secret_and_no_path(
    client: httpx2.Client, services: Services
) -> None:
    for path in ("/config", "/", "/healthz"):
        text = client.get(path).text
        for secret in (KEY, str(services.settings.home), "m1.sqlite3"):
            assert secret not in text
    config = client.get("/config").json()
    assert (config["show_error"], config["analytics_enabled"], config["run_history"]) == (False, False, False)


@pytest.mark.parametrize("path", ["", "/compare", "/strategies", "/annotate", "/benchmarks", "/admin"])
def test_no_handler_reports_its_progress_on_what_is_drawn(client: httpx2.Client, services: Services, path: str) -> None:
    if path == "/admin":
        log_in_by_link(client, services)
    config = client.get(f"{path}/config").json()
    kinds = {each["id"]: each["type"] for each in config["components"]}
    assert config["dependencies"]
    for handler in config["dependencies"]:
        assert [kinds[shown] for shown in handler["show_progress_on"] or ()] == ["state"], handler["api_name"]


def test_page_names_no_other_machine_to_load_from(client: httpx2.Client) -> None:
    page = client.get("/").text
    for attribute in ('src="http', 'href="http', 'src="//', 'href="//', "@import"):
        assert attribute not in page


def _name_of(trace: Trace) -> str:
    question = slug(trace.question.stem)
    return f"{trace.created_at:%Y-%m-%d} img src x m 1024 tokens 1 round {question} {trace.id[:8]}"


def test_a_trace_is_downloaded_as_json_with_every_text_as_it_is(client: httpx2.Client, trace: Trace) -> None:
    response = client.get(f"/traces/{trace.id}.json")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-disposition"] == f'attachment; filename="{_name_of(trace)}.json"'
    assert_secured(response)
    content = response.json()
    assert (content["trace_id"], content["question"], content["options"]["A"]) == (trace.id, HOSTILE, HOSTILE)
    assert [segment["text"] for segment in content["segments"]] == [HOSTILE, HOSTILE]


def test_a_trace_is_downloaded_as_markdown_in_which_nothing_acts(client: httpx2.Client, trace: Trace) -> None:
    from markdown_it import MarkdownIt

    response = client.get(f"/traces/{trace.id}.md")
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert response.headers["content-disposition"].startswith("attachment; ")
    tokens = MarkdownIt("commonmark").enable("table").parse(response.text)
    types = {inner.type for token in tokens for inner in (token, *(token.children or ()))}
    assert not types & {"html_inline", "html_block", "image", "link_open"}
    assert [token.content for token in tokens if token.type == "fence"][1:3] == [HOSTILE + "\n"] * 2


@pytest.mark.parametrize("name", [UNKNOWN, "x", "%00", "..%2f..%2fetc%2fpasswd", "%ED%A0%80", "a" * 3000, "<b>"])
@pytest.mark.parametrize("suffix", ["json", "md"])
def test_an_unknown_trace_is_a_404_without_a_page_of_errors(client: httpx2.Client, name: str, suffix: str) -> None:
    response = client.get(f"/traces/{name}.{suffix}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/json"
    assert len(response.text) < 300
    assert "Traceback" not in response.text
    assert_secured(response)


def test_an_unknown_trace_is_explained(client: httpx2.Client) -> None:
    detail = client.get(f"/traces/{UNKNOWN}.json").json()["detail"]
    assert detail == f"Trace '{UNKNOWN}' not found. It may have been deleted, or the link is from another machine."


def test_a_database_that_is_gone_is_a_503_with_its_message(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, engine_url="http://127.0.0.1:9")
    services = build_services(settings)
    begun = begin(services.database)
    with serving(build_app(services)) as url:
        services.database.dispose()
        for file in tmp_path.glob("m1.sqlite3*"):
            file.unlink()
        (tmp_path / "m1.sqlite3").mkdir()
        response = httpx2.get(f"{url}/traces/{begun.id}.json", timeout=60, trust_env=False)
        assert response.status_code == 503
        assert "m1.sqlite3" in response.text
        assert_secured(response)


def test_traces_that_a_dead_process_left_running_are_marked_at_the_start(tmp_path: Path) -> None:
    services = build_services(Settings(home=tmp_path, engine_url="http://127.0.0.1:9"))
    begun = begin(services.database, owner=f"{socket.gethostname()}:{2**22 + 5}")
    with serving(build_app(services)) as url:
        content = httpx2.get(f"{url}/traces/{begun.id}.json", timeout=60, trust_env=False).json()
    assert content["state"] == "interrupted"
    reopened = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    assert reopened.check().is_current
    reopened.dispose()
