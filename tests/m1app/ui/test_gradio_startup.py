import subprocess
import sys

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from gradio.routes import App

from m1app.ui.gradio_startup import no_spare_servers, only_routes

_IMPORT = """
import inspect, pathlib, sys
{first}
written = []
pathlib.Path.write_text = lambda path, *_, **__: written.append(path.name)
sources = []
getfile = inspect.getfile
inspect.getfile = lambda thing: sources.append(thing) or getfile(thing)
import gradio
assert callable(gradio.Textbox().change) and callable(gradio.Blocks().load)
print(sum(isinstance(each, type) and each.__module__.startswith("gradio") for each in sources), len(written))
"""


def components_looked_at(first: str) -> int:
    """How many of Gradio's components an import compares with their stubs, after the statement `first`."""
    command = [sys.executable, "-c", _IMPORT.format(first=first)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def test_pages_import_gradio_without_its_stubs() -> None:
    assert components_looked_at("pass") > 10
    assert components_looked_at("import m1app.ui") <= 1


def test_a_page_gets_one_server_where_it_is_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    create_app = App.create_app
    monkeypatch.setattr(App, "create_app", lambda *args, **kwargs: made.append(args) or create_app(*args, **kwargs))
    with no_spare_servers():
        with gr.Blocks() as blocks:
            gr.Textbox()
        blocks.queue()
    assert made == []
    gr.mount_gradio_app(FastAPI(), blocks, "/")
    assert len(made) == 1


def test_servers_are_made_again_after_an_error() -> None:
    before = App.create_app
    with pytest.raises(ZeroDivisionError), no_spare_servers():
        _ = 1 / 0
    assert App.create_app is before


def test_a_page_has_the_routes_it_uses_and_later_applications_have_all_theirs() -> None:
    with gr.Blocks() as blocks:
        gr.Textbox()
    app = FastAPI()
    with only_routes(lambda method, path: (method, path) in {("GET", "/config"), ("POST", "/gradio_api/queue/join")}):
        gr.mount_gradio_app(app, blocks, "/")
    client = TestClient(app)
    assert client.get("/config").status_code == 200
    assert client.post("/gradio_api/queue/join", json={}).status_code == 422
    assert client.get("/theme.css").status_code == 404
    app.get("/mine")(lambda: "here")
    assert [route.path for route in app.routes if isinstance(route, APIRoute)][-1] == "/mine"
