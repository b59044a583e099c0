"""The Admin page inside the real application: its handlers, its files, and what is closed."""

import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.ui.admin import files as admin_files
from m1app.ui.web import build_app
from tests.e2e.admin_page import write_set
from tests.e2e.running_app import wait_until
from tests.m1app.question_sets.bad_files import BAD_FILES
from tests.m1app.ui.serving import log_in_by_link

PASSWORD = "correct horse battery"
NOBODY = "http://127.0.0.1:9"


@contextmanager
def serving(app: Any) -> Iterator[httpx2.Client]:
    """A client of the application on a free loopback port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            assert wait_until(lambda: server.started, "the app is served")
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(30)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    """Services of a loopback app without an engine."""
    return build_services(Settings(home=tmp_path_factory.mktemp("home"), engine_url=NOBODY, cpu_jobs=0))


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[httpx2.Client]:
    with serving(build_app(services)) as client:
        log_in_by_link(client, services)
        yield client


def upload(client: httpx2.Client, name: str, content: bytes, **query: str) -> httpx2.Response:
    return client.post("/admin/question-sets", params={"file": name, **query}, content=content)


def leftovers(services: Services) -> list[Path]:
    return list(services.settings.home.glob("upload-*"))


def test_a_file_becomes_a_set_and_leaves_nothing_behind(
    client: httpx2.Client, services: Services, tmp_path: Path
) -> None:
    path = write_set(tmp_path, "uploaded")
    answer = upload(client, path.name, path.read_bytes())
    assert answer.status_code == 200
    assert answer.json()["imported"] == [{"name": "uploaded", "questions": 3}]
    assert leftovers(services) == []


def test_sets_are_compared_with_fine_tuning_data(client: httpx2.Client, services: Services, tmp_path: Path) -> None:
    long = "Which of these vitamins is missing in a sailor with bleeding gums and loose teeth after months at sea?"
    path = write_set(tmp_path, "compared", [{"question": long, "options": {"A": "Vitamin C", "B": "Vitamin K"}}])
    assert upload(client, path.name, path.read_bytes()).status_code == 200
    rows = json.dumps({"prompt": long, "completion": "C"}).encode()
    answer = client.post("/admin/overlaps", params={"file": "train.jsonl"}, content=rows)
    assert answer.status_code == 200
    assert [each["text"] for each in answer.json()["overlaps"]] == [
        "compared shares 1 question with train.jsonl (identical or nearly so)."
    ]
    refused = client.post("/admin/overlaps", params={"file": "train.jsonl"}, content=b'{"text": "?"}')
    assert refused.status_code == 422
    assert "train.jsonl" in refused.json()["error"]
    assert leftovers(services) == []


@pytest.mark.parametrize("name", ["../../evil.json", "/etc/passwd", "..", "", ".", "a\\..\\b.json", "x" * 180])
def test_a_file_name_leads_nowhere(client: httpx2.Client, services: Services, name: str) -> None:
    before = sorted(services.settings.home.parent.iterdir())
    answer = upload(client, name, b"nothing that is a set")
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert sorted(services.settings.home.parent.iterdir()) == before
    assert leftovers(services) == []


def test_a_file_of_many_megabytes_is_read(client: httpx2.Client) -> None:
    answer = upload(client, "large.json", b" " * 40_000_000 + b"no set")
    assert answer.status_code == 422
    assert "large.json" in answer.json()["error"]


def test_an_empty_file_and_one_too_large_are_refused(
    client: httpx2.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert upload(client, "a.json", b"").json() == {"error": "The file is empty. Choose another one."}
    monkeypatch.setattr(admin_files, "MAX_UPLOAD_BYTES", 1000)
    assert upload(client, "a.json", b"x" * 1001).status_code == 413

    def endless() -> Iterator[bytes]:  # Its size is not announced.
        yield from (b"x" * 500 for _ in range(10))

    answer = client.post("/admin/question-sets", params={"file": "a.json"}, content=endless())
    assert answer.status_code == 413
    assert "larger than" in answer.json()["error"]
    assert leftovers(services) == []


def test_an_upload_to_a_full_disk_says_so_and_leaves_nothing_behind(
    client: httpx2.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch_folder = admin_files.scratch_folder

    @asynccontextmanager
    async def full(prefix: str, parent: Path) -> AsyncIterator[Path]:
        async with scratch_folder(prefix, parent) as folder:
            (folder / "a.json").symlink_to("/dev/full")
            yield folder

    monkeypatch.setattr(admin_files, "scratch_folder", full)
    for route in ("question-sets", "question-columns", "overlaps", "training-data"):
        answer = client.post(f"/admin/{route}", params={"file": "a.json"}, content=b"x" * 1_000_000)
        assert answer.status_code == 507
        assert answer.json() == {
            "error": f"The disk of {services.settings.home} is full; nothing was kept. Free some space on it, then try "
            "again."
        }
    assert leftovers(services) == []


@pytest.mark.parametrize("kind", ["parquet of 30 million rows", "json of many values", "zip cut off", "nul"])
def test_an_upload_that_is_made_to_do_harm_is_refused(client: httpx2.Client, services: Services, kind: str) -> None:
    make, name, expected = BAD_FILES[kind]
    answer = upload(client, name, make())
    assert answer.status_code == 422
    assert expected in answer.json()["error"]
    assert leftovers(services) == []


def test_columns_are_shown_and_chosen_and_nothing_is_stored(client: httpx2.Client, services: Services) -> None:
    def sampled(**columns: object) -> dict[str, Any]:
        options = json.dumps({"skip_bad": True, "columns": columns or None})
        query = {"file": "a.csv", "options": options}
        answer = client.post("/admin/question-columns", params=query, content=b"q,x,y,r\nWhy?,a,b,1\n")
        assert answer.status_code == 200, answer.text
        return answer.json()

    value = sampled()
    assert (value["columns"], value["layout"]) == ([["q", "Why?"], ["x", "a"], ["y", "b"], ["r", "1"]], "")
    value = sampled(question="q", options=["x", "y"], answer="r", answer_base="0", tags=[])
    assert value["rows"] == [
        {"where": "line 2", "problem": "", "stem": "Why?", "options": [["A", "a"], ["B", "b"]], "targets": ["B"]}
    ]
    assert leftovers(services) == []


@pytest.mark.parametrize("options", ["{", "[]", '{"columns": {}}', '{"columns": {"question": 1}}', '{"rows": 5}'])
def test_a_choice_of_columns_that_is_none_is_refused(client: httpx2.Client, options: str) -> None:
    for route in ("question-columns", "question-sets"):
        answer = client.post(f"/admin/{route}", params={"file": "a.csv", "options": options}, content=b"x")
        assert answer.json() == {"error": "The chosen columns cannot be read. Reload the page and choose them again."}


LETTERED = [
    {"id": n, "question": f"Question {n}?", "options": {"A": "x", "B": "y"}, "answer_idx": "A"} for n in range(9)
]


def test_a_part_of_a_file_is_imported_by_ids_and_by_a_limit_with_a_seed(
    client: httpx2.Client, services: Services
) -> None:
    file = json.dumps(LETTERED).encode()

    def imported(name: str, ids: bytes = b"", **options: int) -> httpx2.Response:
        query = {"file": "nine.json", "name": name, "options": json.dumps(options), "ids_bytes": str(len(ids))}
        return client.post("/admin/question-sets", params=query, content=ids + file)

    assert imported("some", b"2\n3\n").json()["imported"] == [{"name": "some", "questions": 2}]
    assert imported("drawn", limit=4, seed=1).json()["imported"] == [{"name": "drawn", "questions": 4}]
    again = imported("drawn", limit=4, seed=1).json()
    assert again["notes"][0].startswith("drawn already exists")
    other = imported("other", limit=4, seed=2).json()
    assert other["imported"] == [{"name": "other", "questions": 4}]
    refused = imported("none", b" \n ")
    assert refused.json()["error"].startswith("list of ids: found 0 ids")
    assert "number of questions from 1 to 500,000" in imported("x", limit=10**9).json()["error"]
    assert leftovers(services) == []


@pytest.mark.parametrize("path", ["x/artifacts/y", f"{'0' * 32}/artifacts/..%2f..%2fm1.sqlite3", f"{'0' * 32}/log.txt"])
def test_files_of_no_job_are_not_found(client: httpx2.Client, path: str) -> None:
    answer = client.get(f"/admin/jobs/{path}")
    assert answer.status_code == 404


def test_gradio_takes_no_files_and_gives_none(client: httpx2.Client, services: Services) -> None:
    assert client.post("/admin/gradio_api/upload", files={"files": ("a.txt", b"x")}).status_code == 404
    database = services.settings.home / "m1.sqlite3"
    assert client.get(f"/admin/gradio_api/file={database}").status_code == 404


def test_the_page_has_the_security_headers_and_no_secret(client: httpx2.Client, services: Services) -> None:
    for path in ("/admin/", "/admin/config", "/login"):
        answer = client.get(path, follow_redirects=True)
        assert "content-security-policy" in answer.headers
        assert str(services.settings.home) not in answer.text
    assert client.get("/admin?job=1").headers["location"] == "/admin/?job=1"


def test_with_a_password_nothing_of_gradio_is_reached_before_the_login(tmp_path: Path) -> None:
    services = build_services(Settings(home=tmp_path, engine_url=NOBODY, admin_password=PASSWORD, cpu_jobs=0))
    with serving(build_app(services)) as client:
        for path in ("config", "gradio_api/info", "gradio_api/queue/data?session_hash=a", "theme.css", "assets/x.js"):
            assert client.get(f"/admin/{path}").status_code == 401, path
        join = {"data": [], "fn_index": 0, "session_hash": "abc"}
        assert client.post("/admin/gradio_api/queue/join", json=join).status_code == 401
        assert upload(client, "a.json", b"{}").status_code == 401
        origin = {"Origin": str(client.base_url).rstrip("/")}
        form = {"name": "admin", "password": PASSWORD}
        assert client.post("/login", data=form, headers=origin).status_code == 303
        config = client.get("/admin/config")
        assert config.status_code == 200
        assert PASSWORD not in config.text
        assert json.loads(config.text)["title"] == "Admin – m1app"
        assert client.get("/config").json()["title"] == "m1app"
