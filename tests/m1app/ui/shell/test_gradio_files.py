"""Gradio's files as the app serves them: kept by the browser, and none of them keeps the page busy."""

import re
from pathlib import Path

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from gradio.route_utils import BUILD_PATH_LIB

from m1app.ui.shell.gradio_files import GradioFiles, corrected_scripts

FOLDER = Path(BUILD_PATH_LIB)
STYLES = next(path.name for path in sorted(FOLDER.glob("*.css")))


@pytest.fixture(scope="module")
def client() -> TestClient:
    with gr.Blocks() as blocks:
        gr.Textbox()
    app = FastAPI()
    gr.mount_gradio_app(app, blocks, path="/")
    return TestClient(GradioFiles(app))


def test_a_file_is_kept_for_good_under_the_hash_in_its_name(client: TestClient) -> None:
    answer = client.get(f"/assets/{STYLES}")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("path", ["/assets/nothing.js", "/config"])
def test_what_is_missing_or_no_file_is_not_kept(client: TestClient, path: str) -> None:
    assert "immutable" not in client.get(path).headers.get("cache-control", "")


def original_of(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def corrected_name(beginning: str) -> str:
    [name] = [name for name in corrected_scripts() if name.startswith(beginning)]
    return name


def test_a_corrected_script_is_served_in_the_place_of_the_original_and_not_kept_for_long(client: TestClient) -> None:
    assert len(corrected_scripts()) == 2
    for name, corrected in corrected_scripts().items():
        answer = client.get(f"/assets/{name}")
        assert answer.content == corrected
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" not in answer.headers["cache-control"]


def test_the_indicator_of_this_gradio_no_longer_counts_when_it_is_gone() -> None:
    """Its script asks for frame after frame; the corrected one does not."""
    name = corrected_name("statustracker-")
    repeated = re.compile(r"function (\w+)\(\)\{\w+\(\(\)=>\{[^{}]*performance\.now[^{}]*,\w+&&\1\(\)\}\)\}")
    assert len(repeated.findall(original_of(name))) == 1
    assert not repeated.findall(corrected_scripts()[name].decode())


def test_the_picture_of_the_indicator_stops_when_it_is_gone() -> None:
    """Its two halves are springs; a hard `set` ends what a spring is doing."""
    name = corrected_name("statustracker-")
    gone = re.compile(r"\(\w+\(\),\(\)=>\{\w+\(\w+,!0\)(,(\w+)\.set\(\[0,0\],\{hard:!0\}\),(\w+)\.set\(.*?\))?\}\)\)")
    [(before, *_)] = gone.findall(original_of(name))
    [(_, *halves)] = gone.findall(corrected_scripts()[name].decode())
    assert before == ""
    springs = re.search(r"(\w+)=\w+\(\[0,0\]\),(\w+)=\w+\(\[0,0\]\)", original_of(name))
    assert springs
    assert halves == list(springs.groups())


def test_a_hidden_progress_of_this_gradio_is_not_set() -> None:
    name = corrected_name("core-")
    method = re.compile(r"async update_state\((\w+),(\w+),\w+=!0\)\{(let m1=\2\.loading_status;.{0,99}?return;)?")
    assert [added for *_, added in method.findall(original_of(name))] == [""]
    [(*_, added)] = method.findall(corrected_scripts()[name].decode())
    assert "m1.show_progress===`hidden`" in added
    assert len(corrected_scripts()[name].decode()) - len(original_of(name)) == len(added)
