"""`m1app models`: the same as the page's tab, for scripts."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.m1app.cli import command_line
from tests.m1app.cli.command_line import Done
from tests.models.weights.hub_stand_in import Hub, serving_hub

REPO = "org/Small-GGUF"
Run = Callable[..., Done]


@pytest.fixture
def hub(smollm2_path: Path) -> Iterator[Hub]:
    with serving_hub(Hub({REPO: {"Small-Q4_K_M.gguf": smollm2_path.read_bytes()}})) as served:
        yield served


@pytest.fixture
def run(tmp_path: Path, hub: Hub) -> Run:
    settings = {"M1_HUB_URL": hub.url, "M1_ENGINE_URL": "http://127.0.0.1:9"}
    return partial(command_line.run, "models", home=tmp_path / "home", **settings)


def test_a_model_is_added_fetched_listed_and_removed(run: Run) -> None:
    offered = run("offer", REPO).stdout
    assert "licence: apache-2.0" in offered
    assert "* Small-Q4_K_M.gguf" in offered
    assert run("list", "--here").stderr == "No weights have been downloaded yet.\n"
    assert run("add", REPO).stdout == "small-q4_k_m\n"
    fetched = run("fetch", "small-q4_k_m")
    assert (fetched.returncode, fetched.stdout) == (0, "small-q4_k_m is here\n")
    [model] = json.loads(run("list", "--here", "--json").stdout)
    assert (model["id"], model["state"], model["use"], model["fits"]) == ("small-q4_k_m", "here", "", True)
    assert run("remove", "small-q4_k_m").stdout == "small-q4_k_m was removed\n"
    assert "small-q4_k_m" not in run("list").stdout


def test_a_mistake_is_one_line(run: Run) -> None:
    for arguments, words in (
        (("fetch", "nobody"), "No model 'nobody'"),
        (("offer", "org/none"), "not found"),
        (("add", REPO, "--file", "none.gguf"), "has no none.gguf"),
        (("add", "/none.gguf"), "not found"),
        (("use", "smollm2-135m"), "M1_ENGINE"),
    ):
        said = run(*arguments)
        assert said.returncode == 1
        assert said.stderr.startswith("error: ")
        assert words in said.stderr
        assert said.stderr.count("\n") == 1
