"""`m1app models tuned|quantize|card|push`: what they print, and that nothing goes up unconfirmed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from m1app.cli.main import main
from m1app.settings import Settings
from tests.m1app.cli.command_line import assert_one_line
from tests.m1app.training.publishing.taking_hub import TOKEN, TakingHub, serving_taking_hub
from tests.m1app.training.publishing.tuned_cases import published
from tests.models.weights.float_model import write_floats
from tests.shallow_model import write_shallow


@pytest.fixture
def hub(tmp_path: Path, no_settings: None, monkeypatch: pytest.MonkeyPatch, smollm2_path: Path) -> Iterator[TakingHub]:
    """A hub that takes models, and a home with a tuned one."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("M1_HOME", str(home))
    monkeypatch.setenv("M1_ENGINE_URL", "http://127.0.0.1:9")
    floats = write_floats(write_shallow(smollm2_path, tmp_path / "shallow.gguf"), tmp_path / "f16.gguf")
    published(Settings(home=home), tmp_path, floats)
    with serving_taking_hub(TakingHub()) as hub:
        monkeypatch.setenv("M1_HUB_URL", hub.url)
        monkeypatch.setenv("M1_HUB_TOKEN", TOKEN)
        yield hub


def test_a_model_is_listed_quantized_and_pushed_when_that_was_confirmed(
    hub: TakingHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "quantize", "mine", "--kind", "q4_k_m"]) == 0
    assert capsys.readouterr().out == "mine-q4-k-m\n"
    assert main(["models", "tuned", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["id"], listed["objective"], list(listed["gguf"])) == ("mine", "sft", ["f16", "q4_k_m"])
    assert main(["models", "tuned"]) == 0
    assert "q4_k_m" in capsys.readouterr().out
    assert main(["models", "card", "mine"]) == 0
    assert capsys.readouterr().out.startswith("---\nbase_model: ")

    push = ["models", "push", "mine", "ada/mine", "--gguf", "q4_k_m"]
    for confirmed, said in ((), "--confirm ada/mine"), (("--confirm", "ada/other"), "you confirmed 'ada/other'"):
        assert main([*push, *confirmed]) == 1
        shown = capsys.readouterr().err
        assert "mine goes to" in shown and "mine-Q4_K_M.gguf" in shown
        assert "Nothing was uploaded" in shown and said in shown
    assert hub.asked == []
    assert main([*push, "--confirm", "ada/mine"]) == 0
    told = capsys.readouterr()
    assert told.out == f"{hub.url}/ada/mine\n"
    assert TOKEN not in told.out + told.err
    assert "mine-Q4_K_M.gguf" in hub.files


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["quantize", "other"], "is not a model that was fine-tuned here"),
        (["push", "mine", "nowhere"], "is not a repository name"),
        (["push", "mine", "ada/mine", "--gguf", "q8_0"], "no GGUF file of type 'q8_0'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    hub: TakingHub, capsys: pytest.CaptureFixture[str], command: list[str], said: str
) -> None:
    assert main(["models", *command]) == 1
    assert_one_line(capsys.readouterr().err, said)
