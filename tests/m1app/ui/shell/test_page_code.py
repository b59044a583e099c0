"""Page code over HTTP: every module that one imports is there, and nothing else is."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from m1app.ui.shell.page_code import add_page_code, page_code_address
from m1app.ui.shell.page_component import page_component

PAGES = Path(__file__).parents[4] / "m1app" / "ui"
IMPORT = re.compile(r'^(?:import|export) .*?from "(\.[^"]+)";|^import "(\.[^"]+)";', re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    add_page_code(app)
    return TestClient(app, base_url="http://localhost")


def test_a_module_is_kept_for_good_under_its_version(client: TestClient) -> None:
    answer = client.get(page_code_address("shell/header"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert "export function mount" in answer.text


def test_a_module_can_be_asked_for_without_its_content(client: TestClient) -> None:
    answer = client.head(page_code_address("shell/header"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert "immutable" in answer.headers["cache-control"]


def test_every_import_leads_to_a_module(client: TestClient) -> None:
    for path in PAGES.glob("*/*.js"):
        for found in IMPORT.finditer(path.read_text(encoding="utf-8")):
            imported = (path.parent / (found[1] or found[2])).resolve()
            name = imported.relative_to(PAGES).with_suffix("").as_posix()
            assert client.get(page_code_address(name)).status_code == 200, f"{path}: {imported}"


@pytest.mark.parametrize(
    "path",
    [
        "shell/header.py",
        "shell/theme.css",
        "shell/../web.py",
        "shell/..%2Fweb.py",
        "..%2F..%2Fapp/app.py",
        "shell/%2Fetc%2Fpasswd",
        "shell/nothing.js",
        "shell/",
        "",
    ],
)
def test_nothing_but_page_code_is_served(client: TestClient, path: str) -> None:
    version = page_code_address("shell/header").split("/")[2]
    assert client.get(f"/page-code/{version}/{path}").status_code == 404


def test_another_version_is_refused_so_that_none_is_kept_under_a_wrong_name(client: TestClient) -> None:
    assert client.get("/page-code/0123456789abcdef/shell/header.js").status_code == 404


def test_a_component_names_its_module_and_its_events() -> None:
    made = page_component("shell/header", element_id="header", events=("stop_engine",))
    assert made.elem_id == "header"
    assert f'import("{page_code_address("shell/header")}")' in made.js_on_load
    assert callable(made.stop_engine)
    with pytest.raises(AttributeError):
        _ = made.restart_engine


def test_a_component_without_page_code_is_refused() -> None:
    with pytest.raises(KeyError, match="shell/nothing"):
        page_component("shell/nothing", element_id="nothing")
